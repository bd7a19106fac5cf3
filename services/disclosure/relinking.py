"""Links changed together with what follows from them: which subjects are one, and what the public finds."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from chengxin.crypto import KeyRing, is_encrypted
from chengxin.ids import SubjectKey
from chengxin.mongo import Unit
from services.disclosure.entry import Entry
from services.disclosure.holdings import Subject
from services.disclosure.identity import Groups, Identifier, State, link_id, organisation_code_in
from services.disclosure.link_store import Kept, groups_of
from services.disclosure.model import Delivered
from services.disclosure.store import DisclosureStore


@dataclass
class Relinking:
    """One transaction's worth of changes to links. `take`, `stand` or `put`, then `save`."""

    store: DisclosureStore
    key: SubjectKey
    keys: KeyRing
    unit: Unit
    # When, RFC 3339: conflicts are listed by it.
    at: str
    _claims: Counter[str] = field(default_factory=Counter)
    _named: dict[str, Kept] = field(default_factory=dict)
    _standard: dict[str, Kept] = field(default_factory=dict)
    _put: dict[str, Kept] = field(default_factory=dict)
    _roots: set[str] = field(default_factory=set)
    # References whose records `save` has put under another strongest one.
    moved: list[str] = field(default_factory=list)

    def take(self, delivered: Delivered, earlier: Iterable[str], entry: Entry | None) -> list[str]:
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

    def stand(self, delivered: Delivered) -> None:
        """A subject has its first record here: the code within its code is its own, too."""
        own = Identifier(delivered.subject_ref, delivered.scheme)
        self._roots.add(own.ref)
        if (inner := self._inner(delivered.uscc)) is not None:
            kept = _between(own, inner)
            kept.standard = True
            self._standard[kept.link.id] = kept

    def put(self, kept: Kept) -> None:
        """An officer's decision is in this link."""
        self._put[kept.link.id] = kept

    def save(self, loaded: Mapping[str, Subject] | None = None) -> None:
        """Writes the links, and the groups of the subjects that they concern; `loaded` are those in hand."""
        changed = self._changed()
        ends = {end.ref for kept in (*changed.values(), *self._standard.values()) for end in (kept.one, kept.other)}
        if not (ends or self._roots):
            return
        around = self.store.links.around(ends | self._roots, self.unit, changed)
        known = {kept.link.id: kept for kept in around}
        for i, kept in self._standard.items():
            if not known.setdefault(i, kept).standard or known[i] is kept:
                known[i].standard = True
                changed[i] = known[i]
        around = list(known.values())
        groups = groups_of(around)
        for kept in around:
            state = groups.states.get(kept.link.id, State.NONE)
            if state != kept.state:
                kept.state, kept.conflict_since = state, f"{self.at} {kept.link.id}"
                changed[kept.link.id] = kept
        if not changed and not self._roots:
            return
        # One number for all that changes links, so that two processes cannot each miss the other's.
        seq = self.store.next_seq(self.unit)
        self.store.links.save(changed.values(), self.unit)
        self._regroup(groups, loaded or {}, seq)

    def _changed(self) -> dict[str, Kept]:
        counted = [i for i, n in self._claims.items() if n]
        changed = self.store.links.by_id(counted, self.unit) | self._put
        for i in counted:
            kept = changed.get(i) or self._named.get(i)
            if kept is not None:
                kept.records += self._claims[i]
                kept.record = self._named[i].record if i in self._named else kept.record
                changed[i] = kept
        return changed

    def _regroup(self, groups: Groups, loaded: Mapping[str, Subject], seq: int) -> None:
        subjects: dict[str, dict[str, Any]] = {
            ref: {"uscc": s.uscc, "group": s.group} for ref, s in loaded.items() if ref in groups.members and s.scheme
        }
        others = [ref for ref in groups.members if ref not in subjects]
        subjects |= self.store.links.subjects(others, self.unit)
        changed: dict[str, tuple[list[str], str, str]] = {}
        concerned: set[str] = set()
        for ref, subject in subjects.items():
            members = groups.of(ref)
            group = [m for m in members if m in subjects or m == members[0]]
            if group == [ref]:
                group = []
            before = subject.get("group", [])
            if group != before:
                if (group or [ref])[0] != (before or [ref])[0]:
                    self.moved.append(ref)
                uscc = next((u for m in group if (u := subjects.get(m, {}).get("uscc", ""))), "")
                changed[ref] = group, uscc, subject.get("uscc", "")
                concerned.update([ref], before)
        if changed:
            self.store.links.save_groups(changed, seq, self.unit)
            self.store.said.restate(concerned, self.unit)

    def _links_named(self, delivered: Delivered, entry: Entry) -> list[Kept]:
        """The subject's own identifier with each other one that the record gives for it."""
        present = [(code, scheme) for code, scheme in entry.identifying if code in delivered.items]
        if len(present) < 2:
            # Mostly: the one by which ingest knows the subject.
            return []
        own = Identifier(delivered.subject_ref, delivered.scheme)
        found: list[Kept] = []
        for code, scheme in present:
            value = delivered.items[code]
            if is_encrypted(value):
                value = self.keys.decrypt(value, code)
            other = Identifier(self.key.subject_ref(scheme, value), scheme)
            if other.ref == own.ref:
                continue
            found.append(_between(own, other))
            if scheme == "uscc" and (inner := self._inner(value)) is not None:
                found.append(_between(other, inner))
        # That its code contains this organisation code is known without the record.
        inner = self._inner(delivered.uscc)
        standard = link_id(own.ref, inner.ref) if inner else ""
        return [kept for kept in found if kept.link.id != standard]

    def _inner(self, uscc: str) -> Identifier | None:
        code = organisation_code_in(uscc)
        return Identifier(self.key.subject_ref("organisation_code", code), "organisation_code") if code else None


def _between(one: Identifier, other: Identifier) -> Kept:
    low, high = sorted((one, other), key=lambda i: i.ref)
    return Kept(low, high)
