"""Drafts of entries: compiled and published by the authority (Art. 7)."""

from typing import Final

from chengxin.canonical import canonical, digest
from chengxin.ids import new_id
from chengxin.mongo import Unit
from chengxin.policy import rule
from chengxin.principal import Principal, Role
from services.catalog.model import ENTRY_INVALID, Entry, EntryContent
from services.catalog.room import Catalog, must_be_sound
from services.catalog.validation import findings
from services.catalog.versions import DRAFT_UNKNOWN, Draft, Period, publish, read_draft, read_entry

_COMPILERS: Final = {Role.AUTHORITY}
# The centre sets the standards (Art. 6), so it sees what is being prepared.
_READERS: Final = {Role.AUTHORITY, Role.CENTRE}


@rule("draft.created", roles=_COMPILERS, articles=("7", "8"))
def create(catalog: Catalog, caller: Principal, content: EntryContent, key: str = "") -> Draft:
    """Begins a draft of an entry. Raises ENTRY_INVALID."""
    must_be_sound(findings(content), ENTRY_INVALID)
    now = catalog.clock.now()
    draft = Draft(new_id("draft"), content, now, now)

    def work(unit: Unit) -> dict[str, object]:
        _save(catalog, caller, unit, "draft.created", draft)
        return draft.plain()

    return read_draft(catalog.store.once(caller.sub, key, canonical(["draft.created", content.plain()]), work))


@rule("draft.edited", roles=_COMPILERS, articles=("7", "8"))
def edit(
    catalog: Catalog,
    caller: Principal,
    draft_id: str,
    content: EntryContent,
    revision: int | None = None,
    key: str = "",
) -> Draft:
    """Replaces the content of a draft. `revision` is the one that the editor saw, if said.

    Raises DRAFT_UNKNOWN, DRAFT_PUBLISHED, DRAFT_CHANGED, DRAFT_CODE_CHANGED, ENTRY_INVALID.
    """
    must_be_sound(findings(content), ENTRY_INVALID)

    def work(unit: Unit) -> dict[str, object]:
        draft = _draft(catalog, draft_id, unit).edited(content, catalog.clock.now(), revision)
        _save(catalog, caller, unit, "draft.edited", draft)
        return draft.plain()

    asked = canonical(["draft.edited", draft_id, revision, content.plain()])
    return read_draft(catalog.store.once(caller.sub, key, asked, work))


@rule("draft.read", roles=_READERS, articles=("7",))
def read(catalog: Catalog, caller: Principal, draft_id: str) -> Draft:
    """One draft. Raises DRAFT_UNKNOWN."""
    return _draft(catalog, draft_id)


@rule("draft.listed", roles=_READERS, articles=("7",))
def listed(catalog: Catalog, caller: Principal, after: str, size: int) -> list[Draft]:
    """Drafts, oldest first; one more than `size` when there are more."""
    return catalog.store.drafts(after, size + 1)


@rule("entry.published", roles=_COMPILERS, articles=("7",))
def publish_draft(catalog: Catalog, caller: Principal, draft_id: str, period: Period, key: str = "") -> Entry:
    """Publishes a draft as the next version of its entry; the version before it ends the day before.

    Raises DRAFT_UNKNOWN, DRAFT_PUBLISHED, ENTRY_INVALID, PUBLICATION_BACKDATED, PUBLICATION_OVERLAPS, PERIOD_REVERSED.
    """

    def work(unit: Unit) -> dict[str, object]:
        draft = _draft(catalog, draft_id, unit)
        content = draft.content
        # The rules may have become stricter since it was written.
        must_be_sound(findings(content), ENTRY_INVALID)
        now = catalog.clock.now()
        before = catalog.store.newest(content.code, unit)
        draft = draft.published(before.version + 1 if before else 1, now)
        publication = publish(content, period, before, now, catalog.clock.today())
        for entry in filter(None, (publication.closed, publication.entry)):
            catalog.store.save_entry(entry, unit)
            unit.publish("entry", entry=entry.plain())
        catalog.store.save_draft(draft, unit)
        entry = publication.entry
        details = {
            "draft_id": draft_id,
            "version": entry.version,
            "effective_from": entry.effective_from.isoformat(),
            "effective_to": entry.effective_to.isoformat() if entry.effective_to else "",
            "content_sha256": digest(canonical(content.plain())),
        }
        if publication.closed and publication.closed.effective_to:
            details["closes"] = {
                "version": publication.closed.version,
                "effective_to": publication.closed.effective_to.isoformat(),
            }
        event = catalog.audit.event("entry.published", caller, entries=[content.code], details=details)
        unit.record(event.encode())
        return entry.plain()

    days = [period.first.isoformat(), period.last.isoformat() if period.last else ""]
    asked = canonical(["entry.published", draft_id, *days])
    return read_entry(catalog.store.once(caller.sub, key, asked, work))


def _draft(catalog: Catalog, draft_id: str, unit: Unit | None = None) -> Draft:
    if (draft := catalog.store.draft(draft_id, unit)) is None:
        raise DRAFT_UNKNOWN(draft_id=draft_id)
    return draft


def _save(catalog: Catalog, caller: Principal, unit: Unit, act: str, draft: Draft) -> None:
    catalog.store.save_draft(draft, unit)
    details = {
        "draft_id": draft.draft_id,
        "revision": draft.revision,
        "content_sha256": digest(canonical(draft.content.plain())),
    }
    unit.record(catalog.audit.event(act, caller, entries=[draft.content.code], details=details).encode())
