"""Fixtures of every test."""

import functools
import pickle
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import flask_openapi3.utils
import pytest
import structlog
from hypothesis import HealthCheck, settings
from xdist.scheduler import LoadScopeScheduling

from tests import described
from tests.city import City, running_city
from tests.support import Issuer, store_daemon

# How long an example takes is the machine's business: on a busy one, right answers came too late.
settings.register_profile("any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any machine")

_describe = flask_openapi3.utils.get_model_schema


@functools.cache
def _described(model: Any, mode: Any) -> bytes:
    return pickle.dumps(_describe(model, mode))


# A test has an app of its own. What pydantic makes of a model for its description is the same each time, and took a
# third of the time in which the tests of a service begin.
flask_openapi3.utils.get_model_schema = lambda model, mode="validation": pickle.loads(_described(model, mode))

# A traceback of rich, with source and locals of each frame, takes a third of a second; errors that tests provoke are
# logged, too.
structlog.dev.ConsoleRenderer.get_active().exception_formatter = structlog.dev.plain_traceback

described.watch()


@pytest.fixture(autouse=True)
def _what_was_answered_is_described() -> Iterator[None]:
    """Every answer of a service's HTTP face is as its OpenAPI description says."""
    yield
    found = described.take_findings()
    assert not found, "\n".join(found)


# Fixtures that are a whole suite, and how the tests that share one name it.
SHARED_SUITES = {"city": "city: City", "composed": "composed: Suite"}


class FileScheduling(LoadScopeScheduling):
    """One worker runs a file of tests, and one worker runs all that share a suite, which so starts once.

    The option `--dist loadgroup` does nothing under pytest 9.2 and pytest-xdist 3.8 (pytest-xdist issue 1386): it put
    the tests of a file on both workers, and each made the fixtures of the file, its suite too.
    """

    def _split_scope(self, nodeid: str) -> str:
        path = nodeid.partition("::")[0]
        return _shared_suite(self.config.rootpath / path) or path


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> FileScheduling:
    """Called by pytest-xdist in the process that gives out the tests, which has not collected any."""
    return FileScheduling(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests that share a suite come first, and other files that start whole suites next: each takes one worker for
    minutes, and whichever came last would leave the others without work."""
    items.sort(key=lambda item: 0 if _shared_suite(item.path) else 1 if _starts_suites(item.path) else 2)


def _starts_suites(file: Path) -> bool:
    return file.parent.name in ("demo", "e2e", "compose")


@functools.cache
def _shared_suite(file: Path) -> str:
    """The fixture of a whole suite that a file shares with others; empty for none."""
    text = file.read_text()
    shared = (name for name, use in SHARED_SUITES.items() if use in text and f"def {name}(" not in text)
    return next(shared, "") if _starts_suites(file) else ""


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
