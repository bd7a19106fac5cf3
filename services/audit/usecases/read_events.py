"""Supervisors read the events, and subjects learn who looked at their records. Each reading goes on record."""

import json
from dataclasses import dataclass

from chengxin.auth.executor import query
from chengxin.auth.principal import Principal, Role
from chengxin.tlog import merkle
from chengxin.values.acts import Act
from chengxin.values.document import RawDocument
from chengxin.values.ids import is_subject_ref
from services.audit.context import AuditContext
from services.audit.domain.access_messages import describe_access
from services.audit.domain.event import EventSearch, LoggedEntry
from services.audit.usecases import proofs


@dataclass(frozen=True)
class Page:
    """A page of events. The next page begins below the index `below`; 0 for the last page."""

    events: list[LoggedEntry]
    below: int


@query(Act.EVENTS_LISTED, roles={Role.SUPERVISOR}, articles=("31",))
def events(ctx: AuditContext, caller: Principal, search: EventSearch, below: int, size: int) -> Page:
    """Events by subject, actor, act or time, newest first, with every event that is durable now (Art. 31)."""
    ctx.integrator.wait(ctx.appender.size())
    page = _page(ctx, search, below, size)
    refs = [search.subject_ref] if is_subject_ref(search.subject_ref) else []
    details = {"conditions": search.conditions(), "events": len(page.events)}
    ctx.audit.record(ctx.audit.event(Act.EVENTS_LISTED, caller, subject_refs=refs, details=details))
    return page


@query(Act.ENTRIES_READ, roles={Role.SUPERVISOR}, articles=("31",))
def entries(ctx: AuditContext, caller: Principal, wanted: merkle.Tile) -> bytes:
    """A bundle of entries under the latest checkpoint, to verify the log as a whole (Art. 31)."""
    proofs.must_exist(ctx, wanted, wanted.entries_path)
    found = ctx.reader.entries(wanted.start, wanted.start + wanted.width)
    details = {"first": wanted.start, "events": wanted.width}
    ctx.audit.record(ctx.audit.event(Act.ENTRIES_READ, caller, details=details))
    return merkle.pack_bundle([logged.entry for logged in found])


@query(Act.ACCESSES_LISTED, roles={Role.SUBJECT}, articles=("31",))
def accesses(ctx: AuditContext, caller: Principal, below: int, size: int) -> Page:
    """Who looked at the caller's own records and why, and what officers decided about the caller, newest first: organs,
    purposes and how a person was verified; of officers, the user name of who lets somebody act in the caller's name.
    An organisation is told what was done in its name, by whom (a pseudonym) and in which capacity; so is who did it."""
    ctx.integrator.wait(ctx.appender.size())
    page = _page(ctx, EventSearch(queried=caller.sub), below, size)
    details = {"events": len(page.events)}
    ctx.audit.record(ctx.audit.event(Act.ACCESSES_LISTED, caller, subject_refs=[caller.sub], details=details))
    return page


def access(logged: LoggedEntry, subject_ref: str, language: str) -> RawDocument:
    """Returns what a subject is told about a query of its records, or an act about it."""
    event = json.loads(logged.entry)
    actor = event["actor"]
    return {
        "index": logged.index,
        "event_id": event["event_id"],
        "at": event["at"],
        "act": event["act"],
        "outcome": event.get("outcome", "ok"),
        "own": subject_ref in (actor["sub"], actor.get("represented_by")),
        "org": actor.get("org", ""),
        "client_id": actor.get("client_id", ""),
        "roles": actor.get("roles", []),
        "acr": actor.get("acr", ""),
        "verified_by": actor.get("verified_by", ""),
        "represented_by": actor.get("represented_by", ""),
        "capacity": actor.get("capacity", ""),
        "purpose": event.get("purpose", ""),
        "legal_basis": event.get("legal_basis", ""),
        "case_no": event.get("case_no", ""),
        "consent_id": event.get("consent_id", ""),
        "entries": event.get("entries", []),
        "description": describe_access(event, subject_ref, language),
    }


def _page(ctx: AuditContext, search: EventSearch, below: int, size: int) -> Page:
    indexes = ctx.index.search(search, below, size + 1)
    more = len(indexes) > size
    return Page(ctx.reader.entries_at(indexes[:size]), indexes[size - 1] if more else 0)
