"""The one way to run a use case: authorise, run, release the answer only when it is on record (decision 32)."""

import functools
import inspect
from collections.abc import Callable, Generator, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any, Final, TypeVar, cast

from chengxin.auth.policy import (
    DECLARED,
    RULE,
    Condition,
    Context,
    Permission,
    PowerNotDeclared,
    Rule,
    rule_of,
    wrong_capacity,
)
from chengxin.auth.powers import CITY, Power
from chengxin.auth.principal import Assurance, Principal, Role
from chengxin.auth.regions import of_the_city
from chengxin.errors import Problem
from chengxin.store.on_record import Account, account, must_be_authorised, must_be_on_record, resumed
from chengxin.values.acts import Act

F = TypeVar("F", bound=Callable[..., Any])

# Stands after the last part of an answer in parts.
_END: Final = object()
# The statuses of problems that say that this caller may not do this.
_REFUSES: Final = (401, 403)
# Of those that tell the caller what there is, and what there is not.
_TELL_OF_WHAT_IS_STORED: Final = (404, 409)
# The parameters by which callers name the thing that a use case is about. No secret has such a name, and no text.
NAMING: Final = frozenset(
    {
        *("client_id", "kid", "proposal_id", "representation_id", "username"),
        *("draft_id", "entry_code", "event_id", "row_id"),
        *("finding_id", "provider", "record_id", "submission_id"),
        *("consent_id", "grantee", "number", "ref", "uscc"),
        "objection_no",
    }
)


def command(
    act: Act,
    *,
    roles: set[Role],
    articles: tuple[str, ...],
    when: tuple[Condition, ...] = (),
    assurance: Assurance = Assurance.NONE,
    may: Permission | None = None,
    power: Power | None = None,
) -> Callable[[F], F]:
    """Declares a use case `f(ctx, caller, …)` that changes something, and has it run by the executor.

    The executor refuses a caller that has none of `roles`, a subject whose identity is verified less surely than
    `assurance`, and a caller that a condition refuses; it puts the refusal on record before it answers. A transaction
    of the use case commits with an audit event or not at all, unless it says that nothing was to be changed
    (`UnitOfWork.without_event`). `articles` are those of the regulation that the use case serves. `when` are conditions
    on the request alone; `may` is the one on the resource that the use case loads: it shows the resource to
    `on_record.authorise` in the transaction that acts on it, else nothing is committed. `power` says what it is as a
    power over others; each command of the centre, the authority or a supervisor has one (`chengxin.auth.powers`), and
    one that is the whole city's refuses officers of a county. Raises `PowerNotDeclared`.
    """
    return _executed(act, roles, articles, when, assurance, changes=True, may=may, power=power)


def open_command(act: Act, *, articles: tuple[str, ...], reason: str, unrecorded: str = "") -> Callable[[F], F]:
    """Declares a use case `f(ctx, caller, …)` by which a caller proves who it is, or ends that: it asks for no role.

    As for a `command`, a transaction commits with an audit event, and the answer (a token) is released only when an
    event is durable. `caller` has no name yet. The use case itself puts its refusals on record, because what may be said
    of the caller depends on how far the proof went. `reason` says why it is open to all.
    """
    return _executed(act, set(), articles, (), Assurance.NONE, changes=True, unrecorded=unrecorded, open_to_all=reason)


def query(
    act: Act,
    *,
    roles: set[Role],
    articles: tuple[str, ...],
    when: tuple[Condition, ...] = (),
    assurance: Assurance = Assurance.NONE,
    unrecorded: str = "",
    may: Permission | None = None,
) -> Callable[[F], F]:
    """Declares a use case `f(ctx, caller, …)` that only answers: as `command`, and the answer is released only when an
    audit event is durable. `unrecorded` says why an answer that is no credit information leaves no event."""
    return _executed(act, roles, articles, when, assurance, changes=False, unrecorded=unrecorded, may=may)


def _executed(
    act: Act,
    roles: set[Role],
    articles: tuple[str, ...],
    when: tuple[Condition, ...],
    assurance: Assurance,
    *,
    changes: bool,
    unrecorded: str = "",
    may: Permission | None = None,
    open_to_all: str = "",
    power: Power | None = None,
) -> Callable[[F], F]:
    def declare(use_case: F) -> F:
        declared = Rule(
            act,
            frozenset(roles),
            articles,
            (of_the_city, *when) if power is not None and power.region is CITY else when,
            (inspect.getdoc(use_case) or "").split("\n")[0],
            f"{use_case.__module__}.{use_case.__qualname__}",
            assurance,
            changes,
            unrecorded,
            may,
            open_to_all,
            power,
        )
        if fault := declared.power_fault():
            raise PowerNotDeclared(f"{declared.use_case}: {fault}")

        @functools.wraps(use_case)
        def guarded(ctx: Context, caller: Principal, *args: Any, **kwargs: Any) -> Any:
            return _execute(guarded, ctx, caller, args, kwargs)

        RULE.put(guarded, declared)
        DECLARED.append(declared)
        return cast(F, guarded)

    return declare


def _execute(guarded: Any, ctx: Context, caller: Principal, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    declared = rule_of(guarded)
    if (problem := wrong_capacity(declared, caller)) is not None:
        # Anybody can come without the role, with any words.
        ctx.audit.refused(declared.act, caller, problem)
        raise problem
    if (problem := _refusal_by_condition(declared, ctx, caller, args, kwargs)) is not None:
        ctx.audit.refused(declared.act, caller, problem, _named(guarded, args, kwargs))
        raise problem
    permit = functools.partial(declared.permission, ctx, caller) if declared.permission is not None else None
    with _accounted(declared, ctx, caller, account(declared.act, changes=declared.changes, permit=permit)) as run:
        run.arguments = functools.partial(_named, guarded, args, kwargs)
        answer = guarded.__wrapped__(ctx, caller, *args, **kwargs)
        if inspect.isgenerator(answer):
            return _released(cast(Generator[Any, Any, Any], answer), run, declared, ctx, caller)
        _must_be_releasable(declared, run)
        return answer


@contextmanager
def _accounted(
    declared: Rule, ctx: Context, caller: Principal, opened: AbstractContextManager[Account]
) -> Iterator[Account]:
    """Runs a use case, or a part of one, on an account; when it refuses its caller, puts that on record."""
    with opened as run:
        try:
            yield run
        except Problem as problem:
            if _is_refusal(problem, declared, run):
                ctx.audit.refused(declared.act, caller, problem, (*run.asked, *run.arguments()))
            raise


def _is_refusal(problem: Problem, declared: Rule, run: Account) -> bool:
    """Whether a problem refuses the caller, and is not on record: one of the rule's permission, or, of a use case that
    has put nothing on record, that the caller may not do this, that there is no such thing, or that what is stored
    stands against it.

    Who tries out names of things is told of each that there is none, or that it is there already; and of two subjects,
    say, that they are two persons. What the rule says is open to all without an event keeps nothing from anybody.
    """
    if problem is run.refusal:
        return True
    status = problem.type.status
    return not run.events and (status in _REFUSES or (status in _TELL_OF_WHAT_IS_STORED and not declared.unrecorded))


def _named(guarded: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> list[object]:
    """The words by which the caller of a use case named what it asked for."""
    names = list(inspect.signature(guarded.__wrapped__).parameters)[2:]
    given = {**dict(zip(names, args, strict=False)), **kwargs}
    return [value for name, value in given.items() if name in NAMING]


def _must_be_releasable(declared: Rule, run: Account) -> None:
    must_be_authorised(run)
    if not declared.unrecorded:
        must_be_on_record(run)


def _released(
    answer: Generator[Any, Any, Any], run: Account, declared: Rule, ctx: Context, caller: Principal
) -> Iterator[Any]:
    """An answer in parts; none is released before the event is durable."""
    try:
        while True:
            with _accounted(declared, ctx, caller, resumed(run)):
                # An empty answer is released only with an event, too.
                part = next(answer, _END)
            _must_be_releasable(declared, run)
            if part is _END:
                return
            yield part
    finally:
        answer.close()


def _refusal_by_condition(
    declared: Rule, ctx: Context, caller: Principal, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Problem | None:
    for condition in declared.conditions:
        if (problem := condition(ctx, caller, *args, **kwargs)) is not None:
            return problem
    return None
