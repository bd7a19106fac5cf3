"""An accepted record stops no other; what a service cannot apply is reported, listed and tried again."""

import json
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.city import City
from tests.e2e.registrations import registrations, write
from tests.support import until

# Published until the last day of the calendar.
POISON = """JZ_MC,JZ_SHXYM,JZ_LB,JZ_DJ,JZ_ZSBH,JZ_FZRQ,JZ_YXQZI,JZ_FZJG
阳江演示茶业有限公司,91000000MA0050012L,专业承包,不分等级,D244990001,2024-02-29,9999-12-31,阳江市住房和城乡建设局
"""


def test_a_date_at_the_end_of_time_keeps_nobodys_records_from_the_public(city: City, tmp_path: Path) -> None:
    file = tmp_path / "poison.csv"
    file.write_text(POISON)
    done = city.chengxin("submit", str(file), "--catalog", "JZZZ")
    assert done.returncode == 0, done.stdout + done.stderr
    [row] = registrations(1, 990_000)
    after = city.chengxin("submit", str(write(tmp_path / "after.csv", [row])), "--catalog", "QYDJ")
    assert after.returncode == 0, after.stdout + after.stderr
    for code in ("91000000MA0050012L", row["统一社会信用代码"]):
        [found] = until(lambda code=code: _search(city, code), f"{code} is found")
        records = city.edge.anonymous().get(f"/v1/public/subjects/{found['subject_ref']}")["records"]
        assert records
        if records[0]["entry_code"] == "JZZZ":
            assert records[0]["disclosed_until"] == "9999-12-31"
    assert city.edge.call("GET", "/readyz").body["disclosure"]["quarantine"]


def _search(city: City, code: str) -> Any:
    return city.edge.anonymous().get(f"/v1/public/subjects?q={code}")["subjects"]


@pytest.fixture
def left_aside(city: City) -> Any:
    """A record that disclosure can never apply."""
    store, now = city.store("disclosure"), datetime.now(UTC)
    rows, generations = store["quarantine"], store["generations"]
    # What is set aside goes with its generation, and others who share the city may ask for a rebuild.
    under_way = {"_id": "rebuild", "state": {"$in": ["asked", "filling"]}}
    until(lambda: generations.find_one(under_way) is None, "no rebuild is under way", 120)
    number = generations.find_one({"_id": "current"})["number"]
    row_id = "q_" + "0" * 24
    rows.insert_one(
        {
            "_id": row_id,
            "feed": f"feed.ingest.{number}",
            "name": "r_lost",
            "keys": ["r_lost"],
            "seq": 10**6,
            "revision": 1,
            "position": 1,
            "of": 1,
            "kind": "chengxin.ingest.v1.Change",
            "message": b"not sealed by anybody's key",
            "reason": {"error": "ValueError", "text": "somewhere"},
            "waits_for": "",
            "since": now,
            "tried_at": now,
            "attempts": 1,
            "due": now.replace(year=now.year + 1),
            "version": "0",
        }
    )
    yield row_id
    rows.delete_one({"_id": row_id})


def test_what_is_set_aside_is_seen_and_tried_again(city: City, left_aside: str) -> None:
    # It is reported, and the suite serves.
    until(lambda: city.edge.call("GET", "/readyz").body["disclosure"]["quarantine"] is False, "it is told")
    assert city.edge.call("GET", "/readyz").status == 200
    status = city.chengxin("status")
    assert status.returncode == 1
    assert "set aside in disclosure" in status.stdout

    session = {"token": city.centre.token(), "until": time.time() + 500}
    (city.home / "officer-sessions.json").write_text(json.dumps({"": {"username": "centre"}, "centre": session}))
    listed = city.chengxin("quarantine", "list")
    assert listed.returncode == 0, listed.stderr
    [item] = [json.loads(line) for line in listed.stdout.splitlines()]
    assert (item["service"], item["name"], item["error"]) == ("disclosure", "r_lost", "ValueError")
    tried = city.chengxin("quarantine", "retry", left_aside, "--service", "disclosure")
    assert tried.returncode == 1
    told = json.loads(tried.stdout)
    assert (told["resolved"], told["item"]["attempts"], told["item"]["error"]) == (False, 2, "DecryptionError")
    refused = city.market_regulator.call("GET", "/v1/operations/disclosure/quarantine")
    assert (refused.status, refused.body["code"]) == (403, "ROLE_NOT_ALLOWED")
