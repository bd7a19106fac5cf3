"""The search index as bytes: which entries hold which terms.

A document for each event in a collection with an index for each condition costs the store ten times what the log itself
costs. So the index consists of segments of some thousands of entries. A segment holds sorted records; each has a term's
digest and the number of an entry within the segment. They are split by digest into buckets, so that a search reads one
bucket of each segment.
"""

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

from services.audit.domain.event import EventSearch, IndexRow

BUCKETS: Final = 64
_DIGEST_BYTES: Final = 12
_NUMBER_BYTES: Final = 4
_RECORD_BYTES: Final = _DIGEST_BYTES + _NUMBER_BYTES

Term = bytes


def term(kind: str, value: str) -> Term:
    """Returns the digest that stands for a value of a kind in the index."""
    return hashlib.blake2b(f"{kind}\0{value}".encode(), digest_size=_DIGEST_BYTES).digest()


def bucket(of: Term) -> int:
    """Returns the number of the bucket that holds a term."""
    return of[0] % BUCKETS


def terms_of(row: IndexRow) -> set[Term]:
    """Returns every term under which a search finds an event."""
    terms = {
        term("event_id", row.event_id),
        term("request_id", row.request_id),
        term("act", row.act),
    }
    terms.update(term("actor", actor) for actor in row.actors)
    terms.update(term("subject_ref", ref) for ref in row.subject_refs)
    terms.update(term("queried", ref) for ref in row.queried)
    return terms


def terms_for(search: EventSearch) -> list[Term]:
    """Returns the terms that an event must have, the most selective first."""
    kinds = ("event_id", "request_id", "subject_ref", "actor", "act", "queried")
    return [term(kind, value) for kind in kinds if (value := getattr(search, kind))]


def pack(postings: Mapping[Term, Sequence[int]], start: int) -> dict[int, bytes]:
    """Returns the buckets, by number, of a segment that begins at entry `start`."""
    records: dict[int, list[bytes]] = {}
    for digest, indexes in postings.items():
        bucket_records = records.setdefault(bucket(digest), [])
        bucket_records.extend(digest + (index - start).to_bytes(_NUMBER_BYTES, "big") for index in indexes)
    return {number: b"".join(sorted(bucket_records)) for number, bucket_records in records.items()}


def find(packed: bytes, of: Term, start: int) -> list[int]:
    """Returns the entries with a term, ascending, from its bucket of the segment that begins at `start`."""
    low, high = 0, len(packed) // _RECORD_BYTES
    while low < high:
        middle = (low + high) // 2
        if packed[middle * _RECORD_BYTES : middle * _RECORD_BYTES + _DIGEST_BYTES] < of:
            low = middle + 1
        else:
            high = middle
    found = []
    at = low * _RECORD_BYTES
    while packed[at : at + _DIGEST_BYTES] == of:
        found.append(start + int.from_bytes(packed[at + _DIGEST_BYTES : at + _RECORD_BYTES], "big"))
        at += _RECORD_BYTES
    return found


def pack_times(times: Iterable[int]) -> bytes:
    """Packs the times of the entries, in microseconds since 1970 and in order."""
    return b"".join(t.to_bytes(8, "big") for t in times)


def unpack_times(packed: bytes) -> Sequence[int]:
    """Returns the times that `pack_times` packed."""
    return [int.from_bytes(packed[n : n + 8], "big") for n in range(0, len(packed), 8)]


def intersect(first: Sequence[int], others: Iterable[Sequence[int]]) -> Iterator[int]:
    """Returns the numbers that all sequences contain, in descending order."""
    shared = set(first).intersection(*others)
    return iter(sorted(shared, reverse=True))
