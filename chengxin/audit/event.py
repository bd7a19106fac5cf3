"""The one place where audit events are made: what goes on record is of its kind, and fits (decision 38)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from chengxin.audit.details import DETAILS, EVERYWHERE, REFUSED, UNANSWERED
from chengxin.audit.kinds import ASSURANCE, ENTRY, ORGANISATION, REFERENCE, REGION, WORD, WORDS, Kind, Several
from chengxin.auth import request_context
from chengxin.auth.principal import Principal
from chengxin.errors import Problem
from chengxin.values.acts import Act
from chengxin.values.canonical_json import canonical
from chengxin.values.ids import new_id

# The bytes of an event that the audit service takes; a longer one could never be delivered.
EVENT_LIMIT: Final = 32 * 1024
# An event names so many references of subjects, half of what it may hold, and says how many there were.
_MOST_REFERENCES: Final = 500
_MOST_ASKED: Final = 5

REFUSED_OUTCOME: Final = "refused"
# The query was on record, and nobody got an answer: its caller had gone, or it cannot be known whether it was on record.
UNANSWERED_OUTCOME: Final = "unanswered"

# The kinds of what stands beside the details.
ACTOR: Final[Mapping[str, Kind]] = {
    "sub": REFERENCE,
    "roles": Several(WORD),
    "client_id": WORD,
    "org": ORGANISATION,
    "region": REGION,
    "acr": ASSURANCE,
    "officer": WORD,
    "verified_by": REFERENCE,
    "represented_by": REFERENCE,
    "capacity": WORD,
}
GROUNDS: Final[Mapping[str, Kind]] = {
    "purpose": WORDS,
    "legal_basis": WORDS,
    "case_no": WORDS,
    "consent_id": REFERENCE,
}
CONCERNED: Final[Mapping[str, Kind]] = {
    "subject_refs": Several(REFERENCE),
    "entries": Several(ENTRY),
    "records": Several(REFERENCE),
}


class UndeclaredDetail(ValueError):
    """An event has a detail that `chengxin/audit/details.py` does not declare for its act: a mistake in the use case."""


@dataclass(frozen=True)
class AuditEvent:
    """One query or modification by a named actor (Art. 31). Holds pseudonyms only, never a personal identifier."""

    service: str
    act: Act
    actor: Principal
    at: str
    outcome: str = "ok"
    subject_refs: Sequence[str] = ()
    entries: Sequence[str] = ()
    records: Sequence[str] = ()
    details: dict[str, Any] = field(default_factory=dict)
    event_id: str = field(default_factory=lambda: new_id("ev"))
    request_id: str = field(default_factory=lambda: request_context.current().request_id)

    def encode(self) -> bytes:
        """The canonical JSON that becomes the leaf of the log (docs/audit-event.md), at most 32 KiB.

        What is not of its kind is replaced by "withheld", and lists are shortened, because the act must be on record all
        the same. Raises `UndeclaredDetail`.
        """
        event: dict[str, Any] = {
            "v": 1,
            "event_id": self.event_id,
            "at": self.at,
            "service": self.service,
            "act": self.act,
            "outcome": self.outcome,
            "actor": {name: ACTOR[name].admitted(value) for name, value in self.actor.to_actor().items()},
            "request_id": REFERENCE.admitted(self.request_id),
        }
        for name, kind in GROUNDS.items():
            if value := getattr(self.actor, name):
                event[name] = kind.admitted(value)
        details = {name: self._kind_of(name).admitted(value) for name, value in self.details.items()}
        for name, kind in CONCERNED.items():
            if values := getattr(self, name):
                event[name] = kind.admitted(values)
        if len(self.subject_refs) > _MOST_REFERENCES:
            _shorten(event, "subject_refs", _MOST_REFERENCES, details)
        return _fitting(event, details)

    def unanswered(self, at: str) -> "AuditEvent":
        """The event that nobody got an answer to the query of this one."""
        details = {"event_id": self.event_id}
        return replace(self, at=at, outcome=UNANSWERED_OUTCOME, details=details, event_id=new_id("ev"))

    def _kind_of(self, detail: str) -> Kind:
        more = {REFUSED_OUTCOME: REFUSED, UNANSWERED_OUTCOME: UNANSWERED}.get(self.outcome, {})
        for declared in (DETAILS.get(self.act, {}), EVERYWHERE, more):
            if detail in declared:
                return declared[detail]
        raise UndeclaredDetail(f"{self.act}: the detail {detail} is not in chengxin/audit/details.py")


def refusal(problem: Problem, asked: Sequence[object] = ()) -> dict[str, Any]:
    """The details of a refusal: its code, and the words by which the caller named what it asked for.

    "withheld" stands for a text that is not a word. An absence names what there is not in its parameters.
    """
    if problem.type.status == 404:
        asked = [*asked, *problem.params.values()]
    words = dict.fromkeys(WORD.admitted(text) for text in asked if isinstance(text, str) and text)
    return {"code": problem.code} | ({"asked": list(words)[:_MOST_ASKED]} if words else {})


def _fitting(event: dict[str, Any], details: dict[str, Any]) -> bytes:
    """The canonical event; while it is too long, its longest list is halved, and the event says how many there were."""
    while len(encoded := canonical(event | ({"details": details} if details else {}))) > EVENT_LIMIT:
        lists = [
            (len(canonical(values)), name, holder)
            for holder in (event, details, *(value for value in details.values() if isinstance(value, dict)))
            for name, values in holder.items()
            if isinstance(values, list) and values
        ]
        if not lists:
            # Only texts are left, each of bounded length: a kind lets too much through.
            raise ValueError(f"the audit event {event['act']} has {len(encoded)} bytes, more than {EVENT_LIMIT}")
        _, name, holder = max(lists, key=lambda found: found[:2])
        # A count of a list among the details has a place of its own: the name of the list is taken.
        counts = details if holder is event else details.setdefault("listed", {})
        _shorten(holder, name, len(holder[name]) // 2, counts)
    return encoded


def _shorten(holder: dict[str, Any], name: str, most: int, counts: dict[str, Any]) -> None:
    counts.setdefault(name, len(holder[name]))
    holder[name] = holder[name][:most]
