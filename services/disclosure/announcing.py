"""What a transaction changes of what the public sees, for the public feed (Art. 15, decision 17).

A row of the outbox names records, by provider and entry; what they look like is read when somebody follows. Only records
that are public or were so until now are ever named.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from chengxin.mongo import Unit
from services.disclosure.entry import Entry
from services.disclosure.model import Delivered, Shown, View
from services.disclosure.period import is_over
from services.disclosure.rewriting import Rewriting
from services.disclosure.store import DisclosureStore

# Of a change in the outbox.
KIND: Final = "public"


def shown_key(provider: str, record_id: str) -> str:
    """What a record that is public is found by: by its provider, in the order of record ids."""
    return f"{provider} {record_id}"


@dataclass
class Announcement:
    """One transaction's worth. `deliver`, `mark`, `end`, `move`, then `publish`."""

    unit: Unit
    today: str
    # Provider and entry by record.
    _records: dict[str, tuple[str, str]] = field(default_factory=dict)

    def deliver(self, delivered: Delivered, entry: Entry | None, due: str, before: str) -> str:
        """A version of a record, disclosed until `due`, takes the place of the one that was shown as `before`. Answers
        how it is shown from now on."""
        public = not delivered.revoked and entry is not None and View.PUBLIC in entry.modes
        now = shown_key(delivered.provider_uscc, delivered.record_id) if public and not is_over(due, self.today) else ""
        if now or before:
            self._records[delivered.record_id] = delivered.provider_uscc, delivered.entry_code
        return now

    def mark(self, work: Rewriting, record_id: str, under_objection: bool) -> None:
        """Says of a record, through `work`, whether an objection to it is open."""
        where = work.locations.get(record_id)
        if where is not None and where.shown:
            full = _seated(work, record_id)
            if full.under_objection != under_objection:
                self._take(full)
        work.mark(record_id, under_objection)

    def end(self, work: Rewriting, record_id: str) -> None:
        """A record has been archived."""
        where = work.locations[record_id]
        if where.shown:
            self._take(_seated(work, record_id))
            where.shown = ""

    def move(self, store: DisclosureStore, refs: Iterable[str]) -> None:
        """These references belong to another subject than before, and their records are on its page."""
        for ref in refs:
            for shown in store.feed.public_of(ref, self.unit):
                if not is_over(shown.disclosed_until, self.today):
                    self._take(shown)

    def publish(self) -> None:
        """Puts what was gathered into the outbox, as one change."""
        groups: dict[tuple[str, str], list[str]] = {}
        for record_id, whose in self._records.items():
            groups.setdefault(whose, []).append(record_id)
        if groups:
            told = [{"provider": p, "entry": entry, "records": ids} for (p, entry), ids in groups.items()]
            self.unit.publish(KIND, groups=told)

    def _take(self, shown: Shown) -> None:
        self._records[shown.record_id] = shown.provider_uscc, shown.entry_code


def _seated(work: Rewriting, record_id: str) -> Shown:
    where = work.locations[record_id]
    return work.subjects[where.ref].page(where.seat).records[where.seat]
