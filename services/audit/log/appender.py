"""Group commit: one thread gathers what concurrent callers append into one durable write, and holds the tree."""

import itertools
import queue
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeout
from dataclasses import dataclass, field
from typing import Final

import structlog
from prometheus_client import Counter, Histogram
from pymongo.errors import PyMongoError

from chengxin.errors import AUDIT_UNAVAILABLE
from chengxin.tlog import merkle
from services.audit.domain.event import RelayPosition, undelivered
from services.audit.store.log import AuditStore, LogGroup

log = structlog.get_logger()

# Of one group. The store takes documents of 16 MB; half of it leaves room for whatever a document needs besides.
_MOST_ENTRIES: Final = 2_000
_MOST_BYTES: Final = 8 * 1024 * 1024
# A little longer than one operation of the store: whoever waits for a store that does not answer is told.
_ANSWER_SECONDS: Final = 4.5
# How many of the newest groups are hashed again when the tree is loaded.
_CHECKED: Final = 8


@dataclass(frozen=True)
class Appended:
    """What a call appended: the index of its first entry, and how many; and which of its entries (their numbers in the
    call) were recognised by their position as delivered before."""

    first: int
    count: int
    recognised: tuple[int, ...] = ()


@dataclass
class LogTree:
    """The log as the appender knows it: groups, its frontier, and how far each outbox is on it."""

    groups: int
    frontier: merkle.Frontier
    delivered: dict[str, RelayPosition]


class LogDamaged(Exception):
    """The newest groups of the store do not fit together."""


@dataclass
class _AppendCall:
    service: str
    entries: Sequence[bytes]
    leaves: Sequence[bytes]
    positions: Sequence[int]
    done: "Future[Appended]" = field(default_factory=Future)
    # Entries up to here are settled: in a group, or on the log before.
    settled: int = 0
    first: int | None = None
    taken: list[int] = field(default_factory=list)

    def appended(self, size: int) -> Appended:
        """What is answered, once the log has `size` entries."""
        recognised = set(range(len(self.entries))).difference(self.taken) if self.positions else ()
        first = size if self.first is None else self.first
        return Appended(first, len(self.taken), tuple(sorted(recognised)))


@dataclass
class _Group:
    """What goes into one write."""

    frontier: merkle.Frontier
    delivered: dict[str, RelayPosition]
    entries: list[bytes] = field(default_factory=list)
    leaves: list[bytes] = field(default_factory=list)
    size: int = 0
    finished: list[_AppendCall] = field(default_factory=list)

    def take(self, call: _AppendCall) -> bool:
        """Takes of a call what is not on the log yet; False when the group was full before the call ended."""
        for number, reached in _rest(call, self.delivered):
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
    """Appends entries to the log. Everything that knows the tree's state is in its one thread."""

    def __init__(self, store: AuditStore, appended: Callable[[], None] = lambda: None) -> None:
        self._store = store
        self._appended = appended
        self._waiting: queue.SimpleQueue[_AppendCall | None] = queue.SimpleQueue()
        self._tree: LogTree | None = None
        self._thread = threading.Thread(target=self._run, name="appender", daemon=True)

    def start(self) -> None:
        """Begins in the background."""
        self._thread.start()

    def stop(self) -> None:
        """Ends after the group in hand; whatever waits is refused."""
        self._waiting.put(None)
        self._thread.join(_ANSWER_SECONDS)

    def append(self, service: str, entries: Sequence[bytes], positions: Sequence[int] = ()) -> Appended:
        """Appends entries, unless the relay's position of one says that it was delivered before; returns once they are
        durable. Raises AUDIT_UNAVAILABLE: then they may be on the log or not."""
        call = _AppendCall(service, entries, [merkle.leaf_hash(e) for e in entries], positions)
        self._waiting.put(call)
        try:
            return call.done.result(_ANSWER_SECONDS)
        except FutureTimeout:
            raise AUDIT_UNAVAILABLE(retry_after=1) from None

    def size(self) -> int:
        """The number of durable entries. Raises AUDIT_UNAVAILABLE."""
        tree = self._tree
        # A call without entries is answered with the size, once the tree is loaded.
        return tree.frontier.size if tree else self.append("", []).first

    def _run(self) -> None:
        held: deque[_AppendCall] = deque()
        while True:
            if not held:
                first = self._waiting.get()
                if first is None:
                    break
                held.append(first)
            ended = self._gather(held)
            self._write(held)
            if ended:
                self._refuse(held)
                break

    def _gather(self, held: "deque[_AppendCall]") -> bool:
        """Takes what waits, as much as fits a group; True when the end was asked for."""
        entries = sum(len(c.entries) for c in held)
        while entries < _MOST_ENTRIES:
            try:
                call = self._waiting.get_nowait()
            except queue.Empty:
                return False
            if call is None:
                return True
            entries += len(call.entries)
            held.append(call)
        return False

    def _write(self, held: "deque[_AppendCall]") -> None:
        try:
            tree = self._tree = self._tree or load(self._store)
        # Whatever is wrong, nothing is appended to a tree that is not known.
        except Exception as e:
            log.error("the log cannot be loaded", reason=repr(e))
            self._refuse(held)
            return
        group = _Group(tree.frontier.copy(), dict(tree.delivered))
        while held and group.take(held[0]):
            held.popleft()
        try:
            if group.entries:
                _SIZES.observe(len(group.entries))
                with _SECONDS.time():
                    self._store.append(
                        tree.groups + 1,
                        tree.frontier.size,
                        group.entries,
                        b"".join(group.leaves),
                        group.frontier.pack(),
                        group.delivered,
                    )
                _ENTRIES.inc(len(group.entries))
        # The group may be in the store or not. Nothing more is appended before that is known.
        except Exception as e:
            self._tree = None
            known = isinstance(e, PyMongoError)
            log.error("a group could not be written", reason=repr(e), exc_info=None if known else e)
            self._refuse([*group.finished, *held])
            held.clear()
            return
        self._tree = LogTree(tree.groups + bool(group.entries), group.frontier, group.delivered)
        for call in group.finished:
            call.done.set_result(call.appended(group.frontier.size))
        if group.entries:
            self._appended()

    def _refuse(self, calls: "Sequence[_AppendCall] | deque[_AppendCall]") -> None:
        for call in list(calls):
            call.done.set_exception(AUDIT_UNAVAILABLE(retry_after=1))
        if isinstance(calls, deque):
            calls.clear()


def _rest(call: _AppendCall, delivered: Mapping[str, RelayPosition]) -> "list[tuple[int, RelayPosition | None]]":
    if not call.positions:
        return [(number, None) for number in range(call.settled, len(call.entries))]
    return [*undelivered(call.positions, delivered.get(call.service, RelayPosition()))]


def load(store: AuditStore) -> LogTree:
    """The tree as the newest group says it is, after hashing the newest groups again. Raises `LogDamaged`, and
    `PyMongoError` when the store is away."""
    last = store.last_group()
    groups = [*store.groups(range(max(last - _CHECKED, 0) + 1, last + 1))]
    if not groups:
        return LogTree(0, merkle.Frontier(), {})
    try:
        for before, group in itertools.pairwise(groups):
            _check(group, merkle.Frontier.unpack(before.end, before.frontier))
        if groups[0].number == 1:
            _check(groups[0], merkle.Frontier())
        return LogTree(last, merkle.Frontier.unpack(groups[-1].end, groups[-1].frontier), groups[-1].delivered)
    except ValueError as e:
        raise LogDamaged(str(e)) from None


def _check(group: LogGroup, frontier: merkle.Frontier) -> None:
    if group.first != frontier.size:
        raise LogDamaged(f"the group before entry {group.first} ends at {frontier.size}")
    for leaf in group.leaves:
        frontier.append(leaf)
    # The hashes are what the tree is made of. An entry that is not what was hashed does not stop the log: it is told
    # here, the hash beside it says what it was not, and `chengxin audit verify` says so to everybody.
    for n, entry in enumerate(group.entries):
        if n >= len(group.leaves) or merkle.leaf_hash(entry) != group.leaves[n]:
            log.error("an entry of the log was altered in the store", index=group.first + n)
    if frontier.pack() != group.frontier:
        raise LogDamaged(f"the frontier after entry {group.end - 1} is wrong")


_ENTRIES = Counter("chengxin_audit_entries_total", "Entries appended to the audit log")
_SIZES = Histogram("chengxin_audit_group_entries", "Entries in a group", buckets=(1, 2, 5, 10, 20, 50, 100, 500, 2000))
_SECONDS = Histogram(
    "chengxin_audit_write_seconds", "Seconds until a group is durable", buckets=(0.001, 0.002, 0.005, 0.01, 0.05, 0.5)
)
