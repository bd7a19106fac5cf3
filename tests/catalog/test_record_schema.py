"""The JSON Schema of a version refuses what collection refuses, and never what collection accepts (Art. 9)."""

import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chengxin.values.identifiers import DECLARED
from demo.identifiers import demo_identity_number, demo_uscc, organisation_code
from services.catalog.domain.entry import Entry, IdentifierScheme, read_content
from services.catalog.domain.entry_validation import findings
from services.catalog.domain.record_schema import record_schema
from services.catalog.domain.sample_record import example_record
from services.ingest.domain.catalog_entry import read_entry
from services.ingest.domain.validator import Validator
from tests.catalog.conftest import RunningCatalog, demo_entry
from tests.catalog.licensing_entry import NOW, TODAY
from tests.catalog.record_checks import accepts

USCC, PERSON = demo_uscc("91", 7, "MA"), demo_identity_number(TODAY.replace(year=1890), 3)


def entry_of(item: dict[str, Any]) -> dict[str, Any]:
    """A demonstration entry with one more item."""
    entry = demo_entry("XZCF")
    entry["items"].append({"code": "NEW", "name": {"zh": "新项"}, "length": 18, "modes": []} | item)
    return entry


def takes(item: dict[str, Any], value: str) -> tuple[bool, bool]:
    """Whether the schema, and whether collection accepts a record with this value of an item, in standard form."""
    entry = entry_of(item)
    content = read_content(entry)
    assert findings(content) == []
    record = example_record(content) | {entry["subject_name_item"]: "阳江演示有限公司", "NEW": value}
    validator = Validator(read_entry(entry | {"version": 1}))
    return accepts(content)(record), not validator.violations({k: v for k, v in record.items() if v.strip()}, TODAY)


NUMBER = {"type": "number", "length": 5, "scale": 2}
IDENTITY = {"identifier": "identity_number", "sensitivity": "identifier", "masking": "identifier"}


@pytest.mark.parametrize(
    ("item", "good", "bad"),
    [
        ({"identifier": "uscc"}, USCC, [USCC[:17], USCC[:17] + "I", USCC.lower(), USCC + "1"]),
        (IDENTITY, PERSON, [PERSON[:17], "X" + PERSON[1:], PERSON + "0"]),
        ({"identifier": "organisation_code"}, organisation_code("MA000001"), ["MA00000-1", "MA00000", "ma0000011"]),
        (NUMBER, "123.45", ["1234.56", "123456", "1.234"]),
        (NUMBER, "-999.9", ["-1234.56"]),
        (NUMBER | {"scale": 0}, "12345", ["123456"]),
        ({"required": True}, "甲", ["", " ", "\u3000\t"]),
        ({"required": True, "identifier": "uscc"}, USCC, [" " * 18]),
        ({"required": True, "pattern": "[甲 ]{1,3}"}, "甲 甲", ["  ", "乙"]),
        ({}, "甲\n乙", ["甲\u3164", "\u2800", "\ufdd0", "\U000e0100", "1.5E+17", "甲" * 19]),
        ({"type": "date", "length": 0}, "2024-02-29", ["2023-02-29", "2100-02-29", "0000-01-01", "2024-13-01"]),
        ({"pattern": "[0-9A-Z]{18}", "identifier": "uscc"}, USCC, [USCC[:17] + "I", USCC[:17]]),
    ],
)
def test_the_schema_says_what_can_be_said(item: dict[str, Any], good: str, bad: list[str]) -> None:
    assert takes(item, good) == (True, True)
    for value in bad:
        assert takes(item, value) == (False, False), value


def test_check_digits_are_what_it_cannot_say() -> None:
    assert takes({"identifier": "uscc"}, USCC[:17] + ("1" if USCC[17] != "1" else "2")) == (True, False)


def test_every_identifier_that_is_checked_has_its_form() -> None:
    assert DECLARED.keys() == {str(i) for i in IdentifierScheme} - {"", "registration_number"}


items = st.sampled_from(
    [
        {},
        {"required": True},
        NUMBER,
        NUMBER | {"scale": 5, "required": True},
        {"type": "date", "length": 0},
        {"identifier": "uscc"},
        IDENTITY,
        {"identifier": "organisation_code", "required": True},
        {"pattern": "[0-9 甲]+", "required": True},
        {"multiple": True, "code_list": [{"code": c, "name": {"zh": c}} for c in ("甲", "乙.", "1")]},
    ]
)
values = st.one_of(
    st.sampled_from([USCC, PERSON, organisation_code("MA000001"), "2026-01-05", "2024-02-29", "甲;乙.", "1", " "]),
    st.decimals(-1000, 1000, places=3).map(str),
    st.text(alphabet="0123456789.-甲乙;XAI \u3000", max_size=19),
    st.text(max_size=19),
)


@settings(max_examples=400)
@given(items, values)
def test_the_schema_takes_what_collection_records(item: dict[str, Any], value: str) -> None:
    entry = entry_of(item)
    record = example_record(read_content(entry)) | {entry["subject_name_item"]: "阳江演示有限公司", "NEW": value}
    standard, wrong = Validator(read_entry(entry | {"version": 1})).check(record, TODAY)
    if not wrong:
        assert accepts(read_content(entry))(standard)


def test_its_patterns_are_those_of_ecma() -> None:
    """No named groups, no `\\Z`: a schema has only what other languages read as well."""
    content = read_content(demo_entry("XZCF"))
    text = str(record_schema(Entry(content, 1, TODAY, None, NOW)))
    assert not re.search(r"\\Z|\\A|\(\?P", text)


def test_the_schema_of_a_version_is_kept_for_ever(catalog: RunningCatalog, licensing: dict[str, Any]) -> None:
    catalog.authority.publishes(licensing, "2026-11-24")
    licensing["items"].pop()
    catalog.authority.publishes(licensing, "2026-12-01")
    path = "/v1/catalog/entries/XZXK/versions/1/schema"
    first = catalog.anybody.get(path)
    assert "immutable" in first.headers["Cache-Control"]
    assert "BZ" in first.json["properties"]
    caller = catalog.anybody
    kept = caller.client.get(path, headers=caller.headers | {"If-None-Match": first.headers["ETag"]})
    assert (kept.status_code, kept.data) == (304, b"")
    second = catalog.anybody.get("/v1/catalog/entries/XZXK/versions/2/schema")
    assert "BZ" not in second.json["properties"]
    assert second.headers["ETag"] != first.headers["ETag"]
    # The version in force changes, so its address must be asked again.
    assert "Cache-Control" not in catalog.anybody.get("/v1/catalog/entries/XZXK/schema").headers
    assert catalog.anybody.get("/v1/catalog/entries/XZXK/versions/3/schema").json["code"] == "ENTRY_UNKNOWN"
