"""What use cases are run with."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from chengxin.store.database import Store
from chengxin.values.clock import SystemClock
from chengxin.values.ids import new_id
from tests.chengxin.auth.use_cases import StoreContext


@pytest.fixture(scope="module")
def store(stores: Callable[[str], str]) -> Iterator[Store]:
    found = Store(stores(new_id("executor")), "executor", SystemClock())
    found.db.create_collection("things")
    yield found
    found.close()


@pytest.fixture
def ctx(store: Store) -> StoreContext:
    return StoreContext(store)


@pytest.fixture
def replaced(monkeypatch: pytest.MonkeyPatch) -> Callable[[Any, Callable[..., Any]], None]:
    """Puts another body under the rule of a use case, whose conditions all hold."""

    def replace_body(use_case: Any, body: Callable[..., Any]) -> None:
        monkeypatch.setattr(use_case, "__wrapped__", body)
        monkeypatch.setattr(use_case, "rule", replace(use_case.rule, conditions=(), permission=None))

    return replace_body
