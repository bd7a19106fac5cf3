"""Group commit: one thread gathers what concurrent callers append into one durable write, and keeps the tree."""

import contextlib
import itertools
import queue
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeout
from dataclasses import dataclass, field, replace
from typing import Final

import structlog
from prometheus_client import Counter, Histogram
from pymongo.errors import PyMongoError

from chengxin.bounds import bound, own
from chengxin.concurrency.shares import Claimant, Held, Shares
from chengxin.errors import AUDIT_UNAVAILABLE, Problem
from chengxin.tlog import merkle
from services.audit.domain.alterations import LogAltered
from services.audit.domain.event import RelayPosition, undelivered
from services.audit.log.checkpoint_signer import Seals
from services.audit.store.log import AuditStore
from services.audit.store.rows import LogGroup

log = structlog.get_logger()

# Limits of one group. The store takes documents of 16 MB; half of that leaves space for the other fields of a document.
_MOST_ENTRIES: Final = 2_000
_MOST_BYTES: Final = 8 * 1024 * 1024
# A little longer than one operation of the store, so that a caller gets an answer when the store gives none.
_ANSWER_SECONDS: Final = 4.5
# How many of the newest groups are hashed again when the tree is loaded.
_GROUPS_CHECKED: Final = 8

_WAITING: Final = bound(
    __name__,
    "SimpleQueue",
    "deque",
    resource="Calls that wait to be appended",
    total=64,
    share="what each service's own threads are",
    seconds=_ANSWER_SECONDS,
    why="What its caller has given up keeps its place until the appender gets to it",
    test="tests/audit/test_appender.py::test_no_more_calls_wait_than_there_is_room_for",
)
own(
    __name__,
    "Thread",
    resource="Threads that append",
    total=1,
    why="Started once",
)


@dataclass(frozen=True)
class Appended:
    """What a call appended: the index of its first entry, and the number of entries. `recognised` lists the entries (by
    their numbers in the call) whose positions show that they were delivered before."""

    first: int
    count: int
    recognised: tuple[int, ...] = ()


@dataclass
class LogTree:
    """The log as the appender knows it: the number of groups, the frontier, and how far each outbox is on the log."""

    groups: int
    frontier: merkle.Frontier
    delivered: dict[str, RelayPosition]


class LogDamaged(Exception):
    """The newest groups of the store do not fit together."""


class AppendUnsettled(Problem):
    """The AUDIT_UNAVAILABLE of a call that the appender had taken: its entries may be on the log or not."""

    def __init__(self) -> None:
        super().__init__(AUDIT_UNAVAILABLE, retry_after=1)


@dataclass
class _AppendCall:
    service: str
    entries: Sequence[bytes]
    leaves: Sequence[bytes]
    positions: Sequence[int]
    # Whether its caller still waits, as far as the face knows.
    is_wanted: Callable[[], bool]
    place: Held
    done: "Future[Appended]" = field(default_factory=Future)
    # Entries before this number are settled: they are in a group, or were on the log before.
    settled: int = 0
    first: int | None = None
    taken: list[int] = field(default_factory=list)

    def claim(self) -> bool:
        """Whether the appender may take it, or go on with it; its caller can take it back no more."""
        if self.done.running():
            return True
        self.place.release()
        if not self.done.set_running_or_notify_cancel():
            return False
        if not self.is_wanted():
            self.refuse()
            return False
        return True

    def refuse(self) -> None:
        """Tells the caller of a claimed call that it is not on record, or may not be."""
        self.done.set_exception(AppendUnsettled() if self.taken else AUDIT_UNAVAILABLE(retry_after=1))

    def appended(self, size: int) -> Appended:
        """Makes the answer, once the log has `size` entries."""
        recognised = set(range(len(self.entries))).difference(self.taken) if self.positions else ()
        first = size if self.first is None else self.first
        return Appended(first, len(self.taken), tuple(sorted(recognised)))


@dataclass
class _Group:
    """The entries of one write."""

    frontier: merkle.Frontier
    delivered: dict[str, RelayPosition]
    entries: list[bytes] = field(default_factory=list)
    leaves: list[bytes] = field(default_factory=list)
    size: int = 0
    finished: list[_AppendCall] = field(default_factory=list)

    def take(self, call: _AppendCall) -> bool:
        """Takes the entries of a call that are not on the log yet. Returns False when the group is full before that."""
        for number, reached in _unsettled(call, self.delivered):
            entry = call.entries[number]
            if len(self.entries) >= _MOST_ENTRIES or (self.entries and self.size + len(entry) > _MOST_BYTES):
                return False
            if call.first is None:
                call.first = self.frontier.size
            self.entries.append(entry)
            self.leaves.append(call.leaves[number])
            self.frontier.append(call.leaves[number])
            self.size += len(entry)
            call.taken.append(number)
            call.settled = number + 1
            if reached is not None:
                self.delivered[call.service] = reached
        self.finished.append(call)
        return True


class Appender:
    """Appends entries to the log. Only its one thread changes what is known of the tree.

    The thread is no `PeriodicTask`: it waits for calls, not for a time to pass, and a call that it takes must be
    answered whatever happens.
    """

    def __init__(self, store: AuditStore, seals: Seals, answer_seconds: float = _ANSWER_SECONDS) -> None:
        """Callers wait `answer_seconds` at most."""
        self._store = store
        self._seals = seals
        self._answer_seconds = answer_seconds
        self._places = Shares(_WAITING)
        # None wakes the thread when it is to end.
        self._waiting: queue.SimpleQueue[_AppendCall | None] = queue.SimpleQueue()
        self._stopping = threading.Event()
        self._tree: LogTree | None = None
        self._thread = threading.Thread(target=self._run, name="appender", daemon=True)

    def start(self) -> None:
        """Starts in the background."""
        self._thread.start()

    def stop(self) -> None:
        """Refuses the calls that wait and all later ones at once, and ends after the group that is being written."""
        self._stopping.set()
        self._refuse_waiting()
        if self._thread.is_alive():
            self._thread.join(self._answer_seconds)

    def append(
        self,
        service: str,
        entries: Sequence[bytes],
        positions: Sequence[int] = (),
        is_wanted: Callable[[], bool] = lambda: True,
    ) -> Appended:
        """Appends entries, except those whose relay position shows that they were delivered before. Returns once they
        are durable. When their turn comes and `is_wanted` says no, they are not appended.

        Raises AUDIT_UNAVAILABLE: then none of the entries is on the log, unless it is `AppendUnsettled`.
        """
        if (place := self._places.take(Claimant(service, proven=True))) is None:
            raise AUDIT_UNAVAILABLE(retry_after=1)
        call = _AppendCall(service, entries, [merkle.leaf_hash(e) for e in entries], positions, is_wanted, place)
        self._waiting.put(call)
        # Looked at after the call is in the queue: either this sees that the appender stops, or `stop` sees the call.
        if self._stopping.is_set():
            self._refuse_waiting()
        try:
            return call.done.result(self._answer_seconds)
        except FutureTimeout:
            problem = AUDIT_UNAVAILABLE(retry_after=1) if call.done.cancel() else AppendUnsettled()
            raise problem from None

    def size(self) -> int:
        """Returns the number of durable entries. Raises AUDIT_UNAVAILABLE."""
        tree = self._tree
        # The answer to a call without entries is the size, once the tree is loaded.
        return tree.frontier.size if tree else self.append("", []).first

    def _run(self) -> None:
        calls: deque[_AppendCall] = deque()
        while not self._stopping.is_set():
            if not calls:
                first = self._waiting.get()
                if first is None:
                    break
                calls.append(first)
            self._gather(calls)
            self._write(calls)
        self._refuse(calls)

    def _gather(self, calls: "deque[_AppendCall]") -> None:
        """Takes the waiting calls, as many as fit a group."""
        entries = sum(len(c.entries) for c in calls)
        while entries < _MOST_ENTRIES:
            try:
                call = self._waiting.get_nowait()
            except queue.Empty:
                return
            if call is None:
                return
            entries += len(call.entries)
            calls.append(call)

    def _write(self, calls: "deque[_AppendCall]") -> None:
        try:
            tree = self._tree = self._tree or load(self._store, self._seals)
        # Whatever the error is, the appender appends nothing to a tree that it does not know.
        except Exception as e:
            log.error("the log cannot be loaded", reason=repr(e))
            self._refuse(calls)
            return
        group = _Group(tree.frontier.copy(), dict(tree.delivered))
        while calls and (not calls[0].claim() or group.take(calls[0])):
            calls.popleft()
        try:
            if group.entries:
                _SIZES.observe(len(group.entries))
                with _SECONDS.time():
                    self._store.append(self._sealed(group, tree))
                _ENTRIES.inc(len(group.entries))
        # The group may be in the store or not. The appender appends nothing more before it knows.
        except Exception as e:
            self._tree = None
            known = isinstance(e, PyMongoError)
            log.error("a group could not be written", reason=repr(e), exc_info=None if known else e)
            self._refuse([*group.finished, *calls])
            calls.clear()
            return
        self._tree = LogTree(tree.groups + bool(group.entries), group.frontier, group.delivered)
        for call in group.finished:
            call.done.set_result(call.appended(group.frontier.size))

    def _sealed(self, group: _Group, tree: LogTree) -> LogGroup:
        frontier = group.frontier.pack()
        written = LogGroup(tree.groups + 1, tree.frontier.size, group.entries, group.leaves, frontier, group.delivered)
        return replace(written, seal=self._seals.seal(written.sealed_text()))

    def _refuse_waiting(self) -> None:
        """Refuses the calls in the queue, and wakes the thread so that it ends."""
        with contextlib.suppress(queue.Empty):
            while True:
                if (call := self._waiting.get_nowait()) is not None:
                    self._refuse([call])
        self._waiting.put(None)

    def _refuse(self, calls: "Sequence[_AppendCall] | deque[_AppendCall]") -> None:
        for call in list(calls):
            if call.claim():
                call.refuse()
        if isinstance(calls, deque):
            calls.clear()


def _unsettled(call: _AppendCall, delivered: Mapping[str, RelayPosition]) -> "list[tuple[int, RelayPosition | None]]":
    if not call.positions:
        return [(number, None) for number in range(call.settled, len(call.entries))]
    return [*undelivered(call.positions, delivered.get(call.service, RelayPosition()))]


def load(store: AuditStore, seals: Seals) -> LogTree:
    """Loads the tree from the newest group, after it has hashed the newest groups again. Raises `LogDamaged` when the log
    cannot be continued, and `PyMongoError` when the store is away."""
    try:
        last = store.last_group()
        groups = [*store.groups(range(max(last - _GROUPS_CHECKED, 0) + 1, last + 1))]
        tree = LogTree(last, merkle.Frontier(), {})
        if groups:
            for before, group in itertools.pairwise(groups):
                _check(group, merkle.Frontier.unpack(before.end, before.frontier), seals)
            if groups[0].number == 1:
                _check(groups[0], merkle.Frontier(), seals)
            tree = LogTree(last, merkle.Frontier.unpack(groups[-1].end, groups[-1].frontier), groups[-1].delivered)
        signed = _signed_size(store, seals)
    except (ValueError, LogAltered) as e:
        raise LogDamaged(str(e)) from None
    if store.has_groups_after_gap(last):
        raise LogDamaged(f"group {last + 1} is missing")
    if len(groups) != min(last, _GROUPS_CHECKED):
        raise LogDamaged(f"of the newest groups before {last}, some are missing")
    if signed > tree.frontier.size:
        raise LogDamaged(f"a checkpoint of {signed} entries was signed, {tree.frontier.size} are there")
    return tree


def _signed_size(store: AuditStore, seals: Seals) -> int:
    """How many entries were signed, when the stored checkpoint is as it was sealed: events go on record without it."""
    try:
        published = store.checkpoint()
    except LogAltered:
        return 0
    return published.size if published and seals.hold(published.sealed_text(), published.seal) else 0


def _check(group: LogGroup, frontier: merkle.Frontier, seals: Seals) -> None:
    if not seals.hold(group.sealed_text(), group.seal):
        raise LogDamaged(f"group {group.number} is not as it was sealed")
    if group.first != frontier.size:
        raise LogDamaged(f"the group before entry {group.first} ends at {frontier.size}")
    for leaf in group.leaves:
        frontier.append(leaf)
    # The tree is made of the hashes. An entry that does not match its hash does not stop the log: this reports it, the
    # hash beside it proves that it was altered, and `chengxin audit verify` shows that to everybody.
    for index in group.altered_entries():
        log.error("an entry of the log was altered in the store", index=index)
    if frontier.pack() != group.frontier:
        raise LogDamaged(f"the frontier after entry {group.end - 1} is wrong")


_ENTRIES = Counter("chengxin_audit_entries_total", "Entries appended to the audit log")
_SIZES = Histogram("chengxin_audit_group_entries", "Entries in a group", buckets=(1, 2, 5, 10, 20, 50, 100, 500, 2000))
_SECONDS = Histogram(
    "chengxin_audit_write_seconds", "Seconds until a group is durable", buckets=(0.001, 0.002, 0.005, 0.01, 0.05, 0.5)
)
