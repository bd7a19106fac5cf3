"""The public feed and its report of differences (Art. 15): what a provider's portal shows is what the platform shows."""

import random
import threading
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import grpc
import pytest

from chengxin.errors import Problem
from chengxin_api.disclosure.v1 import disclosure_pb2 as pb
from chengxin_api.ingest.v1 import ingest_pb2
from services.disclosure.context import OWN
from services.disclosure.store.public_feed import PAGES_AT_ONCE, Announcement
from services.disclosure.usecases.announce_later import Announcer
from services.disclosure.usecases.archive_records import archive
from tests.disclosure.conftest import COMPANY, LI_NA, REGULATOR, Desk, Running, demo_entry
from tests.disclosure.test_archiving import MIDNIGHT
from tests.disclosure.test_subjects import COURT, by_code, of_code
from tests.disclosure.test_subjects import licence as licence_of
from tests.support import until

NAME = "阳江市海陵食品有限公司"
OTHER = "91441700MA4W1ABCXT"


def licence(city: Running, key: str = "a", identifier: str = COMPANY, **items: Any) -> ingest_pb2.RecordVersion:
    fields = {"XK_WSH": key, "XK_NR": "食品经营", "XK_YXQZI": "2031-01-01"} | items
    return city.record("XZXK", identifier, NAME, key, **fields)


def feed(desk: Desk, query: str = "") -> dict[str, Any]:
    answer = desk.get(f"/v1/public/feed{query}")
    assert answer.status_code == 200, answer.text
    return dict(answer.json)


def changes(desk: Desk, query: str = "") -> list[tuple[str, bool]]:
    """Which records, and whether they are public."""
    return [(c["record_id"], c["record"] is not None) for c in feed(desk, query)["changes"]]


@dataclass
class Portal:
    """A provider's portal, as the guide tells how to make one (docs/operations/portal.md)."""

    desk: Desk
    provider: str = ""
    size: int = 200
    position: int = 0
    shows: dict[str, dict[str, Any]] = field(default_factory=dict)
    pages: dict[str, str] = field(default_factory=dict)
    positions: list[int] = field(default_factory=list)

    def follow(self) -> dict[str, Any]:
        """Asks until there is no more."""
        while True:
            query = f"?after={self.position}&provider={self.provider}&page_size={self.size}"
            answer = feed(self.desk, query)
            assert len(answer["changes"]) <= self.size
            for change in answer["changes"]:
                self.positions.append(change["position"])
                if change["record"] is None:
                    self.shows.pop(change["record_id"], None)
                else:
                    self.shows[change["record_id"]] = change["record"]
                    self.pages[change["record_id"]] = change["subject_ref"]
            self.position = answer["position"]
            if not answer["more"]:
                return self.shows


@pytest.fixture
def portal(city: Running) -> Portal:
    return Portal(city.anybody)


def on_page(city: Running, identifier: str = COMPANY) -> dict[str, dict[str, Any]]:
    return {r["record_id"]: r for r in city.public(identifier)}


def test_what_appears_is_given_as_the_subject_page_shows_it(city: Running, portal: Portal) -> None:
    city.delivers(
        licence(city), city.record("CFGR", LI_NA, "李娜", "fine", CF_WSH="1", CF_GSJZQ="2027-01-01", CF_SY="无照")
    )
    assert portal.follow() == on_page(city) | on_page(city, LI_NA)
    assert portal.pages == {"r_a": city.ref(COMPANY), "r_fine": city.ref(LI_NA)}
    told = str(portal.shows)
    assert LI_NA not in told
    assert "李娜" not in told
    english = feed(city.desk("public", sub="p", language="en"))["changes"][0]["record"]["entry_name"]
    assert english.isascii()


def test_an_amendment_comes_once_to_who_was_away_and_once_more_to_who_was_not(city: Running, portal: Portal) -> None:
    city.delivers(licence(city))
    portal.follow()
    city.delivers(licence(city, version=2, XK_NR="餐饮服务"))
    city.delivers(licence(city, "b"))
    assert changes(city.anybody, f"?after={portal.position}") == [("r_a", True), ("r_b", True)]
    portal.follow()
    assert portal.shows["r_a"]["items"]["XK_NR"] == "餐饮服务"
    # From the beginning: its newest state, once, where it changed last.
    assert changes(city.anybody) == [("r_a", True), ("r_b", True)]
    city.delivers(licence(city, version=3))
    assert changes(city.anybody) == [("r_b", True), ("r_a", True)]


def test_the_same_version_again_is_no_news(city: Running, portal: Portal) -> None:
    city.delivers(licence(city))
    portal.follow()
    city.delivers(licence(city))
    assert feed(city.anybody, f"?after={portal.position}")["changes"] == []


def test_a_revocation_takes_it_down(city: Running, portal: Portal) -> None:
    city.delivers(licence(city), licence(city, "b"))
    portal.follow()
    city.delivers(licence(city, version=2, revoked=True))
    [change] = feed(city.anybody, f"?after={portal.position}")["changes"]
    assert change | {"position": 0} == {
        "position": 0,
        "record_id": "r_a",
        "provider_uscc": REGULATOR,
        "entry_code": "XZXK",
        "subject_ref": "",
        "record": None,
    }
    assert portal.follow() == on_page(city)


def test_what_was_never_public_is_never_named(city: Running) -> None:
    """Nor is what is public in another version of its entry, nor what comes after the end of its period."""
    items = [{**i, "modes": ["shared"]} for i in _items("XZXK")]
    city.publishes("XZXK", 2, modes=["shared"], items=items)
    city.delivers(licence(city, "hidden", entry_version=2))
    city.delivers(licence(city, "hidden", version=2, entry_version=2, XK_NR="x"))
    city.objection("Y1", "hidden", True)
    assert city.anybody.get("/v1/public/records/r_hidden").json["code"] == "RECORD_NOT_PUBLIC"
    assert compared(city, {})["missing"] == []
    city.delivers(licence(city, "hidden", version=3, entry_version=2, revoked=True))
    city.delivers(licence(city, "late", XK_YXQZI="2026-11-01"))
    archive(city.ctx, OWN)
    city.delivers(licence(city, "late", version=2, revoked=True))
    assert feed(city.anybody)["changes"] == []


def test_a_record_that_its_entry_shows_no_more_is_taken_down(city: Running, portal: Portal) -> None:
    items = [{**i, "modes": ["shared"]} for i in _items("XZXK")]
    city.publishes("XZXK", 2, modes=["shared"], items=items)
    city.delivers(licence(city))
    assert set(portal.follow()) == {"r_a"}
    city.delivers(licence(city, version=2, entry_version=2))
    assert portal.follow() == {}
    city.delivers(licence(city, version=3))
    assert set(portal.follow()) == {"r_a"}


def test_archiving_takes_it_down_and_a_later_end_shows_it_again(city: Running, portal: Portal) -> None:
    city.delivers(licence(city, XK_YXQZI="2026-11-30"), licence(city, "b"))
    assert set(portal.follow()) == {"r_a", "r_b"}
    city.clock.instant = MIDNIGHT
    assert archive(city.ctx, OWN) == 1
    assert set(portal.follow()) == {"r_b"}
    assert compared(city, {"r_a": 1, "r_b": 1})["take_down"] == ["r_a"]
    city.delivers(licence(city, version=2, XK_YXQZI="2031-01-01"))
    assert set(portal.follow()) == {"r_a", "r_b"}


def test_past_its_period_nothing_is_given_out_however_late_the_archiver_is(city: Running) -> None:
    city.delivers(licence(city, XK_YXQZI="2026-11-30"))
    city.clock.instant = MIDNIGHT - timedelta(seconds=1)
    assert changes(city.anybody) == [("r_a", True)]
    assert city.anybody.get("/v1/public/records/r_a").status_code == 200
    city.clock.instant = MIDNIGHT
    assert changes(city.anybody) == [("r_a", False)]
    assert city.anybody.get("/v1/public/records/r_a").json["code"] == "RECORD_NOT_PUBLIC"
    assert compared(city, {"r_a": 1})["take_down"] == ["r_a"]
    assert compared(city, {})["missing"] == []


def test_an_objection_is_a_change_when_it_opens_and_when_it_closes(city: Running, portal: Portal) -> None:
    city.delivers(licence(city))
    portal.follow()
    for is_open in (True, True, False, False):
        before = portal.position
        city.objection("Y1", "a", is_open)
        was = portal.shows["r_a"]["under_objection"]
        told = feed(city.anybody, f"?after={before}")["changes"]
        assert len(told) == (was != is_open)
        assert portal.follow()["r_a"]["under_objection"] is is_open


def test_a_provider_gets_its_own(city: Running) -> None:
    city.delivers(licence(city), by_code(city), licence(city, "b", OTHER))
    assert changes(city.anybody, f"?provider={REGULATOR}") == [("r_a", True), ("r_b", True)]
    assert changes(city.anybody, f"?provider={COURT}") == [("r_fine", True)]
    city.delivers(by_code(city, "fine", version=2, revoked=True))
    assert changes(city.anybody, f"?provider={COURT}") == [("r_fine", False)]
    answer = feed(city.anybody, f"?provider={OTHER}")
    assert (answer["changes"], answer["more"]) == ([], False)
    assert answer["position"] == feed(city.anybody)["position"]


def test_many_rows_of_others_are_passed_over_and_never_again(city: Running) -> None:
    for n in range(230):
        city.delivers(licence(city, str(n)))
    city.delivers(by_code(city))
    answer = feed(city.anybody, f"?provider={COURT}")
    assert [c["record_id"] for c in answer["changes"]] == ["r_fine"]
    assert feed(city.anybody, f"?provider={COURT}&after={answer['position']}")["changes"] == []
    portal = Portal(city.anybody, size=200)
    assert len(portal.follow()) == 231


@pytest.mark.parametrize("size", [1, 3, 7])
def test_a_portal_resumes_anywhere_without_gap(city: Running, size: int) -> None:
    """Within a delivery of many records too, and whatever happens between two answers."""
    chance = random.Random(size)
    versions: dict[str, int] = {}
    gone: set[str] = set()
    portal = Portal(city.anybody, size=size)
    for _ in range(12):
        batch = []
        for key in chance.sample([str(n) for n in range(40)], 10):
            if key in gone:
                continue
            versions[key] = versions.get(key, 0) + 1
            revoked = versions[key] > 1 and chance.random() < 0.3
            gone |= {key} if revoked else set()
            identifier = COMPANY if int(key) % 2 else OTHER
            batch.append(licence(city, key, identifier, version=versions[key], revoked=revoked))
        city.delivers(*batch)
        answer = feed(city.anybody, f"?after={portal.position}&page_size={size}")
        assert [c["position"] for c in answer["changes"]] == sorted(c["position"] for c in answer["changes"])
        if chance.random() < 0.5:
            portal.follow()
    portal.follow()
    assert portal.positions == sorted(set(portal.positions))
    assert portal.shows == on_page(city) | on_page(city, OTHER)
    begun_later = Portal(city.anybody, size=size)
    assert begun_later.follow() == portal.shows


def test_records_on_older_pages_of_a_subject_are_found(city: Running, portal: Portal) -> None:
    city.delivers(*(licence(city, f"{n:03}") for n in range(130)))
    assert len(portal.follow()) == 130
    city.delivers(licence(city, "003", version=2, XK_NR="x"), licence(city, "129", version=2, XK_NR="y"))
    told = feed(city.anybody, f"?after={portal.position}")["changes"]
    assert {c["record_id"]: c["record"]["items"]["XK_NR"] for c in told} == {"r_003": "x", "r_129": "y"}


def test_a_record_that_turns_out_to_be_anothers_moves_to_that_page(city: Running, portal: Portal) -> None:
    city.delivers(licence(city))
    portal.follow()
    city.delivers(licence(city, identifier=OTHER, version=2))
    portal.follow()
    assert portal.pages == {"r_a": city.ref(OTHER)}


def test_subjects_that_become_one_move_to_its_page_and_back(city: Running, portal: Portal) -> None:
    code = "MA000777X"
    city.delivers(licence_of(city, "licence"), by_code(city, "fine", code=code))
    city.delivers(*(by_code(city, f"more{n}", code=code) for n in range(30)))
    portal.follow()
    assert portal.pages["r_fine"] == portal.pages["r_more3"] == of_code(city, code)
    officer = city.desk("centre", sub="officer-1")
    merged = officer.post(
        "/v1/subjects/links",
        {"subjects": [{"uscc": COMPANY}, {"subject_ref": of_code(city, code)}], "reason": "同一主体"},
    )
    assert merged.status_code in (200, 201), merged.text
    moved = feed(city.anybody, f"?after={portal.position}")["changes"]
    assert {c["record_id"] for c in moved} == {"r_fine", *(f"r_more{n}" for n in range(30))}
    portal.follow()
    assert set(portal.pages.values()) == {city.ref(COMPANY)}
    link = next(k["link_id"] for k in merged.json["links"] if of_code(city, code) in k["subject_refs"])
    undone = officer.post(f"/v1/subjects/links/{link}/undo", {"reason": "错了"})
    assert undone.status_code == 200, undone.text
    portal.follow()
    assert portal.pages["r_fine"] == portal.pages["r_more3"] == of_code(city, code)
    assert portal.pages["r_licence"] == city.ref(COMPANY)


def test_a_move_of_more_records_than_one_transaction_bears_is_told_bit_by_bit(city: Running, portal: Portal) -> None:
    """Each of its records once came into one row of the feed, read in the transaction of the merge."""
    code, count = "MA000777X", 16 * PAGES_AT_ONCE + 100
    city.delivers(licence_of(city, "licence"))
    city.delivers(*(by_code(city, f"more{n}", code=code) for n in range(count)))
    portal.follow()
    officer = city.desk("centre", sub="officer-1")
    merged = officer.post(
        "/v1/subjects/links",
        {"subjects": [{"uscc": COMPANY}, {"subject_ref": of_code(city, code)}], "reason": "同一主体"},
    )
    assert merged.status_code in (200, 201), merged.text
    portal.follow()
    told = [ref for ref in portal.pages.values() if ref == city.ref(COMPANY)]
    assert 1 < len(told) <= count
    announcer = Announcer(city.ctx, city.quarantine)
    rounds = 0
    while announcer.round():
        rounds += 1
    assert rounds == 1
    portal.follow()
    assert list(portal.pages.values()) == [city.ref(COMPANY)] * (count + 1)
    assert not announcer.round()


def test_what_cannot_be_announced_is_set_aside_and_the_rest_is_told(city: Running, portal: Portal) -> None:
    feed_of, generation = city.ctx.store.feed, city.ctx.store.generation
    city.delivers(licence(city))
    portal.follow()
    feed_of.tell_later(generation, Announcement("broken", records=[("r_a",)]))  # type: ignore[list-item]
    feed_of.tell_later(generation, Announcement("good", records=[("r_a", REGULATOR, "XZXK")]))
    feed_of.tell_later(generation + 1, Announcement("later", records=[("r_a", REGULATOR, "XZXK")]))
    announcer = Announcer(city.ctx, city.quarantine)
    while announcer.round():
        pass
    before = len(portal.positions)
    portal.follow()
    assert len(portal.positions) > before
    assert feed_of.to_tell(generation, 10) == ["broken"]


def test_a_subject_that_records_join_moves_too(city: Running, portal: Portal) -> None:
    """Known by its organisation code first; then a record under its credit code says whose it is."""
    city.delivers(by_code(city))
    portal.follow()
    assert portal.pages == {"r_fine": of_code(city)}
    city.delivers(licence_of(city))
    portal.follow()
    assert set(portal.pages.values()) == {city.ref(COMPANY)}


@pytest.mark.parametrize(
    "query",
    [
        "after=-1",
        "after=x",
        "after=9007199254740992",
        "page_size=0",
        "page_size=201",
        "wait=31",
        "wait=-1",
        "provider=x",
    ],
)
def test_what_cannot_be_asked_is_refused(city: Running, query: str) -> None:
    answer = city.anybody.get(f"/v1/public/feed?{query}")
    assert (answer.status_code, answer.json["code"]) == (400, "INPUT_INVALID")


def test_a_position_of_another_feed_is_refused(city: Running, portal: Portal) -> None:
    """A portal that followed what was lost and restored from a backup is told to begin again."""
    city.delivers(licence(city))
    portal.follow()
    assert feed(city.anybody, f"?after={portal.position}")["changes"] == []
    ahead = city.anybody.get(f"/v1/public/feed?after={portal.position + (5 << 20)}")
    assert (ahead.status_code, ahead.json["code"]) == (409, "FEED_POSITION_UNKNOWN")
    for position in (portal.position + (5 << 20), 2**62):
        request = pb.WatchPublicRequest(after=position)
        with pytest.raises(grpc.RpcError) as refused:
            next(city.stub.WatchPublic(request, metadata=city.metadata("public", sub="p")))
        assert Problem.from_rpc(refused.value).code == "FEED_POSITION_UNKNOWN"


def test_who_waits_is_answered_when_there_is_something(city: Running) -> None:
    answers: list[dict[str, Any]] = []
    asked = threading.Thread(target=lambda: answers.append(feed(city.anybody, f"?wait=30&provider={COURT}")))
    asked.start()
    until(lambda: city.ctx.waiting._free._value < 6, "it waits")
    city.delivers(licence(city))
    city.delivers(by_code(city))
    asked.join(20)
    assert [c["record_id"] for c in answers[0]["changes"]] == ["r_fine"]
    assert city.ctx.waiting._free._value == 6


def test_who_finds_no_place_to_wait_in_is_answered_at_once(city: Running) -> None:
    taken = [city.ctx.waiting.one() for _ in range(6)]
    assert [place.__enter__() for place in taken] == [True] * 6
    assert feed(city.anybody, "?wait=30")["changes"] == []
    for place in taken:
        place.__exit__(None, None, None)


def test_a_stream_begins_from_nothing_goes_on_and_resumes(city: Running) -> None:
    metadata = city.metadata("provider", sub="c", client_id="c", org=REGULATOR)
    city.delivers(licence(city), by_code(city))
    call = city.stub.WatchPublic(pb.WatchPublicRequest(provider_uscc=REGULATOR), metadata=metadata, timeout=30)
    first = next(call)
    [change] = first.changes
    shown = on_page(city)["r_a"]
    assert (change.record_id, change.entry_code, change.subject_ref) == ("r_a", "XZXK", city.ref(COMPANY))
    assert dict(change.record.items) == shown["items"]
    assert change.record.disclosed_until == shown["disclosed_until"] == "2031-01-01"
    city.delivers(licence(city, version=2, revoked=True))
    second = next(part for part in call if part.changes)
    call.cancel()
    assert not second.changes[0].HasField("record")
    assert second.position >= second.changes[0].position > first.position
    again = city.stub.WatchPublic(pb.WatchPublicRequest(after=first.position), metadata=metadata, timeout=30)
    told = next(part for part in again if part.changes)
    again.cancel()
    assert [c.record_id for c in told.changes] == ["r_a"]
    until(lambda: city.ctx.following._free._value == 24, "ended streams give their places back")


def test_too_many_streams_are_refused(city: Running) -> None:
    taken = [city.ctx.following.one() for _ in range(24)]
    assert all(place.__enter__() for place in taken)
    with pytest.raises(grpc.RpcError) as refused:
        next(city.stub.WatchPublic(pb.WatchPublicRequest(), metadata=city.metadata("public", sub="p"), timeout=10))
    assert Problem.from_rpc(refused.value).code == "FEED_BUSY"
    for place in taken:
        place.__exit__(None, None, None)


def test_what_is_given_out_is_on_record_first(city: Running) -> None:
    city.delivers(licence(city), city.record("CFGR", LI_NA, "李娜", "fine", CF_WSH="1", CF_GSJZQ="2027-01-01"))
    answer = feed(city.anybody)
    [event] = city.audit.of("feed.read.public")
    assert event["event_id"] == answer["audit_event_id"]
    assert set(event["subject_refs"]) == {city.ref(COMPANY), city.ref(LI_NA)}
    assert event["records"] == ["r_a", "r_fine"]
    assert event["details"] == {"position": answer["position"], "changes": 2, "public": 2}
    assert city.anybody.get("/v1/public/records/r_a").json["record"] == on_page(city)["r_a"]
    assert city.audit.of("record.read.public")[0]["subject_refs"] == [city.ref(COMPANY)]
    city.audit.away = True
    for path in ("/v1/public/feed", "/v1/public/records/r_a"):
        refused = city.anybody.get(path)
        assert (refused.status_code, refused.json["code"]) == (503, "AUDIT_UNAVAILABLE")
    refused = provider(city).post("/v1/public/feed/differences", {"records": []})
    assert (refused.status_code, refused.json["code"]) == (503, "AUDIT_UNAVAILABLE")
    with pytest.raises(grpc.RpcError) as away:
        next(city.stub.WatchPublic(pb.WatchPublicRequest(), metadata=city.metadata("public", sub="p"), timeout=10))
    assert Problem.from_rpc(away.value).code == "AUDIT_UNAVAILABLE"


# The report of differences.


def provider(city: Running, org: str = REGULATOR) -> Desk:
    return city.desk("provider", sub="portal", client_id="portal", org=org)


def compared(city: Running, shows: dict[str, int], org: str = REGULATOR, **slice_: str) -> dict[str, Any]:
    records = [{"record_id": i, "version": v} for i, v in shows.items()]
    answer = provider(city, org).post("/v1/public/feed/differences", {"records": records, **slice_})
    assert answer.status_code == 200, answer.text
    return {k: v for k, v in answer.json.items() if k not in ("audit_event_id",)}


def test_a_portal_is_told_what_is_missing_outdated_and_to_be_taken_down(city: Running) -> None:
    city.delivers(*(licence(city, key) for key in "abcd"), by_code(city))
    city.delivers(licence(city, "b", version=2), licence(city, "c", version=2, revoked=True))
    # Another provider's record is not its own to show, whatever it is.
    assert compared(city, {"r_a": 1, "r_b": 1, "r_c": 1, "r_fine": 1, "r_unknown": 1}) == {
        "missing": [{"record_id": "r_d", "version": 1}],
        "outdated": [{"record_id": "r_b", "version": 2, "shown_version": 1}],
        "take_down": ["r_c", "r_fine", "r_unknown"],
        "same": 1,
        "through": "",
    }
    assert compared(city, {"r_fine": 1}, COURT)["same"] == 1
    [event, _] = city.audit.of("feed.compared")
    assert event["details"] == {"told": 5, "public": 3, "missing": 1, "outdated": 1, "take_down": 3}


def test_a_portal_that_follows_differs_in_nothing(city: Running) -> None:
    portal = Portal(city.anybody, REGULATOR, 7)
    city.delivers(*(licence(city, str(n)) for n in range(60)), by_code(city))
    city.delivers(*(licence(city, str(n), version=2, revoked=n % 3 == 0) for n in range(30)))
    shows = {i: r["version"] for i, r in portal.follow().items()}
    report = compared(city, shows)
    assert (report["missing"], report["outdated"], report["take_down"], report["same"]) == ([], [], [], 50)


def test_a_large_portal_asks_slice_by_slice(city: Running) -> None:
    city.delivers(*(licence(city, f"{n:02}") for n in range(20)))
    first = compared(city, {"r_03": 1}, through="r_09")
    assert [m["record_id"] for m in first["missing"]] == [f"r_{n:02}" for n in range(10) if n != 3]
    second = compared(city, {"r_15": 2}, after="r_09")
    assert len(second["missing"]) == 9
    assert second["outdated"] == [{"record_id": "r_15", "version": 1, "shown_version": 2}]
    outside = provider(city).post(
        "/v1/public/feed/differences", {"after": "r_09", "records": [{"record_id": "r_05", "version": 1}]}
    )
    assert (outside.status_code, outside.json["errors"][0]["rule"]) == (400, "range")


def test_a_report_says_how_far_it_goes(city: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.disclosure.usecases.portal_reconciliation.GREATEST_SIZE", 8)
    city.delivers(*(licence(city, f"{n:02}") for n in range(20)))
    shows = {"r_03": 1, "r_15": 1, "r_99": 1}
    missing, taken, through = [], [], ""
    for _ in range(3):
        report = compared(city, {i: v for i, v in shows.items() if i > through}, after=through)
        missing += [m["record_id"] for m in report["missing"]]
        taken += report["take_down"]
        if not (through := report["through"]):
            break
    assert missing == [f"r_{n:02}" for n in range(20) if n not in (3, 15)]
    assert taken == ["r_99"]


def test_a_report_takes_thousands_of_records(city: Running) -> None:
    city.delivers(licence(city))
    shows = {f"r_{n:026}": 1 for n in range(5000)}
    assert len(compared(city, shows)["take_down"]) == 5000
    more = [{"record_id": f"r_{n:026}", "version": 1} for n in range(5001)]
    refused = provider(city).post("/v1/public/feed/differences", {"records": more})
    assert (refused.status_code, refused.json["code"]) == (400, "INPUT_INVALID")


@pytest.mark.parametrize(
    "records",
    [
        [{"record_id": "r_a", "version": 1}] * 2,
        [{"record_id": "x", "version": 1}],
        [{"record_id": "r_a", "version": 0}],
    ],
)
def test_a_report_of_nonsense_is_refused(city: Running, records: list[dict[str, Any]]) -> None:
    answer = provider(city).post("/v1/public/feed/differences", {"records": records})
    assert (answer.status_code, answer.json["code"]) == (400, "INPUT_INVALID")


@pytest.mark.parametrize("role", ["public", "agency", "centre", "subject"])
def test_a_report_is_for_providers(city: Running, role: str) -> None:
    answer = city.desk(role, sub="s", org=REGULATOR).post("/v1/public/feed/differences", {"records": []})
    assert (answer.status_code, answer.json["code"]) == (403, "ROLE_NOT_ALLOWED")


def _items(code: str) -> list[dict[str, Any]]:
    return list(demo_entry(code)["items"])
