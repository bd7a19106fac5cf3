"""Publishes in the public feed what a transaction changes for the public (Art. 15, decision 17).

A row of the outbox names records by provider and entry. Their content is read when a client follows the feed. A row
only names records that are public, or were until now.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from chengxin.store.database import UnitOfWork
from services.disclosure.domain.catalog_entry import DisclosureEntry
from services.disclosure.domain.disclosure_period import is_over
from services.disclosure.domain.record_fragments import Fragment
from services.disclosure.domain.record_views import RecordVersion, View
from services.disclosure.projections.records import RecordProjection
from services.disclosure.store.disclosure_store import DisclosureStore
from services.disclosure.store.public_feed import PAGES_AT_ONCE, Announcement, PublicPart

# The kind of a change in the outbox.
KIND: Final = "public"
# Records that move to another subject are published whichever generation is in use.
ANY_GENERATION: Final = 0


@dataclass
class PublicChanges:
    """One transaction's changes for the public. Callers call `deliver`, `mark`, `end`, `move` or `told_later`, then
    `publish`."""

    unit: UnitOfWork
    today: str
    # Provider and entry by record.
    _records: dict[str, tuple[str, str]] = field(default_factory=dict)

    def deliver(self, delivered: RecordVersion, entry: DisclosureEntry | None, due: str, before: str) -> str:
        """Takes a version of a record, disclosed until `due`, in place of the one that the provider `before` showed to
        the public. Returns the provider that shows it from now on; empty when it is not public."""
        public = not delivered.revoked and entry is not None and View.PUBLIC in entry.modes
        shown_by = delivered.provider_uscc if public and not is_over(due, self.today) else ""
        if shown_by or before:
            self._records[delivered.record_id] = delivered.provider_uscc, delivered.entry_code
        return shown_by

    def mark(self, work: RecordProjection, record_id: str, under_objection: bool) -> None:
        """Marks in `work` whether an objection to a record is open."""
        location = work.locations.get(record_id)
        if location is not None and location.shown and location.objected != under_objection:
            self._take(work.fragment(record_id))
        work.mark(record_id, under_objection)

    def end(self, work: RecordProjection, record_id: str) -> None:
        """Takes a record that has been archived."""
        location = work.locations[record_id]
        if location.shown:
            self._take(work.fragment(record_id))
            location.shown = ""

    def move(self, store: DisclosureStore, refs: Iterable[str]) -> None:
        """Takes the public records of references that belong to another subject than before, because they are now on
        its page. Leaves to the `Announcer` what is too much for this transaction."""
        left = PAGES_AT_ONCE
        for ref in refs:
            rest = 0
            if left > 0:
                part = store.feed.public_of(ref, 0, left, self.unit)
                self._take_public(part)
                left, rest = left - part.pages, part.rest
                if not rest:
                    continue
            store.feed.tell_later(ANY_GENERATION, Announcement("", ref, rest, store.generation), self.unit)

    def told_later(self, store: DisclosureStore, announcement: Announcement) -> None:
        """Takes the records of an announcement, or as many of them as one transaction bears."""
        for record_id, provider, entry in announcement.records:
            self._records[record_id] = provider, entry
        number, ref, rest = announcement.number, announcement.subject_ref, 0
        if ref:
            # Another generation has other pages.
            page = announcement.page if announcement.generation == store.generation else 0
            part = store.feed.public_of(ref, page, PAGES_AT_ONCE, self.unit)
            self._take_public(part)
            rest = part.rest
        if rest:
            store.feed.tell_later(ANY_GENERATION, Announcement(number, ref, rest, store.generation), self.unit)
        else:
            store.feed.told(number, self.unit)

    def publish(self) -> None:
        """Puts the gathered records into the outbox, as one change."""
        groups: dict[tuple[str, str], list[str]] = {}
        for record_id, source in self._records.items():
            groups.setdefault(source, []).append(record_id)
        if groups:
            published = [{"provider": p, "entry": entry, "records": ids} for (p, entry), ids in groups.items()]
            self.unit.publish(KIND, groups=published)

    def _take_public(self, part: PublicPart) -> None:
        for shown in part.shown:
            if not is_over(shown.disclosed_until, self.today):
                self._take(shown)

    def _take(self, fragment: Fragment | None) -> None:
        if fragment is not None:
            self._records[fragment.record_id] = fragment.provider_uscc, fragment.entry_code
