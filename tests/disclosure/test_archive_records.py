"""Disclosure ends on its day in Shanghai time (Art. 18), whether or not the archiver has run."""

from collections.abc import Callable
from datetime import UTC, datetime

from chengxin_api.disclosure.v1 import disclosure_pb2 as pb
from services.disclosure.__main__ import policy
from services.disclosure.context import OWN
from services.disclosure.usecases.archive_records import Archiver, archive
from tests.disclosure.running_disclosure import COMPANY, LI_NA, RunningDisclosure, first_changes
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


PERSON = "李娜"
# Of whom something is told, by any face.
MARKS = ("李", "海陵")
BANK = {"sub": "c-bank", "org": "91000000MA0009028J", "purpose": "loan_application"}


def _asked(role: str, path: str, **claims: str) -> Callable[[RunningDisclosure], str]:
    """What a query over HTTP tells of both subjects, also of one entry alone."""

    def read(city: RunningDisclosure) -> str:
        asker = city.caller(role, **claims | ({"consent_id": city.kept["consent"]} if "org" in claims else {}))
        subjects = [{"identity_number": LI_NA}] + ([{"uscc": COMPANY}] if "org" not in claims else [])
        bodies = [{"subject": subject} | more for subject in subjects for more in ({}, {"entries": ["CFGR"]})]
        return "".join(asker.post(path, body).text for body in bodies)

    return read


def _by_grpc(city: RunningDisclosure) -> str:
    query = pb.QueryRequest(subject=pb.SubjectSelector(identity_number=LI_NA))
    consent = {"consent_id": city.kept["consent"]} | BANK
    roles = {"agency": {"purpose": "p"}, "statutory": BY_LAW, "subject_authorized": consent}
    return "".join(str(city.stub.Query(query, metadata=city.metadata(r, **c))) for r, c in roles.items())


def _watched(city: RunningDisclosure) -> str:
    return str(first_changes(city))


def _got(*paths: str) -> Callable[[RunningDisclosure], str]:
    def read(city: RunningDisclosure) -> str:
        refs = [city.ref(LI_NA), city.ref(COMPANY)]
        asked = {path.format(ref=ref) for path in paths for ref in refs}
        # The form has what was typed.
        return "".join(city.anybody.get(path).text.replace("海陵食", "").replace("李娜 010020", "") for path in asked)

    return read


FACES: dict[str, Callable[[RunningDisclosure], str]] = {
    "GET /": _got("/?q=海陵食", "/?q=李娜 010020"),
    "GET /v1/public/subjects": _got("/v1/public/subjects?q=海陵食", "/v1/public/subjects?q=李娜 010020"),
    "GET /subjects/<subject_ref>": _got("/subjects/{ref}", "/subjects/{ref}?entry=SBJF"),
    "GET /v1/public/subjects/<subject_ref>": _got("/v1/public/subjects/{ref}", "/v1/public/subjects/{ref}?entry=SBJF"),
    "GET /v1/public/records/<record_id>": _got("/v1/public/records/r_a", "/v1/public/records/r_fine"),
    "GET /v1/public/feed": _got("/v1/public/feed"),
    "POST /v1/shared/queries": _asked("agency", "/v1/shared/queries", purpose="p"),
    "POST /v1/statutory/queries": _asked("statutory", "/v1/statutory/queries", **BY_LAW),
    "POST /v1/authorized/queries": _asked("subject_authorized", "/v1/authorized/queries", **BANK),
    "chengxin.disclosure.v1.DisclosureService/Query": _by_grpc,
    "chengxin.disclosure.v1.DisclosureService/WatchPublic": _watched,
}
# The subject's own, and a report that tells ids alone.
_OTHERS = {"GET /me", "GET /v1/me/records", "POST /v1/public/feed/differences"}


def test_past_its_day_no_face_tells_anything_of_a_record_not_even_the_name(city: RunningDisclosure) -> None:
    asking = ("record.", "subject.searched.", "feed.")
    assert {row["face"] for row in policy() if row.get("act", "").startswith(asking)} - _OTHERS == FACES.keys()
    licence(city)
    city.delivers(city.record("CFGR", LI_NA, PERSON, "fine", CF_WSH="1", CF_GSJZQ="2026-11-30"))
    terms = {"grantee": BANK["org"], "purpose": BANK["purpose"], "entries": ["CFGR"], "valid_to": "2027-12-31"}
    city.kept["consent"] = city.person().post("/v1/me/consents", terms).json["consent_id"]
    city.clock.instant = BEFORE
    for face, read in FACES.items():
        assert any(mark in read(city) for mark in MARKS), face
    city.clock.instant = MIDNIGHT
    for _ in ("before it is archived", "after"):
        for face, read in FACES.items():
            assert [mark for mark in MARKS if mark in read(city)] == [], face
        archive(city.ctx, OWN)


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
