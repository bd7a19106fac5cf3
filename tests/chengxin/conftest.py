"""Each test of the kernel has a store of its own."""

import itertools
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import mongoengine
import pytest

from chengxin.store.database import Store
from chengxin.values.clock import FixedClock
from chengxin.values.ids import new_id

NOW = datetime(2026, 11, 24, 4, 0, tzinfo=UTC)
_aliases = itertools.count()

Opened = Callable[[str], Store]


@pytest.fixture
def opened() -> Iterator[Opened]:
    """Opens a store by URI, as a process of its own would; closed at the end."""
    there: list[tuple[str, Store]] = []

    def open_store(uri: str) -> Store:
        alias = f"ground-{next(_aliases)}"
        there.append((alias, Store(uri, alias, FixedClock(NOW))))
        return there[-1][1]

    yield open_store
    for alias, store in there:
        store.close()
        mongoengine.disconnect(alias)


@pytest.fixture
def uri(stores: Callable[[str], str]) -> str:
    """A new database."""
    return stores(new_id("ground"))


@pytest.fixture
def store(opened: Opened, uri: str) -> Store:
    """A new store."""
    found = opened(uri)
    for name in ("outbox", "counters", "positions", "idempotency", "things"):
        found.db.create_collection(name)
    return found
