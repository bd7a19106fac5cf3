"""Fragments: a record as it is stored for display, its items once, each with the views that show it so.

A fragment is made when its record changes, and its cost does not depend on the subject's other records. An item that
looks the same in several views is stored once; where a view masks it, the masked text stands beside the plain one. A
query then only joins bytes.
"""

import zlib
from collections.abc import Callable, Container, Iterable, Mapping
from typing import Final, TypeVar

import msgspec

from services.disclosure.domain.catalog_entry import DisclosureEntry
from services.disclosure.domain.disclosure_period import disclosed_until
from services.disclosure.domain.record_views import (
    TWO_SUBJECTS,
    EncodedRecordView,
    Form,
    RecordVersion,
    RecordView,
    ValueForm,
    View,
    apply_form,
    discretion_of,
    form_of,
    has_two_subjects,
    shows_in_full,
    views_of,
)

T = TypeVar("T")

# The greatest size in bytes of items that are stored on a page. Longer ones have a document of their own.
LONG: Final = 4096
# The most records of a page, and its greatest size in bytes. Each record that is added rewrites the page.
PAGE_RECORDS: Final = 16
PAGE_BYTES: Final = 8 * 1024
# Smaller pages hold a record or two: for these, the set-up of the compressor costs more than it saves.
_WORTH_COMPRESSING: Final = 1024

_BITS: Final[Mapping[View, int]] = {view: 1 << n for n, view in enumerate(View)}

_encode: Final = msgspec.json.Encoder().encode


class Fragment(msgspec.Struct, array_like=True):
    """A record as its subject's page stores it."""

    # The place among the subject's records, from 0 in order of arrival; amendments do not change it.
    slot: int
    record_id: str
    version: int
    entry_code: str
    entry_version: int
    provider_uscc: str
    provider_name: str
    # The last day of disclosure, a Shanghai date; empty when there is none.
    disclosed_until: str
    recorded_at: str
    # The views that show the record at all, as bits.
    views: int
    # Runs of `"code":"value"`, joined by commas, each with the views that show it so, in order.
    runs: list[tuple[int, bytes]]
    # The codes and sealed values in the full views; they are opened when a view is read.
    sealed: list[tuple[str, str]] = []
    under_objection: bool = False
    archived: bool = False
    # Whether all runs are in a document of their own; `runs` then has only the subject's name and facts.
    long: bool = False
    # The form of the public view that it asks for, for all public records of its subject.
    discretion: View = View.PUBLIC
    # What the public finds a person by through this record (`person_lookup.py`).
    lookups: list[str] = []

    def shows_in(self, view: View) -> bool:
        """Whether a view shows the record."""
        return bool(self.views & _BITS[view])

    def items_json(self, view: View) -> bytes:
        """Returns the items as a view shows them, as JSON; sealed values stay sealed."""
        bit = _BITS[view]
        return b"{%b}" % b",".join([run for views, run in self.runs if views & bit])

    def items(self, view: View) -> dict[str, str]:
        """Returns the items as a view shows them; sealed values stay sealed."""
        return _items_decoder.decode(self.items_json(view))

    def size(self) -> int:
        """Returns the bytes that the items take on a page."""
        return 0 if self.long else sum(len(run) for _, run in self.runs)


_items_decoder: Final = msgspec.json.Decoder(dict[str, str])
_fragments_decoder: Final = msgspec.msgpack.Decoder(list[Fragment])
_runs_decoder: Final = msgspec.msgpack.Decoder(list[tuple[int, bytes]])
_pack: Final = msgspec.msgpack.Encoder().encode


def fragment_of(
    slot: int,
    delivered: RecordVersion,
    entry: DisclosureEntry,
    opened: Mapping[str, str],
    under_objection: bool,
    lookups: Iterable[str] = (),
) -> tuple[Fragment, bytes]:
    """Returns the fragment of a delivered version, and for a long one the items for a document of their own.

    `opened` holds the plain values of the sealed items. The own view has everything; each mode has the items that the
    entry lists for it, masked where the mode masks.
    """
    views = views_of(entry, delivered.kind)
    kind = TWO_SUBJECTS if has_two_subjects(delivered, entry) else delivered.kind
    runs = _make_runs(delivered.items, kind, entry, opened, delivered.items)
    fragment = Fragment(
        slot,
        delivered.record_id,
        delivered.version,
        delivered.entry_code,
        delivered.entry_version,
        delivered.provider_uscc,
        delivered.provider_name,
        disclosed_until(entry.disclosure_period, {**delivered.items, **opened}, delivered.recorded_on),
        delivered.recorded_at,
        _BITS[View.OWN] | sum(_BITS[view] for view in views),
        runs,
        [(code, delivered.items[code]) for code in opened],
        under_objection,
        discretion=discretion_of(entry, delivered.kind) if View.PUBLIC in views else View.PUBLIC,
        lookups=list(lookups) if View.PUBLIC in views else [],
    )
    if fragment.size() <= LONG:
        return fragment, b""
    page_codes = {entry.subject_name_item, *(item for _, item in entry.facts)}
    fragment.runs = _make_runs(delivered.items, kind, entry, opened, page_codes)
    fragment.long = True
    return fragment, zlib.compress(_pack(runs), 1)


class _ItemPlan(msgspec.Struct, frozen=True):
    """How an item of an entry is stored for subjects of one kind."""

    code: str
    # `"code":`
    key: bytes
    # The views that show the plain value, and other forms with the views that show them.
    plain: int
    others: tuple[tuple[ValueForm, int], ...]


def _make_plans(entry: DisclosureEntry, kind: str) -> list[_ItemPlan]:
    # The plans follow the order of the entry, because delivered items come from a map in a different order each time.
    plans = []
    for item in entry.items:
        bits: dict[ValueForm, int] = {Form.PLAIN: _BITS[View.OWN] if shows_in_full(item, entry, kind) else 0}
        for view, mode in views_of(entry, kind).items():
            if item.code in entry.shown_in[mode] and (form := form_of(item, entry, kind, view)) is not None:
                bits[form] = bits.get(form, 0) | _BITS[view]
        plain = bits.pop(Form.PLAIN)
        plans.append(_ItemPlan(item.code, b"%b:" % _encode(item.code), plain, tuple(bits.items())))
    return plans


def _make_runs(
    items: Mapping[str, str], kind: str, entry: DisclosureEntry, opened: Mapping[str, str], kept: Container[str]
) -> list[tuple[int, bytes]]:
    """Makes the runs of those items whose codes are `kept`; what the others hold is masked in their texts."""
    if (plans := entry.plans.get(kind)) is None:
        plans = entry.plans[kind] = _make_plans(entry, kind)
    runs: list[tuple[int, list[bytes]]] = []
    last_bits = 0
    for plan in plans:
        if plan.code not in kept or (value := items.get(plan.code)) is None:
            continue
        views_by_text = {value: plan.plain} if plan.plain else {}
        for form, bits in plan.others:
            text = apply_form(form, plan.code, items, opened)
            views_by_text[text] = views_by_text.get(text, 0) | bits
        for text, bits in views_by_text.items():
            if bits != last_bits:
                runs.append((bits, parts := []))
                last_bits = bits
            parts.append(plan.key + _encode(text))
    return [(bits, b",".join(parts)) for bits, parts in runs]


def archive(fragment: Fragment) -> Fragment:
    """Returns the fragment after the end of disclosure: only the full view shows it."""
    own = _BITS[View.OWN]
    runs = [(own, run) for views, run in fragment.runs if views & own]
    return msgspec.structs.replace(fragment, archived=True, views=own, runs=runs)


def view_of(fragment: Fragment, view: View, entry: DisclosureEntry | None) -> RecordView:
    """Returns the record as a view shows it; sealed values stay sealed."""
    return _make_view(RecordView, fragment, entry, entry.name.zh if entry else "", fragment.items(view))


def encoded_view_of(
    fragment: Fragment, view: View, entry: DisclosureEntry | None, language: str, open_value: Callable[[str, str], str]
) -> EncodedRecordView:
    """Returns the record as a view shows it; `open_value(sealed, code)` opens sealed values."""
    items = fragment.items_json(view)
    for code, sealed in fragment.sealed:
        token = sealed.encode()
        if token in items:
            items = items.replace(b'"%b"' % token, _encode(open_value(sealed, code)))
    return _make_view(
        EncodedRecordView, fragment, entry, entry.name.text(language) if entry else "", msgspec.Raw(items)
    )


def _make_view(
    kind: Callable[..., T], fragment: Fragment, entry: DisclosureEntry | None, name: str, items: object
) -> T:
    return kind(
        fragment.record_id,
        fragment.version,
        fragment.entry_code,
        fragment.entry_version,
        name,
        entry.information_class if entry else "",
        fragment.provider_uscc,
        fragment.provider_name,
        items,
        fragment.disclosed_until,
        fragment.recorded_at,
        fragment.under_objection,
        True if fragment.archived else msgspec.UNSET,
    )


def packed(fragments: Iterable[Fragment], *, closed: bool = False) -> bytes:
    """Returns the bytes of a page, fragments in order of slots; a closed page, mostly only read, is compressed."""
    plain = _pack(list(fragments))
    return zlib.compress(plain, 1) if closed and len(plain) > _WORTH_COMPRESSING else plain


def unpacked(blob: bytes | None) -> list[Fragment]:
    """Reads the bytes that `packed` returned; without bytes there are no fragments."""
    if not blob:
        return []
    # zlib data begins with 0x78, and a msgpack array does not.
    return _fragments_decoder.decode(zlib.decompress(blob) if blob[0] == 0x78 else blob)


def with_items(fragment: Fragment, blob: bytes) -> Fragment:
    """Returns a long fragment with all its items."""
    return msgspec.structs.replace(fragment, runs=_runs_decoder.decode(zlib.decompress(blob)), long=False)


def takes_another(records: int, size: int, more: Fragment) -> bool:
    """Whether a page with `records` records and `size` bytes of items can take one more record."""
    return not records or (records < PAGE_RECORDS and size + more.size() <= PAGE_BYTES)
