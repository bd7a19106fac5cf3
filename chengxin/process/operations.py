"""How officers of the centre see what a service has set aside, and why, and have it tried again (decision 24)."""

from collections.abc import Sequence
from dataclasses import dataclass

from chengxin.audit.trail import AuditTrail
from chengxin.auth.executor import command, query
from chengxin.auth.powers import Power, anywhere, one
from chengxin.auth.principal import Principal, Role
from chengxin.errors import NOT_FOUND
from chengxin.feeds.quarantine import Quarantine
from chengxin.store import on_record
from chengxin.values.acts import Act
from chengxin.values.document import RawDocument


@dataclass(frozen=True)
class Operations:
    """The context of the use cases of this module."""

    audit: AuditTrail
    quarantine: Quarantine


@query(Act.QUARANTINE_LISTED, roles={Role.CENTRE}, articles=("12", "31"))
def set_aside(ops: Operations, caller: Principal, after: int, size: int) -> Sequence[RawDocument]:
    """Lists what this service could not apply and has set aside, in the order in which it came.

    Returns one row more than `size` when there are more.
    """
    ops.audit.record(ops.audit.event(Act.QUARANTINE_LISTED, caller, details={"after": after}))
    return ops.quarantine.rows(after, size + 1)


@command(
    Act.QUARANTINE_RETRIED,
    roles={Role.CENTRE},
    articles=("12", "31"),
    power=Power(
        anywhere("what is set aside is the service's own work, of no region"),
        one("what is on record already is tried again; nobody gets anything that was not given before"),
        "supervisors, by the audit log",
    ),
)
def retry(ops: Operations, caller: Principal, row_id: str) -> RawDocument | None:
    """Tries at once what was set aside, and first what comes before it.

    Returns the row while it is still set aside, None when it is applied. Raises NOT_FOUND.
    """
    if (row := ops.quarantine.row(row_id)) is None:
        raise NOT_FOUND(what=row_id)
    details = {"quarantine": row_id, "feed": row["feed"], "name": row["name"][:100]}
    ops.audit.record(ops.audit.event(Act.QUARANTINE_RETRIED, caller, details=details))
    with on_record.deriving():
        ops.quarantine.retry(row_id)
    return ops.quarantine.row(row_id)
