"""The public feed (Art. 15, decision 17): what the portal shows, offered to the providers' portals as it changes.

A position is a row of the outbox and a place in it, in one number. What a record looks like is read when somebody follows,
never from the row: so a follower gets each change at its newest state, and nothing past its disclosure period.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Final

from chengxin.errors import FEED_POSITION_UNKNOWN, exhausted, not_found
from chengxin.mongo import OutboxRow
from chengxin.policy import rule
from chengxin.principal import Principal, Role
from services.disclosure.announcing import KIND
from services.disclosure.holdings import Head
from services.disclosure.model import Shown, View
from services.disclosure.period import is_over
from services.disclosure.reading import ready
from services.disclosure.room import Disclosure
from services.disclosure.shelf import SEATS, unpack

EVERYBODY: Final = set(Role)
GREATEST_SIZE: Final = 200
# Places in a row. A row of the outbox is a document, of 16 MB at most: it has room for half as many record ids.
_PLACE_BITS: Final = 20
_ROWS: Final = 200
# How often one answer looks at that many rows in which there is nothing for whoever asks.
_LOOKS: Final = 10
# An event names so many records; it says how many there were.
_NAMED_RECORDS: Final = 20
_KEYS_AT_ONCE: Final = 50

RECORD_NOT_PUBLIC = not_found(
    "RECORD_NOT_PUBLIC",
    "没有这条依法公开且在披露期限内的信用信息",
    "There is no such record that is public and within its disclosure period",
)
FEED_BUSY = exhausted(
    "FEED_BUSY",
    429,
    "同时订阅公开数据流的客户端过多，请稍后重试，或改用 GET /v1/public/feed",
    "Too many follow the public feed at the moment; try again shortly, or use GET /v1/public/feed",
)


@dataclass(frozen=True)
class Ask:
    """What of the feed: after a position, of one provider (empty: of all), and how many changes at once."""

    after: int
    provider: str = ""
    size: int = GREATEST_SIZE


@dataclass(frozen=True)
class Change:
    """A record that is public now, as the subject page shows it, or none any more."""

    position: int
    record_id: str
    provider_uscc: str
    entry_code: str
    # On whose page it is; empty when it is on none.
    subject_ref: str
    record: Shown | None


@dataclass(frozen=True)
class Part:
    """Changes in order, and the position after which the next ones come."""

    changes: Sequence[Change]
    position: int
    # There is more already.
    more: bool
    event_id: str = ""


@dataclass(frozen=True)
class _Item:
    position: int
    record_id: str
    provider: str
    entry: str


@dataclass(frozen=True)
class _Window:
    items: Sequence[_Item]
    position: int
    more: bool


@rule("feed.read.public", roles=EVERYBODY, articles=("15", "18", "22"))
def read(room: Disclosure, caller: Principal, ask: Ask, patience: float) -> Part:
    """Changes after a position. When there are none yet, waits for them so many seconds, as long as there is a place to
    wait in. Raises FEED_POSITION_UNKNOWN."""
    window = _looked(room, ask, ask.after, lambda: False)
    if patience and not window.items and not window.more:
        with room.waiting.one() as free:
            ends = time.monotonic() + (patience if free else 0)
            window = _looked(room, ask, window.position, lambda: time.monotonic() < ends)
    return _told(room, caller, ask, window)


@rule("feed.read.public", roles=EVERYBODY, articles=("15", "18", "22"))
def follow(room: Disclosure, caller: Principal, ask: Ask, running: Callable[[], bool]) -> Iterator[Part]:
    """Changes after a position, without end. What lies between two positions and is nothing for whoever follows is passed
    over. Raises FEED_POSITION_UNKNOWN, FEED_BUSY."""
    with room.following.one() as free:
        if not free:
            raise FEED_BUSY(retry_after=5)
        position, window = ask.after, _window(room, ask, ask.after)
        room.audit.record(room.audit.event("feed.read.public", caller, details=_details(ask, position)))
        while running():
            if window.items:
                yield _told(room, caller, ask, window)
            elif window.position > position:
                yield Part([], window.position, window.more)
            position = window.position
            if not window.more:
                _waited(room, position, running)
            window = _window(room, ask, position)


@rule("record.read.public", roles=EVERYBODY, articles=("15", "18"))
def record(room: Disclosure, caller: Principal, record_id: str) -> tuple[str, Shown, str]:
    """On whose page a record is, the record as it is shown there, and the number of this query in the audit log. Raises
    RECORD_NOT_PUBLIC."""
    refs, shown = _shown(room, [record_id]).get(record_id, ((), None))
    named = {} if shown is None else {"records": [record_id], "entries": [shown.entry_code]}
    event = room.audit.event("record.read.public", caller, subject_refs=list(refs), **named)
    room.audit.record(event)
    if shown is None:
        raise RECORD_NOT_PUBLIC()
    return refs[0], shown, event.event_id


def _looked(room: Disclosure, ask: Ask, after: int, waiting: Callable[[], bool]) -> _Window:
    """The first window after a position with something in it for whoever asks, or the last one that was looked at."""
    for look in count(1):
        window = _window(room, ask, after)
        after = window.position
        if window.items or (window.more and look >= _LOOKS):
            break
        if not window.more and not _waited(room, after, waiting):
            break
    return window


def _window(room: Disclosure, ask: Ask, after: int) -> _Window:
    """What comes after a position in the rows that are there."""
    row = after >> _PLACE_BITS
    # From the row in which it is, which may have more.
    rows = room.store.store.rows(max(0, row - 1), _ROWS)
    if row and not rows:
        raise FEED_POSITION_UNKNOWN(after=after)
    items: list[_Item] = []
    position = after
    for found in rows:
        at = found.position << _PLACE_BITS
        for item in _items(found):
            at = item.position
            if at > after and ask.provider in ("", item.provider):
                items.append(item)
                if len(items) == ask.size:
                    return _Window(items, at, more=True)
        position = max(position, at)
    return _Window(items, position, more=len(rows) == _ROWS)


def _items(row: OutboxRow) -> Iterator[_Item]:
    position = row.position << _PLACE_BITS
    for change in row.changes:
        if change["kind"] != KIND:
            continue
        for group in change["groups"]:
            for record_id in group["records"]:
                position += 1
                yield _Item(position, record_id, group["provider"], group["entry"])


def _waited(room: Disclosure, position: int, running: Callable[[], bool]) -> bool:
    """Waits for a row after that of a position while `running()`; whether one came."""
    return next(room.store.store.follow(position >> _PLACE_BITS, running), None) is not None


def _told(room: Disclosure, caller: Principal, ask: Ask, window: _Window) -> Part:
    """Puts on record what is given out, then gives it out. Of a record that changed several times, its newest state once,
    at the last of the positions."""
    latest: dict[str, _Item] = {}
    for item in window.items:
        latest.pop(item.record_id, None)
        latest[item.record_id] = item
    shown = _shown(room, list(latest))
    changes = []
    for item in latest.values():
        refs, record = shown.get(item.record_id, (("",), None))
        changes.append(Change(item.position, item.record_id, item.provider, item.entry, refs[0], record))
    event = room.audit.event(
        "feed.read.public",
        caller,
        # All of them, so that each subject finds it: a page is no longer than an event can tell.
        subject_refs=list(dict.fromkeys(ref for refs, _ in shown.values() for ref in refs)),
        entries=sorted({change.entry_code for change in changes}),
        records=[change.record_id for change in changes[:_NAMED_RECORDS]],
        details=_details(ask, window.position) | {"changes": len(changes), "public": len(shown)},
    )
    room.audit.record(event)
    return Part(changes, window.position, window.more, event.event_id)


def _details(ask: Ask, position: int) -> dict[str, object]:
    details: dict[str, object] = {"position": position}
    return details | {"provider": ask.provider} if ask.provider else details


def _shown(room: Disclosure, record_ids: Sequence[str]) -> dict[str, tuple[Sequence[str], Shown]]:
    """Those of the records that are public today, as they are shown, and the references under which they are: the one of
    the subject's page first."""
    today = room.clock.today().isoformat()
    seats: dict[str, dict[int, str]] = {}
    for where in room.store.locations(record_ids).values():
        if where.shown:
            seats.setdefault(where.ref, {})[where.seat] = where.record_id
    found: dict[str, tuple[Sequence[str], Shown]] = {}
    for head in room.store.heads(list(seats), View.PUBLIC):
        refs = list(dict.fromkeys((head.group[0] if head.group else head.ref, head.ref)))
        for shown in _on_pages(room, head, seats[head.ref], today):
            if not is_over(shown.disclosed_until, today):
                found[shown.record_id] = refs, ready(room, shown, View.PUBLIC)
    return found


def _on_pages(room: Disclosure, head: Head, seats: Mapping[int, str], today: str) -> Iterator[Shown]:
    """The records that sit on these seats; a record that has moved away meanwhile comes again with its new position."""
    numbers = sorted({seat // SEATS for seat in seats})
    blobs = [head.blob] if head.tail in numbers else []
    older = [number for number in numbers if number < head.tail]
    for start in range(0, len(older), _KEYS_AT_ONCE):
        chunk = older[start : start + _KEYS_AT_ONCE]
        blobs += [blob for _, blob in room.store.older(head.ref, chunk, View.PUBLIC, today)]
    for blob in blobs:
        leaf = unpack(blob)
        for seat, shown in zip(leaf.seats, leaf.records, strict=True):
            if seats.get(seat) == shown.record_id:
                yield shown
