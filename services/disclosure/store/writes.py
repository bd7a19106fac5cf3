"""Gathers what a transaction is going to write, before it writes anything."""

from collections.abc import Iterable
from typing import Any


class Writes:
    """The writes of a transaction, with their bytes, so that a transaction that is too large does not begin.

    The writes of a kind are sent in no order. So there is only one write to a document: of two, the first could undo
    the second.
    """

    def __init__(self) -> None:
        self.bytes = 0
        self._by_kind: dict[Any, dict[str, Any]] = {}

    def add(self, kind: Any, key: str, write: Any, size: int) -> None:
        """Adds a write of `size` bytes to the document of this kind whose `_id` is `key`. Raises `ValueError` for a
        second write to it."""
        writes = self._by_kind.setdefault(kind, {})
        if key in writes:
            raise ValueError(f"{kind.__name__} {key} would be written twice")
        writes[key] = write
        self.bytes += size

    def items(self) -> Iterable[tuple[Any, list[Any]]]:
        """Returns the writes by kind of document."""
        return ((kind, list(writes.values())) for kind, writes in self._by_kind.items())
