"""An officer of the centre has everything derived made again from the feeds, and reads how far that is (Art. 5, 31).

`rebuilder.py` does it in the background.
"""

from typing import Any

from chengxin.auth.executor import command, query
from chengxin.auth.powers import CITY, Power, one
from chengxin.auth.principal import Principal, Role
from chengxin.store.database import UnitOfWork
from chengxin.values.acts import Act
from chengxin.values.clock import rfc3339
from services.disclosure.context import DisclosureContext
from services.disclosure.store.generations import Generations


@command(
    Act.DISCLOSURE_REBUILD_ASKED,
    roles={Role.CENTRE},
    articles=("5", "31"),
    power=Power(
        CITY,
        one("what is made again says what the feeds and the decisions on record say; it gives nobody anything"),
        "supervisors, by the audit log; the differences are listed",
    ),
)
def request(ctx: DisclosureContext, caller: Principal) -> dict[str, Any]:
    """Has everything derived made again; returns how it stands. One that is under way is not begun again."""
    generations = Generations(ctx.store.store)

    def work(unit: UnitOfWork) -> dict[str, Any]:
        unit.record(ctx.audit.event(Act.DISCLOSURE_REBUILD_ASKED, caller).encode())
        return generations.request_rebuild(unit, caller.sub, rfc3339(ctx.clock.now()))

    return ctx.store.transact(work)


@query(Act.DISCLOSURE_REBUILD_READ, roles={Role.CENTRE}, articles=("31",))
def read_progress(ctx: DisclosureContext, caller: Principal) -> dict[str, Any] | None:
    """Reads how far the rebuild is that was requested last, and the differences that it found; None without one."""
    ctx.audit.record(ctx.audit.event(Act.DISCLOSURE_REBUILD_READ, caller))
    return Generations(ctx.store.store).rebuild()
