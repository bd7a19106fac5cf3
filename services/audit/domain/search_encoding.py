"""The search index as bytes: which entries hold which terms. Pure.

A document for each event in a collection with an index for each condition costs the store ten times what the log itself
costs. So the index is made of segments of some thousands of entries: sorted records of a term's digest and the number of
an entry within the segment, split by digest into buckets, so that a search reads one bucket of each segment.
"""

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

from services.audit.domain.event import EventSearch, IndexRow

BUCKETS: Final = 64
_DIGEST: Final = 12
_NUMBER: Final = 4
_RECORD: Final = _DIGEST + _NUMBER

Term = bytes


def term(kind: str, value: str) -> Term:
    """What stands for a value of a kind in the index."""
    return hashlib.blake2b(f"{kind}\0{value}".encode(), digest_size=_DIGEST).digest()


def bucket(of: Term) -> int:
    """In which part of a segment a term is."""
    return of[0] % BUCKETS


def terms_of(row: IndexRow) -> set[Term]:
    """Every term that an event is found under."""
    found = {
        term("event_id", row.event_id),
        term("request_id", row.request_id),
        term("act", row.act),
        term("actor", row.actor),
    }
    found.update(term("subject_ref", ref) for ref in row.subject_refs)
    found.update(term("queried", ref) for ref in row.queried)
    return found


def terms_for(search: EventSearch) -> list[Term]:
    """The terms that an event must have, the most telling first."""
    kinds = ("event_id", "request_id", "subject_ref", "actor", "act", "queried")
    return [term(kind, value) for kind in kinds if (value := getattr(search, kind))]


def pack(postings: Mapping[Term, Sequence[int]], start: int) -> dict[int, bytes]:
    """The buckets of a segment that begins at entry `start`."""
    records: dict[int, list[bytes]] = {}
    for of, indexes in postings.items():
        into = records.setdefault(bucket(of), [])
        into.extend(of + (index - start).to_bytes(_NUMBER, "big") for index in indexes)
    return {number: b"".join(sorted(found)) for number, found in records.items()}


def find(packed: bytes, of: Term, start: int) -> list[int]:
    """The entries that hold a term, ascending, out of its bucket of the segment that begins at `start`."""
    low, high = 0, len(packed) // _RECORD
    while low < high:
        middle = (low + high) // 2
        if packed[middle * _RECORD : middle * _RECORD + _DIGEST] < of:
            low = middle + 1
        else:
            high = middle
    found = []
    at = low * _RECORD
    while packed[at : at + _DIGEST] == of:
        found.append(start + int.from_bytes(packed[at + _DIGEST : at + _RECORD], "big"))
        at += _RECORD
    return found


def pack_times(times: Iterable[int]) -> bytes:
    """Microseconds since 1970 of each entry, in order."""
    return b"".join(t.to_bytes(8, "big") for t in times)


def unpack_times(packed: bytes) -> Sequence[int]:
    """What `pack_times` was given."""
    return [int.from_bytes(packed[n : n + 8], "big") for n in range(0, len(packed), 8)]


def common(first: Sequence[int], others: Iterable[Sequence[int]]) -> Iterator[int]:
    """What is in all of them, in descending order."""
    kept = set(first).intersection(*others)
    return iter(sorted(kept, reverse=True))
