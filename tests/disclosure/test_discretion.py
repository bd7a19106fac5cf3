"""What the public sees of a person, on any face, is never more than the strictest of the records that it sees (Art. 4)."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from itertools import product
from typing import Any, Final

import pytest
from prometheus_client import REGISTRY

from chengxin.auth.principal import Role
from chengxin_api.ingest.v1 import ingest_pb2
from demo.identifiers import demo_identity_number
from services.disclosure.__main__ import policy
from services.disclosure.context import OWN
from services.disclosure.domain.entity_resolution import link_id
from services.disclosure.projections.consumers import Pieces
from services.disclosure.usecases.announce_later import Announcer
from services.disclosure.usecases.archive_records import archive
from tests.disclosure.provider_portal import Portal, on_page
from tests.disclosure.running_disclosure import LI_NA, DisclosureCaller, RunningDisclosure, demo_entry, first_changes

NAME: Final = "李娜"
SURNAME: Final = "李"
PERMIT: Final = "44170000000001"
# Records: more pages than one transaction tells anew.
COUNT: Final = 1200
# How an entry treats a person's name in public: what is laid over its item.
MASKS: Final[dict[str, dict[str, Any]]] = {
    "full": {"masking": ""},
    "masked": {"masking": "name"},
    "as a number": {"masking": "identifier"},
    "left out": {"masking": "name", "modes": ["authorized", "shared"]},
}
# The item with the name of the subject, of the entries that the tests use, and one in which people write freely.
ITEMS: Final = {"CFGR": ("CF_XDR_MC", "CF_SY"), "ZYZG": ("ZY_XM", "ZY_FW")}


@dataclass(frozen=True)
class ShownPerson:
    """A person of this name, whose records under the two entries have ids of their own."""

    number: str
    key: str = ""

    @property
    def typed(self) -> str:
        """What is typed to find the person."""
        return f"{NAME} {self.number[-6:]}"

    def record_id(self, code: str) -> str:
        return f"r_{code.lower()}{self.key}"


LI: Final = ShownPerson(LI_NA)


def _changes(person: ShownPerson, changes: Iterable[Any]) -> str:
    """What a feed tells of a person's records."""
    ids = {person.record_id(code) for code in ITEMS}
    return "".join(str(change) for change in changes if change["record_id"] in ids)


def _stream(city: RunningDisclosure, person: ShownPerson) -> str:
    return _changes(person, first_changes(city)["changes"])


def _feed(city: RunningDisclosure, person: ShownPerson) -> str:
    return _changes(person, city.anybody.get("/v1/public/feed").json["changes"])


def _got(*paths: str) -> Callable[[RunningDisclosure, ShownPerson], str]:
    def read(city: RunningDisclosure, person: ShownPerson) -> str:
        ids = {code: person.record_id(code) for code in ITEMS}
        words = {"ref": city.ref(person.number), "q": person.typed, **ids}
        answers = [city.anybody.get(path.format(**words)) for path in paths]
        assert {answer.status_code for answer in answers} <= {200, 404}
        # The form has what was typed.
        return "".join(answer.get_data(as_text=True).replace(person.typed, "") for answer in answers)

    return read


# Every face on which somebody without a token sees something of a subject; the test below finds one that is missing.
FACES: Final[dict[str, Callable[[RunningDisclosure, ShownPerson], str]]] = {
    "GET /": _got("/?q={q}", "/?q={q}&lang=en"),
    "GET /subjects/<subject_ref>": _got("/subjects/{ref}", "/subjects/{ref}?lang=en"),
    "GET /v1/public/subjects": _got("/v1/public/subjects?q={q}"),
    "GET /v1/public/subjects/<subject_ref>": _got("/v1/public/subjects/{ref}"),
    "GET /v1/public/records/<record_id>": _got("/v1/public/records/{CFGR}", "/v1/public/records/{ZYZG}"),
    "GET /v1/public/feed": _feed,
    "chengxin.disclosure.v1.DisclosureService/WatchPublic": _stream,
}


def test_every_public_face_is_looked_at() -> None:
    public = {row["face"] for row in policy() if Role.PUBLIC in row.get("roles", ())}
    assert public == set(FACES)


def publishes(city: RunningDisclosure, code: str, version: int, mask: str, **changes: Any) -> None:
    """The catalog publishes a version of an entry that treats names so."""
    items = [item | (MASKS[mask] if item["code"] == ITEMS[code][0] else {}) for item in demo_entry(code)["items"]]
    city.publishes(code, version, items=items, **changes)


def record(city: RunningDisclosure, code: str, person: ShownPerson = LI, **items: Any) -> ingest_pb2.RecordVersion:
    """A person's record under the second version of an entry, with the name in a text as well."""
    fields = {"CFGR": {"CF_GSJZQ": "2027-01-01", "CF_WSH": "阳市监罚〔2026〕12号"}, "ZYZG": {"ZY_YXQZI": "2030-01-01"}}
    text = {ITEMS[code][1]: f"当事人{NAME}（身份证号{person.number}）的记录"}
    key = person.record_id(code).removeprefix("r_")
    return city.record(code, person.number, NAME, key, **{"entry_version": 2} | fields[code] | text | items)


def seen(city: RunningDisclosure, person: ShownPerson = LI) -> dict[str, str]:
    """How much of the name each face shows."""
    found = {}
    for face, read in FACES.items():
        text = read(city, person)
        assert person.number not in text, face
        found[face] = "full" if NAME in text else "masked" if f"{SURNAME}**" in text else "nothing"
        assert (SURNAME in text) is (found[face] != "nothing"), face
    return found


def everywhere(much: str) -> dict[str, str]:
    return dict.fromkeys(FACES, much)


STRICTNESS: Final = {"full": "full", "masked": "masked", "as a number": "nothing", "left out": "nothing"}
ORDER: Final = ("full", "masked", "nothing")


def test_no_face_shows_more_than_the_strictest_record(city: RunningDisclosure) -> None:
    """For every pair of masks: as each record comes, goes, and is delivered anew under an entry of another mask."""
    versions = {mask: number for number, mask in enumerate(MASKS, start=2)}
    for (mask, version), code in product(versions.items(), ITEMS):
        publishes(city, code, version, mask)
    people = {
        masks: ShownPerson(demo_identity_number(date(1890, 1, 1), number), f"{number:02}")
        for number, masks in enumerate(product(MASKS, MASKS), start=1)
    }
    fines = [record(city, "CFGR", p, entry_version=versions[one]) for (one, _), p in people.items()]
    city.delivers(*fines)
    city.delivers(*(record(city, "ZYZG", p, entry_version=versions[other]) for (_, other), p in people.items()))
    for (one, other), person in people.items():
        strictest = max(STRICTNESS[one], STRICTNESS[other], key=ORDER.index)
        assert seen(city, person) == everywhere(strictest), (one, other)
    for fine in fines:
        fine.version, fine.revoked = 2, True
    city.delivers(*fines)
    for (one, other), person in people.items():
        assert seen(city, person) == everywhere(STRICTNESS[other]), (one, other, "revoked")
    anew = {"version": 2, "ZY_ZSBH": "44170000000009"}
    city.delivers(*(record(city, "ZYZG", p, entry_version=versions[one], **anew) for (one, _), p in people.items()))
    for (one, other), person in people.items():
        assert seen(city, person) == everywhere(STRICTNESS[one]), (other, one, "anew")


@pytest.fixture
def mixed(city: RunningDisclosure) -> RunningDisclosure:
    """One entry masks names, the other one shows them."""
    publishes(city, "CFGR", 2, "masked")
    publishes(city, "ZYZG", 2, "full")
    return city


def test_who_follows_the_feed_is_told_when_the_form_of_a_name_changes(mixed: RunningDisclosure, portal: Portal) -> None:
    mixed.delivers(record(mixed, "ZYZG"))
    assert NAME in str(portal.follow())
    mixed.delivers(record(mixed, "CFGR"))
    assert NAME not in str(portal.follow())
    mixed.delivers(record(mixed, "CFGR", version=2, revoked=True))
    assert NAME in str(portal.follow())
    assert on_page(mixed, LI_NA) == portal.shows


def test_what_masked_a_name_ends_and_the_feed_tells_it_when_the_record_is_archived(
    mixed: RunningDisclosure, portal: Portal
) -> None:
    mixed.delivers(record(mixed, "ZYZG"), record(mixed, "CFGR"))
    assert NAME not in str(portal.follow())
    mixed.clock.instant = datetime(2027, 1, 1, 15, 59, tzinfo=UTC)
    assert seen(mixed) == everywhere("masked")
    mixed.clock.instant = datetime(2027, 1, 1, 16, 0, tzinfo=UTC)
    assert seen(mixed) == everywhere("full")
    archive(mixed.ctx, OWN)
    assert NAME in str(portal.follow())
    assert on_page(mixed, LI_NA) == portal.shows


def test_organs_are_told_a_name_as_masked_as_the_strictest_record_that_they_get(mixed: RunningDisclosure) -> None:
    mixed.delivers(record(mixed, "CFGR"), record(mixed, "ZYZG"))
    agency = mixed.caller("agency", purpose="review", org="O")
    told = agency.post("/v1/shared/queries", {"subject": {"identity_number": LI_NA}}).json
    assert told["subject"]["name"] == "李**"
    assert [r["items"].get("ZY_XM", "") for r in told["records"]] == [NAME, ""]


def test_references_that_become_one_person_are_shown_as_the_strictest_of_them(
    mixed: RunningDisclosure, portal: Portal, officer: DisclosureCaller
) -> None:
    """By her certificate's number alone she was shown in full: until a record says that it is hers, and again after an
    officer says that it is not."""
    publishes(mixed, "ZYZG", 3, "full", subject_id_items=["ZY_ZSBH", "ZY_ZJHM"])
    alone = record(mixed, "ZYZG", entry_version=3, ZY_ZSBH=PERMIT)
    alone.subject.scheme, alone.subject.subject_ref = "item:ZY_ZSBH", by_certificate(mixed)
    del alone.items["ZY_ZJHM"]
    mixed.delivers(alone)
    mixed.delivers(record(mixed, "CFGR"))
    assert NAME in str(portal.follow())
    both = record(mixed, "ZYZG", entry_version=3, ZY_ZSBH=PERMIT, ZY_FW="两个号码")
    both.record_id = "r_both"
    mixed.delivers(both)
    assert seen(mixed) == everywhere("masked")
    assert NAME not in str(portal.follow())
    assert NAME not in mixed.anybody.get(f"/subjects/{by_certificate(mixed)}").text
    link = link_id(mixed.ref(LI_NA), by_certificate(mixed))
    assert officer.post(f"/v1/subjects/links/{link}/split", {"reason": "另有其人"}).status_code == 200
    assert NAME in str(portal.follow())
    mixed.decides(officer, f"/{link}/undo", {"reason": "核对后确认"})
    assert NAME not in str(portal.follow())


def by_certificate(city: RunningDisclosure) -> str:
    return city.ctx.subject_key.subject_ref("item:ZY_ZSBH", PERMIT)


def test_a_person_with_many_pages_of_records_is_told_anew_in_parts(mixed: RunningDisclosure, portal: Portal) -> None:
    """No transaction rewrites them: which form is shown is decided when it is read."""
    pieces = Pieces()
    for start in range(0, COUNT, 200):
        some = [record(mixed, "ZYZG", ZY_ZSBH=f"44170000{start + n:06d}") for n in range(200)]
        for number, one in enumerate(some):
            one.record_id = f"r_many{start + number}"
        change = ingest_pb2.Change(records=some, last=True)
        mixed.told(lambda ctx, unit, told: [pieces.apply(ctx, unit, piece) for piece in pieces.cut([told])], change)
    assert NAME in str(portal.follow())
    written = REGISTRY.get_sample_value("chengxin_intake_bytes_total") or 0
    change = ingest_pb2.Change(records=[record(mixed, "CFGR")], last=True)
    mixed.told(pieces.apply, change)
    assert (REGISTRY.get_sample_value("chengxin_intake_bytes_total") or 0) - written < 64 * 1024
    Announcer(mixed.ctx, mixed.quarantine).round()
    assert NAME not in str(portal.follow())
    assert len(portal.shows) == COUNT + 1
