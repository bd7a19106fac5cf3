"""The stored links between references, and every query on them."""

import zlib
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final

from pymongo import DeleteOne, InsertOne, ReplaceOne, UpdateOne
from pymongo.collection import Collection

from chengxin.store.database import UnitOfWork, find_among, session_of
from chengxin.values.document import RawDocument
from services.disclosure.domain.entity_resolution import (
    CITIZEN,
    Groups,
    Link,
    LinkDecision,
    LinkState,
    SchemedReference,
    group_links,
)
from services.disclosure.domain.subject_state import SubjectState, members_packed, members_unpacked, state_unpacked
from services.disclosure.store.documents import LinkRow, MemberRow, NameRow, SubjectGroupRow, SubjectRow
from services.disclosure.store.subject_state import SubjectGroup
from services.disclosure.store.writes import Writes

# Groups that one query asks for: a group may have some hundred kilobytes.
_GROUPS_PER_QUERY: Final = 4
_ATTEMPTS: Final = 3


@dataclass
class LinkAct:
    """What an officer did to a link."""

    decision: str
    by: str
    at: str
    # Sealed, because a person wrote it.
    reason: str
    undone_by: str = ""
    undone_at: str = ""
    undone_reason: str = ""
    # The second officers, where the act took one.
    approved_by: str = ""
    undoing_approved_by: str = ""


@dataclass
class StoredLink:
    """A link with the grounds for it."""

    one: SchemedReference
    other: SchemedReference
    # The number of records that name it, and one of them.
    records: int = 0
    record: str = ""
    # Whether one code contains the other by its standard.
    standard: bool = False
    history: list[LinkAct] = field(default_factory=list)
    state: str = ""
    conflict_since: str = ""
    # Whether it is not written yet.
    new: bool = True

    @property
    def standing(self) -> LinkAct | None:
        """The last act that was not undone."""
        return next((act for act in reversed(self.history) if not act.undone_at), None)

    @property
    def decision(self) -> LinkDecision:
        """The last decision that was not undone."""
        return LinkDecision(self.standing.decision) if self.standing else LinkDecision.NONE

    @property
    def link(self) -> Link:
        """The link itself: its references, whether something claims it, and the officers' decision."""
        return Link(self.one, self.other, self.standard or self.records > 0, self.decision)


class LinkStore:
    """Links, and the groups that subjects are in because of them."""

    def __init__(self, rows: Callable[[Any], Collection[RawDocument]]) -> None:
        self._rows = rows

    def by_id(self, ids: Sequence[str], unit: UnitOfWork | None = None) -> dict[str, StoredLink]:
        """Returns links by id; unknown ones are left out."""
        return _read_links(find_among(self._rows(LinkRow), "_id", ids, None, session_of(unit)))

    def around(
        self, refs: Iterable[str], unit: UnitOfWork | None = None, over: dict[str, StoredLink] | None = None
    ) -> list[StoredLink]:
        """Returns all links that can be reached from references, whether they join or not. Links in `over` replace the
        stored ones: the caller has changed them and not written them yet."""
        changed = over or {}
        found: dict[str, StoredLink] = {}
        frontier, seen = list(dict.fromkeys(refs)), set[str]()
        by_end: dict[str, list[str]] = {}
        for link_id, stored in changed.items():
            for end in (stored.one.ref, stored.other.ref):
                by_end.setdefault(end, []).append(link_id)
        while frontier:
            seen.update(frontier)
            reached = _read_links(find_among(self._rows(LinkRow), "refs", frontier, None, session_of(unit)))
            reached |= {i: changed[i] for ref in frontier for i in by_end.get(ref, ())}
            for link_id, stored in reached.items():
                found[link_id] = changed.get(link_id, stored)
            ends = (end.ref for stored in reached.values() for end in (stored.one, stored.other))
            frontier = [ref for ref in dict.fromkeys(ends) if ref not in seen]
        return list(found.values())

    def subject_of(self, ref: str) -> tuple[str, ...]:
        """Returns all references of the subject that has this one, strongest first."""
        return groups_of(self.around([ref])).of(ref)

    def conflicts(self, after: str, limit: int) -> list[StoredLink]:
        """Returns links that records or officers claim and that are not made, oldest first, after one of them."""
        query: RawDocument = {"conflict_since": {"$gt": after}}
        rows = self._rows(LinkRow).find(query).sort("conflict_since", 1).limit(limit)
        return list(_read_links(rows).values())

    def merged_persons(self) -> list[StoredLink]:
        """Returns the links of persons that join by an officer's decision. Reads all links."""
        rows = self._rows(LinkRow).find({"state": LinkState.MERGED.value, "schemes": CITIZEN})
        return list(_read_links(rows).values())

    def write(self, changed: Iterable[StoredLink], writes: Writes) -> None:
        """Writes links. Officers' decisions are in no feed, so what another version stored of a link stays."""
        for stored in changed:
            row = _link_row(stored)
            size = 500 + sum(len(str(act)) for act in row["history"])
            changes: RawDocument = {"$set": {name: value for name, value in row.items() if name != "_id"}}
            if "conflict_since" not in row:
                changes["$unset"] = {"conflict_since": ""}
            write = InsertOne(row) if stored.new else UpdateOne({"_id": row["_id"]}, changes)
            writes.add(LinkRow, row["_id"], write, size)

    def states(self, refs: Sequence[str], unit: UnitOfWork | None = None) -> dict[str, SubjectState]:
        """Returns the states of those of the subjects that have records here, by reference."""
        rows = find_among(self._rows(SubjectRow), "_id", refs, {"state": 1}, session_of(unit))
        return {row["_id"]: state_unpacked(row["state"]) for row in rows}

    def groups_with(self, refs: Sequence[str], unit: UnitOfWork | None = None) -> dict[str, SubjectGroup]:
        """Returns the groups that references are in, by reference. References that are in no group are left out."""
        # Outside a transaction a group may be dissolved between the query for its members and the query for itself.
        for _ in range(_ATTEMPTS - 1):
            with suppress(KeyError):
                return self._read_groups(refs, unit)
        return self._read_groups(refs, unit)

    def _read_groups(self, refs: Sequence[str], unit: UnitOfWork | None) -> dict[str, SubjectGroup]:
        members = find_among(self._rows(MemberRow), "_id", refs, None, session_of(unit))
        group_of = {row["_id"]: row["group"] for row in members}
        group_ids = list(dict.fromkeys(group_of.values()))
        rows = find_among(self._rows(SubjectGroupRow), "_id", group_ids, None, session_of(unit), _GROUPS_PER_QUERY)
        groups = {
            row["_id"]: SubjectGroup(
                row["_id"], row["refs"], members_unpacked(zlib.decompress(row["members"])), row["uscc"]
            )
            for row in rows
        }
        return {ref: groups[group_id] for ref, group_id in group_of.items()}

    def write_group(self, group: SubjectGroup, writes: Writes) -> None:
        """Writes a group with the states of its members."""
        blob = zlib.compress(members_packed(group.members), 1)
        row = {"_id": group.group_id, "refs": group.refs, "uscc": group.uscc, "members": blob}
        size = len(blob) + 40 * len(group.refs) + 100
        writes.add(SubjectGroupRow, group.group_id, ReplaceOne({"_id": group.group_id}, row, upsert=True), size)

    def drop_group(self, group_id: str, writes: Writes) -> None:
        """Deletes a group."""
        writes.add(SubjectGroupRow, group_id, DeleteOne({"_id": group_id}), 50)

    def write_member(self, ref: str, group_id: str, writes: Writes) -> None:
        """Writes the group that a reference is in; with an empty `group_id`, that it is in none."""
        if group_id:
            row = {"_id": ref, "group": group_id}
            writes.add(MemberRow, ref, ReplaceOne({"_id": ref}, row, upsert=True), 120)
        else:
            writes.add(MemberRow, ref, DeleteOne({"_id": ref}), 50)

    def write_grouped(self, ref: str, writes: Writes) -> None:
        """Marks a subject with records that is, or was, in a group."""
        # The store writes the whole document again; its size is not known here.
        writes.add(SubjectRow, ref, UpdateOne({"_id": ref}, {"$set": {"grouped": True}}), 16 * 1024)

    def write_leader(self, ref: str, leader: str, uscc: str, seq: int, writes: Writes) -> None:
        """Writes the group leader, under which the public finds a subject, and the code. With an empty `leader` the
        public finds the subject under its own reference."""
        shown: RawDocument = {"$set": {"seq": seq, "uscc": uscc}}
        if leader:
            shown["$set"]["into"] = leader
        else:
            shown["$unset"] = {"into": ""}
        writes.add(NameRow, ref, UpdateOne({"_id": ref}, shown), 600)


def groups_of(kept: Iterable[StoredLink]) -> Groups:
    """Groups references into the subjects that links make."""
    return group_links(stored.link for stored in kept)


def _link_row(stored: StoredLink) -> RawDocument:
    row: RawDocument = {
        "_id": stored.link.id,
        "refs": [stored.one.ref, stored.other.ref],
        "schemes": [stored.one.scheme, stored.other.scheme],
        "records": stored.records,
        "record": stored.record,
        "standard": stored.standard,
        "history": [vars(act) for act in stored.history],
        "state": stored.state,
    }
    if stored.state == LinkState.CONFLICT:
        row["conflict_since"] = stored.conflict_since
    return row


def _read_links(rows: Iterable[RawDocument]) -> dict[str, StoredLink]:
    return {
        row["_id"]: StoredLink(
            SchemedReference(row["refs"][0], row["schemes"][0]),
            SchemedReference(row["refs"][1], row["schemes"][1]),
            row["records"],
            row["record"],
            row["standard"],
            [LinkAct(**act) for act in row["history"]],
            row["state"],
            row.get("conflict_since", ""),
            new=False,
        )
        for row in rows
    }
