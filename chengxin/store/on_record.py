"""What the use case that is running has put on record: without an event it commits nothing and answers nothing.

The executor (`chengxin.auth.executor`) begins an account for each use case; the store and the audit trail enter what they
made durable. Work outside of use cases (projections, relays, background jobs) has no account: it only derives from what
is on record.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Final

from chengxin.values.acts import Act


class NotOnRecord(RuntimeError):
    """A use case has no audit event for what it is about to commit or to answer: a mistake in the use case.

    The transaction, or the answer, is withheld; the caller gets an internal error.
    """


@dataclass
class Account:
    """The events of one run of a use case that are durable, or committed with what they are about."""

    act: Act
    # A command commits nothing without an event; what a query counts (a use of a consent) is covered by its own event.
    changes: bool
    # That of the use case which called this one, and which its events count for, too.
    caller: "Account | None"
    events: int = 0
    # Nothing was changed, or it is the answer to an earlier request: then there is nothing to put on record.
    nothing_new: bool = False


_running: Final[ContextVar[Account | None]] = ContextVar("account", default=None)


@contextmanager
def account(act: Act, *, changes: bool) -> Iterator[Account]:
    """The account of a use case while it runs."""
    begun = Account(act, changes, _running.get())
    with resumed(begun):
        yield begun


@contextmanager
def resumed(run: Account) -> Iterator[None]:
    """Goes on with an account: a use case that gives its answer bit by bit runs bit by bit."""
    token = _running.set(run)
    before = run.events
    try:
        yield
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


def must_allow_commit(events: int, eventless: str) -> None:
    """Raises `NotOnRecord` for a transaction of a command that changes something and has no event."""
    run = _running.get()
    if run is not None and run.changes and not events and not eventless:
        raise NotOnRecord(f"{run.act}: a transaction without an audit event")


def must_be_on_record(run: Account) -> None:
    """Raises `NotOnRecord` for a use case that has ended without an event, and not because nothing was new."""
    if not run.events and not run.nothing_new:
        raise NotOnRecord(f"{run.act}: no audit event")
