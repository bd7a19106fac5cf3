"""The list of subjects on whose facts providers disagree. Every write of records keeps it up to date; no query searches
for disagreements."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pymongo import DeleteOne, ReplaceOne
from pymongo.collection import Collection

from chengxin.values.document import RawDocument
from services.disclosure.domain.disagreements import DisagreementSummary
from services.disclosure.store.documents import DisagreementRow
from services.disclosure.store.writes import Writes


@dataclass(frozen=True)
class ListedSubject:
    """A subject on whose facts providers disagree, under its strongest reference, with its place in the list."""

    ref: str
    refs: Sequence[str]
    facts: Sequence[DisagreementSummary]
    place: str


class DisagreementStore:
    """The subjects on whose facts providers disagree."""

    def __init__(self, rows: Callable[[Any], Collection[RawDocument]]) -> None:
        self._rows = rows

    def listed(self, after: str, limit: int) -> list[ListedSubject]:
        """Returns the subjects after a place in the list, the oldest disagreements first."""
        rows = self._rows(DisagreementRow).find({"place": {"$gt": after}}).sort("place", 1).limit(limit)
        return [
            ListedSubject(row["_id"], row["refs"], [_read_fact(fact) for fact in row["facts"]], row["place"])
            for row in rows
        ]

    def write(self, told: Mapping[str, tuple[Sequence[str], Sequence[DisagreementSummary]]], writes: Writes) -> None:
        """Puts subjects on the list. Each strongest reference maps to all references and the facts of disagreement; a subject
        without such facts is taken off the list."""
        for ref, (refs, facts) in told.items():
            if facts:
                row = _row(ref, refs, facts)
                writes.add(DisagreementRow, ref, ReplaceOne({"_id": ref}, row, upsert=True), 300 + 40 * len(refs))
            else:
                writes.add(DisagreementRow, ref, DeleteOne({"_id": ref}), 50)


def _row(ref: str, refs: Sequence[str], facts: Sequence[DisagreementSummary]) -> RawDocument:
    return {
        "_id": ref,
        "refs": list(refs),
        "place": f"{min(f.since for f in facts)} {ref}",
        "facts": [[f.fact, f.values, list(f.providers), f.since] for f in facts],
    }


def _read_fact(row: Sequence[Any]) -> DisagreementSummary:
    fact, values, providers, since = row
    return DisagreementSummary(fact, values, tuple(providers), since)
