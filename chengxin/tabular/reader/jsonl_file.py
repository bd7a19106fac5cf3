"""Reads JSON Lines: one object a line, from item code or name to text, number, boolean or null."""

import json
import re
from typing import Any, Final

from chengxin.tabular import frames
from chengxin.tabular.bounds import LONGEST_RECORD, MOST_ROWS
from chengxin.tabular.frames import About, Writer
from chengxin.tabular.reader.encoding import detect_encoding
from chengxin.tabular.reader.fault import Fault
from chengxin.tabular.reader.given import as_bytes, as_text

# How a file begins that is one JSON text: with a list, or with an object that goes over several lines.
_OTHER_JSON: Final = re.compile(r"\s*(?:\[|\{\s*\Z)")
_HALF_CHARACTER: Final = re.compile("[\ud800-\udfff]")


def read_jsonl(out: Writer, most: int) -> None:
    """Writes the first `most` objects, label and value in turn. Raises the fault of the first bad line.

    A value that is not text is written as a number, because it only matters when its label names an item: 0 for a list
    or an object, and half of a character as its code.
    """
    with as_bytes() as file:
        encoding = detect_encoding(file)
    out.put(frames.ABOUT, About(encoding))
    with as_text(encoding) as text:
        number, is_begun = 0, False
        while line := text.readline(LONGEST_RECORD + 1):
            number += 1
            if number > MOST_ROWS:
                raise Fault("FILE_TOO_LONG", limit=f"{MOST_ROWS:,}")
            if len(line) > LONGEST_RECORD:
                raise Fault("FILE_LINE_TOO_LONG", row=number, limit=LONGEST_RECORD)
            if line.startswith("\ufeff"):
                raise Fault("FILE_MARK_INSIDE", row=number)
            if not line.strip():
                continue
            if not is_begun and _OTHER_JSON.match(line):
                raise Fault("FILE_JSON_NOT_LINES")
            is_begun = True
            out.add(number, _parse_line(number, line), len(line))
            most -= 1
            if not most:
                return


def _parse_line(number: int, line: str) -> list[str | int]:
    try:
        # Numbers keep the digits that were written.
        pairs = json.loads(line, parse_float=str, parse_int=str, parse_constant=_refuse, object_pairs_hook=_Pairs)
    except json.JSONDecodeError as e:
        reason = f"第 {e.colno} 个字符处有误 / wrong at character {e.colno}"
        raise Fault("FILE_LINE_NOT_JSON", row=number, reason=reason) from None
    except (ValueError, RecursionError) as e:
        raise Fault("FILE_LINE_NOT_JSON", row=number, reason=str(e)[:80] or type(e).__name__) from None
    if not isinstance(pairs, _Pairs):
        raise Fault("FILE_LINE_NOT_JSON", row=number, reason="{ … }")
    labels_and_values: list[str | int] = []
    for label, value in pairs:
        if half := _HALF_CHARACTER.search(label):
            shown = _HALF_CHARACTER.sub("\ufffd", label[:40])
            raise Fault("FILE_CHARACTER_BROKEN", row=number, column=shown, character=f"\\u{ord(half[0]):04x}")
        labels_and_values += (label, _value_of(value))
    return labels_and_values


class _Pairs(list[tuple[str, Any]]):
    """The members of an object, even where two have the same name."""


def _value_of(value: Any) -> str | int:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, str):
        # JSON can spell half of a character (`"\ud800"`), which no later step can write.
        return ord(half[0]) if (half := _HALF_CHARACTER.search(value)) else value
    return 0


def _refuse(constant: str) -> None:
    raise ValueError(constant)
