"""Each consumer goes on whatever a feed sends: every field of its messages is tried at its extremes."""

from typing import Any

import pytest
from google.protobuf.json_format import ParseDict

from chengxin_api.catalog.v1 import catalog_pb2
from chengxin_api.ingest.v1 import ingest_pb2
from chengxin_api.objection.v1 import objection_pb2
from tests.disclosure.licences import OTHER, licence
from tests.disclosure.running_disclosure import COMPANY, LI_NA, FeedStream, RunningDisclosure, demo_entry, follower
from tests.extremes import extremes


def _goes_on(city: RunningDisclosure, source: str, changes: list[tuple[str, Any]], last: Any) -> None:
    follows = follower(city, source, FeedStream(), patience=0)
    store = city.ctx.store.store
    for position, (what, change) in enumerate(changes, 1):
        change.position = position
        follows._process(change)
        assert store.position(f"feed.{source}") == position or not getattr(change, "last", True), what
    last.position = len(changes) + 1
    follows._process(last)
    assert store.position(f"feed.{source}") == last.position


def _usable(city: RunningDisclosure) -> None:
    """Readers of all others are answered."""
    assert [r["record_id"] for r in city.public(OTHER)] == ["r_fine"]
    assert city.found("东平")
    for text in ("长", "a.b", "enc", "阳江"):
        city.found(text)
    city.quarantine.round()


@pytest.mark.parametrize("code", ["XZXK", pytest.param("SXBZX", marks=pytest.mark.long)])
def test_records(city: RunningDisclosure, code: str) -> None:
    city.objection("YY-20261124-0001", "x", True)
    record = (
        licence(city, "x")
        if code == "XZXK"
        else city.record("SXBZX", LI_NA, "李娜", "x", SX_FBRQ="2026-11-02", SX_AH="（2026）粤1702执1号")
    )
    record.version, record.reason, record.objection_no = 2, "更正", "YY-20261124-0001"
    changes = [
        (what, changed) for what, changed in extremes(ingest_pb2.Change(position=1, records=[record], last=True))
    ]
    for n, (_, change) in enumerate(changes):
        for one in change.records:
            if one.record_id == "r_x":
                # Each is a separate record, so that none waits behind another; half of them belong to one subject.
                one.record_id = f"r_x{n}"
    fine = licence(city, "fine", code=OTHER, name="阳江市东平渔业有限公司")
    _goes_on(city, "ingest", changes, ingest_pb2.Change(records=[fine], last=True))
    _usable(city)
    for identifier in (COMPANY, LI_NA):
        assert city.caller("subject", sub=city.ref(identifier)).get("/v1/me/records?page_size=200").status_code == 200


def test_states_of_objections(city: RunningDisclosure) -> None:
    city.delivers(licence(city, "x"), licence(city, "fine", code=OTHER, name="阳江市东平渔业有限公司"))
    change = objection_pb2.Change(
        position=1, objection_no="YY-20261124-0001", record_id="r_x", state="filed", open=True
    )
    changes = list(extremes(change))
    last = objection_pb2.Change(objection_no="YY-20261124-0002", record_id="r_fine", state="filed", open=True)
    _goes_on(city, "objection", changes, last)
    _usable(city)
    assert city.public(OTHER)[0]["under_objection"]


def test_changes_of_the_catalog(city: RunningDisclosure) -> None:
    entry = ParseDict(demo_entry("XZXK") | {"code": "ODD", "version": 1}, catalog_pb2.Entry())
    changes = []
    for n, (what, changed) in enumerate(extremes(entry, few=True)):
        if changed.code == "ODD":
            changed.code = f"ODD{n}"
        changes.append((what, catalog_pb2.Change(entry=changed)))
    changes += [("rule set", catalog_pb2.Change(rule_set=catalog_pb2.RuleSet(name="x")))]
    changes += [("nothing", catalog_pb2.Change())]
    last = ParseDict(demo_entry("XZXK") | {"code": "FINE", "version": 1}, catalog_pb2.Entry())
    _goes_on(city, "catalog", changes, catalog_pb2.Change(entry=last))
    assert city.ctx.store.entry("FINE", 1) is not None
    city.delivers(licence(city, "fine", code=OTHER, name="阳江市东平渔业有限公司"))
    _usable(city)
