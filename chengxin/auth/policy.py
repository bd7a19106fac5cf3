"""One policy, two faces (principle 1): the rule of a use case is declared where the act is."""

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol, TypeVar

from chengxin.auth.powers import ADMINISTRATORS, Power, Scope
from chengxin.auth.principal import ACR_LEVELS, ANONYMOUS_SUB, DEMO_ACR, Assurance, Principal, Role
from chengxin.auth.regions import is_regional
from chengxin.errors import ROLE_NOT_ALLOWED, STEP_UP_REQUIRED, UNAUTHENTICATED, InBoth, Problem
from chengxin.values.acts import Act
from chengxin.values.marks import Mark

F = TypeVar("F", bound=Callable[..., Any])


class PowerNotDeclared(TypeError):
    """A use case does not say what power it is, or says it without what holds it: a mistake, found at import."""


class Refusals(Protocol):
    """Puts refusals on record."""

    def refused(self, act: Act, actor: Principal, problem: Problem, asked: Sequence[object] = ()) -> None: ...


class Context(Protocol):
    """What a service's use cases are given (store, clock, audit trail …), the first argument of each use case."""

    @property
    def audit(self) -> Refusals: ...


# Why this caller may not ask this, by the request alone, or None. Gets (ctx, caller, *arguments) of the use case.
Condition = Callable[..., Problem | None]
# Why this caller may not act on a resource as it was loaded, or None. Gets (ctx, caller, resource, *named): None for the
# resource where there is none, and the words by which the caller named it.
Permission = Callable[..., Problem | None]


DECLARED: "Final[list[Rule]]" = []


@dataclass(frozen=True)
class Rule:
    """Who may do one thing, and the act under which it goes on record."""

    act: Act
    roles: frozenset[Role]
    articles: tuple[str, ...]
    conditions: tuple[Condition, ...]
    summary: str
    use_case: str
    # How surely a subject's identity must be verified; other callers authenticate in other ways.
    assurance: Assurance = Assurance.NONE
    # Whether it changes something; a query only answers.
    changes: bool = True
    # Why its answers leave no audit event; empty when they leave one.
    unrecorded: str = ""
    permission: Permission | None = None
    # Why it asks for no role: by it a caller proves who it is. Empty: it asks for one of `roles`.
    open_to_all: str = ""
    # What it is as a power over others; None for what no officer of the administration runs, and for queries.
    power: Power | None = None

    def to_dict(self) -> dict[str, Any]:
        """A row of `chengxin policy`."""
        return {
            "act": self.act,
            "roles": sorted(self.roles),
            "assurance": self.assurance.name.lower(),
            "conditions": [inspect.getdoc(c) or c.__name__ for c in self._refusing()],
            "articles": list(self.articles),
            "summary": self.summary,
            "use_case": self.use_case,
            **({"open_to_all": self.open_to_all} if self.open_to_all else {}),
            **({"power": self.power.to_dict()} if self.power else {}),
        }

    def power_fault(self) -> str | None:
        """Why the declaration of its power is not sound, or None."""
        if self.power is None:
            wanted = self.changes and self.roles & ADMINISTRATORS
            return "an officer's command says what power it is (`power=`)" if wanted else None
        if self.power.region.scope is Scope.OWN and not any(map(is_regional, self._refusing())):
            return "a power in the officer's own region has a condition or a permission that judges it (`within`)"
        return None

    def _refusing(self) -> list[Callable[..., Problem | None]]:
        return [*self.conditions, *([self.permission] if self.permission else [])]


# The rule of a use case, and of a view or method that answers with it.
RULE: Final = Mark[Rule]("rule")
# Why a view or method needs no rule, or has one that asks for no role.
OPEN_TO_ALL: Final = Mark[str]("open_to_all")


def declared_rules() -> Sequence[Rule]:
    """The rules of all use cases whose modules are imported, in the order of their declaration."""
    return tuple(DECLARED)


def serves(use_case: Callable[..., Any]) -> Callable[[F], F]:
    """Says which guarded use case an HTTP view or a gRPC method answers with; `chengxin policy` reads it."""
    declared = rule_of(use_case)

    def mark(view: F) -> F:
        RULE.put(view, declared)
        if declared.open_to_all:
            OPEN_TO_ALL.put(view, declared.open_to_all)
        return view

    return mark


def open_to_all(reason: str) -> Callable[[F], F]:
    """Marks a view or method that needs no rule, and says why; `chengxin policy` shows the reason."""

    def mark(view: F) -> F:
        OPEN_TO_ALL.put(view, reason)
        return view

    return mark


def rule_of(use_case: Callable[..., Any]) -> Rule:
    """The rule that guards a use case. Raises `LookupError` for one without."""
    if (declared := RULE.of(use_case)) is None:
        raise LookupError(f"{use_case.__qualname__} has no rule: declare it with @command, @query or @open_command")
    return declared


def wrong_capacity(declared: Rule, caller: Principal) -> Problem | None:
    """Why a caller lacks the role, or the assurance of identity, that a rule asks for; None when it has both.

    A caller without a token is asked for one.
    """
    if declared.open_to_all:
        return None
    if caller.roles & declared.roles:
        if Role.SUBJECT not in caller.roles or caller.assurance >= declared.assurance:
            return None
        good = sorted(acr for acr, level in ACR_LEVELS.items() if level >= declared.assurance and acr != DEMO_ACR)
        return STEP_UP_REQUIRED(required=", ".join(good), acr=caller.acr or "-")
    required = ", ".join(sorted(declared.roles))
    if caller.sub == ANONYMOUS_SUB:
        # Whoever has not said who it is may yet do so (RFC 9110, 15.5.2).
        return UNAUTHENTICATED(reason=InBoth(f"所需身份：{required}", f"it takes the role: {required}"))
    return ROLE_NOT_ALLOWED(roles=", ".join(sorted(caller.roles)) or "-", required=required)
