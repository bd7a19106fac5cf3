"""What several use cases ask of their caller: whose deliveries it reads, and what it delivers (Art. 9, 10, 12)."""

from collections.abc import Sequence
from typing import Any

from chengxin.auth.principal import Principal, Role
from chengxin.auth.regions import regional
from chengxin.errors import NOT_FOUND, Problem
from chengxin.store.database import UnitOfWork, session_of
from services.ingest.context import IngestContext
from services.ingest.domain.catalog_entry import DeliveryEntry
from services.ingest.domain.submission import NOT_A_PROVIDER


def own(ctx: IngestContext, caller: Principal, provider: str, *_: Any) -> Problem | None:
    """a provider reads only its own"""
    if Role.PROVIDER in caller.roles and provider not in ("", caller.org):
        return NOT_FOUND(what=provider)
    return None


@regional
def acts_for_provider(ctx: IngestContext, caller: Principal, provider: str, *_: Any) -> Problem | None:
    """the officer acts in the provider's region, which the directory of organisations tells"""
    return ctx.store.regions.refusal(caller, provider)


def provides(
    ctx: IngestContext, caller: Principal, versions: Sequence[DeliveryEntry] | None, entry_code: str
) -> Problem | None:
    """the entry names the caller's organisation as a provider"""
    if all(entry.provider(caller.org) for entry in versions or ()):
        return None
    return NOT_A_PROVIDER(org=caller.org or "-", entry=entry_code)


def versions_in_force(ctx: IngestContext, entry_code: str, unit: UnitOfWork | None = None) -> Sequence[DeliveryEntry]:
    """The version of an entry in force today, where there is one: `provides` judges it."""
    entry = ctx.directory.in_force(entry_code, ctx.clock.today().isoformat(), session_of(unit))
    return (entry,) if entry else ()
