"""What is kept of a record to be shown: its items once, each with the views in which it is shown so. Pure.

A fragment is made when its record changes, and costs the same whatever else its subject has. An item that looks the same
in several views is kept once; where a view masks it, the masked text stands beside the plain one. To answer a query is
then to join bytes.
"""

import zlib
from collections.abc import Callable, Iterable, Mapping
from typing import Final, TypeVar

import msgspec

from services.disclosure.domain.catalog_entry import DisclosureEntry
from services.disclosure.domain.disclosure_period import disclosed_until
from services.disclosure.domain.record_views import (
    MODES,
    EncodedRecordView,
    Form,
    RecordVersion,
    RecordView,
    View,
    form_of,
    formed,
)

T = TypeVar("T")

# What a fragment's items may take, in bytes, to be kept among those of other records. Longer ones have a document of their own.
LONG: Final = 4096
# Records of a page, and bytes after which it takes no further one. It is written anew for each record that is added.
PAGE_RECORDS: Final = 16
PAGE_BYTES: Final = 8 * 1024
# A record or two: setting up the compressor costs more than it saves.
_WORTH_COMPRESSING: Final = 1024

_BITS: Final[Mapping[View, int]] = {view: 1 << n for n, view in enumerate(View)}
_ALL: Final = sum(_BITS.values())

_encode: Final = msgspec.json.Encoder().encode


class Fragment(msgspec.Struct, array_like=True):
    """A record as its subject's page keeps it."""

    # Place among the subject's records, counted from 0 in order of arrival; kept through amendments.
    slot: int
    record_id: str
    version: int
    entry_code: str
    entry_version: int
    provider_uscc: str
    provider_name: str
    # Last day of disclosure, Shanghai date; empty when there is none.
    disclosed_until: str
    recorded_at: str
    # The views in which the record is shown at all, as bits.
    views: int
    # `"code":"value"`, joined by commas, with the views in which they are shown so, in order.
    runs: list[tuple[int, bytes]]
    # Sealed values in the full views, with their codes: to be opened when they are read.
    sealed: list[tuple[str, str]] = []
    under_objection: bool = False
    archived: bool = False
    # All runs are in a document of their own; here are those that name the subject and tell its facts.
    long: bool = False

    def shows_in(self, view: View) -> bool:
        """Whether a view has the record."""
        return bool(self.views & _BITS[view])

    def items_json(self, view: View) -> bytes:
        """The items as a view shows them, as JSON; sealed values still sealed."""
        bit = _BITS[view]
        return b"{%b}" % b",".join([run for views, run in self.runs if views & bit])

    def items(self, view: View) -> dict[str, str]:
        """The items as a view shows them; sealed values still sealed."""
        return _items.decode(self.items_json(view))

    def size(self) -> int:
        """Bytes that the items take on a page."""
        return 0 if self.long else sum(len(run) for _, run in self.runs)


_items: Final = msgspec.json.Decoder(dict[str, str])
_fragments: Final = msgspec.msgpack.Decoder(list[Fragment])
_runs: Final = msgspec.msgpack.Decoder(list[tuple[int, bytes]])
_pack: Final = msgspec.msgpack.Encoder().encode


def fragment_of(
    slot: int, delivered: RecordVersion, entry: DisclosureEntry, opened: Mapping[str, str], under_objection: bool
) -> tuple[Fragment, bytes]:
    """What is kept of a delivered version; and of a long one the items, to be kept in a document of their own.

    `opened` holds the plain values of its sealed items. The own view has everything; each mode has the items that the
    entry names for it, masked where the mode masks.
    """
    runs = _runs_of(delivered.items, delivered.kind, entry, opened)
    made = Fragment(
        slot,
        delivered.record_id,
        delivered.version,
        delivered.entry_code,
        delivered.entry_version,
        delivered.provider_uscc,
        delivered.provider_name,
        disclosed_until(entry.disclosure_period, {**delivered.items, **opened}, delivered.recorded_on),
        delivered.recorded_at,
        _BITS[View.OWN] | sum(_BITS[mode] for mode in MODES if mode in entry.shown_in),
        runs,
        [(code, delivered.items[code]) for code in opened],
        under_objection,
    )
    if made.size() <= LONG:
        return made, b""
    telling = {entry.subject_name_item, *(item for _, item in entry.facts)}
    brief = {code: value for code, value in delivered.items.items() if code in telling}
    made.runs = _runs_of(brief, delivered.kind, entry, opened)
    made.long = True
    return made, zlib.compress(_pack(runs), 1)


class _ItemPlan(msgspec.Struct, frozen=True):
    """How an item of an entry is kept, of subjects of one kind."""

    code: str
    # `"code":`
    key: bytes
    # The views that show it as it came, and other forms with the views that show it so.
    plain: int
    others: tuple[tuple[Form, int], ...]


def _plan_of(entry: DisclosureEntry, kind: str) -> list[_ItemPlan]:
    # In the order of the entry: the order in which items come is a map's, another one each time.
    plans = []
    for item in entry.items:
        bits = {Form.PLAIN: _BITS[View.OWN]}
        for mode in MODES:
            if item.code in entry.shown_in.get(mode, ()) and (form := form_of(item, entry, kind, mode)) is not None:
                bits[form] = bits.get(form, 0) | _BITS[mode]
        plain = bits.pop(Form.PLAIN)
        plans.append(_ItemPlan(item.code, b"%b:" % _encode(item.code), plain, tuple(bits.items())))
    return plans


def _runs_of(
    items: Mapping[str, str], kind: str, entry: DisclosureEntry, opened: Mapping[str, str]
) -> list[tuple[int, bytes]]:
    if (plans := entry.plans.get(kind)) is None:
        plans = entry.plans[kind] = _plan_of(entry, kind)
    runs: list[tuple[int, list[bytes]]] = []
    last = 0
    for plan in plans:
        if (value := items.get(plan.code)) is None:
            continue
        told = {value: plan.plain}
        for form, bits in plan.others:
            text = formed(form, plan.code, value, opened)
            told[text] = told.get(text, 0) | bits
        for text, bits in told.items():
            if bits != last:
                runs.append((bits, parts := []))
                last = bits
            parts.append(plan.key + _encode(text))
    return [(bits, b",".join(parts)) for bits, parts in runs]


def archived(fragment: Fragment) -> Fragment:
    """The same when disclosure has ended: only the full view has it."""
    own = _BITS[View.OWN]
    runs = [(own, run) for views, run in fragment.runs if views & own]
    return msgspec.structs.replace(fragment, archived=True, views=own, runs=runs)


def shown(fragment: Fragment, view: View, entry: DisclosureEntry | None) -> RecordView:
    """The record as a view shows it, sealed values still sealed."""
    return _shown(RecordView, fragment, entry, entry.name.zh if entry else "", fragment.items(view))


def shown_json(
    fragment: Fragment, view: View, entry: DisclosureEntry | None, language: str, open_value: Callable[[str, str], str]
) -> EncodedRecordView:
    """The record as a view shows it, sealed values opened by `open_value(sealed, code)`."""
    items = fragment.items_json(view)
    for code, sealed in fragment.sealed:
        token = sealed.encode()
        if token in items:
            items = items.replace(b'"%b"' % token, _encode(open_value(sealed, code)))
    return _shown(EncodedRecordView, fragment, entry, entry.name.text(language) if entry else "", msgspec.Raw(items))


def _shown(kind: Callable[..., T], fragment: Fragment, entry: DisclosureEntry | None, name: str, items: object) -> T:
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
    """A page as it is kept, fragments in order of slots; a closed one, which mostly is only read, compressed."""
    plain = _pack(list(fragments))
    return zlib.compress(plain, 1) if closed and len(plain) > _WORTH_COMPRESSING else plain


def unpacked(blob: bytes | None) -> list[Fragment]:
    """What `packed` gave; nothing where there is nothing."""
    if not blob:
        return []
    # Of msgpack an array's first byte; zlib's is 0x78.
    return _fragments.decode(zlib.decompress(blob) if blob[0] == 0x78 else blob)


def with_items(fragment: Fragment, blob: bytes) -> Fragment:
    """A long fragment with all its items."""
    return msgspec.structs.replace(fragment, runs=_runs.decode(zlib.decompress(blob)), long=False)


def takes_another(records: int, size: int, more: Fragment) -> bool:
    """Whether a page with so many records and bytes of items has room for a further record."""
    return not records or (records < PAGE_RECORDS and size + more.size() <= PAGE_BYTES)
