"""All use cases that have a rule, and what runs them in tests."""

import importlib
import pkgutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from chengxin.auth.policy import Rule
from chengxin.auth.principal import Principal, Role
from chengxin.errors import Problem
from chengxin.store.database import Store

PACKAGES = (
    "chengxin.process",
    "chengxin.proposals",
    "gateway.usecases",
    *(f"services.{name}.usecases" for name in ("audit", "catalog", "disclosure", "ingest", "objection")),
)


def guarded_use_cases() -> Iterator[Any]:
    """Every function of the use cases that has a rule."""
    for package in PACKAGES:
        found = importlib.import_module(package)
        for module in pkgutil.iter_modules(found.__path__, f"{package}."):
            for value in vars(importlib.import_module(module.name)).values():
                if getattr(value, "__module__", "") == module.name and isinstance(getattr(value, "rule", None), Rule):
                    yield value


SUBJECT = Principal("s_1", frozenset({Role.SUBJECT}))

USE_CASES = list(guarded_use_cases())
RECORDED = [u for u in USE_CASES if not u.rule.unrecorded]
COMMANDS = [u for u in USE_CASES if u.rule.changes]


@dataclass
class SeenRefusals:
    seen: list[tuple[str, str]] = field(default_factory=list)
    asked: list[list[object]] = field(default_factory=list)

    def refused(self, act: str, actor: Principal, problem: Problem, asked: Sequence[object] = ()) -> None:
        self.seen.append((act, problem.code))
        self.asked.append(list(asked))


@dataclass
class StoreContext:
    store: Store
    audit: SeenRefusals = field(default_factory=SeenRefusals)


def named(use_case: Any) -> str:
    return f"{use_case.__module__}.{use_case.__name__}"


def allowed(use_case: Any) -> Principal:
    """A caller whom the rule lets in."""
    return Principal("s_1", frozenset(sorted(use_case.rule.roles)[:1]), acr="counter")
