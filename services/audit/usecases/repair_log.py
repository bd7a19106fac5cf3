"""Officers see what was found altered in the log's store, and have what is derived made again (Art. 31)."""

from typing import Any

from chengxin.auth.executor import command, query
from chengxin.auth.powers import CITY, Power, one
from chengxin.auth.principal import Principal, Role
from chengxin.values.acts import Act
from services.audit.context import AuditContext
from services.audit.domain.alterations import LOG_NOT_REPAIRABLE, listed


@query(Act.LOG_CONDITION_READ, roles={Role.SUPERVISOR, Role.CENTRE}, articles=("31",))
def read_condition(ctx: AuditContext, caller: Principal) -> dict[str, Any]:
    """What is altered as far as it is known, what of it can be made again, and how many inspections there were."""
    ctx.audit.record(ctx.audit.event(Act.LOG_CONDITION_READ, caller))
    return ctx.condition.to_dict()


@command(
    Act.LOG_REPAIR_ASKED,
    roles={Role.CENTRE},
    articles=("31",),
    power=Power(
        CITY,
        one("what is derived alone is made again, from events that nobody can change by it"),
        "supervisors, by the audit log and the service's readiness",
    ),
)
def repair(ctx: AuditContext, caller: Principal) -> dict[str, Any]:
    """Has everything derived that differs made again from the groups, in the background; returns how the log is. Raises
    LOG_NOT_REPAIRABLE when originals are altered: what is derived from them would look right and be wrong."""
    alterations = ctx.condition.alterations
    if originals := [a for a in alterations if not a.derived]:
        raise LOG_NOT_REPAIRABLE(what=listed(originals))
    details = {"rows": len(alterations), "places": [str(a) for a in alterations[:20]]}
    ctx.audit.record(ctx.audit.event(Act.LOG_REPAIR_ASKED, caller, details=details))
    ctx.condition.ask_repair()
    ctx.integrator.wake()
    return ctx.condition.to_dict()
