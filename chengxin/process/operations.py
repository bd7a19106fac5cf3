"""What officers see and do of a service's operation: what is set aside, and why; and having it tried again (decision 24)."""

from collections.abc import Sequence
from dataclasses import dataclass

from chengxin.audit.trail import AuditTrail
from chengxin.auth.policy import rule
from chengxin.auth.principal import Principal, Role
from chengxin.errors import NOT_FOUND
from chengxin.feeds.quarantine import Quarantine
from chengxin.values.document import RawDocument


@dataclass(frozen=True)
class Operations:
    """The first argument of every use case here."""

    audit: AuditTrail
    quarantine: Quarantine


@rule("quarantine.listed", roles={Role.CENTRE}, articles=("12", "31"))
def set_aside(ops: Operations, caller: Principal, after: int, size: int) -> Sequence[RawDocument]:
    """What this service could not apply and has set aside, in the order in which it came; one row more than `size` when
    there are more."""
    ops.audit.record(ops.audit.event("quarantine.listed", caller, details={"after": after}))
    return ops.quarantine.rows(after, size + 1)


@rule("quarantine.retried", roles={Role.CENTRE}, articles=("12", "31"))
def retry(ops: Operations, caller: Principal, row_id: str) -> RawDocument | None:
    """Tries at once what was set aside, and first what comes before it; what is still set aside, or None when it is
    applied. Raises NOT_FOUND."""
    if (row := ops.quarantine.row(row_id)) is None:
        raise NOT_FOUND(what=row_id)
    details = {"quarantine": row_id, "feed": row["feed"], "name": row["name"][:100]}
    ops.audit.record(ops.audit.event("quarantine.retried", caller, details=details))
    ops.quarantine.retry(row_id)
    return ops.quarantine.row(row_id)
