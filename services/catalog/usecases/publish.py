"""The authority publishes a draft as the next version of its entry, and retires an entry (Art. 7)."""

from collections.abc import Iterator
from datetime import date
from itertools import chain
from typing import Any, Final

from chengxin.auth.policy import rule
from chengxin.auth.principal import Principal
from chengxin.auth.regions import of_the_city
from chengxin.store.database import Unit
from chengxin.values.canonical_json import canonical, digest
from services.catalog.context import Catalog, must_be_sound
from services.catalog.domain.entry import ENTRY_INVALID, ENTRY_UNKNOWN, Entry, EntryContent
from services.catalog.domain.entry_diff import compare
from services.catalog.domain.entry_validation import Finding
from services.catalog.domain.entry_versions import Period, Publication, publish, read_entry, retire
from services.catalog.usecases.code_lists import resolved
from services.catalog.usecases.drafts import COMPILERS, known_draft, wrong

# The rule set, and its value, by which drafts must be reviewed before they are published; absent means not.
_RULES: Final = "catalog"
_REVIEW_REQUIRED: Final = "review_required"


@rule("entry.published", roles=COMPILERS, articles=("6", "7"), when=(of_the_city,))
def publish_draft(
    catalog: Catalog, caller: Principal, draft_id: str, period: Period, document: str = "", key: str = ""
) -> Entry:
    """Publishes a draft as the next version of its entry; the version before it ends the day before.

    `document` names the document of publication. Raises DRAFT_UNKNOWN, DRAFT_PUBLISHED, REVIEW_MISSING, ENTRY_INVALID,
    PUBLICATION_BACKDATED, PUBLICATION_OVERLAPS, PERIOD_REVERSED, EFFECTIVE_IMPLAUSIBLE.
    """

    def work(unit: Unit) -> dict[str, object]:
        draft = known_draft(catalog, draft_id, unit)
        content = draft.content
        now, today = catalog.clock.now(), catalog.clock.today()
        before = catalog.store.newest(content.code, unit)
        published = draft.published(before.version + 1 if before else 1, now, _review_required(catalog, today, unit))
        # The rules may have become stricter since it was written.
        faults = chain(wrong(catalog, resolved(catalog, content)), _closed(catalog, content, unit))
        must_be_sound(faults, ENTRY_INVALID)
        publication = publish(content, period, before, now, today, document)
        for entry in filter(None, (publication.closed, publication.entry)):
            catalog.store.save_entry(entry, unit)
            unit.publish("entry", entry=entry.plain())
        catalog.store.save_draft(published, unit)
        details = _details(publication, before) | {"draft_id": draft_id, "revision": draft.revision}
        event = catalog.audit.event("entry.published", caller, entries=[content.code], details=details)
        unit.record(event.encode())
        return publication.entry.plain()

    days = [period.first.isoformat(), period.last.isoformat() if period.last else ""]
    asked = canonical(["entry.published", draft_id, *days, *filter(None, [document])])
    return read_entry(catalog.store.once(caller.sub, key, asked, work))


@rule("entry.retired", roles=COMPILERS, articles=("6", "7", "18"), when=(of_the_city,))
def retire_entry(catalog: Catalog, caller: Principal, code: str, last: date, basis: str, key: str = "") -> Entry:
    """Gives an entry's newest version a last day, after which nothing is delivered under the entry.

    Raises ENTRY_UNKNOWN, RETIREMENT_BACKDATED, RETIREMENT_BEFORE_START, RETIREMENT_LATE.
    """

    def work(unit: Unit) -> dict[str, object]:
        if (newest := catalog.store.newest(code, unit)) is None:
            raise ENTRY_UNKNOWN(code=code, version="-")
        retired = retire(newest, last, basis, catalog.clock.today())
        catalog.store.save_entry(retired, unit)
        unit.publish("entry", entry=retired.plain())
        details = {
            "version": retired.version,
            "effective_to": last.isoformat(),
            "basis_sha256": digest(basis.encode()),
        }
        unit.record(catalog.audit.event("entry.retired", caller, entries=[code], details=details).encode())
        return retired.plain()

    asked = canonical(["entry.retired", code, last.isoformat(), basis])
    return read_entry(catalog.store.once(caller.sub, key, asked, work))


def _closed(catalog: Catalog, content: EntryContent, unit: Unit) -> Iterator[Finding]:
    """Providers that the directory knows to be closed (Art. 6); one that it does not know may be entered later."""
    for n, provider in enumerate(content.providers):
        known = catalog.store.organisation(provider.uscc, unit)
        if known is not None and not known.active:
            yield Finding(f"providers.{n}.uscc", "provider.closed", {"value": provider.uscc})


def _review_required(catalog: Catalog, today: date, unit: Unit) -> bool:
    rules = catalog.store.rule_set_in_force(_RULES, today, unit)
    return rules is not None and rules.values.get(_REVIEW_REQUIRED, 0) > 0


def _details(publication: Publication, before: Entry | None) -> dict[str, Any]:
    entry, closed = publication.entry, publication.closed
    details: dict[str, Any] = {
        "version": entry.version,
        "effective_from": entry.effective_from.isoformat(),
        "effective_to": entry.effective_to.isoformat() if entry.effective_to else "",
        "content_sha256": digest(canonical(entry.content.plain())),
    }
    if before is not None:
        details["compatibility"] = compare(before.content, entry.content).compatibility.value
    if closed and closed.effective_to:
        details["closes"] = {"version": closed.version, "effective_to": closed.effective_to.isoformat()}
    return details
