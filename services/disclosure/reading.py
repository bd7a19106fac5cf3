"""A subject's records in one view, page by page: one indexed read and one time filter (decision 6)."""

from collections.abc import Iterator, Sequence, Set
from dataclasses import dataclass, replace
from typing import Final

from chengxin import context
from chengxin.crypto import is_encrypted
from chengxin.errors import INPUT_INVALID, FieldError
from services.disclosure.called import together
from services.disclosure.holdings import Head
from services.disclosure.model import Shown, View
from services.disclosure.period import is_over
from services.disclosure.room import Disclosure
from services.disclosure.shelf import SEATS, Leaf, each_once, unpack

GREATEST_SIZE: Final = 200
DEFAULT_SIZE: Final = 50
# More records than a subject has.
ALL: Final = 1_000_000
# Views that keep identifiers sealed, so that they have to be opened to be read.
_SEALED: Final = {View.OWN, View.AUTHORIZED}


@dataclass(frozen=True)
class Ask:
    """Which records: of which entries (none named: all), how many, after which."""

    size: int = DEFAULT_SIZE
    # The record that ended the page before; empty for the first page.
    after: str = ""
    entries: Set[str] = frozenset()


@dataclass(frozen=True)
class Sheet:
    """A page of a subject's records, and the record after which the next one begins.

    Newest first; those under its strongest reference before those under others that are the same subject.
    """

    head: Head | None
    records: list[Shown]
    following: str
    # All the references that were read, the strongest first.
    refs: Sequence[str]


def read(room: Disclosure, ref: str, view: View, ask: Ask, archived: bool = False) -> Sheet:
    """Reads a page. Records whose disclosure has ended by today are left out, or with `archived` marked.

    Raises INPUT_INVALID when the page is said to begin after a record that is not the subject's.
    """
    refs, heads = _heads(room, ref, view)
    remaining = _after(room, heads, ask.after)
    if not heads:
        return Sheet(None, [], "", refs)
    head = heads[0] if len(refs) == 1 else _merged(refs, heads)
    today = room.clock.today().isoformat()
    found: list[Shown] = []
    for shown in (s for member, before in remaining for s in _records(room, member, view, before, today)):
        if ask.entries and shown.entry_code not in ask.entries:
            continue
        if is_over(shown.disclosed_until, today):
            if not archived:
                continue
            shown.archived = True
        if len(found) == ask.size:
            return Sheet(head, found, found[-1].record_id, refs)
        found.append(ready(room, shown, view))
    return Sheet(head, found, "", refs)


def _heads(room: Disclosure, ref: str, view: View) -> tuple[Sequence[str], list[Head]]:
    """The references that are one subject with this one, and those of them that have records. Mostly it is alone."""
    head = room.store.head(ref, view)
    if head is not None and not head.group:
        return (ref,), [head]
    refs = head.group if head is not None else room.store.links.subject_of(ref)
    return refs, room.store.heads(refs, view)


def _merged(refs: Sequence[str], heads: Sequence[Head]) -> Head:
    """The subject as all its references show it."""
    return replace(
        heads[0],
        ref=refs[0],
        called=together(head.called for head in heads),
        uscc=next((head.uscc for head in heads if head.uscc), ""),
        names=list(each_once(n for head in heads for n in head.names)),
    )


def _after(room: Disclosure, heads: Sequence[Head], record_id: str) -> list[tuple[Head, int | None]]:
    """Where to go on reading: each reference that has something left, and the seat before which it has it."""
    if not record_id:
        return [(head, None) for head in heads]
    where = room.store.location(record_id)
    refs = [head.ref for head in heads]
    if where is None or where.ref not in refs:
        told = "use next_page_token of the previous answer unchanged / 请原样使用上一页返回的 next_page_token"
        raise INPUT_INVALID(fields=[FieldError("page_token", "page_token", told)])
    at = refs.index(where.ref)
    return [(heads[at], where.seat), *((head, None) for head in heads[at + 1 :])]


def _records(room: Disclosure, head: Head, view: View, before: int | None, today: str) -> Iterator[Shown]:
    first = head.tail if before is None else before // SEATS
    if first >= head.tail:
        yield from _seated(unpack(head.blob), before)
        first = head.tail - 1
    # Mostly the first of these is all that is needed; of a large subject a reader may go through many.
    count = 2
    while first >= 0:
        numbers = range(first, max(-1, first - count), -1)
        for _, blob in room.store.older(head.ref, numbers, view, today):
            yield from _seated(unpack(blob), before)
        first -= count
        count = min(count * 2, 32)


def _seated(leaf: Leaf, before: int | None) -> Iterator[Shown]:
    for seat, shown in zip(leaf.seats, leaf.records, strict=True):
        if before is None or seat < before:
            yield shown


def ready(room: Disclosure, shown: Shown, view: View) -> Shown:
    """A record as it is answered: unsealed where the view is in full, in the language asked for."""
    entry = room.store.entry(shown.entry_code, shown.entry_version)
    if view in _SEALED:
        items = shown.items
        # Asking only the items that can be sealed saves a tenth of the time of a query.
        for code in entry.identifiers if entry is not None else tuple(items):
            if (value := items.get(code)) is not None and is_encrypted(value):
                items[code] = room.keys.decrypt(value, code)
    if entry is not None and context.current().language == "en":
        shown.entry_name = entry.name.told("en")
    return shown
