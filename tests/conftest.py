"""Fixtures of every test."""

import functools
import pickle
from collections.abc import Callable, Iterator
from typing import Any

import flask_openapi3.utils
import pytest

from tests.city import City, running_city
from tests.support import Issuer, store_daemon

_describe = flask_openapi3.utils.get_model_schema


@functools.cache
def _described(model: Any, mode: Any) -> bytes:
    return pickle.dumps(_describe(model, mode))


# A test has an app of its own. What pydantic makes of a model for its description is the same each time, and took a
# third of the time in which the tests of a service begin.
flask_openapi3.utils.get_model_schema = lambda model, mode="validation": pickle.loads(_described(model, mode))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A file of tests is run by one worker (`--dist loadgroup`), and by one all that share the city: its suite starts
    once, and first, while the other worker runs everything else. Other files that start whole suites come last."""
    shared = {item.path for item in items if "city" in getattr(item, "fixturenames", ()) and _starts_suites(item)}
    for item in items:
        item.add_marker(pytest.mark.xdist_group("city" if item.path in shared else str(item.path)))
    items.sort(key=lambda item: 0 if item.path in shared else 2 if _starts_suites(item) else 1)


def _starts_suites(item: pytest.Item) -> bool:
    return item.path.parent.name in ("demo", "e2e", "compose")


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
