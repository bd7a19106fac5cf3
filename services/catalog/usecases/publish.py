"""The authority publishes a draft as the next version of its entry, and retires an entry (Art. 7)."""

from collections.abc import Iterator
from datetime import date
from itertools import chain
from typing import Any

from chengxin.auth.executor import command
from chengxin.auth.powers import CITY, Power, one
from chengxin.auth.principal import Principal
from chengxin.errors import Problem
from chengxin.store.database import UnitOfWork
from chengxin.store.on_record import authorise
from chengxin.values.acts import Act
from chengxin.values.canonical_json import canonical, digest
from services.catalog.context import CatalogContext, must_be_sound
from services.catalog.domain.draft import Draft
from services.catalog.domain.entry import ENTRY_INVALID, ENTRY_UNKNOWN, Entry, EntryContent
from services.catalog.domain.entry_diff import compare
from services.catalog.domain.entry_validation import Finding
from services.catalog.domain.entry_versions import InForcePeriod, Publication, publish, read_entry, retire
from services.catalog.domain.rule_set import CATALOG_RULES, REVIEW_REQUIRED
from services.catalog.usecases.code_lists import resolved
from services.catalog.usecases.drafts import COMPILERS, any_draft, authorised_draft, wrong


@command(
    Act.ENTRY_PUBLISHED,
    roles=COMPILERS,
    articles=("6", "7"),
    may=any_draft,
    power=Power(
        CITY,
        one(
            "it gives nobody a role or a key, and everybody reads what is collected and who sees it. Two are asked for "
            "by the rule set `catalog` (`review_required`), which a new system has not: while it is in force, an officer "
            "who wrote none of the draft has reviewed it, else publication is refused (decision 8)"
        ),
        "everybody, who reads the catalog; its followers, by the feed",
    ),
)
def publish_draft(
    ctx: CatalogContext,
    caller: Principal,
    draft_id: str,
    revision: int,
    period: InForcePeriod,
    document: str = "",
    key: str = "",
) -> Entry:
    """Publishes a revision of a draft as the next version of its entry; the version before it ends the day before.

    `document` names the document of publication. Raises DRAFT_UNKNOWN, DRAFT_PUBLISHED, DRAFT_CHANGED, REVIEW_MISSING,
    ENTRY_INVALID, PUBLICATION_BACKDATED, PUBLICATION_OVERLAPS, PERIOD_REVERSED, EFFECTIVE_IMPLAUSIBLE.
    """

    def work(unit: UnitOfWork, draft: Draft) -> Entry:
        content = draft.content
        now, today = ctx.clock.now(), ctx.clock.today()
        before = ctx.store.newest(content.code, unit)
        version = before.version + 1 if before else 1
        published = draft.published(version, now, revision, _review_required(ctx, today, unit))
        # The rules may have become stricter since it was written.
        faults = chain(wrong(ctx, resolved(ctx, content, unit), unit), _closed(ctx, content, unit))
        must_be_sound(faults, ENTRY_INVALID)
        publication = publish(content, period, before, now, today, document)
        for entry in filter(None, (publication.closed, publication.entry)):
            ctx.store.save_entry(entry, unit)
            unit.publish("entry", entry=entry.to_dict())
        ctx.store.save_draft(published, unit)
        details = _details(publication, before) | {"draft_id": draft_id, "revision": draft.revision}
        event = ctx.audit.event(Act.ENTRY_PUBLISHED, caller, entries=[content.code], details=details)
        unit.record(event.encode())
        return publication.entry

    days = [period.first.isoformat(), period.last.isoformat() if period.last else ""]
    asked = canonical([Act.ENTRY_PUBLISHED, draft_id, revision, *days, *filter(None, [document])])
    done = ctx.store.once_on(
        lambda unit: authorised_draft(ctx, draft_id, unit), caller.sub, key, asked, work, Entry.to_dict
    )
    return done.or_read(read_entry)


def any_entry(ctx: CatalogContext, caller: Principal, newest: Entry | None, code: str) -> Problem | None:
    """Any entry that there is."""
    return None if newest is not None else ENTRY_UNKNOWN(code=code, version="-")


@command(
    Act.ENTRY_RETIRED,
    roles=COMPILERS,
    articles=("6", "7", "18"),
    may=any_entry,
    power=Power(
        CITY,
        one("it only takes away: nothing is delivered under the entry any more"),
        "everybody, who reads the catalog",
    ),
)
def retire_entry(ctx: CatalogContext, caller: Principal, code: str, last: date, basis: str, key: str = "") -> Entry:
    """Gives an entry's newest version a last day, after which nothing is delivered under the entry.

    Raises ENTRY_UNKNOWN, RETIREMENT_BACKDATED, RETIREMENT_BEFORE_START, RETIREMENT_LATE.
    """

    def load(unit: UnitOfWork) -> Entry:
        return authorise(ctx.store.newest(code, unit), code)

    def work(unit: UnitOfWork, newest: Entry) -> Entry:
        retired = retire(newest, last, basis, ctx.clock.today())
        ctx.store.save_entry(retired, unit)
        unit.publish("entry", entry=retired.to_dict())
        details = {
            "version": retired.version,
            "effective_to": last.isoformat(),
            "basis_sha256": digest(basis.encode()),
        }
        unit.record(ctx.audit.event(Act.ENTRY_RETIRED, caller, entries=[code], details=details).encode())
        return retired

    asked = canonical([Act.ENTRY_RETIRED, code, last.isoformat(), basis])
    return ctx.store.once_on(load, caller.sub, key, asked, work, Entry.to_dict).or_read(read_entry)


def _closed(ctx: CatalogContext, content: EntryContent, unit: UnitOfWork) -> Iterator[Finding]:
    """Yields the providers that the directory has as closed (Art. 6); one that it lacks may be entered later."""
    for n, provider in enumerate(content.providers):
        known = ctx.store.organisation(provider.uscc, unit)
        if known is not None and not known.active:
            yield Finding(f"providers.{n}.uscc", "provider.closed", {"value": provider.uscc})


def _review_required(ctx: CatalogContext, today: date, unit: UnitOfWork) -> bool:
    rules = ctx.store.rule_set_in_force(CATALOG_RULES, today, unit)
    return rules is not None and rules.values.get(REVIEW_REQUIRED, 0) > 0


def _details(publication: Publication, before: Entry | None) -> dict[str, Any]:
    entry, closed = publication.entry, publication.closed
    details: dict[str, Any] = {
        "version": entry.version,
        "effective_from": entry.effective_from.isoformat(),
        "effective_to": entry.effective_to.isoformat() if entry.effective_to else "",
        "content_sha256": digest(canonical(entry.content.to_dict())),
    }
    if before is not None:
        details["compatibility"] = compare(before.content, entry.content).compatibility.value
    if closed and closed.effective_to:
        details["closes"] = {"version": closed.version, "effective_to": closed.effective_to.isoformat()}
    return details
