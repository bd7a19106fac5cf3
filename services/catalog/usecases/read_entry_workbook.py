"""Reads an entry from its workbook, or finds every fault of the workbook, cell by cell.

People type workbooks: spaces around a text mean nothing, columns and rows may stand in any order, and a coded value may
be given by its Chinese word or by its code. A text that cannot be read is a fault; none is left out in silence.
"""

import io
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from openpyxl.utils import get_column_letter

from chengxin.concurrency.shares import Claimant
from chengxin.errors import invalid
from chengxin.tabular.book import tables
from chengxin.values.document import RawDocument
from services.catalog.context import must_be_sound
from services.catalog.domain import entry_workbook as form
from services.catalog.domain.entry import EntryContent, read_content
from services.catalog.domain.entry_validation import Finding
from services.catalog.domain.workbook import unescape_formula

ENTRY_SHEET_INVALID = invalid(
    "ENTRY_SHEET_INVALID",
    "工作簿不符合目录表格式，请按 errors 逐处修正后重新导入",
    "The workbook is not in the form of a catalog; mend what errors names, place by place, and import it again",
)


# How the reader of workbooks gives a number that lost digits.
_ROUNDED: Final = re.compile(r"-?[0-9]\.[0-9]{15,}E\+[0-9]+\Z", re.ASCII)
_NUMBER: Final = re.compile(r"-?[0-9]{1,9}\Z")
# The values for which an empty cell stands.
_WHEN_EMPTY: Final = dict.fromkeys(form.FLAGS, "false") | {"identifier": "", "masking": ""}
# A sheet of another form has a fault in every cell.
_MOST_FAULTS: Final = 200
# A space in a pattern is part of it.
_AS_TYPED: Final = "格式"


@dataclass(frozen=True)
class _Row:
    """A row that is not empty: its cells by heading, and its cells to the right of the last heading."""

    sheet: str
    number: int
    # Heading to its column, counted from 1.
    columns: Mapping[str, int]
    cells: Mapping[str, str]
    rest: Sequence[str]

    def wrong(self, rule: str, heading: str, **words: object) -> Finding:
        """Returns a fault in a cell of the row."""
        place: dict[str, object] = {"sheet": self.sheet, "row": self.number, "heading": heading}
        return Finding(_place(self.sheet, self.number, self.columns.get(heading, 1)), rule, place | words)


def read_entry_sheet(file: bytes, caller: Claimant) -> EntryContent:
    """Returns the entry in a workbook. Raises ENTRY_SHEET_INVALID, and what `read_book` raises."""
    reader = _Reader(read_book(file, caller))
    plain = reader.entry()
    must_be_sound(reader.findings[:_MOST_FAULTS], ENTRY_SHEET_INVALID)
    return read_content(plain)


class _Reader:
    """Reads a book sheet by sheet and collects its faults."""

    def __init__(self, book: Mapping[str, list[list[str]]]) -> None:
        self.findings: list[Finding] = []
        self._book: dict[str, list[list[str]]] = {}
        for name, table in book.items():
            if name.strip() in self._book:
                self.findings.append(Finding(name, "sheet.twice", {"sheet": name.strip()}))
            self._book[name.strip()] = table

    def entry(self) -> RawDocument:
        """Returns the entry's JSON; it is complete if there are no findings."""
        plain = self._fields()
        plain["providers"] = [
            {"uscc": row.cells.get("统一社会信用代码", ""), "name": row.cells.get("名称", "")}
            for row in self._rows(form.PROVIDERS, form.PROVIDER_HEADING)
        ]
        plain["items"] = [self._item(row) for row in self._rows(form.ITEMS, tuple(form.ITEM_FIELDS), _AS_TYPED)]
        self._codes({item["code"]: item for item in reversed(plain["items"]) if "code" in item})
        return plain | self._rules()

    def _fields(self) -> RawDocument:
        plain: RawDocument = {}
        found: set[str] = set()
        for row in self._rows(form.ENTRY, form.FIELD_HEADING, open_ended=True):
            label, cells = row.cells.get("项目", ""), [row.cells.get("内容", ""), *row.rest]
            if label not in form.FIELDS:
                rule = "sheet.row_unknown" if label else "sheet.row_unnamed"
                self.findings.append(row.wrong(rule, label, value="、".join(filter(None, cells))))
            elif label in found:
                self.findings.append(row.wrong("sheet.row_twice", label))
            else:
                found.add(label)
                self._field(plain, row, label, [cell for cell in cells if cell])
        for label in form.FIELDS:
            if label not in found and form.ENTRY in self._book:
                self.findings.append(Finding(form.ENTRY, "sheet.row_missing", {"sheet": form.ENTRY, "heading": label}))
        return plain

    def _field(self, plain: RawDocument, row: _Row, label: str, cells: Sequence[str]) -> None:
        path = form.FIELDS[label]
        if path.endswith("*"):
            plain[path[:-1]] = [self._value(row, label, path, cell) for cell in cells]
        elif len(cells) > 1:
            self.findings.append(row.wrong("sheet.cell_several", label, value="、".join(cells)))
        else:
            _set(plain, path, self._value(row, label, path, cells[0] if cells else ""))

    def _item(self, row: _Row) -> RawDocument:
        item: RawDocument = {"modes": []}
        for label, path in form.ITEM_FIELDS.items():
            if label not in row.cells:
                continue
            cell = row.cells[label]
            if path in ("code", "name.zh"):
                _set(item, path, self._required(row, label, path))
            elif path.startswith("modes:"):
                if self._value(row, label, path, cell) is True:
                    item["modes"].append(path.partition(":")[2])
            elif cell or not path.startswith("code_list_ref."):
                _set(item, path, self._value(row, label, path, cell))
        if "name" not in item.get("code_list_ref", {"name": ""}):
            self.findings.append(row.wrong("sheet.cell_missing", "引用代码表"))
        return item

    def _codes(self, items: Mapping[str, RawDocument]) -> None:
        above = ""
        for row in self._rows(form.CODES, form.CODE_HEADING):
            # A merged cell has its value in its first row.
            above = code = row.cells.get("信息项代码", "") or above
            value = self._required(row, "代码", "")
            if code in items:
                name = {"zh": row.cells.get("名称", ""), "en": row.cells.get("英文名称", "")}
                items[code].setdefault("code_list", []).append({"code": value, "name": name})
            elif "信息项代码" in row.cells:
                rule = "sheet.item_unknown" if code else "sheet.cell_missing"
                self.findings.append(row.wrong(rule, "信息项代码", value=code))

    def _rules(self) -> RawDocument:
        groups: list[RawDocument] = []
        rules: list[RawDocument] = []
        for row in self._rows(form.RULES, form.RULE_HEADING, open_ended=True):
            kind = self._required(row, "规则", "rule")
            values = [cell for cell in (row.cells.get("取值", ""), *row.rest) if cell]
            if kind == form.ONE_OF:
                pair = row.cells.get("信息项", ""), row.cells.get("另一信息项", "")
                groups.append({"items": [*filter(None, pair), *values]})
            else:
                item, other = self._required(row, "信息项", ""), self._required(row, "另一信息项", "")
                rules.append({"rule": kind, "item": item, "other": other, "values": values})
        return {"required_one_of": groups, "cross_rules": rules}

    def _rows(
        self, sheet: str, headings: Sequence[str], as_typed: str = "", open_ended: bool = False
    ) -> Iterator[_Row]:
        """Yields the rows of a sheet that are not empty, for any order of its columns."""
        table = self._book.get(sheet)
        if not table:
            self.findings.append(Finding(sheet, "sheet.missing", {"sheet": sheet}))
            return
        columns = self._columns(sheet, headings, table[0])
        named = set(columns.values())
        last = max(named, default=0)
        for number, typed in enumerate(table[1:], 2):
            cells = dict(enumerate(typed, 1))
            rest = []
            for column, text in cells.items():
                if _ROUNDED.match(text):
                    self.findings.append(_rounded(sheet, number, column, text))
                if column in named or not text.strip():
                    continue
                if open_ended and column > last:
                    rest.append(text.strip())
                elif len(table[0]) < column or not table[0][column - 1].strip():
                    words: dict[str, object] = {
                        "sheet": sheet,
                        "row": number,
                        "column": get_column_letter(column),
                        "value": text.strip(),
                    }
                    self.findings.append(Finding(_place(sheet, number, column), "sheet.column_unnamed", words))
            by_name = {name: cells.get(column, "").strip() for name, column in columns.items()}
            if by_name.get(as_typed):
                by_name[as_typed] = cells[columns[as_typed]]
            if rest or any(by_name.values()):
                yield _Row(sheet, number, columns, by_name, rest)

    def _columns(self, sheet: str, headings: Sequence[str], first: Sequence[str]) -> dict[str, int]:
        columns: dict[str, int] = {}
        for column, text in enumerate(first, 1):
            name = text.strip()
            words: dict[str, object] = {"sheet": sheet, "column": get_column_letter(column), "heading": name}
            if name in columns:
                self.findings.append(Finding(_place(sheet, 1, column), "sheet.column_twice", words))
            elif name in headings:
                columns[name] = column
            elif name:
                words["permitted"] = "、".join(headings)
                self.findings.append(Finding(_place(sheet, 1, column), "sheet.column_unknown", words))
        for name in headings:
            if name not in columns:
                self.findings.append(Finding(sheet, "sheet.column_missing", {"sheet": sheet, "heading": name}))
        return columns

    def _required(self, row: _Row, heading: str, path: str) -> Any:
        """Returns a value that must be given; a missing column is one fault, not one for each row."""
        cell = row.cells.get(heading, "")
        if not cell and heading in row.cells:
            self.findings.append(row.wrong("sheet.cell_missing", heading))
            return ""
        return self._value(row, heading, path, cell) if cell else ""

    def _value(self, row: _Row, heading: str, path: str, cell: str) -> Any:
        if path in form.NUMBERS:
            if cell and not _NUMBER.match(cell):
                self.findings.append(row.wrong("sheet.cell_number", heading, value=cell))
                return 0
            return int(cell or 0)
        if path not in form.TERMS:
            return cell
        if not cell and path in _WHEN_EMPTY:
            code: str | None = _WHEN_EMPTY[path]
        else:
            code = next((code for code, word in form.TERMS[path].items() if cell in (word, code)), None)
        if code is None:
            permitted = "、".join(form.TERMS[path].values())
            rule = "sheet.cell_word" if cell else "sheet.cell_missing"
            self.findings.append(row.wrong(rule, heading, value=cell, permitted=permitted))
        return code == "true" if path in form.FLAGS else code


def _rounded(sheet: str, row: int, column: int, text: str) -> Finding:
    words: dict[str, object] = {"sheet": sheet, "row": row, "column": get_column_letter(column), "value": text}
    return Finding(_place(sheet, row, column), "sheet.cell_rounded", words)


def _place(sheet: str, row: int, column: int) -> str:
    return f"{sheet}!{get_column_letter(column)}{row}"


def _set(plain: RawDocument, path: str, value: object) -> None:
    *parents, last = path.split(".")
    for part in parents:
        plain = plain.setdefault(part, {})
    plain[last] = value


def read_book(file: bytes, caller: Claimant) -> dict[str, list[list[str]]]:
    """Returns the rows of texts of each sheet, by its name.

    Raises FILE_WORKBOOK_BROKEN, FILE_WORKBOOK_TOO_LARGE, FILE_SHEET_TOO_LARGE, and the errors of the reader process
    (`chengxin.tabular.reading`).
    """
    return {
        name: [[unescape_formula(cell) for cell in row] for row in rows]
        for name, rows in tables(io.BytesIO(file), caller).items()
    }
