"""An ingest whose deliveries are inspected, day by day, and what it reports."""

from datetime import UTC, datetime
from typing import Any

from services.ingest.usecases.anomalies import QualityInspector
from tests.ingest.deliveries import REGULATOR, licences
from tests.ingest.running_ingest import IngestCaller, RunningIngest, demo_entry

# The State Council's notices for 2026 (Spring Festival, National Day), as far as these tests go.
OFF_2026 = [
    *(f"2026-02-{day}" for day in (16, 17, 18, 19, 20, 23)),
    *(f"2026-10-0{day}" for day in (1, 2, 5, 6, 7)),
]
WORKED_2026 = ["2026-02-14", "2026-02-28", "2026-09-20", "2026-10-10"]


def at(day: str, hour: int = 4) -> datetime:
    """An instant of a Shanghai date, before its evening."""
    return datetime.fromisoformat(f"{day}T{hour:02}:00:00").replace(tzinfo=UTC)


def goes_to(running: RunningIngest, day: str) -> None:
    """Moves to another day, and runs the inspector."""
    running.clock.instant = at(day)
    QualityInspector(running.ctx).round()


def owes(running: RunningIngest, cycle: str, version: int = 2, begins: str = "2026-01-01") -> None:
    """The licensing entry is due by another cycle."""
    running.knows(running.catalog.publishes(demo_entry("XZXK") | {"update_cycle": cycle}, version, begins))


def supervisor(running: RunningIngest) -> IngestCaller:
    return running.caller("supervisor", org="120000000000001742", sub="officer:s", client_id="")


def report(caller: IngestCaller, provider: str = REGULATOR, entry: str = "XZXK", **query: str) -> dict[str, Any]:
    """The report on a provider and an entry."""
    asked = {"entry": entry} | query
    answer = caller.get("/v1/submissions/quality", query_string=asked)
    assert answer.status_code == 200, answer.text
    [found] = [r for r in answer.json["reports"] if r["provider_uscc"] == provider]
    return dict(found)


def overdue(caller: IngestCaller, entry: str = "XZXK", provider: str = REGULATOR) -> list[str]:
    """The overdue periods of a provider and an entry."""
    answer = caller.get("/v1/submissions/overdue", query_string={"entry": entry, "page_size": "200"})
    assert answer.status_code == 200, answer.text
    return [one["period"] for one in answer.json["overdue"] if one["provider_uscc"] == provider]


def post(caller: IngestCaller, path: str, body: dict[str, Any] | None = None, key: str = "") -> Any:
    headers = caller.headers | ({"Idempotency-Key": key} if key else {})
    return caller.client.post(path, json=body, headers=headers)


def weekly_volumes(running: RunningIngest, volumes: list[int], caller: IngestCaller | None = None) -> None:
    """A week's delivery after the other, from 2026-04-08 on; then it is the Monday after the last."""
    owes(running, "weekly")
    first = 1
    for week, volume in enumerate(volumes):
        running.clock.instant = at(f"2026-04-{8 + 7 * week:02}")
        (caller or running.regulator).submits(licences(volume, first))
        first += volume
    goes_to(running, f"2026-04-{13 + 7 * (len(volumes) - 1):02}" if len(volumes) < 4 else "2026-05-04")


def listed(caller: IngestCaller, **query: str) -> list[dict[str, Any]]:
    answer = caller.get("/v1/submissions/findings", query_string=query)
    assert answer.status_code == 200, answer.text
    return list(answer.json["findings"])
