"""Nothing stops ingest's feed, its counting, or its followers."""

from typing import Any

import pytest
from google.protobuf.json_format import ParseDict

from chengxin.feeds.follower import Follower
from chengxin.feeds.parts import CatalogParts
from chengxin.feeds.quarantine import Quarantine
from chengxin.grpc.rpc import MAX_MESSAGE
from chengxin_api.catalog.v1 import catalog_pb2
from services.ingest.domain.published_version import PublishedVersion
from services.ingest.grpc import mapping
from services.ingest.usecases import anomalies, count_deliveries, read_submissions
from services.ingest.usecases.anomalies import QualityInspector
from tests.extremes import extremes
from tests.ingest.deliveries import REGULATOR, licence, licences
from tests.ingest.running_ingest import RunningIngest, demo_entry


@pytest.mark.parametrize("which", ["entry", "rule_set", "calendar_year"])
def test_changes_of_the_catalog_with_every_field_at_its_extremes(ingest: RunningIngest, which: str) -> None:
    entry = ParseDict(
        demo_entry("XZXK") | {"code": "ODD", "version": 1, "effective_from": "2026-01-01"}, catalog_pb2.Entry()
    )
    said: dict[str, Any] = {
        "entry": extremes(entry, few=True),
        "rule_set": extremes(
            catalog_pb2.RuleSet(name="quality", version=9, effective_from="2030-01-01", values={"x": 1})
        ),
        "calendar_year": extremes(catalog_pb2.CalendarYear(year=2050, announced=True, days_off=["2050-01-01"])),
    }
    store, quarantine = ingest.ctx.store.store, Quarantine(ingest.ctx.store.store, ingest.clock)
    follower = Follower("odd", store, lambda after: iter(()), ingest.ctx.directory.apply, CatalogParts(), quarantine, 0)
    fine = ParseDict(
        demo_entry("XZXK") | {"code": "FINE", "version": 1, "effective_from": "2026-01-01"}, catalog_pb2.Entry()
    )
    changes = [
        catalog_pb2.Change(**{which: changed})
        for _, changed in said[which]
        if which != "entry" or changed.code == "ODD"
    ]
    for position, change in enumerate([*changes, catalog_pb2.Change(entry=fine)], 1):
        change.position = position
        follower._process(change)
    assert store.position("feed.odd") == len(changes) + 1
    assert ingest.ctx.directory.versions("FINE")
    # Deliveries are taken, counted and searched as before.
    ingest.regulator.submits(licences(3))
    QualityInspector(ingest.ctx, quarantine=quarantine).round()
    assert ingest.ctx.directory.calendar()


def test_a_transaction_that_cannot_be_counted_is_set_aside_and_counted_later(
    ingest: RunningIngest, monkeypatch: pytest.MonkeyPatch
) -> None:
    for n in range(4):
        ingest.regulator.submits([licence(n)])
    quarantine = Quarantine(ingest.ctx.store.store, ingest.clock)
    inspector = QualityInspector(ingest.ctx, quarantine=quarantine)
    bad = ingest.ctx.store.rows(0)[2].position

    def additions(ctx: Any, rows: Any) -> Any:
        if any(row.position == bad for row in rows):
            raise KeyError("figures")
        return original(ctx, rows)

    original = count_deliveries._additions
    monkeypatch.setattr(count_deliveries, "_additions", additions)
    inspector.round()
    assert quarantine.names("job.count") == {str(bad)}
    assert _counted(ingest) == sum(1 for row in ingest.ctx.store.rows(0) if row.position != bad and row.changes)
    monkeypatch.undo()
    [row] = quarantine.rows(feed="job.count")
    assert quarantine.retry(row["_id"])
    assert _counted(ingest) == 4


def _counted(ingest: RunningIngest) -> int:
    return sum(int(series["on_record"]) for series in ingest.ctx.quality.series_of(REGULATOR).values())


def test_a_series_that_cannot_be_searched_keeps_no_other(
    ingest: RunningIngest, monkeypatch: pytest.MonkeyPatch
) -> None:
    ingest.regulator.submits([licence()])
    searched: list[str] = []

    def search(ctx: Any, picture: Any, owed: Any) -> int:
        searched.append(owed.entry_code)
        if owed.entry_code == "QYDJ":
            raise OverflowError("date value out of range")
        return 0

    monkeypatch.setattr(anomalies, "_search", search)
    QualityInspector(ingest.ctx).round()
    assert {"QYDJ", "XZXK"} <= set(searched)
    assert ingest.ctx.quality.state()["searched_on"] == ingest.clock.today().isoformat()


def test_a_message_of_the_feed_can_be_sent_however_long_its_records(ingest: RunningIngest) -> None:
    longest = {f"I{n}": "𠮷" * 4000 for n in range(262)}
    long = {f"I{n}": "长" * 4000 for n in range(4)}
    subject = {"ref": "s_x", "kind": "enterprise", "name": "长" * 200, "scheme": "uscc", "uscc": "x"}

    def record(n: int, items: dict[str, str]) -> PublishedVersion:
        about = {
            "entry_code": "X",
            "entry_version": 1,
            "provider": "x",
            "provider_name": "长" * 200,
            "subject": subject,
        }
        row = {"_id": f"r_{n}", "version": 1, "items": items, "recorded_at": ingest.clock.now(), **about}
        return PublishedVersion.read(row)

    records = [record(n, long if n % 250 else longest) for n in range(1000)]
    told = [part for piece in (records[:500], records[500:]) for part in read_submissions.messages_of(piece)]
    assert [r.record_id for part in told for r in part] == [r.record_id for r in records]
    for part in told:
        assert (
            mapping.change(read_submissions.FeedBatchPart(1, ingest.clock.now(), part, True)).ByteSize() < MAX_MESSAGE
        )
    assert read_submissions.messages_of([]) == [[]]
