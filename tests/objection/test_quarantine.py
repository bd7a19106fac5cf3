"""Nothing stops the objection service's feeds or its counting: a change that fails is set aside, the rest goes on."""

from functools import partial
from typing import Any

import pytest
from google.protobuf.message import Message

from chengxin.feeds.follower import Follower
from chengxin.feeds.parts import CatalogParts
from chengxin.feeds.quarantine import Quarantine
from chengxin.feeds.splitting import FeedParts
from chengxin_api.catalog.v1 import catalog_pb2
from chengxin_api.ingest.v1 import ingest_pb2
from services.objection.usecases import recompute_deadlines
from services.objection.usecases.follow_feeds import CorrectionParts, apply_catalog, apply_ingest
from services.objection.usecases.recompute_deadlines import DeadlineRecounter
from tests.extremes import extremes
from tests.objection.conftest import COMPANY, RECORD, RunningObjection
from tests.support import until

LIST = "/v1/operations/objection/quarantine"


def _follower(city: RunningObjection, source: str, apply: Any, parts: FeedParts) -> Follower:
    """Another follower on the service's store, beside those that run."""
    store = city.ctx.store.store
    quarantine = Quarantine(store, city.clock)
    return Follower(source, store, lambda after: iter(()), partial(apply, city.ctx), parts, quarantine, 0)


def _goes_on(city: RunningObjection, follower: Follower, changes: list[Any], last: Any) -> None:
    for position, change in enumerate([*changes, last], 1):
        change.position = position
        follower._process(change)
    assert city.ctx.store.store.position(follower.name) == len(changes) + 1


def test_corrections_with_every_field_at_its_extremes(city: RunningObjection) -> None:
    number = city.filed()
    record = ingest_pb2.RecordVersion(
        record_id="r_x", version=2, entry_code="XZXK", entry_version=1, objection_no=number, items={"XK_NR": "x"}
    )
    change = ingest_pb2.Change(position=1, records=[record], last=True)
    changes = [changed for _, changed in extremes(change) if changed.last]
    last = ingest_pb2.Change(last=True)
    last.records.add(record_id=RECORD, version=2, objection_no=number)
    _goes_on(city, _follower(city, "odd-ingest", apply_ingest, CorrectionParts()), changes, last)
    case = city.ctx.store.case(number)
    assert case is not None
    assert case.correction is not None
    assert case.correction.record_version == 2


@pytest.mark.parametrize("which", ["entry", "rule_set", "calendar_year"])
def test_changes_of_the_catalog_with_every_field_at_its_extremes(city: RunningObjection, which: str) -> None:
    said: dict[str, Message] = {
        "entry": catalog_pb2.Entry(
            code="ODD", version=1, name=catalog_pb2.LocalText(zh="条目"), items=[catalog_pb2.Item(code="A")]
        ),
        "rule_set": catalog_pb2.RuleSet(name="odd", version=7, effective_from="2030-01-01", values={"x": 3}),
        "calendar_year": catalog_pb2.CalendarYear(year=2050, announced=True, days_off=["2050-01-01"]),
    }
    changes = [catalog_pb2.Change(**{which: changed}) for _, changed in extremes(said[which])]
    fine = catalog_pb2.Entry(code="FINE", version=1, name=catalog_pb2.LocalText(zh="好"))
    _goes_on(
        city, _follower(city, "odd-catalog", apply_catalog, CatalogParts()), changes, catalog_pb2.Change(entry=fine)
    )
    assert city.ctx.store.entry("FINE", 1) is not None
    # Cases are filed and counted as before.
    assert city.filed()


def test_a_correction_that_cannot_be_seen_keeps_no_other_and_the_centre_has_it_tried_again(
    city: RunningObjection, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = city.filed()
    see = type(city.ctx.store).case
    bad = {first}

    def case(self: Any, number: str, *rest: Any) -> Any:
        if rest and number in bad:
            raise RuntimeError
        return see(self, number, *rest)

    monkeypatch.setattr(type(city.ctx.store), "case", case)
    city.corrected(first)
    ready = city.caller("public").get("/readyz")
    assert (ready.status_code, ready.json["quarantine"]) == (200, False)
    [item] = city.caller("centre").get(LIST).json["items"]
    assert (item["name"], item["error"]) == (f"{RECORD}:2", "RuntimeError")
    # The record's items are not kept with it.
    [row] = city.ctx.store.store.db["quarantine"].find()
    assert COMPANY.encode() not in bytes(row["message"])
    bad.clear()
    assert city.caller("centre").post(f"{LIST}/{item['id']}/retry", {}).json["resolved"]
    assert city.event("correction.seen")["details"]["objection_no"] == first


def test_a_case_that_cannot_be_counted_again_keeps_no_other(
    city: RunningObjection, monkeypatch: pytest.MonkeyPatch
) -> None:
    quarantine = Quarantine(city.ctx.store.store, city.clock)
    counted: list[str] = []

    def recount(ctx: Any, caller: Any, number: str, year: int) -> None:
        if number == "YY-2":
            raise OverflowError("date value out of range")
        counted.append(number)

    monkeypatch.setattr(recompute_deadlines, "recount", recount)
    pages = iter([["YY-1", "YY-2", "YY-3"], []])
    monkeypatch.setattr(type(city.ctx.store), "running_through", lambda *_: next(pages))
    DeadlineRecounter(city.ctx, 60, quarantine)._recount(2026, "mark")
    assert counted == ["YY-1", "YY-3"]
    assert quarantine.names("job.recount") == {"YY-2 2026"}
    monkeypatch.undo()
    until(lambda: quarantine.retry(quarantine.rows()[0]["_id"]), "it is counted, for there is no such case any more")


@pytest.mark.parametrize("claims", ["no objection", "an objection to another record"])
def test_a_correction_that_names_no_objection_to_its_record_is_on_record(city: RunningObjection, claims: str) -> None:
    number = city.filed() if claims == "an objection to another record" else "YY-20261125-000000"
    city.ingest.record("r_other", COMPANY, 2, objection_no=number, revoked=True)
    city.caught_up()
    seen = city.event("correction.seen")
    assert (seen["outcome"], seen["records"], "subject_refs" in seen) == ("refused", ["r_other"], False)
    assert seen["details"] == {
        "code": "OBJECTION_UNKNOWN",
        "claimed_objection_no": number,
        "record_version": 2,
        "revoked": True,
    }
    if claims == "an objection to another record":
        assert city.ctx.store.case(number).correction is None  # type: ignore[union-attr]
