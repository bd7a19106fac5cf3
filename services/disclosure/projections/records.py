"""Records of many subjects changed together: load what they touch, change it in memory, write it in bulk."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import msgspec

from chengxin.feeds.quarantine import NotYet
from chengxin.store.database import UnitOfWork
from chengxin.store.field_encryption import KeyRing, is_encrypted
from services.disclosure.domain.assertions import NOTHING, DisputedFact
from services.disclosure.domain.catalog_entry import BASIC, DisclosureEntry
from services.disclosure.domain.disclosure_period import is_over
from services.disclosure.domain.record_fragments import Fragment, archived, fragment_of, takes_another
from services.disclosure.domain.record_views import RecordVersion, View
from services.disclosure.domain.subject_state import SubjectState, Summary, summary_of
from services.disclosure.store.disclosure_store import DisclosureStore
from services.disclosure.store.subject_state import EditablePage, RecordLocation, Subject, SubjectGroup
from services.disclosure.store.writes import Writes

# Bytes that one transaction may write. The embedded store stands still for good when the uncommitted pages of one fill its
# cache, which some tens of megabytes do.
MOST_BYTES: Final = 4 * 1024 * 1024


class EntryNotYet(NotYet):
    """A record came before the catalog entry that it was validated against. The feeds race; it is there in a moment."""


class TooMuchAtOnce(Exception):
    """A transaction would write more than the store bears."""


@dataclass
class GroupChanges:
    """What links change of who is one subject with whom."""

    # By reference, the reference and the code under which the public finds it from now on; an empty one: its own.
    leaders: dict[str, tuple[str, str]] = field(default_factory=dict)
    # Subjects of one reference, or leaders of groups, that are so no more or anew: what is told differently of them.
    concerned: set[str] = field(default_factory=set)


@dataclass
class RecordProjection:
    """One transaction's worth of changes. `load`, then `deliver`, `mark`, `archive`, then `settle`, then `save`."""

    store: DisclosureStore
    keys: KeyRing
    unit: UnitOfWork
    today: str
    subjects: dict[str, Subject] = field(default_factory=dict)
    locations: dict[str, RecordLocation] = field(default_factory=dict)
    # By reference.
    groups: dict[str, SubjectGroup] = field(default_factory=dict)
    writes: Writes = field(default_factory=Writes)
    # Whether the record is new.
    _changed: dict[str, bool] = field(default_factory=dict)
    # Items that get a document of their own, by record, with its version; empty ones when it has none any more.
    _long_items: dict[str, tuple[int, bytes]] = field(default_factory=dict)
    _visible: list[Subject] = field(default_factory=list)
    _summaries: dict[str, dict[int, Summary]] = field(default_factory=dict)
    # Subjects of one reference whose facts are told differently, or no more.
    _told: dict[str, tuple[Sequence[str], Sequence[DisputedFact]]] = field(default_factory=dict)
    # Groups whose members have changed, and whether what is told of them may differ, by number.
    _groups: dict[str, SubjectGroup] = field(default_factory=dict)
    _seq: int = 0

    def load(self, record_ids: Iterable[str], refs: Iterable[str] = ()) -> None:
        """Loads these records' places and pages, and these subjects with their groups."""
        self.locations = self.store.locations(list(record_ids), self.unit)
        placed = [where for where in self.locations.values() if not where.revoked]
        wanted = dict.fromkeys(refs) | dict.fromkeys(where.ref for where in placed)
        self.subjects = self.store.subjects(list(wanted), self.unit)
        older: dict[str, set[int]] = {}
        for where in placed:
            if where.page < self.subjects[where.ref].tail:
                older.setdefault(where.ref, set()).add(where.page)
        if older:
            self.store.load_pages(older, self.subjects, self.unit)
        if grouped := [subject.ref for subject in self.subjects.values() if subject.grouped]:
            self.groups = self.store.links.groups_with(grouped, self.unit)

    def deliver(self, delivered: RecordVersion, under_objection: bool) -> None:
        """Takes a version of a record, newer than what is kept."""
        where = self.locations.get(delivered.record_id)
        new = where is None
        if where is not None and not where.revoked and (delivered.revoked or where.ref != delivered.subject_ref):
            self._withdraw(where)
        subject = self.subjects[delivered.subject_ref]
        if where is None or where.revoked:
            slot = where.slot if where is not None and delivered.revoked else subject.slots
            page = where.page if where is not None and delivered.revoked else subject.tail
            ref, version = delivered.subject_ref, delivered.version
            where = RecordLocation(delivered.record_id, ref, page, slot, version, delivered.revoked)
        where.version, where.due, where.objected = delivered.version, "", under_objection
        if not delivered.revoked:
            state = subject.state
            state.scheme, state.kind, state.uscc = delivered.scheme, delivered.kind, delivered.uscc
            basic = self.entry(delivered.entry_code, delivered.entry_version).information_class == BASIC
            known = subject.incoming_names.get(delivered.name, False)
            subject.incoming_names[delivered.name] = basic or known
            self._place(subject, where, delivered)
        self.locations[where.record_id] = where
        self._changed[where.record_id] = self._changed.get(where.record_id, new)

    def mark(self, record_id: str, under_objection: bool) -> None:
        """Says whether an objection to a record is open; of a record not kept here, nothing."""
        where = self.locations.get(record_id)
        if where is None or where.objected == under_objection:
            return
        where.objected = under_objection
        self._changed[record_id] = False
        if (fragment := self.fragment(record_id)) is not None:
            self._put(where, msgspec.structs.replace(fragment, under_objection=under_objection))

    def archive(self, record_id: str) -> bool:
        """Ends the disclosure of a record (Art. 18); False when it has not ended, or had been before."""
        fragment = self.fragment(record_id)
        if fragment is None or fragment.archived or not is_over(fragment.disclosed_until, self.today):
            return False
        where = self.locations[record_id]
        self._put(where, archived(fragment))
        self.subjects[where.ref].reduced = True
        where.due = ""
        self._changed[record_id] = False
        return True

    def fragment(self, record_id: str) -> Fragment | None:
        """What is kept of a record that was loaded; None when it is revoked or not kept here."""
        where = self.locations.get(record_id)
        if where is None or where.revoked:
            return None
        return self.subjects[where.ref].pages[where.page].fragments[where.slot]

    def settle(self) -> None:
        """Brings the states of the subjects up to their records, before links change which of them are one."""
        for subject in self.subjects.values():
            if not subject.changed:
                continue
            before, called = subject.state.summary, subject.state.called
            self._summarise(subject)
            after = subject.state.summary
            if after.said != before.said:
                incoming, withdrawn = subject.incoming_names, subject.withdrawn
                subject.state.called = called.renamed(after.said, incoming, withdrawn)
            if not (after.visible.same_as(before.visible) and subject.state.called.same_as(called)):
                self._visible.append(subject)
            if (group := self.groups.get(subject.ref)) is not None:
                if group.members.get(subject.ref) != subject.state or subject.state.summary != before:
                    self.touch(group)
            elif (now := after.said.differing()) or before.said.differing():
                self._told[subject.ref] = [subject.ref], now

    def touch(self, group: SubjectGroup) -> None:
        """A group has changed, or one of its members: it is written anew."""
        for ref in group.refs:
            if (subject := self.subjects.get(ref)) is not None and subject.state.scheme:
                group.members[ref] = subject.state
        group.uscc = next((u for m in group.refs if m in group.members and (u := group.members[m].uscc)), "")
        self._groups[group.group_id] = group

    def drop(self, group_id: str) -> None:
        """A group is no more: nothing is written or told of it, though a member may have changed before."""
        self._groups.pop(group_id, None)
        self.store.links.drop_group(group_id, self.writes)

    def save(self, changes: GroupChanges | None = None) -> None:
        """Writes what has changed. Raises `TooMuchAtOnce` before anything is written."""
        changes = changes or GroupChanges()
        for subject in self.subjects.values():
            if subject.changed:
                self.store.write_subject(subject, self.writes)
        new = {record_id for record_id, is_new in self._changed.items() if is_new}
        self.store.write_long_items(self._long_items, new, self.writes)
        if self._summaries:
            self.store.write_summaries(self._summaries, self.writes, self.unit)
        for group in self._groups.values():
            self.store.links.write_group(group, self.writes)
        self._tell(changes)
        self.store.said.write(self._told, self.writes)
        if self._visible:
            named = [(subject, self.groups.get(subject.ref)) for subject in self._visible]
            self.store.write_names(named, self.seq(), self.writes)
        written = {subject.ref for subject in self._visible}
        for ref, (leader, uscc) in changes.leaders.items():
            if ref not in written:
                self.store.links.write_leader(ref, leader, uscc, self.seq(), self.writes)
        self.store.write_locations([(self.locations[i], new) for i, new in self._changed.items()], self.writes)
        if self.writes.bytes > MOST_BYTES and len(self._changed) > 1:
            raise TooMuchAtOnce(f"{self.writes.bytes} bytes for {len(self._changed)} records")
        self.store.write(self.writes, self.unit)

    def seq(self) -> int:
        """The number of this change of names."""
        if not self._seq:
            self._seq = self.store.next_seq(self.unit)
        return self._seq

    def entry(self, code: str, version: int) -> DisclosureEntry:
        """A version of an entry. Raises `EntryNotYet`."""
        if (entry := self.store.entry(code, version)) is None:
            raise EntryNotYet(f"{code}:{version}")
        return entry

    def _withdraw(self, where: RecordLocation) -> None:
        subject = self.subjects[where.ref]
        fragment = subject.pages[where.page].take(where.slot)
        entry = self.entry(fragment.entry_code, fragment.entry_version)
        subject.withdrawn.add(fragment.items(View.OWN).get(entry.subject_name_item, ""))
        if fragment.long:
            self._long_items[where.record_id] = where.version, b""
        subject.reduced = where.revoked = True

    def _place(self, subject: Subject, where: RecordLocation, delivered: RecordVersion) -> None:
        entry = self.entry(delivered.entry_code, delivered.entry_version)
        plain = opened(self.keys, delivered.items, entry)
        fragment, items = fragment_of(where.slot, delivered, entry, plain, where.objected)
        where.due = fragment.disclosed_until
        if where.slot == subject.slots:
            subject.slots += 1
            where.page = self._page_for(subject, fragment).number
            subject.added.append(fragment)
        else:
            subject.reduced = True
            if subject.pages[where.page].fragments[where.slot].long and not items:
                self._long_items[where.record_id] = where.version, b""
        if items:
            self._long_items[where.record_id] = delivered.version, items
        self._put(where, fragment)

    def _put(self, where: RecordLocation, fragment: Fragment) -> None:
        self.subjects[where.ref].pages[where.page].put(fragment)

    def _page_for(self, subject: Subject, fragment: Fragment) -> EditablePage:
        """The newest page, or the next one when it is full; the one before moves out of the subject's document."""
        tail = subject.pages.setdefault(subject.tail, EditablePage(subject.tail))
        if takes_another(len(tail.fragments), tail.size, fragment):
            return tail
        tail.changed = True
        subject.tail += 1
        subject.pages[subject.tail] = EditablePage(subject.tail)
        return subject.pages[subject.tail]

    def _summarise(self, subject: Subject) -> None:
        older = {
            page.number: summary_of(page.fragments.values(), self.entry)
            for page in subject.pages.values()
            if page.changed and page.number < subject.tail
        }
        if older:
            self._summaries[subject.ref] = older
        if subject.reduced:
            tail = subject.pages[subject.tail] if subject.tail in subject.pages else EditablePage(subject.tail)
            found = summary_of(tail.fragments.values(), self.entry)
            if subject.tail:
                for summary in (self.store.summaries(subject.ref, subject.tail, self.unit) | older).values():
                    found = found.merged(summary)
            subject.state.summary = found
        else:
            subject.state.summary = subject.state.summary.merged(summary_of(subject.added, self.entry))

    def _tell(self, changes: GroupChanges) -> None:
        """What is told differently of groups that have changed, and of those who are leaders no more."""
        leaders = {group.refs[0] for group in self._groups.values()}
        for ref in changes.concerned - leaders:
            state = self._state(ref) if ref not in self.groups else None
            self._told[ref] = [ref], state.summary.said.differing() if state else ()
        for group in self._groups.values():
            said = NOTHING
            for member in group.members.values():
                said = said.merged(member.summary.said)
            self._told[group.refs[0]] = group.refs, said.differing()

    def _state(self, ref: str) -> SubjectState | None:
        if ref in self.subjects:
            return self.subjects[ref].state
        return self.store.links.states([ref], self.unit).get(ref)


def opened(keys: KeyRing, items: Mapping[str, str], entry: DisclosureEntry) -> dict[str, str]:
    """The plain values of the items that the entry says are sealed. Others may look as if they were."""
    sealed = {code: items[code] for code in entry.identifiers if code in items}
    return {code: keys.decrypt(value, code) for code, value in sealed.items() if is_encrypted(value)}
