"""Rejects as a CSV file: the delivered columns, and why each row came back; no cell can become a formula."""

import csv
import io
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

from chengxin.tabular.columns import REJECT_COLUMNS

_FORMULA: Final = re.compile(r"[=+\-@\t\r]")
_NUMBER: Final = re.compile(r"[+-]?[0-9]+(\.[0-9]+)?\Z")

# (row in the delivered file, item code to value, reasons in words)
Rejected = tuple[int, Mapping[str, str], Sequence[str]]


def rejects_csv(columns: Sequence[tuple[str, str]], rejects: Iterable[Rejected]) -> Iterator[str]:
    """The file in pieces: a header of the columns' labels, `columns` being (label, item code), then a line a reject."""
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer, lineterminator="\r\n")
    writer.writerow([*(disarmed(label) for label, _ in columns), *REJECT_COLUMNS])
    yield _taken(buffer)
    for row, items, reasons in rejects:
        cells = [disarmed(items.get(code, "")) for _, code in columns]
        writer.writerow([*cells, row, disarmed("；".join(reasons))])
        yield _taken(buffer)


def disarmed(cell: str) -> str:
    """The cell with a `'` before what a spreadsheet would take for a formula; a plain number stays."""
    return f"'{cell}" if _FORMULA.match(cell) and not _NUMBER.match(cell) else cell


def _taken(buffer: io.StringIO) -> str:
    text = buffer.getvalue()
    buffer.seek(0)
    buffer.truncate()
    return text
