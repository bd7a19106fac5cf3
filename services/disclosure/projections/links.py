"""Links changed together with what follows from them: which subjects are one, and what the public finds."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from chengxin.store.database import UnitOfWork
from chengxin.store.field_encryption import KeyRing, is_encrypted
from chengxin.values.ids import SubjectKey, new_id
from services.disclosure.domain.catalog_entry import DisclosureEntry
from services.disclosure.domain.entity_resolution import (
    Groups,
    LinkState,
    SchemedReference,
    link_id,
    organisation_code_in,
)
from services.disclosure.domain.record_views import RecordVersion
from services.disclosure.domain.subject_state import SubjectState
from services.disclosure.projections.records import GroupChanges, RecordProjection
from services.disclosure.store.disclosure_store import DisclosureStore
from services.disclosure.store.links import StoredLink, groups_of
from services.disclosure.store.subject_state import SubjectGroup


@dataclass
class LinkProjection:
    """One transaction's worth of changes to links. `take`, `stand` or `put`, then `settle`."""

    store: DisclosureStore
    key: SubjectKey
    keys: KeyRing
    unit: UnitOfWork
    # When, RFC 3339: conflicts are listed by it.
    at: str
    _claims: Counter[str] = field(default_factory=Counter)
    _named: dict[str, StoredLink] = field(default_factory=dict)
    _standard: dict[str, StoredLink] = field(default_factory=dict)
    _put: dict[str, StoredLink] = field(default_factory=dict)
    _roots: set[str] = field(default_factory=set)
    # References whose records `save` has put under another strongest one.
    moved: list[str] = field(default_factory=list)

    def take(self, delivered: RecordVersion, earlier: Iterable[str], entry: DisclosureEntry | None) -> list[str]:
        """Takes what a version of a record says of its subject in place of the version before, which said `earlier`.
        Answers the numbers of the links that it is evidence of."""
        named = [] if delivered.revoked or entry is None else self._links_named(delivered, entry)
        for kept in named:
            kept.record = delivered.record_id
            self._named[kept.link.id] = kept
        ids = sorted({kept.link.id for kept in named})
        self._claims.update(ids)
        self._claims.subtract(list(earlier))
        return ids

    def stand(self, delivered: RecordVersion) -> None:
        """A subject has its first record here: the code within its code is its own, too."""
        own = SchemedReference(delivered.subject_ref, delivered.scheme)
        self._roots.add(own.ref)
        if (inner := self._inner(delivered.uscc)) is not None:
            kept = _between(own, inner)
            kept.standard = True
            self._standard[kept.link.id] = kept

    def put(self, kept: StoredLink) -> None:
        """An officer's decision is in this link."""
        self._put[kept.link.id] = kept

    def settle(self, work: RecordProjection) -> GroupChanges:
        """Gathers in `work` what the links change: themselves, and the groups of the subjects that they concern."""
        changed = self._changed()
        ends = {end.ref for kept in (*changed.values(), *self._standard.values()) for end in (kept.one, kept.other)}
        if not (ends or self._roots):
            return GroupChanges()
        around = self.store.links.around(ends | self._roots, self.unit, changed)
        known = {kept.link.id: kept for kept in around}
        for i, kept in self._standard.items():
            if not known.setdefault(i, kept).standard or known[i] is kept:
                known[i].standard = True
                changed[i] = known[i]
        around = list(known.values())
        groups = groups_of(around)
        for kept in around:
            state = groups.states.get(kept.link.id, LinkState.NONE)
            if state != kept.state:
                kept.state, kept.conflict_since = state, f"{self.at} {kept.link.id}"
                changed[kept.link.id] = kept
        if not changed and not self._roots:
            return GroupChanges()
        # One number for all that changes links, so that two processes cannot each miss the other's.
        work.seq()
        self.store.links.write(changed.values(), work.writes)
        return self._regroup(groups, work)

    def _changed(self) -> dict[str, StoredLink]:
        counted = [i for i, n in self._claims.items() if n]
        changed = self.store.links.by_id(counted, self.unit) | self._put
        for i in counted:
            kept = changed.get(i) or self._named.get(i)
            if kept is not None:
                kept.records += self._claims[i]
                kept.record = self._named[i].record if i in self._named else kept.record
                changed[i] = kept
        return changed

    def _regroup(self, groups: Groups, work: RecordProjection) -> GroupChanges:
        strangers = [ref for ref in groups.members if ref not in work.subjects]
        # The other groups that were loaded are none of these links' concern, and stay as they are.
        before = {ref: group for ref, group in work.groups.items() if ref in groups.members}
        before |= self.store.links.groups_with(strangers, self.unit)
        states = {ref: s.state for ref, s in work.subjects.items() if ref in groups.members and s.state.scheme}
        for group in before.values():
            states |= {ref: state for ref, state in group.members.items() if ref not in states}
        alone = [ref for ref in strangers if ref not in before]
        states |= self.store.links.states(alone, self.unit)
        changes, kept = GroupChanges(), set[str]()
        for members in dict.fromkeys(groups.of(ref) for ref in groups.members):
            listed = [ref for ref in members if ref in states or ref == members[0]]
            listed = listed if len(listed) > 1 else []
            known_here = [ref for ref in members if ref in states or ref in before]
            if all((before[ref].refs if ref in before else []) == listed for ref in known_here):
                kept |= {before[ref].group_id for ref in listed if ref in before}
                continue
            known = Counter(before[ref].group_id for ref in listed if ref in before)
            taken = next((group_id for group_id, _ in known.most_common() if group_id not in kept), "")
            group = SubjectGroup(taken or new_id("g"), listed, {ref: states[ref] for ref in listed if ref in states})
            kept.add(group.group_id)
            self._move(group, members, states, before, work, changes)
        for group_id in {group.group_id for group in before.values()} - kept:
            work.drop(group_id)
        return changes

    def _move(
        self,
        group: SubjectGroup,
        members: Sequence[str],
        states: Mapping[str, SubjectState],
        before: Mapping[str, SubjectGroup],
        work: RecordProjection,
        changes: GroupChanges,
    ) -> None:
        """Puts the references of one subject into a group, or with none listed each on its own."""
        if group.refs:
            work.touch(group)
        for ref in members:
            was = before.get(ref)
            if ref in group.refs:
                work.groups[ref] = group
                if was is None or was.group_id != group.group_id:
                    self.store.links.write_member(ref, group.group_id, work.writes)
            else:
                work.groups.pop(ref, None)
                if was is not None:
                    self.store.links.write_member(ref, "", work.writes)
            if ref not in states:
                continue
            if ref in group.refs and was is None:
                self._set_grouped(ref, work)
            leader, former_leader = (group.refs or [ref])[0], (was.refs if was else [ref])[0]
            if leader != former_leader:
                self.moved.append(ref)
            uscc = states[ref].uscc or group.uscc
            if leader != former_leader or (was is None) != (not group.refs) or (was and was.uscc != group.uscc):
                changes.leaders[ref] = leader if group.refs else "", uscc
            changes.concerned.update((ref, former_leader))

    def _set_grouped(self, ref: str, work: RecordProjection) -> None:
        subject = work.subjects.get(ref)
        if subject is not None:
            subject.grouped = True
        if subject is None or not subject.changed:
            self.store.links.write_grouped(ref, work.writes)

    def _links_named(self, delivered: RecordVersion, entry: DisclosureEntry) -> list[StoredLink]:
        """The subject's own identifier with each other one that the record gives for it."""
        present = [(code, scheme) for code, scheme in entry.identifying if code in delivered.items]
        if len(present) < 2:
            # Mostly: the one by which ingest knows the subject.
            return []
        own = SchemedReference(delivered.subject_ref, delivered.scheme)
        found: list[StoredLink] = []
        for code, scheme in present:
            value = delivered.items[code]
            if code in entry.identifiers and is_encrypted(value):
                value = self.keys.decrypt(value, code)
            other = SchemedReference(self.key.subject_ref(scheme, value), scheme)
            if other.ref == own.ref:
                continue
            found.append(_between(own, other))
            if scheme == "uscc" and (inner := self._inner(value)) is not None:
                found.append(_between(other, inner))
        # That its code contains this organisation code is known without the record.
        inner = self._inner(delivered.uscc)
        standard = link_id(own.ref, inner.ref) if inner else ""
        return [kept for kept in found if kept.link.id != standard]

    def _inner(self, uscc: str) -> SchemedReference | None:
        code = organisation_code_in(uscc)
        return SchemedReference(self.key.subject_ref("organisation_code", code), "organisation_code") if code else None


def _between(one: SchemedReference, other: SchemedReference) -> StoredLink:
    low, high = sorted((one, other), key=lambda i: i.ref)
    return StoredLink(low, high)
