"""What the use case that is running has put on record: without an event it commits nothing and answers nothing.

The executor (`chengxin.auth.executor`) begins an account for each use case; the store and the audit trail enter what they
made durable. Work outside of use cases (projections, relays, background jobs) has no account: it only derives from what
is on record.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Final, TypeVar

from chengxin.errors import Problem
from chengxin.values.acts import Act


class NotOnRecord(RuntimeError):
    """A use case has no audit event for what it is about to commit or to answer: a mistake in the use case.

    The transaction, or the answer, is withheld; the caller gets an internal error.
    """


class NotReadOnly(RuntimeError):
    """A query begins a transaction: a mistake in the use case.

    Transactions of a process take turns, so each caller of the query would wait for deliveries and feeds. What changes
    something is a command.
    """


class NotAuthorised(RuntimeError):
    """A use case has not asked whether its caller may act on what it has loaded: a mistake in the use case.

    The transaction, or the answer, is withheld; the caller gets an internal error.
    """


T = TypeVar("T")
# Why the caller of a use case may not act on a resource as it was loaded (None where there is none), or None. It gets the
# resource and the words by which the caller named it: a `Permission` of `chengxin.auth.policy`, for one caller.
Permit = Callable[..., Problem | None]


@dataclass
class Account:
    """The events of one run of a use case that are durable, or committed with what they are about."""

    act: Act
    # A command commits nothing without an event; a query begins no transaction.
    changes: bool
    # That of the use case which called this one, and which its events count for, too.
    caller: "Account | None"
    events: int = 0
    # Nothing was changed, or it is the answer to an earlier request: then there is nothing to put on record.
    nothing_new: bool = False
    # What the rule of the use case asks of the resource that it acts on; None where the rule asks nothing.
    permit: Permit | None = None
    # Whether the resource was shown to `permit`; a command shows it in each of its transactions.
    is_authorised: bool = False
    # Why the caller was refused; the executor puts it on record.
    refusal: Problem | None = None
    # The words by which the caller named what was loaded, and those among the arguments: a refusal names them.
    asked: tuple[str, ...] = ()
    arguments: Callable[[], Iterable[object]] = tuple


_running: Final[ContextVar[Account | None]] = ContextVar("account", default=None)


@contextmanager
def account(act: Act, *, changes: bool, permit: Permit | None = None) -> Iterator[Account]:
    """The account of a use case while it runs."""
    begun = Account(act, changes, _running.get(), permit=permit)
    with resumed(begun):
        yield begun


@contextmanager
def resumed(run: Account) -> Iterator[Account]:
    """Goes on with an account: a use case that gives its answer bit by bit runs bit by bit."""
    token = _running.set(run)
    before = run.events
    try:
        yield run
    finally:
        _running.reset(token)
        if run.caller is not None:
            run.caller.events += run.events - before
            run.caller.nothing_new |= run.nothing_new


@contextmanager
def deriving() -> Iterator[None]:
    """What is done inside is derived from what is on record: it needs no event of the use case that has it done."""
    token = _running.set(None)
    try:
        yield
    finally:
        _running.reset(token)


def running() -> Account | None:
    """The account of the use case that is running, if any."""
    return _running.get()


def enter(events: int) -> None:
    """So many events of the running use case are durable."""
    if (run := _running.get()) is not None:
        run.events += events


def enter_nothing_new() -> None:
    """The running use case found that there is nothing to change, or repeats the answer to an earlier request."""
    if (run := _running.get()) is not None:
        run.nothing_new = True


def authorise(resource: T | None, *named: str) -> T:
    """Returns the resource that a use case has loaded, when its rule lets the caller act on it.

    `named` are the words by which the caller named it, for the answer where there is no such thing. A command calls it
    inside the transaction that acts on the resource, a query before it answers; one that forgets commits and answers
    nothing. Raises the `Problem` by which the rule refuses; the refusal goes on record. A rule without a permission is
    asked nothing: `NotAuthorised`.
    """
    if (run := _running.get()) is not None:
        run.is_authorised = False
        run.asked = (*run.asked, *named)
        if run.permit is None:
            raise NotAuthorised(f"{run.act}: its rule does not say who may act on what is loaded (`may=`)")
        if (problem := run.permit(resource, *named)) is not None:
            run.refusal = problem
            raise problem
        run.is_authorised = True
    if resource is None:
        raise NotAuthorised("a rule lets callers act on what there is not")
    return resource


def must_be_command() -> None:
    """Raises `NotReadOnly` when the running use case is a query."""
    if (run := _running.get()) is not None and not run.changes:
        raise NotReadOnly(f"{run.act}: a query begins a transaction")


def begin_transaction() -> None:
    """The running command begins a transaction: it has to authorise again, on what it loads in this one."""
    if (run := _running.get()) is not None:
        run.is_authorised = False
        run.asked = ()


def must_be_authorised(run: Account) -> None:
    """Raises `NotAuthorised` for a use case that has not shown what it acts on to its rule."""
    if run.permit is not None and not run.is_authorised:
        raise NotAuthorised(f"{run.act}: not asked whether the caller may act on what was loaded")


def must_allow_commit(events: int, eventless: str) -> None:
    """Raises `NotOnRecord` for a transaction of a command that changes something and has no event, and `NotAuthorised`
    for one that acts on what its rule was not asked about."""
    if (run := _running.get()) is None:
        return
    must_be_authorised(run)
    if not events and not eventless:
        raise NotOnRecord(f"{run.act}: a transaction without an audit event")


def must_be_on_record(run: Account) -> None:
    """Raises `NotOnRecord` for a use case that has ended without an event, and not because nothing was new."""
    if not run.events and not run.nothing_new:
        raise NotOnRecord(f"{run.act}: no audit event")
