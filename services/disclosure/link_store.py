"""The links between references, as they are kept. Every query on them is here."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from pymongo import InsertOne, ReplaceOne, UpdateOne

from chengxin.mongo import Store, Unit, find_among, session_of
from services.disclosure.identity import Decision, Groups, Identifier, Link, State, grouped
from services.disclosure.rows import LinkRow, NameRow, SubjectRow

Plain = dict[str, Any]


@dataclass
class Act:
    """What an officer did to a link."""

    decision: str
    by: str
    at: str
    # Sealed: people wrote it.
    reason: str
    undone_by: str = ""
    undone_at: str = ""
    undone_reason: str = ""


@dataclass
class Kept:
    """A link with what it stands on."""

    one: Identifier
    other: Identifier
    # By how many records it is named, and one of them.
    records: int = 0
    record: str = ""
    # One code contains the other by its standard.
    standard: bool = False
    history: list[Act] = field(default_factory=list)
    state: str = ""
    conflict_since: str = ""
    # Not written yet.
    new: bool = True

    @property
    def decision(self) -> Decision:
        """The last decision that was not undone."""
        standing = [act for act in self.history if not act.undone_at]
        return Decision(standing[-1].decision) if standing else Decision.NONE

    @property
    def link(self) -> Link:
        """What it says."""
        return Link(self.one, self.other, self.standard or self.records > 0, self.decision)


class LinkStore:
    """Links, and the groups that subjects are in because of them."""

    def __init__(self, store: Store) -> None:
        self._rows = store.collection

    def by_id(self, ids: Sequence[str], unit: Unit | None = None) -> dict[str, Kept]:
        """Links; unknown ones are left out."""
        return _read(find_among(self._rows(LinkRow), "_id", ids, None, session_of(unit)))

    def around(self, refs: Iterable[str], unit: Unit | None = None, over: dict[str, Kept] | None = None) -> list[Kept]:
        """All links that can be reached from references, whether they join or not; `over` are those changed in hand."""
        changed = over or {}
        found: dict[str, Kept] = {}
        frontier, seen = list(dict.fromkeys(refs)), set[str]()
        by_end: dict[str, list[str]] = {}
        for link_id, kept in changed.items():
            for end in (kept.one.ref, kept.other.ref):
                by_end.setdefault(end, []).append(link_id)
        while frontier:
            seen.update(frontier)
            reached = _read(find_among(self._rows(LinkRow), "refs", frontier, None, session_of(unit)))
            reached |= {i: changed[i] for ref in frontier for i in by_end.get(ref, ())}
            for link_id, kept in reached.items():
                found[link_id] = changed.get(link_id, kept)
            ends = (end.ref for kept in reached.values() for end in (kept.one, kept.other))
            frontier = [ref for ref in dict.fromkeys(ends) if ref not in seen]
        return list(found.values())

    def subject_of(self, ref: str) -> tuple[str, ...]:
        """All references of the subject that has this one, strongest first."""
        return groups_of(self.around([ref])).of(ref)

    def conflicts(self, after: str, limit: int) -> list[Kept]:
        """Links that records claim and that are not made, oldest first, after one."""
        query: Plain = {"conflict_since": {"$gt": after}}
        found = self._rows(LinkRow).find(query).sort("conflict_since", 1).limit(limit)
        return list(_read(found).values())

    def save(self, changed: Iterable[Kept], unit: Unit) -> None:
        """Writes links."""
        rows = [(kept.new, _row(kept)) for kept in changed]
        writes = [InsertOne(row) if new else ReplaceOne({"_id": row["_id"]}, row) for new, row in rows]
        if writes:
            self._rows(LinkRow).bulk_write(writes, ordered=False, session=unit.session)

    def subjects(self, refs: Sequence[str], unit: Unit | None = None) -> dict[str, Plain]:
        """Kind, name, code, scheme and group of the subjects that have records here."""
        fields = {"kind": 1, "name": 1, "former": 1, "uscc": 1, "scheme": 1, "group": 1}
        return {row["_id"]: row for row in find_among(self._rows(SubjectRow), "_id", refs, fields, session_of(unit))}

    def save_groups(self, groups: dict[str, tuple[list[str], str, str]], seq: int, unit: Unit) -> None:
        """Says of subjects in which group they are (its references and code, and their own code), and of what the public
        finds whose it is. It finds each by the code of its own, or else by that of the group."""
        subjects: list[Any] = []
        names: list[Any] = []
        for ref, (group, group_uscc, uscc) in groups.items():
            shown: Plain = {"seq": seq, "uscc": uscc or group_uscc}
            if group:
                subjects.append(UpdateOne({"_id": ref}, {"$set": {"group": group, "group_uscc": group_uscc}}))
                names.append(UpdateOne({"_id": ref}, {"$set": shown | {"into": group[0]}}))
            else:
                subjects.append(UpdateOne({"_id": ref}, {"$unset": {"group": "", "group_uscc": ""}}))
                names.append(UpdateOne({"_id": ref}, {"$set": shown, "$unset": {"into": ""}}))
        self._rows(SubjectRow).bulk_write(subjects, ordered=False, session=unit.session)
        self._rows(NameRow).bulk_write(names, ordered=False, session=unit.session)


def groups_of(kept: Iterable[Kept]) -> Groups:
    """The subjects that links make."""
    return grouped(k.link for k in kept)


def _row(kept: Kept) -> Plain:
    row: Plain = {
        "_id": kept.link.id,
        "refs": [kept.one.ref, kept.other.ref],
        "schemes": [kept.one.scheme, kept.other.scheme],
        "records": kept.records,
        "record": kept.record,
        "standard": kept.standard,
        "history": [vars(act) for act in kept.history],
        "state": kept.state,
    }
    if kept.state == State.CONFLICT:
        row["conflict_since"] = kept.conflict_since
    return row


def _read(rows: Iterable[Plain]) -> dict[str, Kept]:
    return {
        row["_id"]: Kept(
            Identifier(row["refs"][0], row["schemes"][0]),
            Identifier(row["refs"][1], row["schemes"][1]),
            row["records"],
            row["record"],
            row["standard"],
            [Act(**act) for act in row["history"]],
            row["state"],
            row.get("conflict_since", ""),
            new=False,
        )
        for row in rows
    }
