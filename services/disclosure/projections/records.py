"""Changes records of many subjects together: loads what they touch, changes it in memory, writes it in bulk."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import msgspec

from chengxin.failures import NotYet
from chengxin.store.database import UnitOfWork
from chengxin.store.field_encryption import KeyRing, is_encrypted
from chengxin.values.subject_kinds import INDIVIDUAL
from services.disclosure.domain.assertions import NOTHING
from services.disclosure.domain.catalog_entry import BASIC, DisclosureEntry
from services.disclosure.domain.disagreements import DisagreementSummary, disagreement_summaries
from services.disclosure.domain.disclosure_period import is_over
from services.disclosure.domain.record_fragments import Fragment, archive, fragment_of, takes_another
from services.disclosure.domain.record_views import RecordVersion, View
from services.disclosure.domain.subject_state import SubjectState, Summary, summary_of
from services.disclosure.domain.view_pages import PublicVisibility
from services.disclosure.store.disclosure_store import DisclosureStore
from services.disclosure.store.subject_state import EditablePage, RecordLocation, Subject, SubjectGroup
from services.disclosure.store.writes import Writes

# Bytes that one transaction may write. The embedded store stands still for ever when the uncommitted pages of a
# transaction fill its cache, and some tens of megabytes do that.
MOST_BYTES: Final = 4 * 1024 * 1024


class EntryNotYet(NotYet):
    """A record came before the catalog entry that it was validated against. The feeds race; the entry comes soon."""


class TooMuchAtOnce(Exception):
    """A transaction would write more than the store bears."""


@dataclass
class GroupChanges:
    """What changed links change in the groups of references that are one subject."""

    # By reference, the group leader and the code under which the public finds it from now on. An empty leader stands
    # for the reference itself.
    leaders: dict[str, tuple[str, str]] = field(default_factory=dict)
    # Subjects of one reference and leaders of groups that began or ceased to be that: their disagreements are written.
    concerned: set[str] = field(default_factory=set)


@dataclass
class RecordProjection:
    """One transaction's changes to records. Callers call `load`, then `deliver`, `mark` or `archive`, then `settle`,
    then `save`."""

    store: DisclosureStore
    keys: KeyRing
    unit: UnitOfWork
    today: str
    subjects: dict[str, Subject] = field(default_factory=dict)
    locations: dict[str, RecordLocation] = field(default_factory=dict)
    # By reference.
    groups: dict[str, SubjectGroup] = field(default_factory=dict)
    writes: Writes = field(default_factory=Writes)
    # The changed records, each with whether it is new.
    _changed_records: dict[str, bool] = field(default_factory=dict)
    # Items that get a document of their own, by record, with its version; empty when the record no longer has one.
    _long_items: dict[str, tuple[int, bytes]] = field(default_factory=dict)
    _visibly_changed: list[Subject] = field(default_factory=list)
    _summaries: dict[str, dict[int, Summary]] = field(default_factory=dict)
    # By strongest reference, all references of a subject and the facts on which providers disagree; no facts when they
    # agree again.
    _disagreements: dict[str, tuple[Sequence[str], Sequence[DisagreementSummary]]] = field(default_factory=dict)
    # Groups whose members have changed, by id.
    _changed_groups: dict[str, SubjectGroup] = field(default_factory=dict)
    # References whose public records are shown in another form than before.
    restricted: list[str] = field(default_factory=list)
    _seq: int = 0

    def load(self, record_ids: Iterable[str], refs: Iterable[str] = ()) -> None:
        """Loads the locations and pages of these records, and these subjects with their groups."""
        self.locations = self.store.locations(list(record_ids), self.unit)
        placed = [location for location in self.locations.values() if not location.revoked]
        all_refs = dict.fromkeys(refs) | dict.fromkeys(location.ref for location in placed)
        self.subjects = self.store.subjects(list(all_refs), self.unit)
        older: dict[str, set[int]] = {}
        for location in placed:
            if location.page < self.subjects[location.ref].tail:
                older.setdefault(location.ref, set()).add(location.page)
        if older:
            self.store.load_pages(older, self.subjects, self.unit)
        if grouped := [subject.ref for subject in self.subjects.values() if subject.grouped]:
            self.groups = self.store.links.groups_with(grouped, self.unit)

    def deliver(self, delivered: RecordVersion, under_objection: bool, lookups: Iterable[str]) -> None:
        """Takes a version of a record that is newer than the one kept. The public finds its subject by `lookups`."""
        location = self.locations.get(delivered.record_id)
        new = location is None
        if (
            location is not None
            and not location.revoked
            and (delivered.revoked or location.ref != delivered.subject_ref)
        ):
            self._withdraw(location)
        subject = self.subjects[delivered.subject_ref]
        if location is None or location.revoked:
            slot = location.slot if location is not None and delivered.revoked else subject.slots
            page = location.page if location is not None and delivered.revoked else subject.tail
            ref, version = delivered.subject_ref, delivered.version
            location = RecordLocation(delivered.record_id, ref, page, slot, version, delivered.revoked)
        location.version, location.due, location.objected = delivered.version, "", under_objection
        if not delivered.revoked:
            state = subject.state
            state.scheme, state.kind, state.uscc = delivered.scheme, delivered.kind, delivered.uscc
            basic = self.entry(delivered.entry_code, delivered.entry_version).information_class == BASIC
            already_basic = subject.incoming_names.get(delivered.name, False)
            subject.incoming_names[delivered.name] = basic or already_basic
            self._place_record(subject, location, delivered, lookups)
        self.locations[location.record_id] = location
        self._changed_records[location.record_id] = self._changed_records.get(location.record_id, new)

    def mark(self, record_id: str, under_objection: bool) -> None:
        """Marks whether an objection to a record is open. Ignores a record that is not kept here."""
        location = self.locations.get(record_id)
        if location is None or location.objected == under_objection:
            return
        location.objected = under_objection
        self._changed_records[record_id] = False
        if (fragment := self.fragment(record_id)) is not None:
            self._put_fragment(location, msgspec.structs.replace(fragment, under_objection=under_objection))

    def archive(self, record_id: str) -> bool:
        """Ends the disclosure of a record (Art. 18). Returns False when its period is not over, or when it was archived
        before."""
        fragment = self.fragment(record_id)
        if fragment is None or fragment.archived or not is_over(fragment.disclosed_until, self.today):
            return False
        location = self.locations[record_id]
        self._put_fragment(location, archive(fragment))
        self.subjects[location.ref].reduced = True
        location.due = ""
        self._changed_records[record_id] = False
        return True

    def fragment(self, record_id: str) -> Fragment | None:
        """Returns the fragment of a loaded record; None when it is revoked or not kept here."""
        location = self.locations.get(record_id)
        if location is None or location.revoked:
            return None
        return self.subjects[location.ref].pages[location.page].fragments[location.slot]

    def settle(self) -> None:
        """Brings the states of the subjects up to date with their records, before links change the groups."""
        visible_before = {
            ref: self._visible(ref) for ref, subject in self.subjects.items() if subject.state.kind == INDIVIDUAL
        }
        for subject in self.subjects.values():
            if not subject.changed:
                continue
            before, names_before = subject.state.summary, subject.state.called
            self._update_summary(subject)
            after = subject.state.summary
            if after.assertions != before.assertions:
                incoming, withdrawn = subject.incoming_names, subject.withdrawn
                subject.state.called = names_before.renamed(after.assertions, incoming, withdrawn)
            if not (after.visible.same_as(before.visible) and subject.state.called.same_as(names_before)):
                self._visibly_changed.append(subject)
            if (group := self.groups.get(subject.ref)) is not None:
                if group.members.get(subject.ref) != subject.state or subject.state.summary != before:
                    self.touch(group)
            elif (found := disagreement_summaries(after.assertions)) or disagreement_summaries(before.assertions):
                self._disagreements[subject.ref] = [subject.ref], found
        for ref, visible in visible_before.items():
            # What was not public before is told by itself.
            if visible.until and not visible.shown_as(self._visible(ref), self.today):
                self.restricted += self.groups[ref].refs if ref in self.groups else [ref]

    def _visible(self, ref: str) -> PublicVisibility:
        """Returns what the public sees of the subject that a loaded reference is of."""
        return self.groups[ref].visible if ref in self.groups else self.subjects[ref].state.summary.visible

    def touch(self, group: SubjectGroup) -> None:
        """Notes that a group, or one of its members, has changed, so that `save` writes it again."""
        for ref in group.refs:
            if (subject := self.subjects.get(ref)) is not None and subject.state.scheme:
                group.members[ref] = subject.state
        group.uscc = next((u for m in group.refs if m in group.members and (u := group.members[m].uscc)), "")
        self._changed_groups[group.group_id] = group

    def drop(self, group_id: str) -> None:
        """Deletes a group. `save` then writes nothing of it, although a member may have changed before."""
        self._changed_groups.pop(group_id, None)
        self.store.links.drop_group(group_id, self.writes)

    def save(self, changes: GroupChanges | None = None) -> None:
        """Writes all changes. Raises `TooMuchAtOnce` before anything is written."""
        changes = changes or GroupChanges()
        for subject in self.subjects.values():
            if subject.changed:
                self.store.write_subject(subject, self.writes)
        new = {record_id for record_id, is_new in self._changed_records.items() if is_new}
        self.store.write_long_items(self._long_items, new, self.writes)
        if self._summaries:
            self.store.write_summaries(self._summaries, self.writes, self.unit)
        for group in self._changed_groups.values():
            self.store.links.write_group(group, self.writes)
        self._gather_disagreements(changes)
        self.store.disagreements.write(self._disagreements, self.writes)
        if self._visibly_changed:
            named = [(subject, self.groups.get(subject.ref)) for subject in self._visibly_changed]
            self.store.write_names(named, self.seq(), self.writes)
        written = {subject.ref for subject in self._visibly_changed}
        for ref, (leader, uscc) in changes.leaders.items():
            if ref not in written:
                self.store.links.write_leader(ref, leader, uscc, self.seq(), self.writes)
        self.store.write_locations([(self.locations[i], new) for i, new in self._changed_records.items()], self.writes)
        if self.writes.bytes > MOST_BYTES and len(self._changed_records) > 1:
            raise TooMuchAtOnce(f"{self.writes.bytes} bytes for {len(self._changed_records)} records")
        self.store.write(self.writes, self.unit)

    def seq(self) -> int:
        """Returns the number of this transaction's change of names. The first call takes it from the counter."""
        if not self._seq:
            self._seq = self.store.next_seq(self.unit)
        return self._seq

    def entry(self, code: str, version: int) -> DisclosureEntry:
        """Returns a version of an entry. Raises `EntryNotYet`."""
        if (entry := self.store.entry(code, version)) is None:
            raise EntryNotYet(f"{code}:{version}")
        return entry

    def _withdraw(self, location: RecordLocation) -> None:
        subject = self.subjects[location.ref]
        fragment = subject.pages[location.page].take(location.slot)
        entry = self.entry(fragment.entry_code, fragment.entry_version)
        subject.withdrawn.add(fragment.items(View.OWN).get(entry.subject_name_item, ""))
        if fragment.long:
            self._long_items[location.record_id] = location.version, b""
        subject.reduced = location.revoked = True

    def _place_record(
        self, subject: Subject, location: RecordLocation, delivered: RecordVersion, lookups: Iterable[str]
    ) -> None:
        entry = self.entry(delivered.entry_code, delivered.entry_version)
        opened_items = opened(self.keys, delivered.items, entry)
        fragment, items = fragment_of(location.slot, delivered, entry, opened_items, location.objected, lookups)
        location.due = fragment.disclosed_until
        if location.slot == subject.slots:
            subject.slots += 1
            location.page = self._page_for(subject, fragment).number
            subject.added.append(fragment)
        else:
            subject.reduced = True
            if subject.pages[location.page].fragments[location.slot].long and not items:
                self._long_items[location.record_id] = location.version, b""
        if items:
            self._long_items[location.record_id] = delivered.version, items
        self._put_fragment(location, fragment)

    def _put_fragment(self, location: RecordLocation, fragment: Fragment) -> None:
        self.subjects[location.ref].pages[location.page].put(fragment)

    def _page_for(self, subject: Subject, fragment: Fragment) -> EditablePage:
        """Returns the newest page, or a new one when that is full; the full one then leaves the subject's document."""
        tail = subject.pages.setdefault(subject.tail, EditablePage(subject.tail))
        if takes_another(len(tail.fragments), tail.size, fragment):
            return tail
        tail.changed = True
        subject.tail += 1
        subject.pages[subject.tail] = EditablePage(subject.tail)
        return subject.pages[subject.tail]

    def _update_summary(self, subject: Subject) -> None:
        older = {
            page.number: summary_of(page.fragments.values(), self.entry)
            for page in subject.pages.values()
            if page.changed and page.number < subject.tail
        }
        if older:
            self._summaries[subject.ref] = older
        if subject.reduced:
            tail = subject.pages[subject.tail] if subject.tail in subject.pages else EditablePage(subject.tail)
            whole = summary_of(tail.fragments.values(), self.entry)
            if subject.tail:
                for summary in (self.store.summaries(subject.ref, subject.tail, self.unit) | older).values():
                    whole = whole.merged(summary)
            subject.state.summary = whole
        else:
            subject.state.summary = subject.state.summary.merged(summary_of(subject.added, self.entry))

    def _gather_disagreements(self, changes: GroupChanges) -> None:
        """Gathers the disagreements on groups that have changed, and on references that are no longer leaders."""
        leaders = {group.refs[0] for group in self._changed_groups.values()}
        for ref in changes.concerned - leaders:
            state = self._load_state(ref) if ref not in self.groups else None
            self._disagreements[ref] = [ref], disagreement_summaries(state.summary.assertions) if state else ()
        for group in self._changed_groups.values():
            assertions = NOTHING
            for member in group.members.values():
                assertions = assertions.merged(member.summary.assertions)
            self._disagreements[group.refs[0]] = group.refs, disagreement_summaries(assertions)

    def _load_state(self, ref: str) -> SubjectState | None:
        if ref in self.subjects:
            return self.subjects[ref].state
        return self.store.links.states([ref], self.unit).get(ref)


def opened(keys: KeyRing, items: Mapping[str, str], entry: DisclosureEntry) -> dict[str, str]:
    """Decrypts the items that the entry declares as sealed, and returns their plain values. Other items may look sealed
    without being so."""
    sealed = {code: items[code] for code in entry.identifiers if code in items}
    return {code: keys.decrypt(value, code) for code, value in sealed.items() if is_encrypted(value)}
