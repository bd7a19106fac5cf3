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
from services.disclosure.usecases.public_showing import showings

# Records that one report compares: those that a portal tells, and those that the platform shows.
GREATEST_SIZE: Final = 5000


@dataclass(frozen=True)
class PortalRecords:
    """What a portal says it shows, of the records after one and through another one in the order of their ids; with an
    empty `through` to the last one. By record the `etag` that came with what it shows."""

    after: str
    through: str
    records: Mapping[str, str]


@dataclass(frozen=True)
class PublicVersion:
    """A record, and the version of it that the public sees."""

    record_id: str
    version: int


@dataclass(frozen=True)
class ReconciliationReport:
    """What differs, by record ids."""

    # Public, and not on the portal.
    missing: Sequence[PublicVersion]
    # Shown by the portal otherwise than here: in another version, with another form of a person's name, without an
    # objection's mark, or under another subject.
    outdated: Sequence[PublicVersion]
    # On the portal, and not public here, or not the provider's.
    take_down: Sequence[str]
    # How many records both show in the same way.
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
    public = {place.record_id: place for place in standing if not is_over(place.due, today)}
    refs = list(dict.fromkeys(place.ref for place in public.values()))
    how = showings(public.values(), ctx.store.links.states(refs), ctx.store.links.groups_with(refs), today)
    etags = {record_id: showing.etag for record_id, showing in how.items()}
    shown = {i: etag for i, etag in sorted(told.records.items()) if not through or i <= through}
    missing = [PublicVersion(i, place.version) for i, place in public.items() if i not in shown]
    outdated = [PublicVersion(i, public[i].version) for i, e in shown.items() if i in public and etags.get(i) != e]
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
