"""What is typed so that a spreadsheet keeps a number as a text is rejected by name, wherever it was kept."""

import re

import pytest

from services.catalog.domain.record_schema import SPREADSHEET_MARK
from tests.accepted import TODAY
from tests.ingest.deliveries import licence
from tests.ingest.licence_validation import VALIDATOR

SIGNS = ("'", "’", "‘", "‛", "`", "′", "´", "＇", "=", '"', "“", "”", "„", "″", "＂")
FORMS = [*(f"{sign}{{}}" for sign in SIGNS), "''{}", '="{}"', '="{}', '"{}"', "“{}”", "’{}’", "`{}`"]


@pytest.mark.parametrize("item", ["XK_FR_ZJHM", "XK_XDR_SHXYM", "XK_XKBH", "XK_JDRQ", "XK_WSH"])
@pytest.mark.parametrize("form", FORMS)
def test_a_mark_of_spreadsheets_is_told_as_such(item: str, form: str) -> None:
    record = licence(XK_XKBH="20261129")
    value = {"XK_WSH": "20267039"}.get(item, record[item])
    _, violations = VALIDATOR.check(record | {item: form.format(value)}, TODAY)
    assert [(v.item, v.rule) for v in violations] == [(item, "spreadsheet_mark")]
    assert "撇号" in violations[0].zh


TAKEN = ("O'Neil", "'Tis", "食品'经营", "=1+1", "“经营”", "“7UP”", "“2026”号", "=经营")


@pytest.mark.parametrize("value", TAKEN)
def test_a_text_that_only_has_such_a_sign_is_taken(value: str) -> None:
    assert VALIDATOR.check(licence(XK_NR=value), TODAY)[1] == []


def test_the_schema_of_a_text_refuses_the_same_marks() -> None:
    mark = re.compile(SPREADSHEET_MARK)
    marked = [
        form.format(value) for form in [*FORMS, "'+{}"] for value in ("20261129", "2026-11-29", "91441700MA4W00007K")
    ]
    for text in [*marked, *TAKEN]:
        found = [v.rule for v in VALIDATOR.check(licence(XK_NR=text), TODAY)[1]]
        assert (found == ["spreadsheet_mark"]) == bool(mark.search(text)) == (text in marked), text
