"""Audit events: the rules that an entry of the log obeys, and the types for reading and searching the log."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import msgspec

from chengxin.errors import FieldError, Problem, forbidden, not_found, unavailable
from chengxin.values.canonical_json import canonical
from chengxin.values.clock import rfc3339
from services.audit.domain.access_messages import ACTS_TOLD, QUERIES

Event = dict[str, Any]

MAX_ENTRY: Final = 32 * 1024

EVENT_OF_ANOTHER_SERVICE = forbidden(
    "EVENT_OF_ANOTHER_SERVICE",
    "事件属于服务 {service}，而调用方是 {caller}：各服务只能记录自己的事件",
    "The event is of the service {service}, the caller is {caller}: a service puts only its own events on record",
)
EVENT_NOT_FOUND = not_found(
    "EVENT_NOT_FOUND",
    "日志中没有此事件：{what}。请核对事件编号或序号",
    "The log has no such event: {what}. Check the event id or index",
)
TILE_NOT_FOUND = not_found(
    "TILE_NOT_FOUND",
    "没有此分片：{what}。请先取最新检查点，再按其大小计算分片地址",
    "There is no such tile: {what}. Get the latest checkpoint and work the address out from its size",
)
NOT_YET_PUBLISHED = unavailable(
    "NOT_YET_PUBLISHED",
    "尚未发布包含 {what} 的检查点，请稍后重试",
    "No checkpoint covers {what} yet; try again shortly",
)

_NAME: Final = re.compile(r"[a-z][a-z0-9_]{0,63}(\.[a-z][a-z0-9_]{0,63}){0,4}", re.ASCII)
_EVENT_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,64}", re.ASCII)
INSTANT: Final = "[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}([.][0-9]{1,6})?Z"
_LIST_MEMBERS: Final = ("subject_refs", "entries", "records")
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class EventFault:
    """One thing wrong with an event: which member, which rule, and how to mend it, in both languages."""

    member: str
    rule: str
    zh: str
    en: str

    def field_error(self, number: int) -> FieldError:
        """Returns the error for the caller; `number` is the position of the entry in the call."""
        member = f".{self.member}" if self.member else ""
        return FieldError(f"entries[{number}]{member}", self.rule, f"{self.zh} / {self.en}")


def read_event(entry: bytes) -> Event | EventFault:
    """Returns the event that an entry holds, or the fault that makes it invalid (docs/audit-event.md)."""
    if len(entry) > MAX_ENTRY:
        return EventFault("", "size", f"事件超过 {MAX_ENTRY} 字节", f"an event is at most {MAX_ENTRY} bytes")
    try:
        event = msgspec.json.decode(entry)
    except (msgspec.DecodeError, RecursionError):
        return EventFault("", "json", "不是 JSON", "this is not JSON")
    if not isinstance(event, dict):
        return EventFault("", "object", "应为 JSON 对象", "an event is a JSON object")
    if not _is_canonical(entry, event):
        return EventFault("", "canonical", "不是 RFC 8785 规范形式", "this is not the canonical form (RFC 8785)")
    return _find_fault(event) or event


def of_another_service(event: Event, caller: str) -> Problem | None:
    """Returns the refusal of an event that belongs to another service; None for the caller's own."""
    return None if event["service"] == caller else EVENT_OF_ANOTHER_SERVICE(service=event["service"], caller=caller)


def instant(text: str) -> str | None:
    """Returns the instant with six decimals, so that instants sort as texts; None when `text` is not an instant."""
    if not re.fullmatch(INSTANT, text):
        return None
    try:
        return rfc3339(datetime.fromisoformat(text).astimezone(UTC))
    except ValueError:
        return None


def microseconds(at: str) -> int:
    """Converts an instant, as `instant` returns it, to microseconds since 1970; earlier instants give 0."""
    return max((datetime.fromisoformat(at) - _EPOCH) // timedelta(microseconds=1), 0)


def _is_canonical(entry: bytes, event: Event) -> bool:
    try:
        return entry == canonical(event)
    except ValueError:
        return False


def _find_fault(event: Event) -> EventFault | None:
    if event.get("v") != 1 or type(event["v"]) is not int:
        return EventFault("v", "version", "应为 1", "must be 1")
    if not _matches(_EVENT_ID, event.get("event_id")):
        return EventFault("event_id", "format", "应为 1 至 64 个字母、数字、_ 或 -", "1 to 64 letters, digits, _ or -")
    if not isinstance(event.get("at"), str) or instant(event["at"]) is None:
        return EventFault("at", "instant", "应为 RFC 3339 UTC 时刻", "must be an RFC 3339 instant in UTC, ending in Z")
    for member in ("service", "act"):
        if not _matches(_NAME, event.get(member)):
            return EventFault(member, "format", "应为小写词，以点分隔", "lower-case words with dots between them")
    actor = event.get("actor")
    if not isinstance(actor, dict) or not isinstance(actor.get("sub"), str) or not actor["sub"]:
        return EventFault(
            "actor", "actor", "应为对象，sub 为非空文本", "an object whose sub is a text that is not empty"
        )
    if not isinstance(event.get("request_id", ""), str):
        return EventFault("request_id", "text", "应为文本", "must be a text")
    for member in _LIST_MEMBERS:
        values = event.get(member, [])
        if not isinstance(values, list) or not all(isinstance(v, str) for v in values):
            return EventFault(member, "texts", "应为文本列表", "must be a list of texts")
    return None


def _matches(pattern: re.Pattern[str], value: object) -> bool:
    return isinstance(value, str) and pattern.fullmatch(value) is not None


@dataclass(frozen=True, slots=True)
class RelayPosition:
    """How far the log has a service's outbox: a position, and how many events of that position."""

    position: int = 0
    events: int = 0


def undelivered(positions: Sequence[int], so_far: RelayPosition) -> Iterator[tuple[int, RelayPosition]]:
    """Yields each entry of a relay's call that the log lacks, by its number in the call, and the position it reaches.

    A call holds all events of a position, in order; a group may end between them.
    """
    count, current = 0, 0
    for number, position in enumerate(positions):
        count = count + 1 if position == current else 1
        current = position
        reached = RelayPosition(position, count)
        if (reached.position, reached.events) > (so_far.position, so_far.events):
            yield number, reached


@dataclass(frozen=True, slots=True)
class EventSearch:
    """The conditions of a search: all that are not empty must hold. Instants are as `instant` returns them."""

    subject_ref: str = ""
    actor: str = ""
    act: str = ""
    event_id: str = ""
    request_id: str = ""
    # Who is told of an event at `/v1/me/accesses` (`IndexRow.queried`).
    queried: str = ""
    since: str = ""
    until: str = ""

    def conditions(self) -> list[str]:
        """The names of the conditions that are not empty."""
        return [name for name in self.__slots__ if getattr(self, name)]


@dataclass(frozen=True, slots=True)
class LoggedEntry:
    """An entry of the log as it is stored."""

    index: int
    entry: bytes


@dataclass(frozen=True, slots=True)
class IndexRow:
    """What the search index keeps of an entry."""

    at: str
    event_id: str
    request_id: str
    act: str
    # Who acted: the `sub` of the token, and the person who acted for the organisation that it names.
    actors: tuple[str, ...]
    subject_refs: tuple[str, ...]

    @property
    def queried(self) -> tuple[str, ...]:
        """The subjects who are told of the event: those whose records it queried, or about whom an officer decided; of
        whatever was done for an organisation, the organisation and who acted for it."""
        concerned = self.subject_refs if self.act.startswith(QUERIES) or self.act in ACTS_TOLD else ()
        return (*concerned, *(self.actors if len(self.actors) > 1 else ()))


def index_row(logged: LoggedEntry) -> IndexRow | None:
    """Returns the row of the search index for an entry; None when the stored entry is no longer an event."""
    try:
        event = msgspec.json.decode(logged.entry)
        return IndexRow(
            _instant_of(event),
            event["event_id"],
            event.get("request_id", ""),
            event["act"],
            _actors(event["actor"]),
            tuple(dict.fromkeys(event.get("subject_refs", ()))),
        )
    except (msgspec.DecodeError, KeyError, TypeError, ValueError, RecursionError):
        return None


def _actors(actor: dict[str, Any]) -> tuple[str, ...]:
    represented_by = actor.get("represented_by")
    return (actor["sub"], represented_by) if isinstance(represented_by, str) else (actor["sub"],)


def _instant_of(event: Event) -> str:
    if (at := instant(event["at"])) is None:
        raise ValueError("an event without a time")
    return at
