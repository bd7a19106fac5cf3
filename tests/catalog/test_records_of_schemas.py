"""Records that are made from the published JSON Schema of an entry, and from nothing else, are accepted (Art. 9); what
collection refuses the schema refuses, or says in words that it cannot."""

import re
from collections.abc import Callable, Iterator
from datetime import date, timedelta
from decimal import Decimal
from functools import cache
from itertools import islice, product
from random import Random
from typing import Any

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from chengxin.values.clock import EARLIEST_DAY
from chengxin.values.identifiers import DECLARED, has_organisation_check
from chengxin.values.name_faults import name_fault
from demo.identifiers import demo_uscc, organisation_code
from services.catalog.domain.entry import Entry, ItemType, read_content
from services.catalog.domain.record_schema import record_schema
from services.ingest.domain.catalog_entry import read_entry
from services.ingest.domain.validator import Validator
from tests.accepted import identifiers_of
from tests.catalog.conftest import DEMO, demo_entry
from tests.catalog.licensing_entry import NOW, TODAY
from tests.catalog.record_checks import accepts
from tests.chengxin.values.test_personal_numbers import NUMBER, WRITTEN

DEMO_ENTRIES = sorted(path.stem for path in (DEMO / "catalog").glob("*.json"))
_ORDERS = {"not_before", "not_less"}
# What `$comment` of an identifier says.
_BEYOND_A_FORM = {"check_digit", "organisation_code", "birth_date", "state", "letters", "future", "persons_number"}
_ODD = [
    "",
    " ",
    "\u3164",
    "甲\u200b",
    "甲\ufe0f",
    "0",
    "-0",
    "1.50",
    "2024-02-30",
    "0001-01-01",
    "1899-12-31",
    "李**",
    "·",
    "1.2E+17",
    "'4417",
    '="4417"',
    "甲" * 4001,
    " 甲",
    "\U000323b0",
]

Record = dict[str, str]


class SchemaRecords:
    """Records of one schema."""

    def __init__(self, code: str) -> None:
        entry = demo_entry(code)
        self.content = read_content(entry)
        self.schema = record_schema(Entry(self.content, 1, TODAY, None, NOW))
        self.accepts: Callable[[Record], bool] = accepts(self.content)
        self.validator = Validator(read_entry(entry | {"version": 1}))
        self.properties: dict[str, Any] = self.schema["properties"]
        self.optional = sorted(self.properties.keys() - set(self.schema["required"]))

    def records(self, chance: Random) -> Iterator[Record]:
        while True:
            whole = {code: self.value(item, chance) for code, item in self.properties.items()}
            left_out = {code for code in self.optional if chance.random() < 0.3}
            record = self._consistent(whole, left_out, chance)
            assert self.accepts(record), record
            yield record

    def value(self, item: dict[str, Any], chance: Random) -> str:
        if "enum" in item:
            return chance.choice(item["enum"])
        if (scheme := item.get("x-chengxin-identifier")) is not None:
            return chance.choice(identifiers_of(scheme))
        if item.get("format") == "date":
            last = TODAY if item.get("x-chengxin-not-after-delivery") else date.max
            first = date.fromisoformat(EARLIEST_DAY)
            return date.fromordinal(chance.randrange(first.toordinal(), last.toordinal() + 1)).isoformat()
        if patterns := [part["pattern"] for part in item["allOf"] if "pattern" in part]:
            longest = item.get("maxLength", 100)
            return chance.choice([text for text in _matches(patterns[0]) if len(text) <= longest])
        length = item["maxLength"] if chance.random() < 0.03 else chance.randint(1, 20)
        text = "".join(chance.choices(_letters(), k=min(length, item["maxLength"]))).strip()
        return text if text and not (item.get("x-chengxin-name") and name_fault(text)) else "甲"

    def _consistent(self, whole: Record, left_out: set[str], chance: Random) -> Record:
        record = {code: value for code, value in whole.items() if code not in left_out}
        for condition in self.schema.get("allOf", ()):
            if "not" in condition:
                for one in chance.choice(condition["not"]["allOf"])["anyOf"]:
                    record.pop(one["required"][0], None)
        for condition in self.schema.get("allOf", ()):
            if "anyOf" in condition and not any(one["required"][0] in record for one in condition["anyOf"]):
                [code] = condition["anyOf"][0]["required"]
                record[code] = whole[code]
        for condition in self.schema.get("allOf", ()):
            if "if" in condition:
                self._follow(condition, record, whole)
        orders = self.schema["x-chengxin-not-before"]
        # Each round may disturb an order before; an earlier date is never after the day of delivery.
        for code, other in orders * len(orders):
            if code in record and other in record and record[code] < record[other]:
                record[other] = record[code]
        for code, other in self.schema["x-chengxin-not-less"]:
            if code in record and other in record and Decimal(record[code]) < Decimal(record[other]):
                record[code] = record[other]
        return record

    @staticmethod
    def _follow(condition: dict[str, Any], record: Record, whole: Record) -> None:
        [(other, test)] = condition["if"]["properties"].items()
        value = record.get(other)
        if value is None or not (value in test.get("enum", ()) or re.search(test.get("pattern", r"\Zx"), value)):
            return
        if "not" in condition["then"]:
            record.pop(condition["then"]["not"]["required"][0], None)
        else:
            [code] = condition["then"]["required"]
            record.setdefault(code, whole[code])

    def faults(self, record: Record) -> set[str]:
        """The rules by which collection refuses a record."""
        _, wrong = self.validator.check(record, TODAY)
        return {violation.rule for violation in wrong}


@cache
def schema_records(code: str) -> SchemaRecords:
    return SchemaRecords(code)


@cache
def _letters() -> list[str]:
    """Characters that the schema allows in any text: some of every plane, and those that texts have."""
    [allowed] = [part["pattern"] for part in _text_of("XZXK")["allOf"] if part.get("pattern", "").startswith("^[^")]
    good = re.compile(allowed)
    some = [chr(point) for point in range(0x20, 0x110000, 7) if not 0xD800 <= point < 0xE000]
    return [char for char in some if good.match(char)] + list("阳江市（）()·•２Ａ \u3000\t\n，。-/0123456789abc" * 300)


@cache
def _matches(pattern: str) -> list[str]:
    """Texts of a pattern."""
    found: set[str] = set()
    # from_regex writes what a lookahead only looks at, and then throws nearly every text away.
    written = re.sub(r"\(\?=.*?\$\)", "", pattern)

    @settings(max_examples=30, database=None, derandomize=True, phases=[Phase.generate])
    # `$` would also allow a line break after it.
    @given(st.from_regex(re.compile(written.replace("$", r"\Z"))))
    def collect(text: str) -> None:
        found.add(text)

    collect()
    good = re.compile(_text_of("XZXK")["allOf"][0]["pattern"])
    return sorted(text for text in found if good.match(text) and re.match(pattern, text) and text == text.strip())


def _text_of(code: str) -> dict[str, Any]:
    text: dict[str, Any] = schema_records(code).schema["$defs"]["text"]
    return text


def _disagreements(code: str, examples: int) -> Iterator[tuple[Record, set[str]]]:
    """Yields records of a schema that collection refuses, and odd ones that the schema takes though it could say why
    collection refuses them."""
    made, chance = schema_records(code), Random(code)
    codes = sorted(made.properties)
    for record in islice(made.records(chance), examples):
        if faults := made.faults(record):
            yield record, faults
        odd = (
            chance.choice(_ODD) if chance.random() < 0.7 else made.value(made.properties[chance.choice(codes)], chance)
        )
        changed = record | {chance.choice(codes): odd}
        if chance.random() < 0.3:
            changed.pop(chance.choice(codes), None)
        said = {rule for rule in made.faults(changed) if not _is_in_words(rule)}
        if said and made.accepts(changed):
            yield changed, said


def _is_in_words(rule: str) -> bool:
    return rule in _ORDERS or rule.rpartition(".")[2] in _BEYOND_A_FORM


@pytest.mark.parametrize("code", DEMO_ENTRIES)
def test_records_made_from_a_schema_are_accepted(code: str) -> None:
    assert list(_disagreements(code, 20)) == []


@pytest.mark.long
@pytest.mark.parametrize("code", DEMO_ENTRIES)
def test_five_thousand_records_made_from_a_schema_are_accepted(code: str) -> None:
    assert list(_disagreements(code, 5000)) == []


@pytest.mark.parametrize("code", DEMO_ENTRIES)
def test_what_has_happened_is_not_after_the_day_of_delivery(code: str) -> None:
    made = schema_records(code)
    record = next(made.records(Random(code)))
    for item in (c for c, schema in made.properties.items() if "x-chengxin-not-after-delivery" in schema):
        for day, told in ((TODAY, False), (TODAY + timedelta(days=1), True), (date.max, True)):
            _, wrong = made.validator.check(record | {item: day.isoformat()}, TODAY)
            assert ((item, "date.future") in {(v.item, v.rule) for v in wrong}) is told, (item, day)


@pytest.mark.parametrize("code", DEMO_ENTRIES)
def test_a_record_is_about_an_organisation_or_a_person(code: str) -> None:
    made = schema_records(code)
    organisations, persons = made.content.identifying_items()
    record = next(made.records(Random(code)))
    for item in (*organisations, *persons):
        record.pop(item.code, None)
    given = {item.code: made.value(made.properties[item.code], Random(code)) for item in (*organisations, *persons)}
    for one, other in product(organisations, persons):
        for item in (one, other):
            alone = record | {item.code: given[item.code]}
            assert (made.faults(alone), made.accepts(alone)) == (set(), True)
        both = record | {one.code: given[one.code], other.code: given[other.code]}
        assert (made.faults(both), made.accepts(both)) == ({"subject.two"}, False)
        [told] = made.validator.check(both, TODAY)[1]
        assert all(item.code in text for item in (one, other) for text in (told.zh, told.en))


OLD_NUMBERS = [
    number for number in map(str, range(441702880302000, 441702880302999)) if not has_organisation_check(number)
]


@pytest.mark.parametrize("code", DEMO_ENTRIES)
def test_no_number_of_a_person_is_taken_for_an_organisations_or_an_amount(code: str) -> None:
    made = schema_records(code)
    record = next(made.records(Random(code)))
    persons = {item.code for item in made.content.identifying_items()[1]}
    record = {item: value for item, value in record.items() if item not in persons}
    for item in made.content.items:
        amount = item.type is ItemType.NUMBER
        if not amount and not made.content.registers_organisation(item):
            continue
        for number in [NUMBER] if amount else [NUMBER, OLD_NUMBERS[0], "13800138000", *WRITTEN.values()]:
            said = [v for v in made.validator.check(record | {item.code: number}, TODAY)[1] if v.item == item.code]
            short = item.length and len(number) > item.length
            assert "persons_number" in {v.rule for v in said} or (short and said), (item.code, number)
            assert all(not v.value for v in said if v.rule == "persons_number")


@pytest.mark.parametrize(
    "number",
    [
        *("110108012660422", "441702600312344", "4417022001234", "000000000000000", "MA0000010"),
        *(f"441702{organisation_code('90051234')}", demo_uscc("91", 7, "MA"), "44170260031", "粤阳市监2600001"),
    ],
)
def test_numbers_of_organisations_are_taken(number: str) -> None:
    for code in ("XZXK", "XZCF"):
        made = schema_records(code)
        record = next(made.records(Random(code)))
        for item in made.content.items:
            unchecked = made.content.registers_organisation(item) and item.identifier not in DECLARED
            if unchecked and len(number) <= item.length:
                assert made.faults(record | {item.code: number}) == set(), item.code


NO_NAMES = {
    "letters": ("·", "。", "*", "-", "（）", "123", "—", "＊", "?", "360", "🏢"),
    "masked": ("李**", "李＊", "李*娜", "*娜", "李××", "李○○", "阳江**有限公司", "L**", "J*"),
}
NAMES = ("李娜", "E*TRADE", "买买提·艾力", "Müller", "360安全（阳江）有限公司", "A×B设计（阳江）有限公司", "某某", "𠮷")


@pytest.mark.parametrize("code", DEMO_ENTRIES)
def test_a_name_has_letters_and_is_not_masked(code: str) -> None:
    made = schema_records(code)
    whole = next(made.records(Random(code)))
    names = [item for item, schema in made.properties.items() if schema.get("x-chengxin-name")]
    assert made.content.subject_name_item in names
    for item in names:
        longest = made.properties[item]["maxLength"]
        for name in (name for name in NAMES if len(name) <= longest):
            assert made.faults(whole | {item: name}) == set(), (item, name)
            assert made.accepts(whole | {item: name}), (item, name)
        for fault, written in NO_NAMES.items():
            for name in written:
                _, wrong = made.validator.check({item: name}, TODAY)
                assert f"name.{fault}" in {v.rule for v in wrong if v.item == item}, (item, name)
                assert made.accepts(whole | {item: name}) is (fault == "letters" and name not in "*＊")


@pytest.mark.parametrize("code", DEMO_ENTRIES)
def test_a_day_is_not_before_1900(code: str) -> None:
    made = schema_records(code)
    whole = next(made.records(Random(code)))
    for item in (item for item, schema in made.properties.items() if schema.get("format") == "date"):
        for day in ("0001-01-01", "1000-01-01", "1899-12-31"):
            _, wrong = made.validator.check({item: day}, TODAY)
            assert (item, "date.early") in {(v.item, v.rule) for v in wrong}
            assert not made.accepts(whole | {item: day})


def test_every_rule_of_collection_is_in_the_schema_or_in_its_words() -> None:
    schema = schema_records("XZXK").schema
    assert "x-chengxin-not-before" in schema["$comment"]
    checked = [item for item in schema["properties"].values() if "x-chengxin-identifier" in item]
    declared = [(item, DECLARED.get(item["x-chengxin-identifier"])) for item in checked]
    beyond = [(item["$comment"], kind.beyond_form) for item, kind in declared if kind and any(kind.beyond_form)]
    assert len(beyond) > 1
    assert all(said == " / ".join(words) for said, words in beyond)
