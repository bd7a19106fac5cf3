"""What an inspection finds: each alteration is told at once, or what is derived is made again."""

from collections.abc import Callable, Generator, Iterable
from typing import Any, Final, TypeVar

from pymongo.errors import PyMongoError

from chengxin.store.documents import DocumentClass
from chengxin.values.document import RawDocument
from services.audit.domain.alterations import Alteration, RowFault
from services.audit.store.log import AuditStore
from services.audit.store.rows import altered, differing_fields

T = TypeVar("T")
# Foreign rows of a collection that one inspection tells of at least.
_FOREIGN_AT_ONCE: Final = 8
# Work in pieces. A piece ends with the error that made it wait, if one did; the next piece tries that again.
Pieces = Generator[PyMongoError | None, None, T]


class InspectionReport:
    """Reads the store patiently, so that an inspection goes on where it was when the store is back; keeps what was found
    and what was mended."""

    def __init__(
        self, store: AuditStore, tell: Callable[[Alteration], None], may_mend: Callable[[Alteration], bool]
    ) -> None:
        """`tell` hears of each alteration as soon as it is found, unless `may_mend` has it made again."""
        self.store = store
        self._tell = tell
        self._may_mend = may_mend
        self.found: list[Alteration] = []
        self.mended: list[Alteration] = []

    @property
    def memory_is_stale(self) -> bool:
        """Whether rows were removed from which the search index in memory was loaded, or where derivation begins."""
        return any(a.collection != "tiles" for a in self.mended)

    def add(self, alteration: Alteration) -> None:
        """Something is altered."""
        self.found.append(alteration)
        self._tell(alteration)

    def read(self, ask: Callable[[], T]) -> Pieces[T]:
        """Asks the store until it answers."""
        while True:
            try:
                return ask()
            except PyMongoError as e:
                yield e

    def rows(self, document: DocumentClass, keys: Iterable[Any]) -> Pieces[dict[Any, RawDocument]]:
        """Reads rows by their `_id`s."""
        wanted = [*keys]
        return (yield from self.read(lambda: self.store.rows(document, wanted)))

    def compare(self, document: DocumentClass, stored: RawDocument | None, expected: RawDocument) -> Pieces[None]:
        """Compares a derived row with what it should be; to mend it, writes that."""
        if alteration := difference(document, expected["_id"], stored, expected):
            yield from self.settle(alteration, lambda: self.store.replace(document, expected))

    def settle(self, alteration: Alteration, mend: Callable[[], None]) -> Pieces[None]:
        """Mends an alteration, or tells of it."""
        if not self._may_mend(alteration):
            self.add(alteration)
            return
        yield from self.read(mend)
        self.mended.append(alteration)

    def remove_unexpected(self, document: DocumentClass, key: Any) -> Pieces[None]:
        """A row is where there should be none; to mend that, removes it."""
        alteration = altered(document, key, RowFault.UNEXPECTED)
        yield from self.settle(alteration, lambda: self.store.remove(document, [key]))

    def remove_foreign(self, document: DocumentClass, known: int, is_known: Callable[[Any], bool]) -> Pieces[None]:
        """Looks through a collection that has few rows, `known` of them, for some with other `_id`s."""
        keys = yield from self.read(lambda: self.store.some_keys(document, known + _FOREIGN_AT_ONCE))
        for key in keys:
            if not is_known(key):
                yield from self.remove_unexpected(document, key)


def difference(
    document: DocumentClass, key: Any, stored: RawDocument | None, expected: RawDocument | None
) -> Alteration | None:
    """How a stored row is otherwise than expected; None for not at all."""
    if stored is None or expected is None:
        if stored is expected:
            return None
        return altered(document, key, RowFault.MISSING if stored is None else RowFault.UNEXPECTED)
    fields = differing_fields(stored, expected)
    return altered(document, key, RowFault.DIFFERS, fields) if fields else None
