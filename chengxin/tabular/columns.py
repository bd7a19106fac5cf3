"""Finds the item of each column by code, Chinese name or English name, in any mix; drops no column silently."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from chengxin.tabular.bounds import MOST_ITEMS
from chengxin.tabular.problems import (
    FILE_COLUMN_MISSING,
    FILE_COLUMN_TWICE,
    FILE_COLUMN_UNKNOWN,
    FILE_COLUMN_UNNAMED,
    FILE_DELIMITER_UNKNOWN,
    FILE_TOO_WIDE,
)
from chengxin.values.text_forms import comparison_key, with_hidden_named

# Columns that a rejects file adds to the delivered ones. A corrected file may still have them; they are not read.
REJECT_COLUMNS: Final = ("退回行号", "退回原因")

_MOST_NAMED: Final = 10
# Signs by which people and programs separate columns, and which this system does not take for delimiters.
_OTHER_DELIMITERS: Final = "，；、|\u3000"


@dataclass(frozen=True)
class ItemName:
    """An item by the names that a column may have."""

    code: str
    zh: str = ""
    en: str = ""
    required: bool = False


@dataclass(frozen=True)
class Column:
    """A column of the file, and the code of the item that it holds: empty for a column that is not read."""

    label: str
    code: str


class Columns:
    """The items of one entry by every name, and by the names that a provider gives them.

    `mapping` is the provider's: from a header's text to an item code, or to an empty one for a column that is not read.
    It takes precedence.
    """

    def __init__(self, items: Sequence[ItemName], mapping: Mapping[str, str] | None = None) -> None:
        self.items = items
        self._mapped = {comparison_key(label): code for label, code in (mapping or {}).items()}
        self._codes: dict[str, str] = {}
        # Codes come last: when one item's name is another item's code, the code counts.
        for names in ("en", "zh", "code"):
            for item in items:
                if name := comparison_key(getattr(item, names)):
                    self._codes[name] = item.code
        self._codes_by_label: dict[str, str | None] = {}

    @classmethod
    def of_entry(cls, entry: Mapping[str, Any], mapping: Mapping[str, str] | None = None) -> "Columns":
        """The columns of an entry in the contract's JSON."""
        return cls(
            [
                ItemName(
                    item["code"],
                    item.get("name", {}).get("zh", ""),
                    item.get("name", {}).get("en", ""),
                    bool(item.get("required")),
                )
                for item in entry["items"]
            ],
            mapping,
        )

    def code(self, label: str) -> str | None:
        """The code of the item that a column with this label holds; empty when it is not read, None when unknown."""
        if label not in self._codes_by_label:
            name = comparison_key(label)
            code = self._mapped.get(name, self._codes.get(name))
            self._codes_by_label[label] = "" if label.strip() in REJECT_COLUMNS else code
        return self._codes_by_label[label]

    def is_mapped(self, label: str) -> bool:
        """Whether the provider's mapping names a column with this label."""
        return comparison_key(label) in self._mapped

    def of_header(self, labels: Sequence[str]) -> list[Column]:
        """The columns of a header. Raises FILE_TOO_WIDE, FILE_DELIMITER_UNKNOWN, FILE_COLUMN_UNNAMED, _UNKNOWN,
        _TWICE, _MISSING."""
        if len(labels) > MOST_ITEMS:
            raise FILE_TOO_WIDE(actual=len(labels), limit=MOST_ITEMS)
        for position, label in enumerate(labels, 1):
            if not label.strip():
                raise FILE_COLUMN_UNNAMED(position=position)
        columns = [Column(label, code) for label in labels if (code := self.code(label)) is not None]
        if unknown := [label for label in labels if self.code(label) is None]:
            if len(labels) == 1 and (used := [sign for sign in _OTHER_DELIMITERS if sign in labels[0].strip()]):
                raise FILE_DELIMITER_UNKNOWN(column=labels[0].strip()[:40], delimiter=max(used, key=labels[0].count))
            raise self.unknown(unknown, {column.code for column in columns})
        self._must_hold_items_once(columns)
        present = {column.code for column in columns}
        if missing := [item for item in self.items if item.required and item.code not in present]:
            zh, en = _list_names(missing)
            raise FILE_COLUMN_MISSING(columns=zh, columns_en=en)
        return columns

    def unknown(self, labels: Iterable[str], present: set[str]) -> Exception:
        """FILE_COLUMN_UNKNOWN with the labels that name no item, and the items that no column holds."""
        shown = [f"“{with_hidden_named(label.strip()[:40])}”" for label in labels]
        missing = [item for item in self.items if item.code not in present]
        zh, en = _list_names(missing)
        return FILE_COLUMN_UNKNOWN(columns=_join_first(shown), missing=zh or "-", missing_en=en or "-")

    @staticmethod
    def _must_hold_items_once(columns: Sequence[Column]) -> None:
        seen: dict[str, str] = {}
        for column in columns:
            if column.code and column.code in seen:
                raise FILE_COLUMN_TWICE(item=column.code, columns=f"“{seen[column.code]}”, “{column.label}”")
            seen[column.code] = column.label


def are_of_rejects_file(columns: Sequence[Column]) -> bool:
    """Whether a file has exactly the columns of a rejects file, in any order: those of items, and the two added.

    A rejects file leaves out the delivered columns that hold no item."""
    return sorted(column.label.strip() for column in columns if not column.code) == sorted(REJECT_COLUMNS)


def _list_names(items: Sequence[ItemName]) -> tuple[str, str]:
    """The names of items, in Chinese and in English."""
    zh = [f"{item.zh}（{item.code}）" if item.zh else item.code for item in items]
    en = [f"{item.en} ({item.code})" if item.en else item.code for item in items]
    return _join_first(zh), _join_first(en, ", ")


def _join_first(names: Sequence[str], separator: str = "、") -> str:
    return separator.join(names[:_MOST_NAMED]) + ("…" if len(names) > _MOST_NAMED else "")
