"""The identifiers of organisations and persons, as GB 32100, GB 11643, GB 11714 and the issuers of documents have them."""

import re
from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stdnum.cn import ric, uscc

from chengxin.values.identifiers import (
    ANY_DOCUMENT,
    DECLARED,
    IDENTIFIERS,
    PERSONAL,
    REGISTRARS,
    fault_of,
    is_uscc,
    passport_fault,
    permanent_residence_fault,
    personal_scheme,
    scheme_of,
    standard_form,
)
from chengxin.values.issuing_states import ISSUERS, NATIONALITIES
from chengxin.values.subject_kinds import subject_kind
from chengxin_api.disclosure.v1 import disclosure_pb2
from services.catalog.domain.entry import IdentifierScheme
from services.catalog.domain.labels import IDENTIFIERS as LABELS
from services.catalog.domain.sample_record import SAMPLES
from services.disclosure.domain.entity_resolution import STRONG
from services.disclosure.http.schemas import SelectorBody
from services.ingest.domain.violation_messages import RULES

TODAY = date(2026, 11, 29)
PROVINCES = "11 12 13 14 15 21 22 23 31 32 33 34 35 36 37 41 42 43 44 45 46 50 51 52 53 54 61 62 63 64 65 71 81 82 83"


def person(region: str, born: date | str, sequence: str = "001") -> str:
    """An identity number with a right check digit."""
    body = f"{region}{born if isinstance(born, str) else f'{born:%Y%m%d}'}{sequence}"
    return body + str(ric.calc_check_digit(body + "0"))


def organisation(beginning: str, organisation_code: str = "MF0000312") -> str:
    """A credit code with a right check digit."""
    return f"{beginning}000000{organisation_code}" + str(uscc.calc_check_digit(f"{beginning}000000{organisation_code}"))


@pytest.mark.parametrize(
    "code",
    [
        *("N2000000MF0000312Q", "N3000000MF0000320G", "N1000000MF0000339K", "Y10000000000003429", "A1000000000000350Q"),
        # They have the form of an identity number, too.
        *("910000000000001587", "910000190004170336", "910000190004175006", "910000190004175786"),
    ],
)
def test_credit_codes_of_every_registrar_are_good(code: str) -> None:
    assert is_uscc(code)


@pytest.mark.parametrize("registrar", REGISTRARS)
def test_a_registrar_has_categories_from_1_on(registrar: str) -> None:
    assert [c for c in "0123456789ABNXY" if is_uscc(organisation(registrar + c))] == list("123456789")


@pytest.mark.parametrize("first", sorted(set("0123456789ABCDEFGHJKLMNPQRTUWXY") - REGISTRARS.keys()))
def test_what_is_no_registrar_is_refused_by_name(first: str) -> None:
    assert fault_of("uscc", organisation(f"{first}1"), TODAY) == "registrar"


@pytest.mark.parametrize("last", "0123456789X")
def test_the_organisation_code_inside_has_a_check_digit_of_its_own(last: str) -> None:
    fault = fault_of("uscc", organisation("91", f"MF000031{last}"), TODAY)
    assert fault == (None if last == "2" else "organisation_code")


def test_a_passport_is_of_a_state_that_there_is() -> None:
    """ISO 3166-1 and ICAO Doc 9303, part 3, section 5."""
    assert {len(state) for state in NATIONALITIES} == {3}
    for state in ("CHN", "USA", "DEU", "TWN", "HKG", "RKS", "GBN", "UNO", "XOM", "UTO"):
        assert fault_of(ANY_DOCUMENT, f"{state}-E00000000", TODAY) is None, state
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
    good = {a + b + c for a in letters for b in letters for c in letters if not passport_fault(f"{a}{b}{c}-E00000000")}
    assert good == ISSUERS
    assert {fault_of(ANY_DOCUMENT, f"{s}-E00000000", TODAY) for s in ("XXX", "XXA", "AAA", "CHM")} == {"state"}


# Doc 9303, part 3, section 5, as the British Home Office lists it for forms.
OF_DOC_9303 = [
    "GBD",
    "GBN",
    "GBO",
    "GBP",
    "GBS",
    "RKS",
    "EUE",
    "UNO",
    "UNA",
    "UNK",
    "XBA",
    "XIM",
    "XCC",
    "XCE",
    "XCO",
    "XEC",
    "XPO",
    "XES",
    "XMP",
    "XOM",
    "XDC",
]


@pytest.mark.parametrize("state", OF_DOC_9303)
def test_passports_of_organisations_and_parts_of_states_are_taken(state: str) -> None:
    assert fault_of(ANY_DOCUMENT, f"{state}-E00000000", TODAY) is None
    assert fault_of("passport", f"{state}-E00000000", TODAY) is None


@pytest.mark.parametrize("printed", ["D-C01X00T47", "D<<-C01X00T47", "d－c01x00t47", "DEU-C01X00T47"])
def test_a_german_passport_is_one_document_however_its_state_is_printed(printed: str) -> None:
    for scheme in ("passport", ANY_DOCUMENT):
        plain = standard_form(scheme, printed)
        assert (plain, fault_of(scheme, plain, TODAY)) == ("DEU-C01X00T47", None)
        assert standard_form(scheme, plain) == plain


def test_the_country_of_an_earlier_residence_card_is_one_that_there_is() -> None:
    assert permanent_residence_fault("XXA440096022901", TODAY) is None
    assert permanent_residence_fault("CHM440096022901", TODAY) == "state"


def test_the_holder_of_a_residence_card_is_a_foreigner() -> None:
    """In three letters, and in the three digits of ISO 3166-1, of which 249 are given to countries, and 900 to specimens."""
    for letters in ("CHN", "HKG", "MAC", "TWN"):
        assert permanent_residence_fault(f"{letters}440096022901", TODAY) == "state"
    faults = {n: permanent_residence_fault(person(f"944{n:03}", date(1990, 12, 31)), TODAY) for n in range(1, 1000)}
    assert set(faults.values()) == {None, "state"}
    assert list(faults.values()).count(None) == 249 - 4 + 1
    assert [faults[n] for n in (156, 158, 344, 446, 999)] == ["state"] * 5
    assert (faults[398], faults[900]) == (None, None)


@pytest.mark.parametrize("province", PROVINCES.split())
def test_identity_numbers_of_every_province_are_good(province: str) -> None:
    """Also of the residence permits of Hong Kong (810000), Macao (820000) and Taiwan (830000)."""
    assert fault_of("identity_number", person(f"{province}0000", date(1990, 2, 28)), TODAY) is None


@pytest.mark.parametrize("province", sorted({f"{n:02d}" for n in range(100)} - set(PROVINCES.split())))
def test_a_province_that_does_not_exist_is_refused(province: str) -> None:
    number = person(f"{province}0000", date(1990, 2, 28))
    assert fault_of("identity_number", number, TODAY) == "region"
    assert re.fullmatch(IDENTIFIERS["identity_number"].form, number) is None


@pytest.mark.parametrize(
    "number",
    [
        person("441702", "20990417"),
        person("441702", "20261130"),
        "441702189002300011",
        "441702100001010019",
        person("441702", "18691231"),
    ],
)
def test_nobody_is_born_after_today_or_before_numbers_were_given(number: str) -> None:
    assert fault_of("identity_number", number, TODAY) == "birth_date"


@given(st.dates(date(1860, 1, 1), TODAY + timedelta(days=40_000)))
def test_a_number_is_good_from_the_day_of_birth_on(born: date) -> None:
    number = person("441702", born)
    assert (fault_of("identity_number", number, TODAY) is None) == (date(1870, 1, 1) <= born <= TODAY)
    assert (fault_of("identity_number", number, born) is None) == (born.year >= 1870)


def test_a_number_of_fifteen_digits_is_refused_by_name() -> None:
    assert fault_of("identity_number", "441702900228001", TODAY) == "fifteen_digits"


@pytest.mark.parametrize("province", PROVINCES.split())
def test_numbers_of_permanent_residence_cards(province: str) -> None:
    """Of the cards since December 2023, and of those before (country, place, birth, sequence)."""
    number = person(f"9{province}398", date(1990, 12, 31))
    assert permanent_residence_fault(number, TODAY) is None
    assert permanent_residence_fault(number, date(1990, 12, 30)) == "birth_date"
    assert permanent_residence_fault(number[:-1] + ("1" if number[-1] != "1" else "2"), TODAY) == "check_digit"
    assert fault_of("identity_number", number, TODAY) == "region"
    assert permanent_residence_fault(f"KAZ{province}0090123105", TODAY) is None
    assert permanent_residence_fault(f"KAZ{province}0090023005", TODAY) == "birth_date"
    assert permanent_residence_fault(f"K4Z{province}0090123105", TODAY) == "format"
    assert personal_scheme(f" kaz{province}0090123105", TODAY) == "permanent_residence"


@pytest.mark.parametrize(
    ("scheme", "written", "recorded"),
    [
        ("uscc", " ９１４４１７００ma4w00007k", "91441700MA4W00007K"),
        ("identity_number", "44170218880302002x", "44170218880302002X"),
        ("organisation_code", "ma000901-x", "MA000901X"),
        ("hk_macao_permit", "h01234567", "H01234567"),
        # With the two digits that count renewals.
        ("hk_macao_permit", "M0123456702", "M01234567"),
        ("taiwan_permit", "０１２３４５６７", "01234567"),
        ("passport", "usa－ 123456789", "USA-123456789"),
        ("passport", "chn—e12345678", "CHN-E12345678"),
    ],
)
def test_what_is_the_same_is_recorded_in_one_form(scheme: str, written: str, recorded: str) -> None:
    assert standard_form(scheme, written) == recorded
    assert standard_form(scheme, recorded) == recorded


@pytest.mark.parametrize(
    ("scheme", "bad"),
    [
        ("hk_macao_permit", ["A01234567", "H0123456", "H012345678", "01234567", ""]),
        ("taiwan_permit", ["0123456", "012345678", "T1234567", ""]),
        ("passport", ["E12345678", "CHNE12345678", "CHN-1234", "CHN-1234567890", "CH-E12345678", "CHN-E1234_678", ""]),
        ("organisation_code", ["D21435691", "D2143569", "d2143569X", "D2143569甲", ""]),
    ],
)
def test_what_is_of_another_form_is_refused(scheme: str, bad: list[str]) -> None:
    assert [value for value in bad if fault_of(scheme, value, TODAY) is None] == []


def test_an_item_for_any_document_takes_each_and_knows_which_it_is() -> None:
    for scheme in PERSONAL - {ANY_DOCUMENT}:
        sample = SAMPLES[IdentifierScheme(scheme)]
        assert re.fullmatch(DECLARED[ANY_DOCUMENT].form, sample)
        assert fault_of(ANY_DOCUMENT, sample, TODAY) is None
        assert scheme_of(ANY_DOCUMENT, sample) == personal_scheme(sample.lower(), TODAY) == scheme
    assert standard_form(ANY_DOCUMENT, "h0123456702") == "H01234567"
    for wrong in ("", "441702900228001", "E12345678", "H0123", "44170219900228001", person("441702", "20261130")):
        assert fault_of(ANY_DOCUMENT, wrong, TODAY), wrong
        assert f"{scheme_of(ANY_DOCUMENT, wrong)}.{fault_of(ANY_DOCUMENT, wrong, TODAY)}" in RULES


def test_organisation_codes() -> None:
    assert fault_of("organisation_code", "D2143569X", TODAY) is None


@pytest.mark.parametrize("scheme", IDENTIFIERS)
def test_every_scheme_has_its_place_everywhere(scheme: str) -> None:
    """The catalog names and samples it, ingest explains its faults, disclosure is asked by it."""
    kind, sample = IDENTIFIERS[scheme], SAMPLES[IdentifierScheme(scheme)]
    assert LABELS[IdentifierScheme(scheme)]
    assert fault_of(scheme, sample, TODAY) is None
    assert re.fullmatch(kind.form, sample)
    assert len(sample) <= kind.length
    assert standard_form(scheme, sample) == sample
    assert scheme in SelectorBody.model_fields
    assert scheme in disclosure_pb2.SubjectSelector.DESCRIPTOR.fields_by_name
    assert (scheme in PERSONAL) == (subject_kind(scheme, sample, ["individual", "enterprise"]) == "individual")
    assert scheme in STRONG or scheme == "organisation_code"


@given(st.sampled_from(sorted(IDENTIFIERS)), st.data())
def test_each_fault_of_a_scheme_has_a_message(scheme: str, data: st.DataObject) -> None:
    texts = st.text("0123456789AHMXZ-", max_size=19) | st.from_regex(IDENTIFIERS[scheme].form, fullmatch=True)
    fault = fault_of(scheme, data.draw(texts), TODAY)
    assert fault is None or f"{scheme}.{fault}" in RULES


@given(st.sampled_from(sorted(IDENTIFIERS)), st.data())
def test_a_value_of_the_form_fails_only_by_what_the_form_does_not_say(scheme: str, data: st.DataObject) -> None:
    """A schema made of the form takes what collection takes; what it takes too much is said in words."""
    kind = IDENTIFIERS[scheme]
    value = data.draw(st.from_regex(kind.form, fullmatch=True, alphabet=st.characters(max_codepoint=127)))
    said_in_words = ("check_digit", "organisation_code", "state", "birth_date")
    assert (fault_of(scheme, value, TODAY) or "check_digit") in said_in_words
    assert [
        s for s in PERSONAL - {scheme, ANY_DOCUMENT} if re.fullmatch(IDENTIFIERS[s].form, value)
    ] == [] or scheme not in PERSONAL
    if not any(kind.beyond_form):
        assert fault_of(scheme, value, TODAY) is None
