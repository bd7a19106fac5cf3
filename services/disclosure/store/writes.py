"""What a transaction is going to write, gathered before anything is."""

from collections.abc import Iterable
from typing import Any


class Writes:
    """What a transaction is going to write, with its bytes, so that one that is too large does not begin.

    They are sent kind by kind in no order: what is written twice to one document could be undone by the first of the two.
    """

    def __init__(self) -> None:
        self.bytes = 0
        self._by_kind: dict[Any, dict[str, Any]] = {}

    def add(self, kind: Any, key: str, write: Any, size: int) -> None:
        """A write of so many bytes to the document of that kind with that `_id`. Raises `ValueError` for a second one."""
        writes = self._by_kind.setdefault(kind, {})
        if key in writes:
            raise ValueError(f"{kind.__name__} {key} would be written twice")
        writes[key] = write
        self.bytes += size

    def items(self) -> Iterable[tuple[Any, list[Any]]]:
        """The writes by kind of document."""
        return ((kind, list(writes.values())) for kind, writes in self._by_kind.items())
