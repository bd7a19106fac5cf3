"""JSON Lines: one object a line, item code or name to text, number, boolean or null."""

import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from chengxin.tabular.bounds import LONGEST_RECORD
from chengxin.tabular.columns import Column, Columns
from chengxin.tabular.csv_source import told_encoding
from chengxin.tabular.problems import (
    FILE_CHARACTER_BROKEN,
    FILE_COLUMN_TWICE,
    FILE_LINE_NOT_JSON,
    FILE_LINE_TOO_LONG,
)
from chengxin.tabular.source import Row

_HALF: Final = re.compile("[\ud800-\udfff]")


class JsonlSource:
    """A JSON Lines file."""

    kind = "jsonl"
    unread: Sequence[str] = ()

    def __init__(self, path: Path) -> None:
        self._path = path
        self.encoding = told_encoding(path)

    def columns(self, entry: Columns) -> list[Column]:
        """Lines name their items themselves: all items of the entry."""
        return [Column(item.code, item.code) for item in entry.items]

    def rows(self, entry: Columns) -> Iterator[Row]:
        """The records. Raises FILE_LINE_NOT_JSON, _TOO_LONG, FILE_CHARACTER_BROKEN, FILE_COLUMN_UNKNOWN, _TWICE."""
        with self._path.open(encoding=self.encoding, newline="") as text:
            number = 0
            while line := text.readline(LONGEST_RECORD + 1):
                number += 1
                if len(line) > LONGEST_RECORD:
                    raise FILE_LINE_TOO_LONG(row=number, limit=LONGEST_RECORD)
                if line.strip() and (items := self._items(entry, number, line)):
                    yield Row(number, items)

    @staticmethod
    def _items(entry: Columns, number: int, line: str) -> dict[str, str]:
        try:
            # Numbers keep the digits that were written.
            pairs = json.loads(line, parse_float=str, parse_int=str, parse_constant=_refuse, object_pairs_hook=_Pairs)
        except (ValueError, RecursionError) as e:
            raise FILE_LINE_NOT_JSON(row=number, reason=str(e)[:80] or type(e).__name__) from None
        if not isinstance(pairs, _Pairs):
            raise FILE_LINE_NOT_JSON(row=number, reason="{ … }")
        items: dict[str, str] = {}
        labels: dict[str, str] = {}
        unknown = []
        for label, value in pairs:
            _must_be_text(number, label, label)
            code = entry.code(label)
            if code is None:
                unknown.append(label)
            elif code in labels:
                raise FILE_COLUMN_TWICE(item=code, columns=f"“{labels[code]}”, “{label}”（{number}）")
            elif code:
                labels[code] = label
                if (text := _text(number, label, value)).strip():
                    items[code] = text
        if unknown:
            raise entry.unknown([f"{label}（{number}）" for label in unknown], set(items))
        return items


class _Pairs(list[tuple[str, Any]]):
    """The members of an object, twice named ones too."""


def _text(number: int, label: str, value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, str):
        _must_be_text(number, label, value)
        return value
    raise FILE_LINE_NOT_JSON(row=number, reason=f"“{label[:40]}”: list or object")


def _must_be_text(number: int, label: str, text: str) -> None:
    # JSON can spell out halves of characters (`"\ud800"`), which nothing after this can write.
    if half := _HALF.search(text):
        shown = _HALF.sub("\ufffd", label[:40])
        raise FILE_CHARACTER_BROKEN(row=number, column=shown, character=f"\\u{ord(half[0]):04x}")


def _refuse(constant: str) -> None:
    raise ValueError(constant)
