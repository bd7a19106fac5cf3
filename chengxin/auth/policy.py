"""One policy, two faces (principle 1): the rule of a use case is declared where the act is."""

import functools
import inspect
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol, TypeVar, cast

from chengxin.auth.access_tokens import Verifier
from chengxin.auth.principal import ACR_LEVELS, DEMO_ACR, Assurance, Principal, Role
from chengxin.errors import ROLE_NOT_ALLOWED, STEP_UP_REQUIRED, UNAUTHENTICATED, Problem
from chengxin.store.on_record import Account, account, must_be_on_record, resumed
from chengxin.store.silent_store import StoreSilence
from chengxin.values.acts import Act

F = TypeVar("F", bound=Callable[..., Any])


class Refusals(Protocol):
    """Where refusals are put on record."""

    def refused(self, act: Act, actor: Principal, problem: Problem) -> None: ...


class Context(Protocol):
    """What a service's use cases are given (store, clock, audit trail …), the first argument of each use case."""

    @property
    def audit(self) -> Refusals: ...


# What is to be acted on, read once. It gets (ctx, caller, *arguments); conditions and use case get it as `loaded`.
Loader = Callable[..., Any]
# Why this caller may not do this to these arguments, or None. Gets (ctx, caller, *arguments) of the use case.
Condition = Callable[..., Problem | None]


_DECLARED: "Final[list[Rule]]" = []


@dataclass(frozen=True)
class Rule:
    """Who may do one thing, and under which name it goes on record."""

    act: Act
    roles: frozenset[Role]
    articles: tuple[str, ...]
    conditions: tuple[Condition, ...]
    summary: str
    use_case: str
    # Of a subject's identity; other callers have proved who they are in their own ways.
    assurance: Assurance = Assurance.NONE
    # Whether it changes something; else it only answers.
    changes: bool = True
    # Why its answers leave no audit event; empty: they do.
    unrecorded: str = ""
    loads: Loader | None = None

    def to_dict(self) -> dict[str, Any]:
        """A row of `chengxin policy`."""
        return {
            "act": self.act,
            "roles": sorted(self.roles),
            "assurance": self.assurance.name.lower(),
            "conditions": [inspect.getdoc(c) or c.__name__ for c in self.conditions],
            "articles": list(self.articles),
            "summary": self.summary,
            "use_case": self.use_case,
        }


def command(
    act: Act,
    *,
    roles: set[Role],
    articles: tuple[str, ...],
    when: tuple[Condition, ...] = (),
    assurance: Assurance = Assurance.NONE,
    loads: Loader | None = None,
) -> Callable[[F], F]:
    """Declares a use case `f(ctx, caller, …)` that changes something, and has it run by the executor.

    The executor refuses a caller without one of `roles`, a subject whose identity is not verified as `assurance` takes
    it, or whom a condition refuses; the refusal goes on record before it is answered. A transaction of the use case
    commits with an audit event or not at all, unless it says that nothing was to be changed
    (`UnitOfWork.without_event`). `articles` are those of the regulation that the use case serves. What `loads` reads is
    read once, for a caller in the right capacity; conditions and the use case get it as the keyword `loaded`.
    """
    return _executed(act, roles, articles, when, assurance, changes=True, loads=loads)


def query(
    act: Act,
    *,
    roles: set[Role],
    articles: tuple[str, ...],
    when: tuple[Condition, ...] = (),
    assurance: Assurance = Assurance.NONE,
    unrecorded: str = "",
) -> Callable[[F], F]:
    """Declares a use case `f(ctx, caller, …)` that only answers: as `command`, and the answer is released only when an
    audit event is durable. `unrecorded` says why an answer that is no credit information leaves no event."""
    return _executed(act, roles, articles, when, assurance, changes=False, unrecorded=unrecorded)


def _executed(
    act: Act,
    roles: set[Role],
    articles: tuple[str, ...],
    when: tuple[Condition, ...],
    assurance: Assurance,
    *,
    changes: bool,
    unrecorded: str = "",
    loads: Loader | None = None,
) -> Callable[[F], F]:
    def declare(use_case: F) -> F:
        declared = Rule(
            act,
            frozenset(roles),
            articles,
            when,
            (inspect.getdoc(use_case) or "").split("\n")[0],
            f"{use_case.__module__}.{use_case.__qualname__}",
            assurance,
            changes,
            unrecorded,
            loads,
        )

        @functools.wraps(use_case)
        def guarded(ctx: Context, caller: Principal, *args: Any, **kwargs: Any) -> Any:
            return _execute(guarded, ctx, caller, args, kwargs)

        guarded.rule = declared  # type: ignore[attr-defined]
        _DECLARED.append(declared)
        return cast(F, guarded)

    return declare


def _execute(guarded: Any, ctx: Context, caller: Principal, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """The one way to run a use case: authorise, carry out, and let go of the answer only with what is on record."""
    declared: Rule = guarded.rule
    problem = _wrong_capacity(declared, caller)
    if problem is None:
        if declared.loads is not None:
            kwargs = kwargs | {"loaded": declared.loads(ctx, caller, *args)}
        problem = _refusal_by_condition(declared, ctx, caller, args, kwargs)
    if problem is not None:
        ctx.audit.refused(declared.act, caller, problem)
        raise problem
    with account(declared.act, changes=declared.changes) as run:
        answer = guarded.__wrapped__(ctx, caller, *args, **kwargs)
        if inspect.isgenerator(answer):
            return _released(cast(Generator[Any, Any, Any], answer), run, declared)
        if not declared.unrecorded:
            must_be_on_record(run)
        return answer


def _released(answer: Generator[Any, Any, Any], run: Account, declared: Rule) -> Iterator[Any]:
    """An answer that is given bit by bit: none of it before the event is durable."""
    try:
        while True:
            with resumed(run):
                try:
                    part = next(answer)
                except StopIteration:
                    return
            if not declared.unrecorded:
                must_be_on_record(run)
            yield part
    finally:
        answer.close()


def declared_rules() -> Sequence[Rule]:
    """The rules of all use cases whose modules are imported, in the order of their declaration."""
    return tuple(_DECLARED)


class Admission:
    """Lets callers in to a face: the token is verified and the capacity checked before anything they sent is read.

    So somebody without the role learns nothing of what the input should be or what exists, and her refusal is on record.
    """

    def __init__(self, verifier: Verifier, audit: Refusals, silence: StoreSilence) -> None:
        self._verifier = verifier
        self._audit = audit
        self._silence = silence

    def verify(self, authorization: str) -> Principal:
        """The caller of an `Authorization: Bearer <token>`. Raises UNAUTHENTICATED."""
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise UNAUTHENTICATED(reason="Authorization: Bearer <token> is missing")
        return self._verifier.verify(token)

    def check(self, caller: Principal, view: Any) -> None:
        """Raises ROLE_NOT_ALLOWED or STEP_UP_REQUIRED, after putting it on record, when the view's rule says so;
        STORE_UNAVAILABLE while the store is silent."""
        declared: Rule | None = getattr(view, "rule", None)
        if declared is not None and (problem := _wrong_capacity(declared, caller)) is not None:
            self._audit.refused(declared.act, caller, problem)
            raise problem
        self._silence.must_be_over()

    def suspect_silence(self) -> None:
        """The store has not answered a caller of the face."""
        self._silence.suspect()


def serves(use_case: Callable[..., Any]) -> Callable[[F], F]:
    """Says which guarded use case an HTTP view or a gRPC method answers with; `chengxin policy` reads it."""
    declared = rule_of(use_case)

    def mark(view: F) -> F:
        view.rule = declared  # type: ignore[attr-defined]
        return view

    return mark


def open_to_all(reason: str) -> Callable[[F], F]:
    """Marks a view or method that needs no rule, and says why; `chengxin policy` shows the reason."""

    def mark(view: F) -> F:
        view.open_to_all = reason  # type: ignore[attr-defined]
        return view

    return mark


def rule_of(use_case: Callable[..., Any]) -> Rule:
    """The rule that guards a use case. Raises `AttributeError` for one without."""
    return cast(Rule, cast(Any, use_case).rule)


def _refusal_by_condition(
    declared: Rule, ctx: Context, caller: Principal, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Problem | None:
    for condition in declared.conditions:
        if (problem := condition(ctx, caller, *args, **kwargs)) is not None:
            return problem
    return None


def _wrong_capacity(declared: Rule, caller: Principal) -> Problem | None:
    if caller.roles & declared.roles:
        if Role.SUBJECT not in caller.roles or caller.assurance >= declared.assurance:
            return None
        good = sorted(acr for acr, level in ACR_LEVELS.items() if level >= declared.assurance and acr != DEMO_ACR)
        return STEP_UP_REQUIRED(required=", ".join(good), acr=caller.acr or "-")
    return ROLE_NOT_ALLOWED(roles=", ".join(sorted(caller.roles)) or "-", required=", ".join(sorted(declared.roles)))
