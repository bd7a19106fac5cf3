"""What a transaction is going to write, gathered before anything is."""

from collections.abc import Iterable
from typing import Any


class Writes:
    """What a transaction is going to write, with its bytes, so that one that is too large does not begin."""

    def __init__(self) -> None:
        self.bytes = 0
        self._by_document: dict[Any, list[Any]] = {}

    def add(self, document: Any, write: Any, size: int) -> None:
        """A write of so many bytes."""
        self.bytes += size
        self._by_document.setdefault(document, []).append(write)

    def items(self) -> Iterable[tuple[Any, list[Any]]]:
        """The writes by kind of document."""
        return self._by_document.items()
