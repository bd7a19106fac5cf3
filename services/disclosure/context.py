"""What the use cases of disclosure are given."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, Final

from chengxin.audit.trail import AuditTrail
from chengxin.auth.principal import Principal, Role
from chengxin.bounds import bound
from chengxin.errors import STORE_UNAVAILABLE
from chengxin.store.field_encryption import KeyRing
from chengxin.values.clock import Clock
from chengxin.values.ids import SubjectKey
from services.disclosure.projections.name_index import NameIndex
from services.disclosure.store.disclosure_store import DisclosureStore

# The service itself, for what it does on its own.
OWN: Final = Principal("disclosure", frozenset({Role.SERVICE}), client_id="disclosure")


# How many callers may wait for changes of the public feed at once. Each holds a thread: one of 16 for HTTP, or of 64
# for gRPC.
_WAITING: Final = 6
_FOLLOWING: Final = 24

bound(
    __name__,
    "BoundedSemaphore",
    resource="Callers who wait for changes of the public feed",
    total=_WAITING + _FOLLOWING,
    share="none yet",
    seconds="as long as the caller",
    why="Each holds a thread of a face",
    test="tests/disclosure/test_public_feed.py::test_too_many_streams_are_refused",
)


class Places:
    """Limits how many callers do something at once."""

    def __init__(self, count: int) -> None:
        self._free = threading.BoundedSemaphore(count)

    @contextmanager
    def one(self) -> Iterator[bool]:
        """Takes a place for the block; yields False when there is none."""
        taken = self._free.acquire(blocking=False)
        try:
            yield taken
        finally:
            if taken:
                self._free.release()


class BeingFilled:
    """Stands in for a store whose generation is still being filled from nothing; refuses every use of it."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        raise STORE_UNAVAILABLE(retry_after=5)


@dataclass
class DisclosureContext:
    """The first argument of every use case here."""

    store: DisclosureStore
    directory: NameIndex
    audit: AuditTrail
    clock: Clock
    keys: KeyRing
    subject_key: SubjectKey
    waiting: Places = field(default_factory=lambda: Places(_WAITING))
    following: Places = field(default_factory=lambda: Places(_FOLLOWING))
    # Whether a citizen can sign in with a browser, so that the portal offers it: in the demonstration world.
    own_page: bool = False
    # Whether changes that are taken in are published in the public feed.
    announces: bool = True
    # Whether a generation is surely the one in use.
    is_current: Callable[[int], bool] = lambda generation: True

    def pinned(self) -> "DisclosureContext":
        """Returns the context with the generation that is in use now, so that all reads for one answer are from it.

        Raises STORE_UNAVAILABLE when this process cannot be sure which one is in use.
        """
        store = self.store
        if not self.is_current(store.generation):
            raise STORE_UNAVAILABLE(retry_after=1)
        return replace(self, store=store)
