"""What the use cases of disclosure are given."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, Final

from chengxin.audit.trail import AuditTrail
from chengxin.auth.principal import Principal, Role
from chengxin.bounds import bound
from chengxin.concurrency.shares import Shares
from chengxin.errors import STORE_UNAVAILABLE
from chengxin.proposals.documents import Proposals
from chengxin.store.field_encryption import KeyRing
from chengxin.values.clock import Clock
from chengxin.values.ids import SubjectKey
from services.disclosure.projections.name_index import NameIndex
from services.disclosure.store.disclosure_store import DisclosureStore

# The service itself, for what it does on its own.
OWN: Final = Principal("disclosure", frozenset({Role.SERVICE}), client_id="disclosure")


# Who waits for a change holds a thread: one of 16 for HTTP, or of 64 for gRPC.
WAITING: Final = bound(
    __name__,
    resource="Callers who wait for changes of the public feed over HTTP",
    total=6,
    share=3,
    strangers=4,
    seconds=30,
    why="Who finds no place is answered at once",
    test="tests/disclosure/test_public_feed.py::test_who_finds_no_place_to_wait_in_is_answered_at_once",
)
FOLLOWING: Final = bound(
    __name__,
    resource="Callers who follow the public feed over gRPC",
    total=24,
    share=4,
    strangers=12,
    seconds="as long as the caller",
    why="Portals and agencies are known by their tokens; the rest is for whoever asks",
    test="tests/disclosure/test_public_feed.py::test_one_caller_leaves_streams_to_the_others",
)


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
    waiting: Shares = field(default_factory=lambda: Shares(WAITING))
    following: Shares = field(default_factory=lambda: Shares(FOLLOWING))
    # Whether changes that are taken in are published in the public feed.
    announces: bool = True
    # Whether a generation is surely the one in use.
    is_current: Callable[[int], bool] = lambda generation: True

    @property
    def proposals(self) -> Proposals:
        """What waits for a second officer, or did; reasons are sealed. Raises STORE_UNAVAILABLE."""
        return Proposals(self.store.store, self.keys)

    def pinned(self) -> "DisclosureContext":
        """Returns the context with the generation that is in use now, so that all reads for one answer are from it.

        Raises STORE_UNAVAILABLE when this process cannot be sure which one is in use.
        """
        store = self.store
        if not self.is_current(store.generation):
            raise STORE_UNAVAILABLE(retry_after=1)
        return replace(self, store=store)
