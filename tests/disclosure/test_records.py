"""What changes of records do to the views: once, in any order, and never in part."""

import random
from collections.abc import Sequence
from contextvars import Context
from datetime import timedelta

import pytest

from chengxin_api.catalog.v1 import catalog_pb2
from chengxin_api.ingest.v1 import ingest_pb2
from services.disclosure.domain.record_fragments import Fragment
from services.disclosure.projections import consumers as feeds
from services.disclosure.projections.records import EntryNotYet
from services.disclosure.store.disclosure_store import DisclosureStore
from services.disclosure.store.documents import LongRecordRow
from tests.disclosure.licences import NAME, OTHER, everything, licence
from tests.disclosure.running_disclosure import COMPANY, FeedStream, RunningDisclosure, demo_entry, follower
from tests.support import until


def test_an_amendment_replaces_the_record_and_keeps_its_place(city: RunningDisclosure) -> None:
    city.delivers(*(licence(city, str(n)) for n in range(3)))
    before = [r["record_id"] for r in city.public()]
    city.delivers(licence(city, "1", version=2, XK_NR="更正后"))
    assert [r["record_id"] for r in city.public()] == before
    assert next(r for r in city.public() if r["record_id"] == "r_1")["items"]["XK_NR"] == "更正后"


def test_the_same_change_again_changes_nothing(city: RunningDisclosure) -> None:
    changes = [licence(city, str(n)) for n in range(3)]
    city.delivers(*changes)
    before = city.public()
    city.delivers(*changes)
    assert city.public() == before


def test_an_older_version_after_a_newer_one_is_ignored(city: RunningDisclosure) -> None:
    city.delivers(licence(city, version=2, XK_NR="新"))
    city.delivers(licence(city, version=1, XK_NR="旧"))
    city.delivers(licence(city, version=3, revoked=True))
    city.delivers(licence(city, version=2, XK_NR="新"))
    assert city.public() == []


def test_of_several_versions_in_one_change_the_newest_counts(city: RunningDisclosure) -> None:
    city.delivers(licence(city, version=2, XK_NR="新"), licence(city, version=1, XK_NR="旧"))
    assert [r["items"]["XK_NR"] for r in city.public()] == ["新"]


def test_a_revoked_record_is_disclosed_to_nobody(city: RunningDisclosure) -> None:
    city.delivers(licence(city))
    city.delivers(licence(city, version=2, revoked=True))
    assert city.public() == []
    assert city.found(NAME) == []
    shared = city.caller("agency", purpose="p").post("/v1/shared/queries", {"subject": {"uscc": COMPANY}}).json
    assert shared["records"] == []
    assert city.caller("subject", sub=city.ref(COMPANY)).get("/v1/me/records").json["records"] == []


@pytest.mark.parametrize("length", [10, 4000])
def test_what_a_record_says_goes_with_it_to_another_subject(city: RunningDisclosure, length: int) -> None:
    """The items of a long record have a document of their own, which was once written and then deleted."""
    city.delivers(licence(city, XK_NR="长" * length))
    city.delivers(licence(city, version=2, code=OTHER, XK_NR="变" * length))
    assert [r["items"].get("XK_NR") for r in city.public(OTHER)] == ["变" * length]


@pytest.mark.parametrize(
    ("change", "seen"),
    [
        ({"XK_NR": "短"}, ["短"]),
        ({"XK_NR": "变" * 4000}, ["变" * 4000]),
        # Items of the other subject are not shown to this one.
        ({"XK_NR": "变" * 4000, "code": OTHER}, []),
        ({"revoked": True}, []),
    ],
)
def test_a_long_record_that_changes_while_it_is_read_is_read_again(
    city: RunningDisclosure, monkeypatch: pytest.MonkeyPatch, change: dict[str, object], seen: list[str]
) -> None:
    """A long record's items are read last, from their own document; the record was once answered without them, or with
    others."""
    city.delivers(licence(city, XK_NR="长" * 4000))
    amended = iter([licence(city, version=2, **change)])
    in_full = DisclosureStore.in_full

    def amend_and_read(store: DisclosureStore, fragments: Sequence[Fragment]) -> list[Fragment]:
        # In another process, so not in the query.
        Context().run(city.delivers, *amended)
        return in_full(store, fragments)

    monkeypatch.setattr(DisclosureStore, "in_full", amend_and_read)
    assert [r["items"]["XK_NR"] for r in city.public()] == seen


def test_a_record_whose_items_are_lost_is_not_answered_in_part_and_stops_no_other(city: RunningDisclosure) -> None:
    city.delivers(licence(city, XK_NR="长" * 4000), licence(city, "b", code=OTHER))
    city.ctx.store.rows(LongRecordRow).delete_many({})
    nobody = city.caller("public")
    for path in (f"/v1/public/subjects/{city.ref(COMPANY)}", "/v1/public/records/r_a"):
        assert nobody.get(path).json["code"] == "RECORD_INCOMPLETE", path
    assert [r["record_id"] for r in city.public(OTHER)] == ["r_b"]
    assert [change["record_id"] for change in nobody.get("/v1/public/feed").json["changes"]] == ["r_b"]


def test_items_that_the_software_before_kept_without_a_version_are_shown(city: RunningDisclosure) -> None:
    city.delivers(licence(city, XK_NR="长" * 4000))
    city.ctx.store.rows(LongRecordRow).update_many({}, {"$unset": {"version": ""}})
    assert [r["items"]["XK_NR"] for r in city.public()] == ["长" * 4000]


def test_a_record_given_to_another_subject_leaves_the_first(city: RunningDisclosure) -> None:
    city.delivers(licence(city))
    city.delivers(licence(city, version=2, code=OTHER, name="阳江市东平渔业有限公司"))
    assert city.public(COMPANY) == []
    assert [r["record_id"] for r in city.public(OTHER)] == ["r_a"]
    assert city.found("海陵") == []


def test_a_record_waits_for_its_catalog_entry(disclosure: RunningDisclosure) -> None:
    record = licence(disclosure)
    feed = FeedStream()
    follows = follower(disclosure, "ingest", feed)
    with pytest.raises(EntryNotYet):
        disclosure.delivers(record)
    feed.tell(ingest_pb2.Change(position=1, records=[record], last=True))
    follows.start()
    until(lambda: not follows.connected, "the feed is interrupted")
    assert disclosure.public() == []
    assert disclosure.ctx.store.store.position("feed.ingest") == 0
    disclosure.publishes("XZXK")
    # The source sends again what was not remembered.
    feed.tell(ingest_pb2.Change(position=1, records=[record], last=True))
    until(disclosure.public, "the record is public")
    follows.stop()


def test_any_order_of_changes_ends_the_same(city: RunningDisclosure) -> None:
    """Versions of many records, shuffled and repeated, over several pages."""
    at = city.clock.now()
    changes = []
    for n in range(60):
        for version in (1, 2, 3):
            gone = version == 3 and n % 7 == 0
            changes.append(
                licence(
                    city, str(n), version=version, revoked=gone, XK_NR=f"{n}-{version}", at=at + timedelta(seconds=n)
                )
            )
    shuffled = random.Random(3).sample(changes, len(changes)) + changes[:40]
    for start in range(0, len(shuffled), 35):
        city.delivers(*shuffled[start : start + 35])
    seen = {r["record_id"]: r["items"]["XK_NR"] for r in everything(city)}
    assert seen == {f"r_{n}": f"{n}-3" for n in range(60) if n % 7}


def test_a_catalog_change_that_is_no_entry_is_passed_over(city: RunningDisclosure) -> None:
    city.told(feeds.apply_catalog, catalog_pb2.Change(rule_set=catalog_pb2.RuleSet(name="objection")))
    assert city.public() == []


def test_a_record_keeps_the_rules_it_was_validated_against(city: RunningDisclosure) -> None:
    """A later version of the entry hides an item; records of the earlier one stay as they were (Art. 33)."""
    items = demo_entry("XZXK")["items"]
    for item in items:
        if item["code"] == "XK_NR":
            item["modes"] = ["shared"]
    city.publishes("XZXK", 2, items=items)
    city.delivers(licence(city, "old"), licence(city, "new", entry_version=2))
    shown = {r["record_id"]: "XK_NR" in r["items"] for r in city.public()}
    assert shown == {"r_old": True, "r_new": False}


def test_records_of_a_subject_come_together_whoever_reports_them(city: RunningDisclosure) -> None:
    """Art. 5: records of one subject come together, whichever provider and entry."""
    city.delivers(licence(city), city.record("QYDJ", COMPANY, NAME, "reg"), city.record("XZCF", COMPANY, NAME, "cf"))
    assert {r["entry_code"] for r in city.public()} == {"XZXK", "QYDJ", "XZCF"}
