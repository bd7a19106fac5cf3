"""For which organisations an officer registers clients and other officers (Art. 6)."""

from typing import Protocol

from chengxin.auth.principal import Principal
from chengxin.auth.regions import of_the_city, outside, regional
from chengxin.errors import Problem
from gateway.context import GatewayContext


class Affiliated(Protocol):
    """A client or an officer that is to be of an organisation."""

    @property
    def org(self) -> str: ...


@regional
def organisation_is_own(
    ctx: GatewayContext, caller: Principal, asked: Affiliated, *_: object, **__: object
) -> Problem | None:
    """its organisation is of the officer's region by the directory; an officer of the whole city registers for any"""
    if of_the_city(ctx, caller) is None:
        return None
    try:
        return outside(caller, ctx.region_of(asked.org) or "")
    except Problem as problem:
        # Where the catalog is away nobody knows, and nobody is registered.
        return problem
