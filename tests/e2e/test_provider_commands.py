"""A provider's commands as they are documented: what they refuse, what they keep, and what they say."""

import json
from datetime import date
from pathlib import Path
from typing import Any

from chengxin.ids import new_id
from chengxin.ingest.v1 import ingest_pb2
from demo.records import deliveries
from tests.city import City
from tests.e2e.registrations import registrations, write


def recorded(city: City) -> str:
    """A licence of the market regulator, on record."""
    [items, *_] = next(
        d.records for d in deliveries(date(2026, 10, 1)) if d.submission_id == "demo-XZXK-market_regulator"
    )
    request = ingest_pb2.SubmitBatchRequest(
        header=ingest_pb2.SubmissionHeader(submission_id=new_id("changes"), entry_code="XZXK", record_count=1),
        records=[ingest_pb2.Record(row=1, items=items | {"XK_WSH": f"演许字〔2026〕{new_id('c')[:12]}号"})],
    )
    return str(city.market_regulator.rpc("IngestService/SubmitBatch", request).outcomes[0].record_id)


def by_regulator(city: City) -> tuple[str, ...]:
    """Who the market regulator's system is."""
    client = city.people["clients"]["market_regulator"]
    return "--client-id", client["client_id"], "--key", str(city.home / "demo" / client["key_file"])


def names(directory: Path) -> set[str]:
    """The files in a directory."""
    return {file.name for file in directory.iterdir()}


def test_a_closed_submission_is_no_other_files(city: City, tmp_path: Path) -> None:
    first, other = (write(tmp_path / f"{n}.csv", registrations(2, n)) for n in (310_000, 310_100))
    submission = ("--catalog", "QYDJ", "--submission-id", new_id("monthly"))
    assert city.chengxin("submit", str(first), *submission).returncode == 0
    there = names(tmp_path)
    done = city.chengxin("submit", str(other), *submission)
    assert (done.returncode, "SUBMISSION_CONFLICT" in done.stderr) == (1, True), done.stdout + done.stderr
    assert "delivered before" not in done.stdout
    assert names(tmp_path) == there
    # Its own file is told what became of it.
    again = city.chengxin("submit", str(first), *submission)
    assert (again.returncode, "delivered before" in again.stdout) == (0, True), again.stderr


def test_a_change_that_is_asked_for_again_is_the_same_change(city: City, tmp_path: Path) -> None:
    record_id, by = recorded(city), by_regulator(city)
    first, second, third = (new_id("request") for _ in range(3))

    def asks(act: str, name: str, *words: str) -> Any:
        return city.chengxin(
            "record", act, record_id, "--request-id", name, "--reason", "变更", *words, *by, cwd=tmp_path
        )

    amendment = ("amend", first, "--set", "XK_NR=餐饮服务")
    same = ("amend", second, "--set", "XK_NR=餐饮服务", "--receipt", "same.json")
    revocation = ("revoke", third)
    for acts in (amendment, same, revocation):
        done = asks(*acts)
        assert done.returncode == 0, done.stderr
    kept = {name: json.loads((tmp_path / name).read_text()) for name in names(tmp_path)}
    assert len(kept) == 3
    # Whatever came after it.
    for acts in (amendment, same, revocation):
        done = asks(*acts)
        assert done.returncode == 0, done.stderr
    assert {name: json.loads((tmp_path / name).read_text()) for name in names(tmp_path)} == kept
    assert len(city.market_regulator.get(f"/v1/records/{record_id}")["versions"]) == 3
    # Another request is not made under a name that was used.
    other = asks("amend", first, "--set", "XK_NR=别的")
    assert (other.returncode, "IDEMPOTENCY_CONFLICT" in other.stderr) == (1, True)


def test_an_item_is_only_cleared_by_who_says_so(city: City, tmp_path: Path) -> None:
    record_id, by = recorded(city), by_regulator(city)

    def amends(change: str) -> Any:
        return city.chengxin("record", "amend", record_id, "--set", change, "--reason", "变更", *by, cwd=tmp_path)

    for wrong in ("XK_FRDB", "=王强"):
        done = amends(wrong)
        assert (done.returncode, "ITEM=VALUE" in done.stderr) == (2, True), done.stderr
    done = amends("XK_FRDB=")
    assert done.returncode == 0, done.stderr
    first, second = city.market_regulator.get(f"/v1/records/{record_id}")["versions"]
    assert ("XK_FRDB" in first["items"], "XK_FRDB" in second["items"]) == (True, False)
