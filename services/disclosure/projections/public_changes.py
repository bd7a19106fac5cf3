"""What a transaction changes of what the public sees, for the public feed (Art. 15, decision 17).

A row of the outbox names records, by provider and entry; what they look like is read when somebody follows. Only records
that are public or were so until now are ever named.
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

# Of a change in the outbox.
KIND: Final = "public"
# What moves is told whichever generation is in use.
ANY_GENERATION: Final = 0


@dataclass
class PublicChanges:
    """One transaction's worth. `deliver`, `mark`, `end`, `move`, `told_later`, then `publish`."""

    unit: UnitOfWork
    today: str
    # Provider and entry by record.
    _records: dict[str, tuple[str, str]] = field(default_factory=dict)

    def deliver(self, delivered: RecordVersion, entry: DisclosureEntry | None, due: str, before: str) -> str:
        """A version of a record, disclosed until `due`, takes the place of the one that `before` showed. Answers
        which provider shows it from now on."""
        public = not delivered.revoked and entry is not None and View.PUBLIC in entry.modes
        now = delivered.provider_uscc if public and not is_over(due, self.today) else ""
        if now or before:
            self._records[delivered.record_id] = delivered.provider_uscc, delivered.entry_code
        return now

    def mark(self, work: RecordProjection, record_id: str, under_objection: bool) -> None:
        """Says of a record, through `work`, whether an objection to it is open."""
        where = work.locations.get(record_id)
        if where is not None and where.shown and where.objected != under_objection:
            self._take(work.fragment(record_id))
        work.mark(record_id, under_objection)

    def end(self, work: RecordProjection, record_id: str) -> None:
        """A record has been archived."""
        where = work.locations[record_id]
        if where.shown:
            self._take(work.fragment(record_id))
            where.shown = ""

    def move(self, store: DisclosureStore, refs: Iterable[str]) -> None:
        """These references belong to another subject than before, and their records are on its page. What is too much for
        this transaction is left to the `Announcer`."""
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
        """Something that was left, or as much of it as is borne at once."""
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
        """Puts what was gathered into the outbox, as one change."""
        groups: dict[tuple[str, str], list[str]] = {}
        for record_id, whose in self._records.items():
            groups.setdefault(whose, []).append(record_id)
        if groups:
            told = [{"provider": p, "entry": entry, "records": ids} for (p, entry), ids in groups.items()]
            self.unit.publish(KIND, groups=told)

    def _take_public(self, part: PublicPart) -> None:
        for shown in part.shown:
            if not is_over(shown.disclosed_until, self.today):
                self._take(shown)

    def _take(self, fragment: Fragment | None) -> None:
        if fragment is not None:
            self._records[fragment.record_id] = fragment.provider_uscc, fragment.entry_code
