"""What differs between two generations, as far as any view shows it (decision 27)."""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from services.disclosure.domain.record_fragments import Fragment
from services.disclosure.domain.record_views import View
from services.disclosure.domain.subject_state import SubjectState
from services.disclosure.domain.view_pages import without_seats
from services.disclosure.store.disclosure_store import DisclosureStore
from services.disclosure.store.documents import SubjectRow
from services.disclosure.store.subject_state import SubjectDocument

_SUBJECTS_AT_ONCE: Final = 16
# Subjects that are compared between two reports.
_REPORTED_EVERY: Final = 100 * _SUBJECTS_AT_ONCE


@dataclass(frozen=True)
class RebuildDifference:
    """A difference of another generation: in a subject, or in one of its records."""

    subject_ref: str
    record_id: str
    what: str
    # Of a record that is public in either generation; else empty.
    provider: str = ""
    entry: str = ""


@dataclass(frozen=True)
class _SeenRecord:
    """All views of a record, as a digest, and what the public feed says of it."""

    digest: bytes
    provider: str
    entry: str
    is_public: bool


def differences(
    one: DisclosureStore, other: DisclosureStore, report: Callable[[int], None]
) -> Iterator[RebuildDifference]:
    """Yields what differs between two generations, subject by subject, and reports how many subjects are compared."""
    compared = 0
    for refs in _subjects_of(one):
        for ref in refs:
            yield from differences_of(ref, one, other)
        compared += len(refs)
        if not compared % _REPORTED_EVERY:
            report(compared)
    for refs in _subjects_of(other):
        there = one.heads(refs)
        for ref in refs:
            if ref not in there:
                yield from differences_of(ref, one, other)
                compared += 1
    report(compared)


def _subjects_of(store: DisclosureStore) -> Iterator[list[str]]:
    """Yields the references of all subjects, some at once."""
    refs: list[str] = []
    for row in store.rows(SubjectRow).find({}, {"_id": 1}, batch_size=1000):
        refs.append(row["_id"])
        if len(refs) == _SUBJECTS_AT_ONCE:
            yield refs
            refs = []
    yield refs


def differences_of(ref: str, one: DisclosureStore, other: DisclosureStore) -> Iterator[RebuildDifference]:
    """Yields what differs between two generations of one subject."""
    mine, others = _subject(ref, one), _subject(ref, other)
    for record_id in mine[1].keys() | others[1].keys():
        if mine[1].get(record_id) != others[1].get(record_id):
            what = "missing" if record_id not in others[1] else "more" if record_id not in mine[1] else "differs"
            seen = [records[record_id] for records in (mine[1], others[1]) if record_id in records]
            told = (seen[-1].provider, seen[-1].entry) if any(s.is_public for s in seen) else ("", "")
            yield RebuildDifference(ref, record_id, what, *told)
    if [*mine[1]] != [*others[1]] and mine[1].keys() == others[1].keys():
        yield RebuildDifference(ref, "", "order")
    if mine[0] != others[0]:
        yield RebuildDifference(ref, "", "subject")


def _subject(ref: str, store: DisclosureStore) -> tuple[Any, dict[str, _SeenRecord]]:
    """Returns a subject's state and its records in order, as far as any view shows them. Of very long records no more
    than a page is in memory."""
    head = store.head(ref)
    if head is None:
        return None, {}
    records = {f.record_id: _seen(f) for f in fragments_of(ref, head, store)}
    group = store.group_of(ref) if head.grouped else None
    return (state_as_seen(head.state), group.refs if group else None), records


def fragments_of(ref: str, head: SubjectDocument, store: DisclosureStore) -> Iterator[Fragment]:
    """Yields a subject's records in order, and reads them page by page."""
    for number in range(head.tail):
        yield from store.in_full(store.pages([(ref, number)]).get((ref, number), []))
    yield from store.in_full(head.fragments)


def _seen(fragment: Fragment) -> _SeenRecord:
    # Slots are places, and sealed values are sealed anew in each delivery, not in each generation.
    digest = hashlib.sha256(msgspec.msgpack.encode(msgspec.structs.replace(fragment, slot=0))).digest()
    return _SeenRecord(digest, fragment.provider_uscc, fragment.entry_code, fragment.shows_in(View.PUBLIC))


def state_as_seen(state: SubjectState) -> SubjectState:
    """Returns a state without what depends on the order in which records came: places of names, order of assertions."""
    summary = msgspec.structs.replace(state.summary, visible=without_seats(state.summary.visible))
    newest = sorted(summary.assertions.newest, key=lambda a: (a.fact, a.provider))
    assertions = msgspec.structs.replace(summary.assertions, newest=tuple(newest))
    return msgspec.structs.replace(state, summary=msgspec.structs.replace(summary, assertions=assertions))
