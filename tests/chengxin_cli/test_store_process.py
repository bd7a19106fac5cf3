"""The embedded store as `chengxin up` and the tests run it."""

from pathlib import Path
from typing import Any

import pymongo

from tests.support import StoreDaemon


def test_a_store_that_is_opened_over_data_does_not_keep_what_is_outdated(tmp_path: Path) -> None:
    """Once, after a store had ended in good order, a thread of the next one held its first snapshot, and every version of
    every document was kept for ever."""
    store = StoreDaemon(tmp_path / "store", "16M")
    store.start()
    try:
        with pymongo.MongoClient[dict[str, Any]](store.uri("one")) as client:
            client["one"]["texts"].insert_one({"_id": 0})
        store.end()
        store.start()
        with pymongo.MongoClient[dict[str, Any]](store.uri("one")) as client:
            for version in range(30):
                for number in range(40):
                    text = f"{version} {number} " * 5_000
                    client["one"]["texts"].replace_one({"_id": number}, {"text": text}, upsert=True)
    finally:
        store.kill()
    kept = sum(file.stat().st_size for file in (tmp_path / "store").rglob("*.wt"))
    # 40 documents of 35 KB, replaced 30 times.
    assert kept < 20_000_000
