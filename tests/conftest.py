"""Fixtures of every test."""

from collections.abc import Callable, Iterator

import pytest

from tests.city import City, running_city
from tests.support import Issuer, store_daemon


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests that start whole suites come last: a suite that waits for its next test takes half a processor."""
    items.sort(key=lambda item: item.path.parent.name in ("demo", "e2e", "compose"))


@pytest.fixture(scope="session")
def stores() -> Iterator[Callable[[str], str]]:
    """A real store daemon: database name to URI. Use a fresh database name per test module."""
    with store_daemon() as uri_of:
        yield uri_of


@pytest.fixture(scope="session")
def issuer() -> Issuer:
    """A token issuer whose tokens its `verifier` accepts."""
    return Issuer()


@pytest.fixture(scope="session")
def city() -> Iterator[City]:
    """The whole suite with its demonstration world, shared by the tests that leave it as it was."""
    with running_city() as found:
        yield found
