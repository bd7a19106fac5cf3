"""Records of many subjects changed together: load what they touch, change it in memory, write it in bulk."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from chengxin.crypto import KeyRing, is_encrypted
from chengxin.mongo import Unit
from services.disclosure.entry import BASIC, Entry
from services.disclosure.holdings import Location, Subject
from services.disclosure.model import Delivered, Shown, full_view, shown_name
from services.disclosure.period import is_over
from services.disclosure.said import NOTHING, Differing, Said
from services.disclosure.shelf import SEATS, Packed, Sight, pack
from services.disclosure.store import DisclosureStore


class EntryNotYet(Exception):
    """A record came before the catalog entry that it was validated against. The feeds race; it is there in a moment."""


@dataclass
class Rewriting:
    """One transaction's worth of changes. `load`, then `deliver`, `mark`, `archive`, then `save`."""

    store: DisclosureStore
    keys: KeyRing
    unit: Unit
    today: str
    subjects: dict[str, Subject] = field(default_factory=dict)
    locations: dict[str, Location] = field(default_factory=dict)
    _changed: dict[str, bool] = field(default_factory=dict)
    # Subjects of one reference whose facts are told differently, or no more; and references of others.
    _told: dict[str, tuple[Sequence[str], Sequence[Differing]]] = field(default_factory=dict)
    _restated: list[str] = field(default_factory=list)

    def load(self, record_ids: Iterable[str], refs: Iterable[str] = ()) -> None:
        """Loads these records' places and pages, and these subjects. Three reads at most."""
        self.locations = self.store.locations(list(record_ids), self.unit)
        seated = [where for where in self.locations.values() if not where.revoked]
        wanted = dict.fromkeys(refs) | dict.fromkeys(where.ref for where in seated)
        self.subjects = self.store.subjects(list(wanted), self.unit)
        older: dict[str, set[int]] = {}
        for where in seated:
            if where.seat // SEATS < self.subjects[where.ref].tail:
                older.setdefault(where.ref, set()).add(where.seat // SEATS)
        if older:
            self.store.load_pages(older, self.subjects, self.unit)

    def deliver(self, delivered: Delivered, under_objection: bool) -> None:
        """Takes a version of a record, newer than what is kept."""
        where = self.locations.get(delivered.record_id)
        new = where is None
        if where is not None and not where.revoked and (delivered.revoked or where.ref != delivered.subject_ref):
            self._withdraw(where)
        subject = self.subjects[delivered.subject_ref]
        if where is None or where.revoked:
            seat = where.seat if where is not None and delivered.revoked else subject.seats
            where = Location(delivered.record_id, delivered.subject_ref, seat, delivered.version, delivered.revoked)
        where.version, where.due = delivered.version, ""
        if not delivered.revoked:
            subject.scheme, subject.kind, subject.uscc = delivered.scheme, delivered.kind, delivered.uscc
            basic = self._entry(delivered.entry_code, delivered.entry_version).information_class == BASIC
            subject.heard[delivered.name] = basic or subject.heard.get(delivered.name, False)
            self._seat(subject, where, delivered, under_objection)
        self.locations[where.record_id] = where
        self._changed[where.record_id] = self._changed.get(where.record_id, new)

    def mark(self, record_id: str, under_objection: bool) -> None:
        """Says whether an objection to a record is open; of a record not kept here, nothing."""
        if (shown := self._shown(record_id)) is not None and shown[1].under_objection != under_objection:
            where, full = shown
            full.under_objection = under_objection
            self.subjects[where.ref].page(where.seat).put(where.seat, full)

    def archive(self, record_id: str) -> bool:
        """Ends the disclosure of a record (Art. 18); False when it has not ended."""
        shown = self._shown(record_id)
        if shown is None or not is_over(shown[1].disclosed_until, self.today):
            return False
        where, full = shown
        full.archived = True
        self.subjects[where.ref].page(where.seat).put(where.seat, full)
        where.due = ""
        self._changed[record_id] = False
        return True

    def save(self) -> None:
        """Writes what has changed, views prepared."""
        changed: list[tuple[Subject, dict[int, Packed], bool]] = []
        for subject in self.subjects.values():
            pages = [page for page in subject.pages.values() if page.changed]
            if not pages:
                continue
            packed = {
                page.number: pack(page, subject.kind, self._entry, lambda shown: self.opened(shown.items))
                for page in pages
            }
            sight, said, called = subject.sight, subject.said, subject.called
            self._see(subject, packed)
            self._tell(subject, said)
            same = subject.sight.same_as(sight) and subject.called.same_as(called)
            changed.append((subject, packed, not same))
        self.store.save_subjects(changed, self.unit)
        self.store.said.tell(self._told, self.unit)
        if self._restated:
            self.store.said.restate(self._restated, self.unit)
        self.store.save_locations([(self.locations[i], new) for i, new in self._changed.items()], self.unit)

    def opened(self, items: dict[str, str]) -> dict[str, str]:
        """The plain values of sealed items."""
        return {code: self.keys.decrypt(value, code) for code, value in items.items() if is_encrypted(value)}

    def _entry(self, code: str, version: int) -> Entry:
        if (entry := self.store.entry(code, version)) is None:
            raise EntryNotYet(f"{code}:{version}")
        return entry

    def _shown(self, record_id: str) -> tuple[Location, Shown] | None:
        where = self.locations.get(record_id)
        if where is None or where.revoked:
            return None
        return where, self.subjects[where.ref].page(where.seat).records[where.seat]

    def _withdraw(self, where: Location) -> None:
        subject = self.subjects[where.ref]
        page = subject.page(where.seat)
        if (shown := page.records.get(where.seat)) is not None:
            subject.withdrawn.add(shown_name(shown, self._entry(shown.entry_code, shown.entry_version)))
        page.take(where.seat)
        where.revoked = True

    def _seat(self, subject: Subject, where: Location, delivered: Delivered, under_objection: bool) -> None:
        entry = self._entry(delivered.entry_code, delivered.entry_version)
        full = full_view(delivered, entry, self.opened(delivered.items), under_objection)
        where.due = full.disclosed_until
        if where.seat == subject.seats:
            subject.seats += 1
            self._next_page(subject, where.seat // SEATS)
        subject.page(where.seat).put(where.seat, full)

    def _next_page(self, subject: Subject, number: int) -> None:
        """Makes page `number` the newest one; the one before it moves out of the subject's document."""
        if number > subject.tail:
            before = subject.pages.get(subject.tail)
            if before is not None:
                before.changed = True
            subject.tail = number
            subject.below = subject.below.merged(subject.top)
            subject.top = Sight()
            subject.said_below, subject.said_top = subject.said, NOTHING

    def _see(self, subject: Subject, packed: dict[int, Packed]) -> None:
        """What the public sees of a subject, and what is said of it, after its pages have changed."""
        older = {number: (page.sight, page.said) for number, page in packed.items() if number < subject.tail}
        if any(subject.pages[number].reduced for number in older):
            older = self.store.below(subject.ref, self.unit) | older
            subject.below, subject.said_below = Sight(), NOTHING
        for sight, said in older.values():
            subject.below = subject.below.merged(sight)
            subject.said_below = subject.said_below.merged(said)
        if subject.tail in packed:
            subject.top, subject.said_top = packed[subject.tail].sight, packed[subject.tail].said
        subject.sight = subject.below.merged(subject.top)

    def _tell(self, subject: Subject, before: Said) -> None:
        """Names a subject as its records do, and puts it on the list of those whose facts are told differently, or takes
        it off."""
        said = subject.said
        if said == before:
            return
        subject.called = subject.called.renamed(said, subject.heard, subject.withdrawn)
        if subject.group:
            self._restated.append(subject.ref)
        elif (now := said.differing()) or before.differing():
            self._told[subject.ref] = [subject.ref], now
