"""Services put events on record."""

import itertools
from collections.abc import Callable, Sequence

from chengxin.auth.executor import command
from chengxin.auth.principal import Principal, Role
from chengxin.errors import INPUT_INVALID, FieldError
from chengxin.store import on_record
from chengxin.store.deadlines import in_turn
from chengxin.values.acts import Act
from services.audit.context import AuditContext
from services.audit.domain.event import EventFault, EventSearch, of_another_service, read_event
from services.audit.log.appender import Appended

_GREATEST_POSITION = 2**63 - 1


@command(Act.AUDIT_APPENDED, roles={Role.SERVICE}, articles=("31",))
def append(
    ctx: AuditContext,
    caller: Principal,
    entries: Sequence[bytes],
    positions: Sequence[int],
    is_wanted: Callable[[], bool],
) -> Appended:
    """Appends events to the log and answers when they are durable. Positions show what a relay repeats (Art. 31).

    What `is_wanted` says no of when its turn comes was given up by its service, and is not appended.
    """
    read = [read_event(entry) for entry in entries]
    if wrong := [found.field_error(n) for n, found in enumerate(read) if isinstance(found, EventFault)]:
        raise INPUT_INVALID(fields=wrong[:20])
    if fault := _wrong_positions(positions, len(entries)):
        raise INPUT_INVALID(fields=[fault])
    for event in read:
        if isinstance(event, dict) and (problem := of_another_service(event, caller.sub)):
            raise problem
    appended = ctx.appender.append(caller.sub, entries, positions, is_wanted)
    # The events of other services are the record here; the call has none of its own.
    on_record.enter(len(entries))
    if not entries:
        on_record.enter_nothing_new()
    if not appended.recognised:
        return appended
    return _append_unknown(ctx, caller.sub, entries, appended, is_wanted)


def _append_unknown(
    ctx: AuditContext, service: str, entries: Sequence[bytes], appended: Appended, is_wanted: Callable[[], bool]
) -> Appended:
    """Appends the entries that were recognised by their positions and are not on the log: a service whose store was
    restored from a backup gives the same positions to other events."""
    # Index and log are far apart for long only here, where nobody waits for this caller.
    ctx.integrator.wait(ctx.appender.size())
    with in_turn(ctx.redelivery):
        # What the one before appended.
        ctx.integrator.wait(ctx.appender.size())
        unknown = [entry for n in appended.recognised if not _known(ctx, entry := entries[n])]
        if not unknown:
            return appended
        more = ctx.appender.append(service, unknown, is_wanted=is_wanted)
    return Appended(appended.first if appended.count else more.first, appended.count + more.count)


def _known(ctx: AuditContext, entry: bytes) -> bool:
    event = read_event(entry)
    return isinstance(event, dict) and bool(ctx.index.search(EventSearch(event_id=event["event_id"]), 0, 1))


def _wrong_positions(positions: Sequence[int], entries: int) -> FieldError | None:
    if not positions:
        return None
    if len(positions) != entries:
        return FieldError("positions", "count", f"每个事件一个位置，或全部省略 / one for each entry or none: {entries}")
    ascending = all(a <= b for a, b in itertools.pairwise(positions))
    if not ascending or positions[0] < 1 or positions[-1] > _GREATEST_POSITION:
        return FieldError("positions", "ascending", "应为递增的正整数 / must be positive and ascending")
    return None
