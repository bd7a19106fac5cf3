"""Places that read a number without its kind: some organisations' codes have the form of an identity number (Art. 15)."""

import pytest

from chengxin.audit.kinds import LABEL, ORGANISATION, REFERENCE, WITHHELD, WORD, WORDS, Text
from chengxin.values.identifiers import ANY_DOCUMENT, IDENTIFIERS, PERSONAL, fault_of, is_uscc
from chengxin.values.personal_numbers import holds_personal_number, is_personal_number
from chengxin_api.disclosure.v1 import disclosure_pb2
from demo.identifiers import demo_identity_number, organisation_code
from services.catalog.domain.entry import IdentifierScheme
from services.catalog.domain.sample_record import SAMPLES
from services.disclosure.domain.entity_resolution import Link, LinkDecision, SchemedReference, group_links
from services.disclosure.domain.masking import mask_identifier
from services.disclosure.domain.record_views import PERSON_PUBLIC, View
from tests.disclosure.delivered_records import ENTRIES, fragment
from tests.disclosure.running_disclosure import LI_NA, TODAY, RunningDisclosure

# Credit codes with right check digits, of digits alone.
CODES = ("910000000000001587", "910000190004170336", "910000190004175006", "910000190004175786")
# An identity number of before 1999, and an organisation code that looks like a day and a sequence.
OLD, TAX = "441702880302003", organisation_code("90051234")
NAME = "阳江演示巧合甲有限公司"


def citizens_with_two_check_digits() -> list[str]:
    """Identity numbers that have the check digit of a credit code, too; one in 31 has."""
    born = TODAY.date().replace(year=1890)
    return [n for n in (demo_identity_number(born, sequence) for sequence in range(1, 300)) if is_uscc(n)]


def test_an_organisation_is_found_by_its_code_whatever_else_it_looks_like(city: RunningDisclosure) -> None:
    city.delivers(*(city.record("QYDJ", code, f"{NAME}{n}", f"r{n}", DJZT="存续") for n, code in enumerate(CODES)))
    for code in CODES:
        wide = "".join(chr(ord(c) + 0xFEE0) for c in code)
        for written in (code, code[:12], f" {code} ", wide):
            assert city.ref(code) in [found["subject_ref"] for found in city.found(written)], written
        assert code in city.anybody.get(f"/?q={code}").text
        shared = {"subject": {"uscc": code}}
        caller = {"purpose": "review", "org": code}
        answer = city.caller("agency", **caller).post("/v1/shared/queries", shared).json
        assert answer["subject"]["uscc"] == code
        request = disclosure_pb2.QueryRequest(subject=disclosure_pb2.SubjectSelector(uscc=code))
        assert city.stub.Query(request, metadata=city.metadata("agency", **caller)).subject.uscc == code
    assert {event["actor"]["org"] for event in city.audit.of("record.queried.shared")} == set(CODES)


def test_a_citizens_number_finds_nobody_also_when_it_could_be_a_code(city: RunningDisclosure) -> None:
    city.delivers(city.record("ZYZG", LI_NA, "李娜", "nurse", ZY_ZSBH="1", ZY_YXQZI="2031-11-01"))
    for number in (LI_NA, *citizens_with_two_check_digits()):
        assert city.found(number) == []
        assert is_personal_number(number)
        assert holds_personal_number(number)


@pytest.mark.parametrize("kind", [LABEL, ORGANISATION, REFERENCE, WORD, WORDS], ids=lambda kind: kind.title)
def test_on_record_a_code_stays_and_a_citizens_number_does_not(kind: Text) -> None:
    assert [kind.admitted(code) for code in CODES] == list(CODES)
    assert {kind.admitted(number) for number in citizens_with_two_check_digits()} == {WITHHELD}


def test_in_free_text_what_may_be_a_person_is_masked() -> None:
    """There nobody says what a number is, so the stricter reading holds."""
    assert holds_personal_number(f"与{CODES[1]}有关")


@pytest.mark.parametrize("code", sorted(ENTRIES))
def test_what_is_recorded_as_an_organisations_number_shows_no_persons(code: str) -> None:
    """Records that were recorded before such numbers were refused."""
    entry = ENTRIES[code]
    until = {entry.disclosure_period.item: "2099-12-31"} if entry.disclosure_period.item else {}
    for item in entry.items:
        if item.identifier not in ("", "registration_number") or not entry.registers_organisation(item):
            continue
        # The last two have the check digits of a business and of a tax registration.
        for number, whole in ((LI_NA, False), (OLD, False), ("441702600312344", True), (f"441702{TAX}", True)):
            sealed = {other.code: number for other in entry.items if other.personal_identifier}
            for opened, shown in (({}, whole), (sealed, False)):
                kept = fragment(entry, until | opened | {item.code: number}, opened, "enterprise")
                for view in (*PERSON_PUBLIC, View.SHARED):
                    if kept.shows_in(view) and item.code in kept.items(view):
                        assert (kept.items(view)[item.code] == number) is (shown or (not opened and whole)), (
                            view,
                            number,
                        )
                assert kept.items(View.OWN)[item.code] == number


@pytest.mark.parametrize("scheme", IDENTIFIERS)
def test_a_subject_is_asked_for_by_valid_numbers_only(city: RunningDisclosure, scheme: str) -> None:
    answer = city.caller("agency", purpose="p").post("/v1/shared/queries", {"subject": {scheme: "0000"}})
    assert (answer.status_code, answer.json["code"]) == (400, "INPUT_INVALID")
    assert [error["field"] for error in answer.json["errors"]] == [f"subject.{scheme}"]
    assert fault_of(scheme, "0000", TODAY.date())


@pytest.mark.parametrize("scheme", sorted(PERSONAL - {ANY_DOCUMENT}))
def test_a_person_with_any_document_is_shown_as_a_person(city: RunningDisclosure, scheme: str) -> None:
    """Public without a number and by a masked name, shared with a masked number, to herself in full (Art. 4, 14, 16)."""
    number = SAMPLES[IdentifierScheme(scheme)]
    made = city.record("CFGR", LI_NA, "安娜", "fine", CF_WSH="1", CF_GSJZQ="2029-01-01", CF_SY=f"证件{number}")
    made.items["CF_XDR_ZJHM"] = city.ctx.keys.encrypt(number, "CF_XDR_ZJHM")
    made.subject.scheme, made.subject.subject_ref = scheme, city.ctx.subject_key.subject_ref(scheme, number)
    city.delivers(made)
    shared = {"subject": {scheme: number.lower()}}
    answer = city.caller("agency", purpose="p").post("/v1/shared/queries", shared).json
    assert answer["subject"]["name"] == "安**"
    assert answer["records"][0]["items"]["CF_XDR_ZJHM"] == mask_identifier(number)
    assert number not in str(answer)
    request = disclosure_pb2.QueryRequest(subject=disclosure_pb2.SubjectSelector(**{scheme: number}))
    assert len(city.stub.Query(request, metadata=city.metadata("agency", purpose="p")).records) == 1
    seen = city.anybody.get(f"/v1/public/subjects/{made.subject.subject_ref}").text
    assert number not in seen
    own = city.caller("subject", sub=made.subject.subject_ref).get("/v1/me/records").json
    assert own["records"][0]["items"]["CF_XDR_ZJHM"] == number
    assert not [event for event in city.audit.events if len(number) > 8 and number in str(event)]


@pytest.mark.parametrize("scheme", sorted(PERSONAL - {ANY_DOCUMENT, "identity_number"}))
def test_records_alone_join_no_two_documents_and_an_officer_does(city: RunningDisclosure, scheme: str) -> None:
    one, other = (SchemedReference(f"s_{s}", s) for s in (scheme, "identity_number"))
    company = SchemedReference("s_c", "organisation_code")
    assert group_links([Link(one, other)]).of(one.ref) == (one.ref,)
    assert len(group_links([Link(one, other, decision=LinkDecision.SAME)]).of(one.ref)) == 2
    for decision in (LinkDecision.NONE, LinkDecision.SAME):
        joined = group_links([Link(one, company, decision=decision), Link(company, SchemedReference("s_u", "uscc"))])
        assert one.ref not in joined.of("s_u")
    assert group_links([Link(one, company, decision=LinkDecision.SAME)]).of(one.ref) == (one.ref,)
