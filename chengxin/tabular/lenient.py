"""Columns of a file that is only previewed: unknown and missing columns are reported, not refused."""

import difflib
from collections.abc import Mapping, Sequence
from typing import Final

from chengxin.errors import Problem
from chengxin.tabular.columns import REJECT_COLUMNS, Column, Columns, ItemName
from chengxin.tabular.problems import FILE_COLUMN_MISSING, FILE_COLUMN_UNKNOWN
from chengxin.values.text_forms import comparison_key

_LEAST_SIMILARITY: Final = 0.5
_MOST_SUGGESTIONS: Final = 3


class LenientColumns(Columns):
    """The items of one entry by every name; remembers which columns the file has, and how each was matched."""

    def __init__(self, items: Sequence[ItemName], mapping: Mapping[str, str] | None = None) -> None:
        super().__init__(items, mapping)
        self.met: dict[str, Column] = {}
        self.unknown_labels: list[str] = []

    def code(self, label: str) -> str | None:
        """The code of the item that a column with this label holds; empty when the column is not read, or unknown."""
        code = super().code(label)
        if label not in self.met:
            self.met[label] = Column(label.strip(), code or "")
            if code is None:
                self.unknown_labels.append(label.strip())
        return code or ""

    def of_header(self, labels: Sequence[str]) -> list[Column]:
        """The columns of a header. Raises FILE_TOO_WIDE, FILE_DELIMITER_UNKNOWN, FILE_COLUMN_UNNAMED, FILE_COLUMN_TWICE."""
        try:
            super().of_header(labels)
        except Problem as e:
            if e.type not in (FILE_COLUMN_UNKNOWN, FILE_COLUMN_MISSING):
                raise
        columns = [Column(label, self.code(label) or "") for label in labels]
        self._must_hold_items_once([column for column in columns if column.code])
        return columns

    def found_by(self, label: str) -> str:
        """How a column was matched: `mapping`, `code`, `name`, `not_read`, `unknown`."""
        column = self.met[label]
        if column.label in self.unknown_labels:
            return "unknown"
        if column.label in REJECT_COLUMNS:
            return "not_read"
        if self.is_mapped(label):
            return "mapping" if column.code else "not_read"
        return "code" if comparison_key(column.label) == comparison_key(column.code) else "name"

    def missing(self) -> list[ItemName]:
        """Required items that no column holds."""
        present = {column.code for column in self.met.values()}
        return [item for item in self.items if item.required and item.code not in present]

    def suggestions(self, label: str) -> list[ItemName]:
        """Items that no column holds and whose code or name resembles `label`, the most similar first."""
        present = {column.code for column in self.met.values()}
        similarities = [
            (_measure_similarity(label, item), n) for n, item in enumerate(self.items) if item.code not in present
        ]
        best = sorted((-ratio, n) for ratio, n in similarities if ratio >= _LEAST_SIMILARITY)
        return [self.items[n] for _, n in best[:_MOST_SUGGESTIONS]]


def _measure_similarity(label: str, item: ItemName) -> float:
    wanted = comparison_key(label)
    names = [comparison_key(name) for name in (item.code, item.zh, item.en) if name]
    return max(difflib.SequenceMatcher(None, wanted, name).ratio() for name in names)
