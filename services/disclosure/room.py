"""What disclosure's use cases have around them."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final

from chengxin.audit_client import AuditTrail
from chengxin.clock import Clock
from chengxin.crypto import KeyRing
from chengxin.ids import SubjectKey
from chengxin.principal import Principal, Role
from services.disclosure.searching import Directory
from services.disclosure.store import DisclosureStore

# What disclosure does of itself is on record as done by it.
OWN: Final = Principal("disclosure", frozenset({Role.SERVICE}), client_id="disclosure")


# How many may wait for news of the public feed at once. Each holds a thread of its face: of 16 over HTTP, of 64 over gRPC.
_WAITING: Final = 6
_FOLLOWING: Final = 24


class Places:
    """So many that may do something at once."""

    def __init__(self, count: int) -> None:
        self._free = threading.BoundedSemaphore(count)

    @contextmanager
    def one(self) -> Iterator[bool]:
        """A place as long as the block lasts, or the news that there is none."""
        taken = self._free.acquire(blocking=False)
        try:
            yield taken
        finally:
            if taken:
                self._free.release()


@dataclass(frozen=True)
class Disclosure:
    """The first argument of every use case here."""

    store: DisclosureStore
    directory: Directory
    audit: AuditTrail
    clock: Clock
    keys: KeyRing
    subject_key: SubjectKey
    waiting: Places = field(default_factory=lambda: Places(_WAITING))
    following: Places = field(default_factory=lambda: Places(_FOLLOWING))
    # Whether a citizen can sign in with a browser, so that the portal offers it: in the demonstration world.
    own_page: bool = False
