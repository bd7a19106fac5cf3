"""JSON Lines: one object a line, item code or name to text, number, boolean or null."""

import json
import re
from typing import Any, Final

from chengxin.tabular import frames
from chengxin.tabular.bounds import LONGEST_RECORD
from chengxin.tabular.frames import About, Writer
from chengxin.tabular.reader.csv_file import told_encoding
from chengxin.tabular.reader.fault import Fault
from chengxin.tabular.reader.given import as_text

_HALF: Final = re.compile("[\ud800-\udfff]")


def read_jsonl(out: Writer, most: int) -> None:
    """Writes the first `most` objects, label and value in turn. Raises the fault of the first bad line.

    A value that is no text goes as a number, for it only matters where its label names an item: 0 for a list or an
    object, half of a character as itself.
    """
    encoding = told_encoding()
    out.put(frames.ABOUT, About(encoding))
    with as_text(encoding) as text:
        number = 0
        while line := text.readline(LONGEST_RECORD + 1):
            number += 1
            if len(line) > LONGEST_RECORD:
                raise Fault("FILE_LINE_TOO_LONG", row=number, limit=LONGEST_RECORD)
            if not line.strip():
                continue
            out.add(number, _told(number, line), len(line))
            most -= 1
            if not most:
                return


def _told(number: int, line: str) -> list[str | int]:
    try:
        # Numbers keep the digits that were written.
        pairs = json.loads(line, parse_float=str, parse_int=str, parse_constant=_refuse, object_pairs_hook=_Pairs)
    except (ValueError, RecursionError) as e:
        raise Fault("FILE_LINE_NOT_JSON", row=number, reason=str(e)[:80] or type(e).__name__) from None
    if not isinstance(pairs, _Pairs):
        raise Fault("FILE_LINE_NOT_JSON", row=number, reason="{ … }")
    told: list[str | int] = []
    for label, value in pairs:
        if half := _HALF.search(label):
            shown = _HALF.sub("\ufffd", label[:40])
            raise Fault("FILE_CHARACTER_BROKEN", row=number, column=shown, character=f"\\u{ord(half[0]):04x}")
        told += (label, _text(value))
    return told


class _Pairs(list[tuple[str, Any]]):
    """The members of an object, twice named ones too."""


def _text(value: Any) -> str | int:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, str):
        # JSON can spell out halves of characters (`"\ud800"`), which nothing after this can write.
        return ord(half[0]) if (half := _HALF.search(value)) else value
    return 0


def _refuse(constant: str) -> None:
    raise ValueError(constant)
