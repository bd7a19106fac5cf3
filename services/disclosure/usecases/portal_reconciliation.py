"""The report of differences (Art. 15): what a provider's portal shows against what the public platform shows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from chengxin.auth.executor import query
from chengxin.auth.principal import Principal, Role
from chengxin.errors import INPUT_INVALID, FieldError
from chengxin.values.acts import Act
from services.disclosure.context import DisclosureContext
from services.disclosure.domain.disclosure_period import is_over

# Records that one report compares: those that a portal tells, and those that the platform shows.
GREATEST_SIZE: Final = 5000


@dataclass(frozen=True)
class PortalRecords:
    """What a portal says it shows, of the records after one and through another one in the order of their ids; with an
    empty `through` to the last one. Versions by record."""

    after: str
    through: str
    records: Mapping[str, int]


@dataclass(frozen=True)
class PortalVersion:
    """A record and a version of it."""

    record_id: str
    version: int


@dataclass(frozen=True)
class Outdated:
    """A record that the portal shows in another version than the platform."""

    record_id: str
    version: int
    shown_version: int


@dataclass(frozen=True)
class ReconciliationReport:
    """What differs, by record ids."""

    # Public, and not on the portal.
    missing: Sequence[PortalVersion]
    outdated: Sequence[Outdated]
    # On the portal, and not public here, or not the provider's.
    take_down: Sequence[str]
    # How many records both show in the same version.
    same: int
    # The last record that the report covers; empty when it covers all that was asked about.
    through: str
    event_id: str


@query(Act.FEED_COMPARED, roles={Role.PROVIDER}, articles=("15", "18"))
def compare(ctx: DisclosureContext, caller: Principal, told: PortalRecords) -> ReconciliationReport:
    """Compares what the caller's portal shows with those of the caller's records that are public today. Raises
    INPUT_INVALID for a record outside the range that was named."""
    ctx = ctx.pinned()
    outside = [i for i in told.records if i <= told.after or (told.through and i > told.through)]
    if outside:
        means = "不在 after 与 through 之间 / not after `after` and through `through`"
        raise INPUT_INVALID(fields=[FieldError("records", "range", f"{outside[0]}: {means}")])
    today = ctx.clock.today().isoformat()
    standing = ctx.store.feed.shown_by(caller.org, told.after, told.through, GREATEST_SIZE)
    through = standing[-1].record_id if len(standing) == GREATEST_SIZE else ""
    public = {s.record_id: s.version for s in standing if not is_over(s.due, today)}
    shown = {i: version for i, version in sorted(told.records.items()) if not through or i <= through}
    missing = [PortalVersion(i, version) for i, version in public.items() if i not in shown]
    outdated = [Outdated(i, public[i], v) for i, v in shown.items() if i in public and public[i] != v]
    take_down = [i for i in shown if i not in public]
    event = ctx.audit.event(
        Act.FEED_COMPARED,
        caller,
        details={
            "told": len(shown),
            "public": len(public),
            "missing": len(missing),
            "outdated": len(outdated),
            "take_down": len(take_down),
        },
    )
    ctx.audit.record(event)
    same = len(shown) - len(outdated) - len(take_down)
    return ReconciliationReport(missing, outdated, take_down, same, through, event.event_id)
