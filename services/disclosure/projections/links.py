"""Changes links together with what follows from them: which references are one subject, and what the public finds."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from chengxin.store.database import UnitOfWork
from chengxin.store.field_encryption import KeyRing, is_encrypted
from chengxin.values.identifiers import scheme_of
from chengxin.values.ids import SubjectKey, new_id
from chengxin.values.subject_kinds import INDIVIDUAL
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
    """One transaction's changes to links. Callers call `take`, `stand` or `put`, then `settle`."""

    store: DisclosureStore
    key: SubjectKey
    keys: KeyRing
    unit: UnitOfWork
    # The time of the changes, in RFC 3339; conflicts are listed by it.
    at: str
    _claims: Counter[str] = field(default_factory=Counter)
    _named: dict[str, StoredLink] = field(default_factory=dict)
    _standard: dict[str, StoredLink] = field(default_factory=dict)
    _put: dict[str, StoredLink] = field(default_factory=dict)
    _roots: set[str] = field(default_factory=set)
    # References whose records are under another strongest reference than before, or shown to the public in another form.
    moved: list[str] = field(default_factory=list)

    def take(self, delivered: RecordVersion, earlier: Iterable[str], entry: DisclosureEntry | None) -> list[str]:
        """Takes the links that a version of a record claims, in place of those of the version before (`earlier`).
        Returns the ids of the links that the record is evidence of."""
        links = [] if delivered.revoked or entry is None else self._named_links(delivered, entry)
        for stored in links:
            stored.record = delivered.record_id
            self._named[stored.link.id] = stored
        ids = sorted({stored.link.id for stored in links})
        self._claims.update(ids)
        self._claims.subtract(list(earlier))
        return ids

    def stand(self, delivered: RecordVersion) -> None:
        """Links a subject that has its first record here to the organisation code within its code."""
        own = SchemedReference(delivered.subject_ref, delivered.scheme)
        self._roots.add(own.ref)
        if (organisation := self._organisation_reference(delivered.uscc)) is not None:
            stored = _link_between(own, organisation)
            stored.standard = True
            self._standard[stored.link.id] = stored

    def put(self, kept: StoredLink) -> None:
        """Takes a link that an officer's decision has changed."""
        self._put[kept.link.id] = kept

    def settle(self, work: RecordProjection) -> GroupChanges:
        """Gathers in `work` the changed links, and the changed groups of the subjects that they concern."""
        changed = self._load_changed()
        ends = {
            end.ref for stored in (*changed.values(), *self._standard.values()) for end in (stored.one, stored.other)
        }
        if not (ends or self._roots):
            return GroupChanges()
        around = self.store.links.around(ends | self._roots, self.unit, changed)
        known = {stored.link.id: stored for stored in around}
        for id_, stored in self._standard.items():
            if not known.setdefault(id_, stored).standard or known[id_] is stored:
                known[id_].standard = True
                changed[id_] = known[id_]
        around = list(known.values())
        groups = groups_of(around)
        for stored in around:
            state = groups.states.get(stored.link.id, LinkState.NONE)
            if state != stored.state:
                stored.state, stored.conflict_since = state, f"{self.at} {stored.link.id}"
                changed[stored.link.id] = stored
        if not changed and not self._roots:
            return GroupChanges()
        # All changes of links take a number from one counter, so that two processes cannot miss each other's changes.
        work.seq()
        self.store.links.write(changed.values(), work.writes)
        return self._regroup(groups, work)

    def _load_changed(self) -> dict[str, StoredLink]:
        claimed = [id_ for id_, n in self._claims.items() if n]
        changed = self.store.links.by_id(claimed, self.unit) | self._put
        for id_ in claimed:
            stored = changed.get(id_) or self._named.get(id_)
            if stored is not None:
                stored.records += self._claims[id_]
                stored.record = self._named[id_].record if id_ in self._named else stored.record
                changed[id_] = stored
        return changed

    def _regroup(self, groups: Groups, work: RecordProjection) -> GroupChanges:
        strangers = [ref for ref in groups.members if ref not in work.subjects]
        # These links do not concern the other loaded groups, which stay as they are.
        before = {ref: group for ref, group in work.groups.items() if ref in groups.members}
        before |= self.store.links.groups_with(strangers, self.unit)
        states = {ref: s.state for ref, s in work.subjects.items() if ref in groups.members and s.state.scheme}
        for group in before.values():
            states |= {ref: state for ref, state in group.members.items() if ref not in states}
        ungrouped = [ref for ref in strangers if ref not in before]
        states |= self.store.links.states(ungrouped, self.unit)
        changes, kept_ids = GroupChanges(), set[str]()
        for members in dict.fromkeys(groups.of(ref) for ref in groups.members):
            refs = [ref for ref in members if ref in states or ref == members[0]]
            refs = refs if len(refs) > 1 else []
            known_here = [ref for ref in members if ref in states or ref in before]
            if all((before[ref].refs if ref in before else []) == refs for ref in known_here):
                kept_ids |= {before[ref].group_id for ref in refs if ref in before}
                continue
            known = Counter(before[ref].group_id for ref in refs if ref in before)
            reused_id = next((group_id for group_id, _ in known.most_common() if group_id not in kept_ids), "")
            group = SubjectGroup(reused_id or new_id("g"), refs, {ref: states[ref] for ref in refs if ref in states})
            kept_ids.add(group.group_id)
            self._assign_members(group, members, states, before, work, changes)
        for group_id in {group.group_id for group in before.values()} - kept_ids:
            work.drop(group_id)
        return changes

    def _assign_members(
        self,
        group: SubjectGroup,
        members: Sequence[str],
        states: Mapping[str, SubjectState],
        before: Mapping[str, SubjectGroup],
        work: RecordProjection,
        changes: GroupChanges,
    ) -> None:
        """Puts the references of one subject into a group, or each on its own when the group lists none."""
        if group.refs:
            work.touch(group)
        for ref in members:
            old_group = before.get(ref)
            if ref in group.refs:
                work.groups[ref] = group
                if old_group is None or old_group.group_id != group.group_id:
                    self.store.links.write_member(ref, group.group_id, work.writes)
            else:
                work.groups.pop(ref, None)
                if old_group is not None:
                    self.store.links.write_member(ref, "", work.writes)
            if ref not in states:
                continue
            if ref in group.refs and old_group is None:
                self._mark_grouped(ref, work)
            leader, former_leader = (group.refs or [ref])[0], (old_group.refs if old_group else [ref])[0]
            if leader != former_leader or _is_shown_otherwise(states[ref], old_group, group, work.today):
                self.moved.append(ref)
            uscc = states[ref].uscc or group.uscc
            if (
                leader != former_leader
                or (old_group is None) != (not group.refs)
                or (old_group and old_group.uscc != group.uscc)
            ):
                changes.leaders[ref] = leader if group.refs else "", uscc
            changes.concerned.update((ref, former_leader))

    def _mark_grouped(self, ref: str, work: RecordProjection) -> None:
        subject = work.subjects.get(ref)
        if subject is not None:
            subject.grouped = True
        if subject is None or not subject.changed:
            self.store.links.write_grouped(ref, work.writes)

    def _named_links(self, delivered: RecordVersion, entry: DisclosureEntry) -> list[StoredLink]:
        """Returns the links of the subject's own identifier with each other one that the record gives for it."""
        present = [(code, scheme) for code, scheme in entry.identifying if code in delivered.items]
        if len(present) < 2:
            # Most records give only the identifier by which ingest knows the subject.
            return []
        own = SchemedReference(delivered.subject_ref, delivered.scheme)
        found: list[StoredLink] = []
        for code, declared in present:
            value = delivered.items[code]
            if code in entry.identifiers and is_encrypted(value):
                value = self.keys.decrypt(value, code)
            scheme = scheme_of(declared, value)
            other = SchemedReference(self.key.subject_ref(scheme, value), scheme)
            if other.ref == own.ref:
                continue
            found.append(_link_between(own, other))
            if scheme == "uscc" and (organisation := self._organisation_reference(value)) is not None:
                found.append(_link_between(other, organisation))
        # The subject's code proves that it contains this organisation code; the record adds nothing.
        organisation = self._organisation_reference(delivered.uscc)
        standard = link_id(own.ref, organisation.ref) if organisation else ""
        return [stored for stored in found if stored.link.id != standard]

    def _organisation_reference(self, uscc: str) -> SchemedReference | None:
        code = organisation_code_in(uscc)
        return SchemedReference(self.key.subject_ref("organisation_code", code), "organisation_code") if code else None


def _is_shown_otherwise(own: SubjectState, before: SubjectGroup | None, after: SubjectGroup, today: str) -> bool:
    """Whether other references than before decide in which form a person's public records are shown."""
    visible = own.summary.visible
    if own.kind != INDIVIDUAL or not visible.until:
        return False
    former, present = before.visible if before else visible, after.visible if after.refs else visible
    return not former.shown_as(present, today)


def _link_between(one: SchemedReference, other: SchemedReference) -> StoredLink:
    low, high = sorted((one, other), key=lambda reference: reference.ref)
    return StoredLink(low, high)
