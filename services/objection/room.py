"""What the objection service's use cases have around them."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from chengxin.audit_client import AuditEvent, AuditTrail
from chengxin.clock import Clock
from chengxin.mongo import Unit
from chengxin.principal import Principal, Role
from services.objection.model import Case
from services.objection.store import ObjectionStore

# The service itself, for what it does on its own: following feeds, counting deadlines again.
OWN: Final = Principal("objection", frozenset({Role.SERVICE}), client_id="objection")


@dataclass(frozen=True)
class Objections:
    """The first argument of every use case here."""

    store: ObjectionStore
    audit: AuditTrail
    clock: Clock

    def event(self, act: str, caller: Principal, *cases: Case, **details: object) -> AuditEvent:
        """An audit event about cases: pseudonyms, codes and states, never a word of what was written."""
        if len(cases) == 1:
            details = {"objection_no": cases[0].objection_no, "state": cases[0].state} | details
        else:
            details = {"objections": [c.objection_no for c in cases]} | details
        return self.audit.event(
            act,
            caller,
            subject_refs=_each(c.record.subject_ref for c in cases),
            entries=_each(c.record.entry_code for c in cases),
            records=_each(c.record.record_id for c in cases),
            details=details,
        )

    def put_on_record(self, unit: Unit, act: str, caller: Principal, case: Case, **details: object) -> None:
        """The audit event of a change, in the transaction of the change."""
        unit.record(self.event(act, caller, case, **details).encode())


def _each(values: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(values))
