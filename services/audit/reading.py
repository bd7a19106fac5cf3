"""Reading what is on record: supervisors the events, subjects who looked at theirs. Each goes on record itself."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from chengxin import context, tlog
from chengxin.policy import rule
from chengxin.principal import Principal, Role
from services.audit import proving
from services.audit.model import Logged, Search
from services.audit.room import AuditRoom
from services.audit.store import Place
from services.audit.wording import described

Plain = dict[str, Any]


@dataclass(frozen=True)
class Page:
    """A page of events, and the place before which the next one is; empty for the last."""

    events: list[Logged]
    next_place: str


@rule("events.listed", roles={Role.SUPERVISOR}, articles=("31",))
def events(room: AuditRoom, caller: Principal, search: Search, before: str, size: int) -> Page:
    """Events by subject, actor, act, time, newest first; none that is durable is missed (Art. 31)."""
    room.integrator.wait(room.appender.size())
    page, next_place = _page(room.store.search(search, before, size + 1), size)
    found = room.store.entries_at([place.index for place in page])
    refs = [search.subject_ref] if _is_subject_ref(search.subject_ref) else []
    details = {"conditions": search.conditions(), "events": len(found)}
    room.audit.record(room.audit.event("events.listed", caller, subject_refs=refs, details=details))
    return Page(found, next_place)


@rule("entries.read", roles={Role.SUPERVISOR}, articles=("31",))
def entries(room: AuditRoom, caller: Principal, wanted: tlog.Tile) -> bytes:
    """A bundle of entries under the latest checkpoint, to verify the log as a whole (Art. 31)."""
    proving.must_exist(room, wanted, wanted.entries_path)
    found = room.store.entries(wanted.start, wanted.start + wanted.width)
    details = {"first": wanted.start, "events": wanted.width}
    room.audit.record(room.audit.event("entries.read", caller, details=details))
    return tlog.pack_bundle([logged.entry for logged in found])


@rule("accesses.listed", roles={Role.SUBJECT}, articles=("31",))
def accesses(room: AuditRoom, caller: Principal, before: str, size: int) -> tuple[list[Plain], str]:
    """Who looked at the caller's own records and why, newest first: organs and purposes, no names of officers."""
    room.integrator.wait(room.appender.size())
    page, next_place = _page(room.store.queries_of(caller.sub, before, size + 1), size)
    found = room.store.entries_at([place.index for place in page])
    room.audit.record(
        room.audit.event("accesses.listed", caller, subject_refs=[caller.sub], details={"events": len(found)})
    )
    language = context.current().language
    return [access(logged, caller.sub, language) for logged in found], next_place


def access(logged: Logged, subject_ref: str, language: str) -> Plain:
    """What a subject is told of a query of her records."""
    event = json.loads(logged.entry)
    actor = event["actor"]
    return {
        "index": logged.index,
        "event_id": event["event_id"],
        "at": event["at"],
        "act": event["act"],
        "outcome": event.get("outcome", "ok"),
        "own": actor["sub"] == subject_ref,
        "org": actor.get("org", ""),
        "client_id": actor.get("client_id", ""),
        "roles": actor.get("roles", []),
        "purpose": event.get("purpose", ""),
        "legal_basis": event.get("legal_basis", ""),
        "case_no": event.get("case_no", ""),
        "consent_id": event.get("consent_id", ""),
        "entries": event.get("entries", []),
        "description": described(event, subject_ref, language),
    }


def _page(found: Sequence[Place], size: int) -> tuple[Sequence[Place], str]:
    page = found[:size]
    return page, page[-1].at if len(found) > size else ""


def _is_subject_ref(text: str) -> bool:
    return len(text) == 28 and text.startswith("s_") and text[2:].isalnum() and text.isascii() and text.islower()
