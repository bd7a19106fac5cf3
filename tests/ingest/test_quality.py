"""Quality and timeliness through the faces: what was expected, what came, findings and what is said of them."""

from datetime import UTC, datetime
from typing import Any

import pytest

from chengxin.catalog.v1 import catalog_pb2
from services.ingest.findings import Inspector
from tests.ingest.conftest import (
    REGULATOR,
    Organ,
    Running,
    demo_entry,
    licences,
)

# The State Council's notices for 2026 (Spring Festival, National Day), as far as these tests go.
OFF_2026 = [
    *(f"2026-02-{day}" for day in (16, 17, 18, 19, 20, 23)),
    *(f"2026-10-0{day}" for day in (1, 2, 5, 6, 7)),
]
WORKED_2026 = ["2026-02-14", "2026-02-28", "2026-09-20", "2026-10-10"]


def at(day: str, hour: int = 4) -> datetime:
    """An instant of a Shanghai date, before its evening."""
    return datetime.fromisoformat(f"{day}T{hour:02}:00:00").replace(tzinfo=UTC)


@pytest.fixture
def watched(ingest: Running) -> Running:
    """An ingest that began to count on Friday, 2026-01-02, and has the calendars of the year and the next."""
    for year, off, worked in ((2026, OFF_2026, WORKED_2026), (2027, [], [])):
        days = catalog_pb2.CalendarYear(year=year, announced=year == 2026, days_off=off, days_worked=worked)
        changes = ingest.catalog.changes
        changes.append(catalog_pb2.Change(position=len(changes) + 1, calendar_year=days))
    ingest.knows(len(ingest.catalog.changes))
    ingest.clock.instant = at("2026-01-02")
    Inspector(ingest.room).round()
    return ingest


def goes_to(running: Running, day: str) -> None:
    """It is another day, and the inspector has been round."""
    running.clock.instant = at(day)
    Inspector(running.room).round()


def owes(running: Running, cycle: str, version: int = 2, begins: str = "2026-01-01") -> None:
    """The licensing entry is due by another cycle."""
    running.knows(running.catalog.publishes(demo_entry("XZXK") | {"update_cycle": cycle}, version, begins))


def supervisor(running: Running) -> Organ:
    return running.organ("supervisor", org="120000000000001742", sub="officer:s", client_id="")


def report(organ: Organ, provider: str = REGULATOR, entry: str = "XZXK", **query: str) -> dict[str, Any]:
    """The report on a provider and an entry."""
    asked = {"entry": entry} | query
    answer = organ.get("/v1/submissions/quality", query_string=asked)
    assert answer.status_code == 200, answer.text
    [found] = [r for r in answer.json["reports"] if r["provider_uscc"] == provider]
    return dict(found)


def overdue(organ: Organ, entry: str = "XZXK", provider: str = REGULATOR) -> list[str]:
    """The overdue periods of a provider and an entry."""
    answer = organ.get("/v1/submissions/overdue", query_string={"entry": entry, "page_size": "200"})
    assert answer.status_code == 200, answer.text
    return [one["period"] for one in answer.json["overdue"] if one["provider_uscc"] == provider]


def post(organ: Organ, path: str, body: dict[str, Any] | None = None, key: str = "") -> Any:
    headers = organ.headers | ({"Idempotency-Key": key} if key else {})
    return organ.client.post(path, json=body, headers=headers)


def test_a_month_without_a_delivery_is_overdue_until_there_is_one(watched: Running) -> None:
    owes(watched, "monthly")
    goes_to(watched, "2026-03-06")
    # February ends on a worked Saturday; five working days later it is Friday, 2026-03-06.
    assert overdue(watched.centre) == []
    goes_to(watched, "2026-03-07")
    [found] = watched.centre.get("/v1/submissions/overdue", query_string={"entry": "XZXK"}).json["overdue"][:1]
    assert (found["period"], found["due"], found["working_days_late"]) == ("2026-02", "2026-03-06", 0)
    watched.regulator.submits(licences(3))
    goes_to(watched, "2026-03-09")
    # It came in March, whose turn it was; what is missing stays missing until more comes, or nothing is declared.
    assert overdue(watched.centre) == ["2026-02"]
    watched.regulator.submits(licences(3, 10))
    goes_to(watched, "2026-03-10")
    assert overdue(watched.centre) == []
    assert report(watched.centre)["periods"] | {"undetermined": 0} == {
        "expected": 2,
        "awaited": 0,
        "delivered": 1,
        "delivered_late": 1,
        "declared": 0,
        "declared_late": 0,
        "overdue": 0,
        "not_expected": 0,
        "undetermined": 0,
    }
