"""Templates that the catalog gives out are accepted when filled in."""

import io
from datetime import UTC, date, datetime
from typing import Any

import openpyxl
import pytest

from services.catalog.domain.delivery_template import template_book, template_csv
from services.catalog.domain.entry import Entry, read_content
from tests.ingest.deliveries import licences
from tests.ingest.running_ingest import RunningIngest, demo_entry


def template(code: str) -> bytes:
    """The template that the catalog gives out."""
    today = date(2026, 11, 24)
    return template_book(Entry(read_content(demo_entry(code)), 1, today, None, datetime(2026, 11, 24, tzinfo=UTC)))


def test_a_template_of_the_catalog_filled_in_is_taken(ingest: RunningIngest) -> None:
    content = template("XZXK")
    book = openpyxl.load_workbook(io.BytesIO(content))
    sheet = book.worksheets[0]
    labels = [cell.value for cell in sheet[1]]
    names = {item["name"]["zh"]: item["code"] for item in demo_entry("XZXK")["items"]}
    for record in licences(3):
        values: list[Any] = [record.get(names[str(label)], "") for label in labels]
        place = [names[str(label)] for label in labels].index("XK_JDRQ")
        # As a person fills it in: a date that the spreadsheet keeps as one.
        values[place] = date(2026, 11, 2)
        sheet.append(values)
    out = io.BytesIO()
    book.save(out)
    told = ingest.regulator.uploads(out.getvalue(), "template.xlsx", "XZXK").json
    assert told["counts"] == {"total": 3, "accepted": 3, "amended": 0, "unchanged": 0, "rejected": 0}


@pytest.mark.parametrize("form", ["csv", "xlsx"])
@pytest.mark.parametrize("code", ["XZXK", "QYDJ"])
def test_the_example_of_a_template_is_not_recorded(ingest: RunningIngest, form: str, code: str) -> None:
    """It obeys every other rule, and some provider will deliver it."""
    entry = demo_entry(code)
    # Names in a form that standardisation changes.
    next(i for i in entry["items"] if i["code"] == entry["subject_name_item"])["name"]["zh"] += "(全称)"
    ingest.knows(ingest.catalog.publishes(entry, version=2, begins="2026-11-01"))
    published = Entry(read_content(entry), 1, date(2026, 11, 24), None, datetime(2026, 11, 24, tzinfo=UTC))
    content = template_csv(published, example=True)
    if form == "xlsx":
        book = openpyxl.load_workbook(io.BytesIO(template_book(published)))
        book["数据"].append([cell.value for cell in book["填报示例"][2]])
        out = io.BytesIO()
        book.save(out)
        content = out.getvalue()
    told = ingest.regulator.uploads(content, f"template.{form}", code).json
    assert (told["counts"]["total"], told["counts"]["rejected"]) == (1, 1)
    [reject] = ingest.regulator.get(f"/v1/submissions/{told['submission_id']}/rejects").json["rejects"]
    assert [v["rule"] for v in reject["violations"]] == ["example"]
    assert "请删除该行" in reject["violations"][0]["message"]


def test_an_empty_template_has_no_records(ingest: RunningIngest) -> None:
    assert ingest.regulator.uploads(template("QYDJ"), "t.xlsx", "QYDJ").json["code"] == "FILE_NO_RECORDS"
