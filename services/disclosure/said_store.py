"""The list of subjects whose facts are told differently: kept as their pages are written, never searched for."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from pymongo import DeleteOne, ReplaceOne

from chengxin.mongo import Store, Unit, find_among
from services.disclosure.rows import DifferingRow, SubjectRow
from services.disclosure.said import NOTHING, Differing, Said, unpacked

Plain = dict[str, Any]

_SAID: Final[Plain] = {"group": 1, "said_top": 1, "said_below": 1}


@dataclass(frozen=True)
class Listed:
    """A subject whose facts are told differently, by its strongest reference, with its place in the list."""

    ref: str
    refs: Sequence[str]
    facts: Sequence[Differing]
    place: str


class SaidStore:
    """Which subjects' facts are told differently."""

    def __init__(self, store: Store) -> None:
        self._rows = store.collection

    def listed(self, after: str, limit: int) -> list[Listed]:
        """Subjects after a place in the list, those that differ for the longest time first."""
        found = self._rows(DifferingRow).find({"place": {"$gt": after}}).sort("place", 1).limit(limit)
        return [Listed(row["_id"], row["refs"], [_differing(f) for f in row["facts"]], row["place"]) for row in found]

    def tell(self, told: Mapping[str, tuple[Sequence[str], Sequence[Differing]]], unit: Unit) -> None:
        """Puts subjects on the list, by strongest reference: all references, and what differs; nothing takes it off."""
        writes = [
            ReplaceOne({"_id": ref}, _row(ref, refs, facts), upsert=True) if facts else DeleteOne({"_id": ref})
            for ref, (refs, facts) in told.items()
        ]
        if writes:
            self._rows(DifferingRow).bulk_write(writes, ordered=False, session=unit.session)

    def restate(self, refs: Iterable[str], unit: Unit) -> None:
        """Says anew of the subjects that these references are, or were the strongest of, what differs."""
        rows = self._said(list(dict.fromkeys(refs)), unit)
        concerned = {*refs, *rows}
        rows |= self._said([m for row in rows.values() for m in row.get("group", ()) if m not in rows], unit)
        told: dict[str, tuple[Sequence[str], Sequence[Differing]]] = dict.fromkeys(concerned | rows.keys(), ((), ()))
        for ref, row in rows.items():
            group = row.get("group") or [ref]
            if not told.get(group[0], ((), ()))[0]:
                said = NOTHING
                for member in group:
                    said = said.merged(_of(rows.get(member, {})))
                told[group[0]] = group, said.differing()
        self.tell(told, unit)

    def _said(self, refs: Sequence[str], unit: Unit) -> dict[str, Plain]:
        return {row["_id"]: row for row in find_among(self._rows(SubjectRow), "_id", refs, _SAID, unit.session)}


def _of(row: Plain) -> Said:
    return unpacked(row.get("said_below")).merged(unpacked(row.get("said_top")))


def _row(ref: str, refs: Sequence[str], facts: Sequence[Differing]) -> Plain:
    return {
        "_id": ref,
        "refs": list(refs),
        "place": f"{min(f.since for f in facts)} {ref}",
        "facts": [[f.fact, f.values, list(f.providers), f.since] for f in facts],
    }


def _differing(row: Sequence[Any]) -> Differing:
    fact, values, providers, since = row
    return Differing(fact, values, tuple(providers), since)
