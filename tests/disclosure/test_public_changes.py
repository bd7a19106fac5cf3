"""What the public feed announces (Art. 15): what a provider's portal shows is what the platform shows."""

from datetime import timedelta

from services.disclosure.context import OWN
from services.disclosure.store.public_feed import PAGES_AT_ONCE, Announcement
from services.disclosure.usecases.announce_later import Announcer
from services.disclosure.usecases.archive_records import archive
from tests.disclosure.provider_portal import OTHER, Portal, _items, changes, compared, feed, licence, on_page
from tests.disclosure.running_disclosure import COMPANY, LI_NA, REGULATOR, RunningDisclosure
from tests.disclosure.subject_references import by_code, of_code
from tests.disclosure.subject_references import licence as licence_of
from tests.disclosure.test_archive_records import MIDNIGHT


def test_what_appears_is_given_as_the_subject_page_shows_it(city: RunningDisclosure, portal: Portal) -> None:
    city.delivers(
        licence(city), city.record("CFGR", LI_NA, "李娜", "fine", CF_WSH="1", CF_GSJZQ="2027-01-01", CF_SY="无照")
    )
    assert portal.follow() == on_page(city) | on_page(city, LI_NA)
    assert portal.pages == {"r_a": city.ref(COMPANY), "r_fine": city.ref(LI_NA)}
    told = str(portal.shows)
    assert LI_NA not in told
    assert "李娜" not in told
    english = feed(city.caller("public", sub="p", language="en"))["changes"][0]["record"]["entry_name"]
    assert english.isascii()


def test_an_amendment_comes_once_to_who_was_away_and_once_more_to_who_was_not(
    city: RunningDisclosure, portal: Portal
) -> None:
    city.delivers(licence(city))
    portal.follow()
    city.delivers(licence(city, version=2, XK_NR="餐饮服务"))
    city.delivers(licence(city, "b"))
    assert changes(city.anybody, f"?after={portal.position}") == [("r_a", True), ("r_b", True)]
    portal.follow()
    assert portal.shows["r_a"]["items"]["XK_NR"] == "餐饮服务"
    # From the beginning there is only the newest state, where it changed last.
    assert changes(city.anybody) == [("r_a", True), ("r_b", True)]
    city.delivers(licence(city, version=3))
    assert changes(city.anybody) == [("r_b", True), ("r_a", True)]


def test_the_same_version_again_is_no_news(city: RunningDisclosure, portal: Portal) -> None:
    city.delivers(licence(city))
    portal.follow()
    city.delivers(licence(city))
    assert feed(city.anybody, f"?after={portal.position}")["changes"] == []


def test_a_revocation_takes_it_down(city: RunningDisclosure, portal: Portal) -> None:
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
        "etag": "",
        "record": None,
    }
    assert portal.follow() == on_page(city)


def test_what_was_never_public_is_never_named(city: RunningDisclosure) -> None:
    """Nor is an item that is public in another version of the entry, nor a record delivered after its period."""
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


def test_a_record_that_its_entry_shows_no_more_is_taken_down(city: RunningDisclosure, portal: Portal) -> None:
    items = [{**i, "modes": ["shared"]} for i in _items("XZXK")]
    city.publishes("XZXK", 2, modes=["shared"], items=items)
    city.delivers(licence(city))
    assert set(portal.follow()) == {"r_a"}
    city.delivers(licence(city, version=2, entry_version=2))
    assert portal.follow() == {}
    city.delivers(licence(city, version=3))
    assert set(portal.follow()) == {"r_a"}


def test_archiving_takes_it_down_and_a_later_end_shows_it_again(city: RunningDisclosure, portal: Portal) -> None:
    city.delivers(licence(city, XK_YXQZI="2026-11-30"), licence(city, "b"))
    assert set(portal.follow()) == {"r_a", "r_b"}
    city.clock.instant = MIDNIGHT
    assert archive(city.ctx, OWN) == 1
    assert set(portal.follow()) == {"r_b"}
    assert compared(city, {"r_a": "", "r_b": ""})["take_down"] == ["r_a"]
    city.delivers(licence(city, version=2, XK_YXQZI="2031-01-01"))
    assert set(portal.follow()) == {"r_a", "r_b"}


def test_past_its_period_nothing_is_given_out_however_late_the_archiver_is(city: RunningDisclosure) -> None:
    city.delivers(licence(city, XK_YXQZI="2026-11-30"))
    city.clock.instant = MIDNIGHT - timedelta(seconds=1)
    assert changes(city.anybody) == [("r_a", True)]
    assert city.anybody.get("/v1/public/records/r_a").status_code == 200
    city.clock.instant = MIDNIGHT
    assert changes(city.anybody) == [("r_a", False)]
    assert city.anybody.get("/v1/public/records/r_a").json["code"] == "RECORD_NOT_PUBLIC"
    assert compared(city, {"r_a": ""})["take_down"] == ["r_a"]
    assert compared(city, {})["missing"] == []


def test_an_objection_is_a_change_when_it_opens_and_when_it_closes(city: RunningDisclosure, portal: Portal) -> None:
    city.delivers(licence(city))
    portal.follow()
    for is_open in (True, True, False, False):
        before = portal.position
        city.objection("Y1", "a", is_open)
        was = portal.shows["r_a"]["under_objection"]
        told = feed(city.anybody, f"?after={before}")["changes"]
        assert len(told) == (was != is_open)
        assert portal.follow()["r_a"]["under_objection"] is is_open


def test_records_on_older_pages_of_a_subject_are_found(city: RunningDisclosure, portal: Portal) -> None:
    city.delivers(*(licence(city, f"{n:03}") for n in range(130)))
    assert len(portal.follow()) == 130
    city.delivers(licence(city, "003", version=2, XK_NR="x"), licence(city, "129", version=2, XK_NR="y"))
    told = feed(city.anybody, f"?after={portal.position}")["changes"]
    assert {c["record_id"]: c["record"]["items"]["XK_NR"] for c in told} == {"r_003": "x", "r_129": "y"}


def test_a_record_that_turns_out_to_be_anothers_moves_to_that_page(city: RunningDisclosure, portal: Portal) -> None:
    city.delivers(licence(city))
    portal.follow()
    city.delivers(licence(city, identifier=OTHER, version=2))
    portal.follow()
    assert portal.pages == {"r_a": city.ref(OTHER)}


def test_subjects_that_become_one_move_to_its_page_and_back(city: RunningDisclosure, portal: Portal) -> None:
    code = "MA000777X"
    city.delivers(licence_of(city, "licence"), by_code(city, "fine", code=code))
    city.delivers(*(by_code(city, f"more{n}", code=code) for n in range(30)))
    portal.follow()
    assert portal.pages["r_fine"] == portal.pages["r_more3"] == of_code(city, code)
    officer = city.caller("centre", sub="officer-1")
    merged = city.decides(
        officer,
        "",
        {"subjects": [{"uscc": COMPANY}, {"subject_ref": of_code(city, code)}], "reason": "同一主体"},
    )
    moved = feed(city.anybody, f"?after={portal.position}")["changes"]
    assert {c["record_id"] for c in moved} == {"r_fine", *(f"r_more{n}" for n in range(30))}
    portal.follow()
    assert set(portal.pages.values()) == {city.ref(COMPANY)}
    link = next(k["link_id"] for k in merged["links"] if of_code(city, code) in k["subject_refs"])
    undone = officer.post(f"/v1/subjects/links/{link}/undo", {"reason": "错了"})
    assert undone.status_code == 200, undone.text
    portal.follow()
    assert portal.pages["r_fine"] == portal.pages["r_more3"] == of_code(city, code)
    assert portal.pages["r_licence"] == city.ref(COMPANY)


def test_a_move_of_more_records_than_one_transaction_bears_is_told_bit_by_bit(
    city: RunningDisclosure, portal: Portal
) -> None:
    """All of its records were once read in the transaction of the merge, for one row of the feed."""
    code, count = "MA000777X", 16 * PAGES_AT_ONCE + 100
    city.delivers(licence_of(city, "licence"))
    city.delivers(*(by_code(city, f"more{n}", code=code) for n in range(count)))
    portal.follow()
    officer = city.caller("centre", sub="officer-1")
    merged = city.decides(
        officer,
        "",
        {"subjects": [{"uscc": COMPANY}, {"subject_ref": of_code(city, code)}], "reason": "同一主体"},
    )
    assert {m["subject_ref"] for m in merged["members"]} >= {city.ref(COMPANY)}
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


def test_what_cannot_be_announced_is_set_aside_and_the_rest_is_told(city: RunningDisclosure, portal: Portal) -> None:
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


def test_a_subject_that_records_join_moves_too(city: RunningDisclosure, portal: Portal) -> None:
    """The company is known by its organisation code first; then a record under its credit code names both."""
    city.delivers(by_code(city))
    portal.follow()
    assert portal.pages == {"r_fine": of_code(city)}
    city.delivers(licence_of(city))
    portal.follow()
    assert set(portal.pages.values()) == {city.ref(COMPANY)}
