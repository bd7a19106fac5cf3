"""The directory of subjects that the public finds: a copy of the names in memory, brought up to date at each search.

The embedded store has no text index, and a regular expression over 100,000 names takes it seconds. The copy takes about
500 bytes a subject; it holds what the public may see and nothing else, so nothing else can be found by it.
"""

import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from services.disclosure.called import Called, together
from services.disclosure.names import normalised
from services.disclosure.shelf import Named, each_once, seen_names
from services.disclosure.store import DisclosureStore, called_of, read_names

_SORTED: Final = 5000


@dataclass(frozen=True, slots=True)
class Listed:
    """A subject that the public can find."""

    ref: str
    kind: str
    uscc: str
    until: str
    names: tuple[Named, ...]
    # The names as they are searched, one a line.
    searched: str
    called: Called
    # The strongest reference of the same subject; empty when it is alone.
    into: str = ""

    def name(self, today: str) -> str:
        """The name under which it is seen today."""
        return next(iter(seen_names(self.names, self.called, today)), "")

    def rank(self, query: str, code: str, today: str) -> int:
        """How well it answers a search today: 1 by code, 2 the very name, 3 its beginning, 4 a part; 0 not at all."""
        if self.until < today:
            return 0
        if code and self.uscc.startswith(code):
            return 1
        if len(self.names) == 1:
            # By far the most, so without ceremony.
            if query not in self.searched or self.names[0].until < today:
                return 0
            return 2 if self.searched == query else 3 if self.searched.startswith(query) else 4
        best = 0
        for searched, named in zip(self.searched.split("\n"), self.names, strict=True):
            if query in searched and named.until >= today:
                rank = 2 if searched == query else 3 if searched.startswith(query) else 4
                best = min(best, rank) or rank
        return best

    def former(self, today: str) -> list[str]:
        """The names that it had, as far as they are seen today."""
        return seen_names(self.names, self.called, today)[1:]


class Directory:
    """Finds subjects by parts of their names and by the beginning of their code."""

    def __init__(self, store: DisclosureStore) -> None:
        self._store = store
        self._listed: dict[str, Listed] = {}
        self._seq = 0
        # Of subjects with several references: those that the public can find, by the strongest one.
        self._members: dict[str, list[Listed]] = {}
        self._turn = threading.Lock()

    def refresh(self) -> None:
        """Takes in what has changed since the last time."""
        with self._turn:
            seq, changed = self._seq, {}
            for row in self._store.names_after(self._seq):
                sight = read_names(row)
                seq = max(seq, row["seq"])
                searched = "\n".join(normalised(n.name) for n in sight.names)
                into = row.get("into", "")
                changed[row["_id"]] = Listed(
                    row["_id"], row["kind"], row["uscc"], sight.until, sight.names, searched, called_of(row), into
                )
            if changed:
                # A search that is under way goes on with the old copy.
                listed = self._listed | changed
                self._listed = {ref: found for ref, found in listed.items() if found.until}
                self._seq = seq
                self._members = _members(self._listed.values())

    def found(self, query: str, code: str, today: str) -> list[Listed]:
        """Subjects that are public today: whose code begins with `code`, then those with `query` as their name, at the
        beginning of it, or within it. An empty query finds nothing."""
        self.refresh()
        wanted = normalised(query)
        if not wanted:
            return []
        ranks: dict[int, list[Listed]] = {1: [], 2: [], 3: [], 4: []}
        for listed in self._listed.values():
            if ((code and listed.uscc.startswith(code)) or wanted in listed.searched) and (
                rank := listed.rank(wanted, code, today)
            ):
                ranks[rank].append(listed)
        best_first = [
            listed
            for rank in sorted(ranks)
            # A search that finds most of the city wants to be narrowed, not sorted.
            for listed in (sorted(ranks[rank], key=_order) if len(ranks[rank]) < _SORTED else ranks[rank])
        ]
        return self._folded(best_first, today) if self._members else best_first

    def _folded(self, found: list[Listed], today: str) -> list[Listed]:
        """Each subject once, under its strongest reference."""
        once: dict[str, Listed] = {}
        for listed in found:
            ref = listed.into or listed.ref
            if ref not in once:
                once[ref] = _together(ref, self._members.get(ref, [listed]), today)
        return list(once.values())


def _members(listed: Iterable[Listed]) -> dict[str, list[Listed]]:
    found: dict[str, list[Listed]] = {}
    for one in listed:
        if one.into:
            found.setdefault(one.into, []).append(one)
    return {ref: sorted(members, key=lambda m: (m.ref != ref, m.ref)) for ref, members in found.items()}


def _together(ref: str, members: Sequence[Listed], today: str) -> Listed:
    """What the public sees today of a subject of several references."""
    # The copy may have gone on since the search.
    seen = [member for member in members if member.until >= today] or members[:1]
    names = tuple(each_once(named for member in seen for named in member.names))
    return replace(seen[0], ref=ref, names=names, called=together(member.called for member in seen))


def _order(listed: Listed) -> tuple[str, str]:
    return listed.uscc, listed.ref
