"""Disclosure ends on its day in Shanghai time (Art. 18), whether or not the archiver has run."""

from datetime import UTC, datetime

from services.disclosure.context import OWN
from services.disclosure.usecases.archive_records import Archiver, archive
from tests.disclosure.running_disclosure import COMPANY, LI_NA, RunningDisclosure
from tests.support import until

NAME = "阳江市海陵食品有限公司"
# 24:00 of 30 November in Yangjiang.
MIDNIGHT = datetime(2026, 11, 30, 16, 0, tzinfo=UTC)
BEFORE = datetime(2026, 11, 30, 15, 59, 59, tzinfo=UTC)
BY_LAW = {"legal_basis": "《民事诉讼法》", "case_no": "（2026）演1702执1号", "officer": "F0001"}


def licence(city: RunningDisclosure, ends: str = "2026-11-30") -> None:
    city.delivers(city.record("XZXK", COMPANY, NAME, "a", XK_WSH="1", XK_YXQZI=ends))


def seen(city: RunningDisclosure) -> dict[str, int]:
    """How many records each view shows."""
    body = {"subject": {"uscc": COMPANY}}
    return {
        "public": len(city.public()),
        "found": len(city.found("海陵")),
        "shared": len(city.caller("agency", purpose="p").post("/v1/shared/queries", body).json["records"]),
        "statutory": len(city.caller("statutory", **BY_LAW).post("/v1/statutory/queries", body).json["records"]),
        "own": len(city.caller("subject", sub=city.ref(COMPANY)).get("/v1/me/records").json["records"]),
    }


def test_at_midnight_in_shanghai_it_is_over_without_the_archiver(city: RunningDisclosure) -> None:
    licence(city)
    city.clock.instant = BEFORE
    assert set(seen(city).values()) == {1}
    city.clock.instant = MIDNIGHT
    assert seen(city) == {"public": 0, "found": 0, "shared": 0, "statutory": 0, "own": 1}


def test_the_subject_still_sees_it_marked_as_archived(city: RunningDisclosure) -> None:
    licence(city)
    owner = city.caller("subject", sub=city.ref(COMPANY))
    assert "archived" not in owner.get("/v1/me/records").json["records"][0]
    city.clock.instant = MIDNIGHT
    assert owner.get("/v1/me/records").json["records"][0]["archived"] is True
    archive(city.ctx, OWN)
    assert owner.get("/v1/me/records").json["records"][0]["archived"] is True


def test_archiving_is_on_record_once(city: RunningDisclosure) -> None:
    licence(city)
    assert archive(city.ctx, OWN) == 0
    city.clock.instant = MIDNIGHT
    assert archive(city.ctx, OWN) == 1
    assert archive(city.ctx, OWN) == 0
    [event] = until(lambda: city.audit.of("record.archived"), "the relay delivers")
    assert event["records"] == ["r_a"]
    assert event["subject_refs"] == [city.ref(COMPANY)]
    assert seen(city)["public"] == 0


def test_the_archiver_finds_what_is_due_by_itself(city: RunningDisclosure) -> None:
    licence(city)
    city.clock.instant = MIDNIGHT
    archiver = Archiver(city.ctx, city.quarantine, seconds=0)
    archiver.start()
    try:
        [event] = until(lambda: city.audit.of("record.archived"), "the relay delivers")
    finally:
        archiver.stop()
    assert event["records"] == ["r_a"]


def test_an_amendment_with_a_later_end_is_disclosed_again(city: RunningDisclosure) -> None:
    licence(city)
    city.clock.instant = MIDNIGHT
    archive(city.ctx, OWN)
    city.delivers(city.record("XZXK", COMPANY, NAME, "a", version=2, XK_WSH="1", XK_YXQZI="2031-01-01"))
    assert set(seen(city).values()) == {1}


def test_an_open_end_is_no_end(city: RunningDisclosure) -> None:
    licence(city, "2099-12-31")
    city.clock.instant = datetime(2120, 1, 1, tzinfo=UTC)
    assert len(city.public()) == 1
    assert city.public()[0]["disclosed_until"] == ""


def test_a_person_is_found_by_a_document_as_long_as_its_record_is_public(city: RunningDisclosure) -> None:
    """And under the name as the strictest record of that day shows it (`test_discretion.py`)."""
    city.delivers(
        city.record("CFGR", LI_NA, "李娜", "f", CF_WSH="阳处字〔2026〕1号", CF_GSJZQ="2026-11-30"),
        city.record("ZYZG", LI_NA, "李红", "q", ZY_ZSBH="44170000000001", ZY_YXQZI="2027-11-30"),
    )
    by_fine, by_certificate = "李娜 阳处字〔2026〕1号", "李红 44170000000001"
    assert [len(city.found(query)) for query in (by_fine, by_certificate)] == [1, 1]
    city.clock.instant = MIDNIGHT
    assert [len(city.found(query)) for query in (by_fine, by_certificate)] == [0, 1]
    assert city.anybody.get(f"/v1/public/subjects/{city.ref(LI_NA)}").json["subject"]["name"] == "李**"
