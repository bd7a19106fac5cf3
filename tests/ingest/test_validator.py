"""Properties of validation and records: what is valid survives unchanged, what breaks a rule is reported by its name."""

from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chengxin.store.field_encryption import is_encrypted
from chengxin.values.identifiers import fault_of
from chengxin.values.name_faults import name_fault
from chengxin.values.personal_numbers import is_persons_instead
from chengxin.values.text_forms import first_hidden, standard_name
from demo.identifiers import demo_identity_number, demo_uscc
from services.ingest.domain.catalog_entry import DeliveryItem, read_entry
from services.ingest.domain.normalisation import to_date, to_number
from services.ingest.domain.record_versioning import ExistingVersion, decide
from services.ingest.domain.submission import DeliveredRecord, OutcomeKind
from services.ingest.domain.validator import Validator
from tests.ingest.deliveries import REGULATOR, licence, wrong_digit
from tests.ingest.licence_validation import AT, ENTRY, PROVIDER, RECORDER, TODAY, VALIDATOR
from tests.ingest.running_ingest import DEMO, demo_entry

# Without what a spreadsheet adds to numbers (`1e+9`, `'1`, `="1"`).
_SIGNS = st.characters(categories=("L", "N", "P", "S"), exclude_characters="+'‘’‛′`´＇=\"“”„″＂")
# Characters of a name, and thus of any text, as it is recorded.
TEXT = (
    st.text(_SIGNS, min_size=1, max_size=15).map(standard_name).filter(lambda text: text and not first_hidden(text, 1))
)
DATES = st.dates(date(1950, 1, 1), date(2099, 12, 31))
PAST = st.dates(date(1950, 1, 1), TODAY)
CODES = st.integers(1, 999_999).map(lambda n: demo_uscc("91", n, "MA"))
# As our reader of workbooks gives numbers of more than 15 digits.
LONG = ("1.2345678901234567E+09", "0.3333333333333333E+00")
REGISTRATIONS = st.from_regex(r"[0-9]{15}", fullmatch=True, alphabet="0123456789").filter(
    lambda number: not is_persons_instead(number)
)
PEOPLE = st.builds(demo_identity_number, st.dates(date(1886, 1, 1), date(1899, 12, 31)), st.integers(1, 999))


def values(item: DeliveryItem) -> st.SearchStrategy[str]:
    """Valid values of an item, as they are recorded."""
    if item.type == "date":
        days = PAST if item.not_after_delivery else DATES
        return days.map(date.isoformat)
    if item.type == "number":
        return st.decimals(-(10**9), 10**9, places=item.scale).map(lambda n: to_number(str(n)))
    if item.code_list:
        return st.sampled_from([value.code for value in item.code_list])
    if item.identifier == "uscc":
        return CODES
    if item.identifier == "registration_number":
        return REGISTRATIONS
    if item.identifier == "identity_number":
        return PEOPLE
    texts = TEXT.map(lambda text: text[: item.length or None])
    return texts.filter(lambda text: name_fault(text) is None) if ENTRY.is_name(item) else texts


@st.composite
def records(draw: Any) -> dict[str, str]:
    """A valid licensing record with some of its optional items."""
    optional = {"XK_FRDB", "XK_XKZS", "XK_XKBH", "BZ", "XK_XDR_GSZC", "PAID", "DUE", "REASON"}
    chosen = draw(st.sets(st.sampled_from(sorted(optional))))
    record = {
        item.code: draw(values(item)) for item in ENTRY.items if item.required or item.code in chosen | {"XK_XDR_SHXYM"}
    }
    begins, ends = sorted((record["XK_YXQZ"], record["XK_YXQZI"]))
    record |= {"XK_YXQZ": begins, "XK_YXQZI": ends}
    if {"PAID", "DUE"} <= record.keys():
        record["DUE"], record["PAID"] = sorted((record["DUE"], record["PAID"]), key=Decimal)
    if record["XK_ZT"] == "1":
        record.pop("REASON", None)
    return record


@given(records())
def test_a_valid_record_round_trips(record: dict[str, str]) -> None:
    checked = RECORDER.check(VALIDATOR, PROVIDER, DeliveredRecord(1, record), TODAY)
    assert checked.violations == ()
    document = checked.document
    assert document is not None
    assert RECORDER.opened(ENTRY, document) == record
    assert document["_id"] == RECORDER.record_ids(ENTRY, REGULATOR, record)[0]


MUTATIONS = {
    "required": lambda r: r | {"XK_NR": "  "},
    "date": lambda r: r | {"XK_JDRQ": "2026-02-30"},
    "date.future": lambda r: r | {"XK_JDRQ": "9999-12-31"},
    "date.serial": lambda r: r | {"XK_JDRQ": "45296"},
    "length": lambda r: r | {"XK_WSH": "号" * 65},
    "characters": lambda r: r | {"XK_NR": "食品\x00经营"},
    "code_list": lambda r: r | {"XK_ZT": "3"},
    "spreadsheet_number": lambda r: r | {"XK_WSH": "4.41702E+17"},
    "uscc.check_digit": lambda r: r | {"XK_XKJGDM": wrong_digit(r["XK_XKJGDM"])},
    "uscc.length": lambda r: r | {"XK_LYDWDM": r["XK_LYDWDM"][:17]},
    "uscc.format": lambda r: r | {"XK_LYDWDM": "I" + r["XK_LYDWDM"][1:]},
    "organisation_code.check_digit": lambda r: r | {"XK_XDR_ZZJG": "MA0000219"},
    "unknown_item": lambda r: r | {"NONE": "x"},
    "not_before": lambda r: r | {"XK_YXQZ": "2030-01-02", "XK_YXQZI": "2030-01-01"},
    # As texts these would be in order.
    "not_less": lambda r: r | {"PAID": "9.5", "DUE": "10"},
    "forbidden_when": lambda r: r | {"XK_ZT": "1", "REASON": "补办"},
    "required_when": lambda r: r | {"XK_FR_ZJLX": "身份证", "XK_FR_ZJHM": ""},
    "required_one_of": lambda r: {k: v for k, v in r.items() if k not in ("XK_XDR_SHXYM", "XK_XDR_GSZC")},
}


@pytest.mark.parametrize("rule", MUTATIONS)
@settings(max_examples=25)
@given(record=records())
def test_a_record_that_breaks_a_rule_is_rejected_naming_it(rule: str, record: dict[str, str]) -> None:
    checked = RECORDER.check(VALIDATOR, PROVIDER, DeliveredRecord(1, MUTATIONS[rule](record)), TODAY)
    assert checked.document is None
    assert rule in {violation.rule for violation in checked.violations}
    for violation in checked.violations:
        assert violation.zh
        assert violation.en


@given(records())
def test_a_value_written_another_way_is_the_same_record(record: dict[str, str]) -> None:
    year, month, day = record["XK_JDRQ"].split("-")
    wide = {ord(c): ord(c) + 0xFEE0 for c in "0123456789ABCDEFGHJKLMNPQRTUWXY"}
    other = record | {
        "XK_JDRQ": f"{year}年{int(month)}月{int(day)}日",
        "XK_XKJGDM": record["XK_XKJGDM"].translate(wide).lower(),
        "XK_NR": f"  {record['XK_NR']}\t",
    }
    first = RECORDER.check(VALIDATOR, PROVIDER, DeliveredRecord(1, record), TODAY).document
    second = RECORDER.check(VALIDATOR, PROVIDER, DeliveredRecord(1, other), TODAY).document
    assert first is not None
    assert second is not None
    assert "raw" not in first
    assert second == first | {"raw": {code: other[code] for code in ("XK_JDRQ", "XK_XKJGDM", "XK_NR")}}


@given(st.lists(st.tuples(st.integers(1, 4), st.sampled_from(["甲", "乙"])), max_size=12))
def test_versions_of_a_record_follow_each_other(deliveries: list[tuple[int, str]]) -> None:
    """However often a batch repeats records, versions count up by one and the history misses none."""
    checked = [
        RECORDER.check(VALIDATOR, PROVIDER, DeliveredRecord(row, licence(number, XK_NR=words)), TODAY)
        for row, (number, words) in enumerate(deliveries)
    ]
    [known_id] = RECORDER.record_ids(ENTRY, REGULATOR, licence(1))
    known = {known_id: ExistingVersion(7, "another content")}
    history = decide(checked, known, {}, AT)
    written: dict[str, list[int]] = {}
    for document in (*history.superseded, *history.created.values(), *history.replaced.values()):
        written.setdefault(document["_id"], []).append(document["version"])
    for record_id, versions in written.items():
        first = 8 if record_id == known_id else 1
        assert sorted(versions) == list(range(first, first + len(versions)))
    assert len(history.outcomes) == len(deliveries)
    changed = sum(became.outcome in (OutcomeKind.ACCEPTED, OutcomeKind.AMENDED) for became in history.outcomes)
    assert changed == sum(map(len, written.values()))


def test_identifier_items_are_sealed() -> None:
    document = RECORDER.check(VALIDATOR, PROVIDER, DeliveredRecord(1, licence()), TODAY).document
    assert document is not None
    assert [code for code, value in document["items"].items() if is_encrypted(value)] == ["XK_FR_ZJHM"]
    [violation] = RECORDER.check(
        VALIDATOR, PROVIDER, DeliveredRecord(1, licence(XK_FR_ZJHM="1" * 65)), TODAY
    ).violations
    assert violation.value == ""


@given(DATES)
def test_dates_are_read_in_every_usual_form(day: date) -> None:
    for form in ("%Y-%m-%d", "%Y/%m/%d", "%Y.%m.%d", "%Y%m%d", "%Y年%m月%d日", "%Y-%m-%d 00:00:00", "%Y-%m-%dT00:00"):
        assert to_date(day.strftime(form)) == day.isoformat()


@given(st.decimals(-(10**12), 10**12, places=4))
def test_numbers_have_one_form(number: Any) -> None:
    once = to_number(str(number))
    assert to_number(once) == once
    assert type(number)(once) == number


@given(CODES, PEOPLE, st.data())
def test_one_wrong_character_never_passes_a_check_digit(code: str, person: str, data: st.DataObject) -> None:
    place = data.draw(st.integers(0, 17))
    for value, scheme in ((code, "uscc"), (person, "identity_number")):
        assert fault_of(scheme, value, TODAY) is None
        other = data.draw(st.sampled_from("0123456789").filter(lambda c, v=value: c != v[place]))
        assert fault_of(scheme, value[:place] + other + value[place + 1 :], TODAY) is not None


@pytest.mark.parametrize("file", sorted((DEMO / "catalog").glob("*.json")), ids=lambda path: path.stem)
def test_every_demonstration_entry_compiles(file: Any) -> None:
    validator = Validator(read_entry(demo_entry(file.stem) | {"version": 1}))
    items, violations = validator.check({}, TODAY)
    assert items == {}
    assert {violation.rule for violation in violations} >= {"subject"}


@pytest.mark.parametrize("file", sorted((DEMO / "catalog").glob("*.json")), ids=lambda path: path.stem)
def test_a_number_that_a_spreadsheet_rounded_is_refused(file: Any) -> None:
    """In a workbook from 16 digits on, in CSV from 12 on; what somebody typed with an exponent is a number."""
    validator = Validator(read_entry(demo_entry(file.stem) | {"version": 1}))
    for item in (item.code for item in validator.entry.items if item.type == "number"):
        for written in ("4.41702E+17", "1.23457E+11", "-1e+15", "1.23456789012346e+15", "１e+16", *LONG):
            _, wrong = validator.check({item: written}, TODAY)
            assert [v.rule for v in wrong if v.item == item] == ["spreadsheet_number"], written
        assert validator.standard({item: "1.5e3"}) == {item: "1500"}
