"""Templates for direct reporting, made from an entry: columns, choices, an example and notes (Art. 10)."""

import csv
import io
from typing import Any, Final

from openpyxl import Workbook
from openpyxl.utils import get_column_letter

from services.catalog.domain.entry import Entry, EntryContent, Item, ItemType
from services.catalog.domain.labels import TYPES
from services.catalog.domain.sample_record import example_record
from services.catalog.domain.workbook import add_choices, escape_formula, to_bytes, write_rows

_DATA_SHEET: Final = "数据"
_EXAMPLE_SHEET: Final = "填报示例"
_NOTES_SHEET: Final = "填报说明"
_CODES_SHEET: Final = "代码"
# The last row in which the cells of a column offer choices.
_LAST_CHOICE_ROW: Final = 10_000


def template_book(entry: Entry) -> bytes:
    """Returns the workbook: an empty table whose columns offer their codes, an example, and notes on every column.

    The example is on a sheet of its own, so that a provider does not deliver it by mistake.
    """
    content = entry.content
    book = Workbook(write_only=True)
    data = book.create_sheet(_DATA_SHEET)
    _add_choices(data, content)
    write_rows(data, [_heading(content)])
    write_rows(book.create_sheet(_EXAMPLE_SHEET), [_heading(content), _example_row(content)])
    write_rows(
        book.create_sheet(_NOTES_SHEET),
        [["信息项", "代码", "必填", "类型", "填报要求"], *map(_note_row, content.items)],
    )
    codes = book.create_sheet(_CODES_SHEET)
    coded_items = _items_with_codes(content)
    longest_list = max((len(item.code_list) for item in coded_items), default=0)
    columns = [[item.name.zh, *(value.code for value in item.code_list)] for item in coded_items]
    write_rows(
        codes, ([c[n] if n < len(c) else "" for c in columns] for n in range(longest_list + 1 if coded_items else 0))
    )
    return to_bytes(book)


def template_csv(entry: Entry, example: bool) -> bytes:
    """Returns the heading as a CSV file in UTF-8 with a byte order mark, which spreadsheets need."""
    file = io.StringIO()
    writer = csv.writer(file)
    writer.writerow(map(escape_formula, _heading(entry.content)))
    if example:
        writer.writerow(map(escape_formula, _example_row(entry.content)))
    return file.getvalue().encode("utf-8-sig")


def _heading(content: EntryContent) -> list[str]:
    return [item.name.zh for item in content.items]


def _example_row(content: EntryContent) -> list[str]:
    record = example_record(content)
    return [record.get(item.code, "") for item in content.items]


def _items_with_codes(content: EntryContent) -> list[Item]:
    return [item for item in content.items if item.code_list]


def _add_choices(sheet: Any, content: EntryContent) -> None:
    coded_items = [item.code for item in _items_with_codes(content)]
    for column, item in enumerate(content.items, 1):
        if item.code not in coded_items:
            continue
        letter = get_column_letter(coded_items.index(item.code) + 1)
        add_choices(
            sheet,
            f"{get_column_letter(column)}2:{get_column_letter(column)}{_LAST_CHOICE_ROW}",
            f"'{_CODES_SHEET}'!${letter}$2:${letter}${len(item.code_list) + 1}",
            blank=not item.required,
            # Several codes joined by ";" are not among the choices.
            strict=not item.multiple,
        )


def _note_row(item: Item) -> list[str]:
    requirements = [
        f"最多 {item.length} 个字符" if item.type is ItemType.TEXT else "",
        "YYYY-MM-DD" if item.type is ItemType.DATE else "",
        "不晚于报送日" if item.not_after_delivery else "",
        f"最多 {item.length} 位，其中小数 {item.scale} 位" if item.type is ItemType.NUMBER else "",
        f"单位：{item.unit}" if item.unit else "",
        "从代码表选择，可多选，以“;”连接" if item.multiple else "从代码表选择" if item.code_list else "",
        f"格式：{item.pattern}" if item.pattern else "",
        item.note,
    ]
    return [
        item.name.zh,
        item.code,
        "是" if item.required else "",
        TYPES[item.type],
        "；".join(filter(None, requirements)),
    ]
