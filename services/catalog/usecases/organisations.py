"""The authority keeps the directory of organisations, and everybody reads it (Art. 6)."""

from dataclasses import dataclass, replace
from typing import Final

from chengxin.auth.executor import command, query
from chengxin.auth.powers import OWN, Power, one
from chengxin.auth.principal import Principal, Role
from chengxin.auth.regions import city_of, outside, regional
from chengxin.errors import INPUT_INVALID, Problem
from chengxin.store.database import UnitOfWork
from chengxin.store.on_record import authorise
from chengxin.values.acts import Act
from chengxin.values.canonical_json import canonical, digest
from chengxin.values.named_things import REGION
from services.catalog.context import NO_CREDIT_INFORMATION, CatalogContext, must_be_sound
from services.catalog.domain.organisation import ORGANISATION_UNKNOWN, DirectoryEntry, read_organisation
from services.catalog.usecases.code_lists import known_regions
from services.catalog.usecases.read_catalog import EVERYBODY

# These roles work with the officers of other organisations.
_COLLEAGUES: Final = {Role.AGENCY, Role.PROVIDER, Role.CENTRE, Role.AUTHORITY, Role.SUPERVISOR}


@dataclass(frozen=True)
class OrganisationFilter:
    """The region and the function of the organisations that are asked for; an empty text stands for all."""

    region: str = ""
    function: str = ""


@query(Act.ORGANISATION_LISTED, roles=EVERYBODY, articles=("6",), unrecorded=NO_CREDIT_INFORMATION)
def listed(
    ctx: CatalogContext, caller: Principal, wanted: OrganisationFilter, after: str, size: int
) -> list[DirectoryEntry]:
    """Returns organisations by credit code, officers for colleagues only; one more than `size` when there are more. Raises
    INPUT_INVALID for a region that there is not."""
    found = ctx.store.organisations(wanted.region, wanted.function, after, size + 1)
    if wanted.region and not found and wanted.region not in known_regions(ctx):
        raise INPUT_INVALID(fields=[REGION.refused("region")])
    return [_seen(caller, entry) for entry in found]


@query(Act.ORGANISATION_READ, roles=EVERYBODY, articles=("6",), unrecorded=NO_CREDIT_INFORMATION)
def read(ctx: CatalogContext, caller: Principal, uscc: str) -> DirectoryEntry:
    """Returns an organisation. Only colleagues get its officers. Raises ORGANISATION_UNKNOWN."""
    if (found := ctx.store.organisation(uscc)) is None:
        raise ORGANISATION_UNKNOWN(uscc=uscc)
    return _seen(caller, found)


@regional
def new_region_is_own(
    ctx: CatalogContext, caller: Principal, entry: DirectoryEntry, *_: object, **__: object
) -> Problem | None:
    """the organisation's new region lies within the officer's"""
    return outside(caller, entry.region)


@regional
def region_is_own(ctx: CatalogContext, caller: Principal, recorded: DirectoryEntry, uscc: str) -> Problem | None:
    """the organisation's region lies within the officer's"""
    return outside(caller, recorded.region)


@command(
    Act.ORGANISATION_RECORDED,
    roles={Role.AUTHORITY},
    articles=("6",),
    when=(new_region_is_own,),
    may=region_is_own,
    power=Power(
        OWN,
        one(
            "the directory is public, and gives an organisation no access; a region moves only between the officer's own, "
            "and what the directory lacks is the whole city's"
        ),
        "everybody, who reads the directory; its followers, by the feed",
    ),
)
def record(ctx: CatalogContext, caller: Principal, entry: DirectoryEntry, key: str = "") -> DirectoryEntry:
    """Enters an organisation into the directory, or changes its entry there. Raises INPUT_INVALID."""

    def load(unit: UnitOfWork) -> DirectoryEntry | None:
        recorded = ctx.store.organisation(entry.uscc, unit)
        # An organisation that the directory lacks is the whole city's: else a county would take what is another's.
        authorise(recorded or replace(entry, region=city_of(entry.region)), entry.uscc)
        return recorded

    def work(unit: UnitOfWork, recorded: DirectoryEntry | None) -> DirectoryEntry:
        must_be_sound(entry.findings(known_regions(ctx, unit)))
        if recorded != entry:
            ctx.store.save_organisation(entry, unit)
            details = {
                "uscc": entry.uscc,
                "region": entry.region,
                "functions": [function.value for function in entry.functions],
                "active": entry.active,
                "content_sha256": digest(canonical(entry.to_dict())),
            }
            unit.record(ctx.audit.event(Act.ORGANISATION_RECORDED, caller, details=details).encode())
        else:
            unit.without_event("nothing changes")
        return entry

    asked = canonical([Act.ORGANISATION_RECORDED, entry.to_dict()])
    return ctx.store.once_on(load, caller.sub, key, asked, work, DirectoryEntry.to_dict).or_read(read_organisation)


def _seen(caller: Principal, entry: DirectoryEntry) -> DirectoryEntry:
    return entry.for_the_public() if _COLLEAGUES.isdisjoint(caller.roles) else entry
