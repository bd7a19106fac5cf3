"""Templates for deliveries: headings, choices, an example and notes (Art. 10)."""

import csv
import io

import fastjsonschema
import openpyxl
import pytest

from services.catalog.domain.delivery_template import template_book
from services.catalog.domain.entry import Entry, read_content
from tests.catalog.conftest import RunningCatalog, demo_entry
from tests.catalog.licensing_entry import NOW, TODAY


def test_a_template_has_headings_choices_an_example_and_notes(catalog: RunningCatalog) -> None:
    catalog.authority.publishes(demo_entry("XZCF"), "2026-11-24")
    template = catalog.anybody.get("/v1/catalog/entries/XZCF/template.xlsx")
    book = openpyxl.load_workbook(io.BytesIO(template.data))
    assert book.sheetnames == ["数据", "填报示例", "填报说明", "代码"]
    data, example = book["数据"], list(book["填报示例"].iter_rows(values_only=True))
    names = [i["name"]["zh"] for i in demo_entry("XZCF")["items"]]
    assert [[c.value for c in row] for row in data.iter_rows()] == [names]
    assert list(example[0]) == names
    # The choices of a column are the codes of its item.
    column = names.index("处罚类别")
    letter = openpyxl.utils.get_column_letter(column + 1)
    [choices] = [v for v in data.data_validations.dataValidation if f"{letter}2" in v.sqref]
    sheet, _, cells = choices.formula1.partition("!")
    offered = [row[0].value for row in book[sheet.strip("'")][cells.replace("$", "")]]
    assert offered == [v["code"] for v in demo_entry("XZCF")["items"][column]["code_list"]]
    assert choices.showErrorMessage is False
    assert data.column_dimensions["C"].number_format == "@"
    assert [row[0].value for row in book["填报说明"]][1:] == names

    schema = fastjsonschema.compile(catalog.anybody.get("/v1/catalog/entries/XZCF/schema").json)
    codes = [i["code"] for i in demo_entry("XZCF")["items"]]
    record = dict(zip(codes, example[1], strict=True))
    with pytest.raises(fastjsonschema.JsonSchemaValueException, match="CF_XDR_MC"):
        schema(record)
    schema(record | {"CF_XDR_MC": "甲"})


def test_a_template_of_an_entry_without_codes_has_no_choices() -> None:
    entry = demo_entry("AJNSR")
    for item in entry["items"]:
        item["code_list"] = []
    file = template_book(Entry(read_content(entry), 1, TODAY, None, NOW))
    assert openpyxl.load_workbook(io.BytesIO(file))["数据"].data_validations.count == 0


def test_a_template_without_a_workbook(catalog: RunningCatalog) -> None:
    entry = demo_entry("AJNSR")
    entry["items"][3]["name"]["zh"] = "=文号"
    catalog.authority.publishes(entry, "2026-11-24")
    file = catalog.anybody.get("/v1/catalog/entries/AJNSR/template.csv").data
    assert file.startswith(b"\xef\xbb\xbf")
    [heading] = csv.reader(io.StringIO(file.decode("utf-8-sig")))
    assert heading == ["'=文号" if n == 3 else i["name"]["zh"] for n, i in enumerate(entry["items"])]
    filled = catalog.anybody.get("/v1/catalog/entries/AJNSR/template.csv?example=true").data.decode("utf-8-sig")
    assert len(list(csv.reader(io.StringIO(filled)))) == 2
