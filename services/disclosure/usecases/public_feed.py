"""The public feed (Art. 15, decision 17): what the portal shows, offered to the providers' portals as it changes.

A position is a row of the outbox and a place in it, in one number. The content of a record is read when a client
follows, never from the row: so a client gets each change at its newest state, and nothing past its disclosure period.
"""

import time
from collections.abc import Callable, Iterator, Sequence, Set
from contextlib import nullcontext
from dataclasses import dataclass
from itertools import count
from typing import Final

from chengxin.auth.executor import query
from chengxin.auth.principal import Principal, Role
from chengxin.errors import FEED_POSITION_UNKNOWN, Problem, exhausted, not_found
from chengxin.store.database import OutboxRow
from chengxin.values.acts import Act
from services.disclosure.context import DisclosureContext
from services.disclosure.domain.disclosure_period import is_over
from services.disclosure.domain.record_views import View
from services.disclosure.projections.public_changes import KIND
from services.disclosure.usecases.public_showing import Showing, showings
from services.disclosure.usecases.query_records import NAMED_RECORDS
from services.disclosure.usecases.view_reader import (
    MENDED_SECONDS,
    RECORD_INCOMPLETE,
    LazyRecordView,
    read_in_full,
    strongest_first,
)

EVERYBODY: Final = set(Role)
GREATEST_SIZE: Final = 200
# Places in a row. A row of the outbox is a document, of 16 MB at most: it has room for half as many record ids.
_PLACE_BITS: Final = 20
_ROWS: Final = 200
# How often one answer looks at that many rows in which there is nothing for the caller.
_LOOKS: Final = 10

_NOT_SHOWN: Final = Showing(("",), View.PUBLIC, "")

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
class FeedRequest:
    """Selects changes: after a position, of one provider (empty: of all), and how many at once."""

    after: int
    provider: str = ""
    size: int = GREATEST_SIZE


@dataclass(frozen=True)
class RecordChange:
    """A change of a record: as the subject page shows it now, or no record when it is no longer public."""

    position: int
    record_id: str
    provider_uscc: str
    entry_code: str
    # On whose page it is, and the mark of how it is shown; both are empty when it is on none.
    subject_ref: str
    etag: str
    record: LazyRecordView | None


@dataclass(frozen=True)
class FeedBatch:
    """Changes in order, and the position after which the next ones come."""

    changes: Sequence[RecordChange]
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


@query(Act.FEED_READ_PUBLIC, roles=EVERYBODY, articles=("15", "18", "22"))
def read(ctx: DisclosureContext, caller: Principal, ask: FeedRequest, patience: float) -> FeedBatch:
    """Changes after a position. When there are none yet, waits for them so many seconds, as long as there is a place to
    wait in. Raises FEED_POSITION_UNKNOWN."""
    window = _looked(ctx, ask, ask.after, lambda: False)
    if patience and not window.items and not window.more:
        with ctx.waiting.take(caller.claimant) or nullcontext() as free:
            ends = time.monotonic() + (patience if free else 0)
            window = _looked(ctx, ask, window.position, lambda: time.monotonic() < ends)
    return _told(ctx, caller, ask, window)


@query(Act.FEED_READ_PUBLIC, roles=EVERYBODY, articles=("15", "18", "22"))
def follow(
    ctx: DisclosureContext, caller: Principal, ask: FeedRequest, running: Callable[[], bool]
) -> Iterator[FeedBatch]:
    """Changes after a position, without end; changes that do not concern the caller are passed over. Raises
    FEED_POSITION_UNKNOWN, FEED_BUSY."""
    held = ctx.following.take(caller.claimant)
    if held is None:
        raise FEED_BUSY(retry_after=5)
    with held:
        position, window = ask.after, _window(ctx, ask, ask.after)
        ctx.audit.record(ctx.audit.event(Act.FEED_READ_PUBLIC, caller, details=_details(ask, position)))
        while running():
            if window.items:
                yield _told(ctx, caller, ask, window)
            elif window.position > position:
                yield FeedBatch([], window.position, window.more)
            position = window.position
            if not window.more:
                _waited(ctx, position, running)
            window = _window(ctx, ask, position)


@query(Act.RECORD_READ_PUBLIC, roles=EVERYBODY, articles=("15", "18"))
def record(ctx: DisclosureContext, caller: Principal, record_id: str) -> tuple[Showing, LazyRecordView, str]:
    """How a record is shown, the record as its subject's page shows it, and the number of this query in the audit log.
    Raises RECORD_NOT_PUBLIC."""
    found, incomplete = _shown(ctx, [record_id])
    if incomplete:
        raise RECORD_INCOMPLETE(retry_after=MENDED_SECONDS)
    if record_id not in found:
        raise RECORD_NOT_PUBLIC()
    showing, shown = found[record_id]
    about = {"subject_refs": list(showing.refs), "records": [record_id], "entries": [shown.entry_code]}
    event = ctx.audit.record(ctx.audit.event(Act.RECORD_READ_PUBLIC, caller, **about))
    return showing, shown, event.event_id


def _looked(ctx: DisclosureContext, ask: FeedRequest, after: int, waiting: Callable[[], bool]) -> _Window:
    """Returns the first window after a position with something for the caller, or the last one that was looked at."""
    for look in count(1):
        window = _window(ctx, ask, after)
        after = window.position
        if window.items or (window.more and look >= _LOOKS):
            break
        if not window.more and not _waited(ctx, after, waiting):
            break
    return window


def _window(ctx: DisclosureContext, ask: FeedRequest, after: int) -> _Window:
    """Returns what comes after a position in the rows that there are."""
    row = after >> _PLACE_BITS
    try:
        # From the row in which it is, which may have more.
        rows = ctx.store.store.rows(max(0, row - 1), _ROWS)
    except Problem as e:
        # The store tells of its row, of which whoever asks knows nothing.
        raise FEED_POSITION_UNKNOWN(after=after) if e.type is FEED_POSITION_UNKNOWN else e from None
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


def _waited(ctx: DisclosureContext, position: int, running: Callable[[], bool]) -> bool:
    """Waits for a row after that of a position while `running()`. Returns whether one came."""
    return next(ctx.store.store.follow(position >> _PLACE_BITS, running), None) is not None


def _told(ctx: DisclosureContext, caller: Principal, ask: FeedRequest, window: _Window) -> FeedBatch:
    """Puts on record what is answered, then returns it. A record that changed several times comes once, in its newest
    state, at the last of its positions."""
    latest: dict[str, _Item] = {}
    for item in window.items:
        latest.pop(item.record_id, None)
        latest[item.record_id] = item
    shown, incomplete = _shown(ctx, list(latest))
    changes = []
    # The caller gets them after a rebuild, which publishes what differs.
    for record_id in incomplete:
        del latest[record_id], shown[record_id]
    for item in latest.values():
        showing, record = shown.get(item.record_id, (_NOT_SHOWN, None))
        source = item.record_id, item.provider, item.entry
        changes.append(RecordChange(item.position, *source, showing.refs[0], showing.etag, record))
    event = ctx.audit.event(
        Act.FEED_READ_PUBLIC,
        caller,
        # Each subject's own first, so that each finds it.
        subject_refs=strongest_first(showing.refs for showing, _ in shown.values()),
        entries=sorted({change.entry_code for change in changes}),
        records=[change.record_id for change in changes[:NAMED_RECORDS]],
        details=_details(ask, window.position) | {"changes": len(changes), "public": len(shown)},
    )
    event = ctx.audit.record(event)
    return FeedBatch(changes, window.position, window.more, event.event_id)


def _details(ask: FeedRequest, position: int) -> dict[str, object]:
    details: dict[str, object] = {"position": position}
    return details | {"provider": ask.provider} if ask.provider else details


def _shown(
    ctx: DisclosureContext, record_ids: Sequence[str]
) -> tuple[dict[str, tuple[Showing, LazyRecordView]], Set[str]]:
    """Those of the records that are public today, how they are shown and as they are shown. And those among them whose
    items are lost."""
    return read_in_full(
        lambda: _read_shown(ctx.pinned(), record_ids), lambda told: (record.fragment for _, record in told.values())
    )


def _read_shown(ctx: DisclosureContext, record_ids: Sequence[str]) -> dict[str, tuple[Showing, LazyRecordView]]:
    today = ctx.clock.today().isoformat()
    places = {i: where for i, where in ctx.store.locations(record_ids).items() if where.shown}
    heads = ctx.store.heads(list(dict.fromkeys(where.ref for where in places.values())))
    groups = ctx.store.links.groups_with([head.ref for head in heads.values() if head.grouped])
    states = {ref: head.state for ref, head in heads.items()}
    how = showings(places.values(), states, groups, today)
    # A record that has moved away meanwhile comes again with its new position.
    found = ctx.store.fragments(list(places.values()), heads)
    shown: dict[str, tuple[Showing, LazyRecordView]] = {}
    for fragment in ctx.store.in_full(found):
        if fragment.shows_in(View.PUBLIC) and not is_over(fragment.disclosed_until, today):
            showing = how[fragment.record_id]
            shown[fragment.record_id] = showing, LazyRecordView(ctx, fragment, showing.view)
    return shown
