"""What the feeds do to the views: once, in any order, and never in part."""

import random
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import timedelta
from functools import partial
from itertools import groupby
from typing import cast

import pytest
from pymongo.errors import OperationFailure

from chengxin.feeds.follower import Follower
from chengxin_api.catalog.v1 import catalog_pb2
from chengxin_api.ingest.v1 import ingest_pb2
from demo.identifiers import demo_uscc
from services.disclosure.domain.record_fragments import Fragment
from services.disclosure.projections import consumers as feeds
from services.disclosure.projections.records import EntryNotYet
from services.disclosure.store.disclosure_store import DisclosureStore
from services.disclosure.store.documents import LongRecordRow
from services.disclosure.store.subject_state import RecordLocation
from services.disclosure.store.writes import Writes
from tests.disclosure.conftest import COMPANY, LI_NA, Feed, Running, demo_entry, follower
from tests.support import until

NAME = "阳江市海陵食品有限公司"
OTHER = "91000000MA0009028J"
OTHER_COMPANY = demo_uscc("91", 500_001, "MC")


def licence(city: Running, key: str = "a", **items: object) -> ingest_pb2.RecordVersion:
    fields = {"XK_WSH": key, "XK_NR": f"内容{key}", "XK_YXQZI": "2031-01-01"} | items
    return city.record("XZXK", fields.pop("code", COMPANY), fields.pop("name", NAME), key, **fields)


def test_an_amendment_replaces_the_record_and_keeps_its_place(city: Running) -> None:
    city.delivers(*(licence(city, str(n)) for n in range(3)))
    before = [r["record_id"] for r in city.public()]
    city.delivers(licence(city, "1", version=2, XK_NR="更正后"))
    assert [r["record_id"] for r in city.public()] == before
    assert next(r for r in city.public() if r["record_id"] == "r_1")["items"]["XK_NR"] == "更正后"


def test_the_same_change_again_changes_nothing(city: Running) -> None:
    changes = [licence(city, str(n)) for n in range(3)]
    city.delivers(*changes)
    before = city.public()
    city.delivers(*changes)
    assert city.public() == before


def test_an_older_version_after_a_newer_one_is_ignored(city: Running) -> None:
    city.delivers(licence(city, version=2, XK_NR="新"))
    city.delivers(licence(city, version=1, XK_NR="旧"))
    city.delivers(licence(city, version=3, revoked=True))
    city.delivers(licence(city, version=2, XK_NR="新"))
    assert city.public() == []


def test_of_several_versions_in_one_change_the_newest_counts(city: Running) -> None:
    city.delivers(licence(city, version=2, XK_NR="新"), licence(city, version=1, XK_NR="旧"))
    assert [r["items"]["XK_NR"] for r in city.public()] == ["新"]


def test_a_revoked_record_is_disclosed_to_nobody(city: Running) -> None:
    city.delivers(licence(city))
    city.delivers(licence(city, version=2, revoked=True))
    assert city.public() == []
    assert city.found(NAME) == []
    shared = city.desk("agency", purpose="p").post("/v1/shared/queries", {"subject": {"uscc": COMPANY}}).json
    assert shared["records"] == []
    assert city.desk("subject", sub=city.ref(COMPANY)).get("/v1/me/records").json["records"] == []


@pytest.mark.parametrize("length", [10, 4000])
def test_what_a_record_says_goes_with_it_to_another_subject(city: Running, length: int) -> None:
    """Of a long one, whose items have a document of their own, that was once written and then deleted."""
    city.delivers(licence(city, XK_NR="长" * length))
    city.delivers(licence(city, version=2, code=OTHER, XK_NR="变" * length))
    assert [r["items"].get("XK_NR") for r in city.public(OTHER)] == ["变" * length]


@pytest.mark.parametrize(
    ("change", "seen"),
    [
        ({"XK_NR": "短"}, ["短"]),
        ({"XK_NR": "变" * 4000}, ["变" * 4000]),
        # What another subject is told is not shown to this one.
        ({"XK_NR": "变" * 4000, "code": OTHER}, []),
        ({"revoked": True}, []),
    ],
)
def test_a_long_record_that_changes_while_it_is_read_is_read_again(
    city: Running, monkeypatch: pytest.MonkeyPatch, change: dict[str, object], seen: list[str]
) -> None:
    """Its items have a document of their own, which is read last: it was answered without them, or with others."""
    city.delivers(licence(city, XK_NR="长" * 4000))
    amended = iter([licence(city, version=2, **change)])
    in_full = DisclosureStore.in_full

    def amend_and_read(store: DisclosureStore, fragments: Sequence[Fragment]) -> list[Fragment]:
        city.delivers(*amended)
        return in_full(store, fragments)

    monkeypatch.setattr(DisclosureStore, "in_full", amend_and_read)
    assert [r["items"]["XK_NR"] for r in city.public()] == seen


def test_a_record_whose_items_are_lost_is_not_answered_in_part_and_stops_no_other(city: Running) -> None:
    city.delivers(licence(city, XK_NR="长" * 4000), licence(city, "b", code=OTHER))
    city.ctx.store.rows(LongRecordRow).delete_many({})
    nobody = city.desk("public")
    for path in (f"/v1/public/subjects/{city.ref(COMPANY)}", "/v1/public/records/r_a"):
        assert nobody.get(path).json["code"] == "RECORD_INCOMPLETE", path
    assert [r["record_id"] for r in city.public(OTHER)] == ["r_b"]
    assert [change["record_id"] for change in nobody.get("/v1/public/feed").json["changes"]] == ["r_b"]


def test_items_that_the_software_before_kept_without_a_version_are_shown(city: Running) -> None:
    city.delivers(licence(city, XK_NR="长" * 4000))
    city.ctx.store.rows(LongRecordRow).update_many({}, {"$unset": {"version": ""}})
    assert [r["items"]["XK_NR"] for r in city.public()] == ["长" * 4000]


def test_a_record_given_to_another_subject_leaves_the_first(city: Running) -> None:
    city.delivers(licence(city))
    city.delivers(licence(city, version=2, code=OTHER, name="阳江市东平渔业有限公司"))
    assert city.public(COMPANY) == []
    assert [r["record_id"] for r in city.public(OTHER)] == ["r_a"]
    assert city.found("海陵") == []


def test_a_record_waits_for_its_catalog_entry(disclosure: Running) -> None:
    record = licence(disclosure)
    feed = Feed()
    follows = follower(disclosure, "ingest", feed)
    with pytest.raises(EntryNotYet):
        disclosure.delivers(record)
    feed.tell(ingest_pb2.Change(position=1, records=[record], last=True))
    follows.start()
    until(lambda: not follows.connected, "the feed is interrupted")
    assert disclosure.public() == []
    assert disclosure.ctx.store.store.position("feed.ingest") == 0
    disclosure.publishes("XZXK")
    # The source gives again what was not remembered.
    feed.tell(ingest_pb2.Change(position=1, records=[record], last=True))
    until(disclosure.public, "the record is public")
    follows.stop()


def test_an_objection_mark_comes_and_goes(city: Running) -> None:
    city.delivers(licence(city))
    city.objection("Y1", "a", True)
    city.objection("Y2", "a", True)
    assert city.public()[0]["under_objection"]
    city.objection("Y1", "a", False)
    assert city.public()[0]["under_objection"]
    city.objection("Y2", "a", False)
    assert not city.public()[0]["under_objection"]


def test_an_objection_mark_waits_for_its_record_and_survives_an_amendment(city: Running) -> None:
    city.objection("Y1", "a", True)
    city.delivers(licence(city))
    assert city.public()[0]["under_objection"]
    city.delivers(licence(city, version=2))
    assert city.public()[0]["under_objection"]


def test_an_older_state_of_an_objection_is_ignored(city: Running) -> None:
    city.delivers(licence(city))
    city.objection("Y1", "a", False, position=9)
    city.objection("Y1", "a", True, position=8)
    assert not city.public()[0]["under_objection"]


def test_any_order_of_changes_ends_the_same(city: Running) -> None:
    """Versions of many records, shuffled and repeated, over several pages of seats."""
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


def everything(city: Running, size: int = 200) -> list[dict[str, object]]:
    found, token = [], ""
    while True:
        answer = city.anybody.get(f"/v1/public/subjects/{city.ref(COMPANY)}?page_size={size}&page_token={token}").json
        found += answer["records"]
        if not (token := answer["next_page_token"]):
            return found


@pytest.mark.parametrize("size", [1, 7, 25, 50, 200])
def test_pages_are_newest_first_and_none_is_missed_or_repeated(city: Running, size: int) -> None:
    city.delivers(*(licence(city, f"{n:03d}") for n in range(77)))
    assert [r["record_id"] for r in everything(city, size)] == [f"r_{n:03d}" for n in reversed(range(77))]


def test_a_page_that_was_begun_goes_on_where_it_was(city: Running) -> None:
    city.delivers(*(licence(city, f"{n:03d}") for n in range(60)))
    path = f"/v1/public/subjects/{city.ref(COMPANY)}?page_size=10"
    first = city.anybody.get(path).json
    # The record that ended the page is revoked, and new ones arrive.
    city.delivers(licence(city, "050", version=2, revoked=True), *(licence(city, f"{n:03d}") for n in range(60, 90)))
    second = city.anybody.get(f"{path}&page_token={first['next_page_token']}").json
    assert [r["record_id"] for r in second["records"]] == [f"r_{n:03d}" for n in range(49, 39, -1)]


@pytest.mark.parametrize("token", ["x", "!!", "MTI", "InJfdW5rbm93biI"])
def test_a_page_token_of_ones_own_making_is_refused(city: Running, token: str) -> None:
    city.delivers(licence(city))
    answer = city.anybody.get(f"/v1/public/subjects/{city.ref(COMPANY)}?page_token={token}")
    assert (answer.status_code, answer.json["code"]) == (400, "INPUT_INVALID")


@pytest.mark.parametrize("size", ["0", "201", "-1", "x"])
def test_a_page_has_1_to_200_records(city: Running, size: str) -> None:
    assert city.person().get(f"/v1/me/records?page_size={size}").status_code == 400


def test_a_large_change_comes_in_pieces_and_its_position_at_the_end(city: Running) -> None:
    records = [licence(city, str(n)) for n in range(120)]
    pieces = feeds.Pieces(most=50)
    cut = list(pieces.cut([ingest_pb2.Change(position=7, records=records, last=True)]))
    assert [(len(c.records), c.last, c.position) for c in cut] == [(50, False, 7), (50, False, 7), (20, True, 7)]
    open_end = list(pieces.cut([ingest_pb2.Change(position=7, records=records[:60], last=False)]))
    assert [c.last for c in open_end] == [False, False]


def test_what_has_come_is_taken_in_subject_by_subject(city: Running) -> None:
    """Each subject is written once for all its records, in the order in which they came."""
    codes = [demo_uscc("91", 500_000 + n, "MC") for n in range(10)]
    changes = [
        ingest_pb2.Change(position=n + 1, records=[licence(city, f"{code}{n}", code=code) for code in codes], last=True)
        for n in range(12)
    ]
    changes.append(ingest_pb2.Change(position=13, records=[licence(city, "begun", code=codes[0])], last=False))
    pieces = feeds.Pieces(most=30)
    cut = list(pieces.cut(changes))
    assert [len(piece.records) for piece in cut] == [30, 30, 30, 30, 1, 0]
    came = [version.subject.subject_ref for piece in cut for version in piece.records]
    assert [ref for ref, _ in groupby(came)] == [city.ref(code) for code in codes]
    own = [v.record_id for piece in cut for v in piece.records if v.subject.subject_ref == city.ref(codes[0])]
    assert own == [*(f"r_{codes[0]}{n}" for n in range(12)), "r_begun"]
    # The thirteenth position is begun and not complete.
    assert [(piece.position, piece.last) for piece in cut] == [*[(13, False)] * 5, (12, True)]


def test_each_version_is_taken_in_though_several_wait(city: Running) -> None:
    """A name that only an earlier version told is a former name, however far behind disclosure is."""
    called = [licence(city, version=n + 1, name=name) for n, name in enumerate(("海陵食品厂", NAME))]
    gone = [
        licence(city, "gone", code=OTHER_COMPANY),
        licence(city, "gone", code=OTHER_COMPANY, version=2, revoked=True),
    ]
    pieces = feeds.Pieces()
    changes = [ingest_pb2.Change(position=n, records=[v], last=True) for n, v in enumerate((*called, *gone), 1)]
    for piece in pieces.cut(changes):
        city.ctx.store.transact(lambda unit, piece=piece: pieces.apply(city.ctx, unit, piece))
    subject = city.desk("subject", sub=city.ref(COMPANY)).get("/v1/me/records").json["subject"]
    assert (subject["name"], subject["former_names"]) == (NAME, ["海陵食品厂"])
    assert city.ctx.store.head(city.ref(OTHER_COMPANY)) is not None


def test_versions_of_a_record_that_went_to_another_subject_come_in_their_order(city: Running) -> None:
    """All of a subject comes together, so the newer version, of a subject that was named before, once came first."""
    theirs, hers = licence(city, "theirs", code=OTHER_COMPANY), licence(city, "moved")
    moved = licence(city, "moved", code=OTHER_COMPANY, version=2)
    changes = [ingest_pb2.Change(position=n, records=[v], last=True) for n, v in enumerate((theirs, hers, moved), 1)]
    cut = [(v.record_id, v.version) for piece in feeds.Pieces().cut(changes) for v in piece.records]
    assert cut == [(v.record_id, v.version) for v in (theirs, hers, moved)]


def test_of_other_shares_a_stream_keeps_nothing_but_the_position(city: Running) -> None:
    mine = city.ref(COMPANY)
    records = [licence(city, "mine"), licence(city, "theirs", code=OTHER_COMPANY)]
    changes = [
        ingest_pb2.Change(position=1, records=records, last=True),
        ingest_pb2.Change(position=2, records=records[1:], last=True),
    ]
    pieces = list(feeds.Pieces(lambda ref: ref == mine).of(Stream(iter(changes))))
    assert [v.record_id for piece in pieces for v in piece.records] == [records[0].record_id]
    assert (pieces[-1].position, pieces[-1].last) == (2, True)


def test_no_more_of_a_stream_is_read_ahead_than_memory_allows(city: Running) -> None:
    """Of a stream without end, while one piece is being applied; what was read is given before the stream's error."""
    size, read = 500, []

    def stream() -> Iterator[ingest_pb2.Change]:
        records = [licence(city, str(n)) for n in range(size)]
        for position in range(1, 101):
            read.append(position)
            yield ingest_pb2.Change(position=position, records=records, last=True)
        raise OSError("the line is cut")

    call = Stream(stream())
    given = iter(feeds.Pieces().of(call))
    next(given)
    enough = -(-feeds.MOST_GATHERED // size)
    until(lambda: len(read) > enough, "it is full")
    assert len(read) <= 2 * enough + 2
    remembered = []

    def read_on() -> None:
        for piece in given:
            remembered.append(piece.position if piece.last else 0)

    with pytest.raises(OSError, match="cut"):
        read_on()
    assert remembered[-1] == 100
    assert call.cancelled


def test_a_stream_that_is_cancelled_ends_after_the_piece_in_hand(city: Running) -> None:
    feed = Feed()
    for position in range(1, 4):
        records = [licence(city, f"{position}-{n}") for n in range(200)]
        feed.tell(ingest_pb2.Change(position=position, records=records, last=True))
    call = feeds.Pieces(most=10).of(feed(0))
    given = iter(call)
    assert len(next(given).records) == 10
    call.cancel()
    assert list(given) == []


class Stream:
    """A call that answers what it is told."""

    def __init__(self, changes: Iterator[ingest_pb2.Change]) -> None:
        self._changes = changes
        self.cancelled = False

    def __iter__(self) -> Iterator[ingest_pb2.Change]:
        return self._changes

    def cancel(self) -> None:
        self.cancelled = True


class Small:
    """The real store, but for transactions of more than 30 records, which it refuses as the embedded server does."""

    def __init__(self, store: DisclosureStore, code: int) -> None:
        self._store = store
        self._code = code

    def __getattr__(self, name: str) -> object:
        return getattr(self._store, name)

    def write_locations(self, changed: list[tuple[RecordLocation, bool]], writes: Writes) -> None:
        if len(changed) > 30:
            labels = [] if self._code == 388 else ["TransientTransactionError"]
            raise OperationFailure("too large", self._code, {"code": self._code, "errorLabels": labels})
        self._store.write_locations(changed, writes)


@pytest.mark.parametrize("code", [388, 112])
def test_what_the_store_refuses_for_its_size_is_cut_finer(city: Running, code: int) -> None:
    """It says so, or it just fails the transaction each time."""
    small = replace(city.ctx, store=cast(DisclosureStore, Small(city.ctx.store, code)))
    feed, pieces = Feed(), feeds.Pieces()
    follows = Follower(
        "ingest",
        city.ctx.store.store,
        lambda after: pieces.of(feed(after)),
        partial(pieces.apply, small),
        feeds.SealedRecords(city.ctx.keys),
    )
    feed.tell(ingest_pb2.Change(position=1, records=[licence(city, str(n)) for n in range(200)], last=True))
    follows.start()
    until(lambda: city.ctx.store.store.position("feed.ingest") == 1, "the position is remembered", 60)
    follows.stop()
    assert len(everything(city)) == 200
    assert city.quarantine.is_empty()


def test_the_follower_remembers_a_position_when_it_is_complete(city: Running) -> None:
    feed = Feed()
    follows = follower(city, "ingest", feed)
    feed.tell(ingest_pb2.Change(position=5, records=[licence(city, "a")], last=False))
    follows.start()
    until(city.public, "the first part is applied")
    # It is told that it has begun: a rebuild that takes its place must have as much.
    place = city.ctx.store.store.db["positions"].find_one({"_id": "feed.ingest"})
    assert (place["position"], place["begun"]) == (0, 5)
    feed.tell(ingest_pb2.Change(position=5, records=[licence(city, "b")], last=True))
    until(lambda: city.ctx.store.store.position("feed.ingest") == 5, "the position is remembered")
    follows.stop()
    assert len(city.public()) == 2


def test_a_catalog_change_that_is_no_entry_is_passed_over(city: Running) -> None:
    city.told(feeds.apply_catalog, catalog_pb2.Change(rule_set=catalog_pb2.RuleSet(name="objection")))
    assert city.public() == []


def test_a_record_keeps_the_rules_it_was_validated_against(city: Running) -> None:
    """A later version of the entry hides an item; records of the earlier one stay as they were (Art. 33)."""
    items = demo_entry("XZXK")["items"]
    for item in items:
        if item["code"] == "XK_NR":
            item["modes"] = ["shared"]
    city.publishes("XZXK", 2, items=items)
    city.delivers(licence(city, "old"), licence(city, "new", entry_version=2))
    shown = {r["record_id"]: "XK_NR" in r["items"] for r in city.public()}
    assert shown == {"r_old": True, "r_new": False}


def test_records_of_a_subject_come_together_whoever_reports_them(city: Running) -> None:
    """Art. 5: one subject, whichever provider and entry."""
    city.delivers(licence(city), city.record("QYDJ", COMPANY, NAME, "reg"), city.record("XZCF", COMPANY, NAME, "cf"))
    assert {r["entry_code"] for r in city.public()} == {"XZXK", "QYDJ", "XZCF"}


def test_a_new_name_is_found_and_the_old_one_while_a_record_shows_it(city: Running) -> None:
    at = city.clock.now()
    city.delivers(licence(city, "a", name="阳江市旧名贸易有限公司", at=at))
    city.delivers(licence(city, "b", name="阳江市新名贸易有限公司", at=at + timedelta(days=1)))
    [found] = city.found("旧名")
    assert (found["name"], found["former_names"]) == ("阳江市新名贸易有限公司", ["阳江市旧名贸易有限公司"])
    city.delivers(licence(city, "a", version=2, revoked=True))
    assert city.found("旧名") == []
    assert [s["former_names"] for s in city.found("新名")] == [[]]


def test_a_name_far_down_disappears_when_its_record_is_revoked(city: Running) -> None:
    city.delivers(licence(city, "old", name="阳江市旧名贸易有限公司"))
    city.delivers(*(licence(city, str(n)) for n in range(60)))
    assert len(city.found("旧名")) == 1
    city.delivers(licence(city, "old", version=2, revoked=True))
    assert city.found("旧名") == []
    assert len(city.found("海陵")) == 1


def test_an_individual_is_found_only_as_public_records_show_her(city: Running) -> None:
    city.delivers(city.record("CFGR", LI_NA, "李娜", "fine", CF_WSH="1", CF_GSJZQ="2027-01-01"))
    assert city.found("李娜") == []
    [found] = city.found("李")
    assert (found["name"], found["kind"], found["uscc"]) == ("李**", "individual", "")
    assert city.found(LI_NA) == []
