"""Each test of the kernel has a store of its own."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import pytest

from chengxin.store.database import Store
from chengxin.values.clock import FixedClock
from chengxin.values.ids import new_id

NOW = datetime(2026, 11, 24, 4, 0, tzinfo=UTC)

Opened = Callable[[str], Store]


@pytest.fixture
def opened() -> Iterator[Opened]:
    """Opens a store by URI, as a process of its own would; closed at the end."""
    there: list[Store] = []

    def open_store(uri: str) -> Store:
        there.append(Store(uri, "ground", FixedClock(NOW)))
        return there[-1]

    yield open_store
    for store in there:
        store.close()


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
