"""What a record looks like to whom (Art. 4, 14, 18). Pure: no I/O, no framework, no clock but what is passed in."""

from collections.abc import Mapping
from copy import copy
from datetime import date
from enum import StrEnum
from typing import Final

import msgspec

from chengxin.subjects import INDIVIDUAL
from services.disclosure.entry import Entry, Item
from services.disclosure.masking import mask_identifier, mask_name, scrub
from services.disclosure.period import disclosed_until


class View(StrEnum):
    """The prepared views: three disclosure modes of Art. 14, and the full one of the subject and of the law (Art. 16)."""

    OWN = "own"
    PUBLIC = "public"
    AUTHORIZED = "authorized"
    SHARED = "shared"


# The views other than the full one, and whether names and identifiers are masked in them.
MODES: Final = {View.PUBLIC: True, View.SHARED: True, View.AUTHORIZED: False}

INFORMATION_CLASSES: Final = ("basic", "licensing_and_penalty", "judicial", "evaluation", "qualification")


class Shown(msgspec.Struct):
    """A record as one view shows it: what is kept, and what is answered."""

    record_id: str
    version: int
    entry_code: str
    entry_version: int
    entry_name: str
    information_class: str
    provider_uscc: str
    provider_name: str
    items: dict[str, str]
    # Last day of disclosure, Shanghai date; empty when there is none.
    disclosed_until: str
    recorded_at: str
    under_objection: bool = False
    # Disclosure has ended: only the subject still sees it. Absent while it has not.
    archived: bool | msgspec.UnsetType = msgspec.UNSET


class Delivered(msgspec.Struct, frozen=True):
    """A record version as ingest publishes it."""

    record_id: str
    version: int
    entry_code: str
    entry_version: int
    provider_uscc: str
    provider_name: str
    subject_ref: str
    scheme: str
    kind: str
    name: str
    uscc: str
    # Values of identifier items are sealed.
    items: dict[str, str]
    revoked: bool
    recorded_at: str
    recorded_on: date


def full_view(delivered: Delivered, entry: Entry, opened: Mapping[str, str], under_objection: bool) -> Shown:
    """Everything that was delivered, identifiers still sealed."""
    until = disclosed_until(entry.disclosure_period, {**delivered.items, **opened}, delivered.recorded_on)
    return Shown(
        delivered.record_id,
        delivered.version,
        delivered.entry_code,
        delivered.entry_version,
        entry.name.zh,
        entry.information_class,
        delivered.provider_uscc,
        delivered.provider_name,
        delivered.items,
        until,
        delivered.recorded_at,
        under_objection,
    )


def mode_view(full: Shown, entry: Entry, kind: str, mode: View, opened: Mapping[str, str]) -> Shown | None:
    """What a disclosure mode shows of a record; None when the entry is not disclosed in that mode (Art. 14).

    `opened` holds the plain values of the sealed items. Where the mode masks, they are masked, and found and masked in
    the texts of other items; where it does not, they stay sealed until the view is read.
    """
    if (shown_items := entry.shown_in.get(mode)) is None:
        return None
    if not MODES[mode]:
        return _with(full, {code: value for code, value in full.items.items() if code in shown_items})
    items: dict[str, str] = {}
    for code, value in full.items.items():
        if (item := shown_items.get(code)) is None:
            continue
        if item.personal_identifier:
            # Whatever the entry says, an identity number is not public (Art. 4).
            if mode is not View.PUBLIC:
                items[code] = mask_identifier(opened.get(code, value))
        else:
            items[code] = _masked(entry, item, kind, value, opened)
    return _with(full, items)


def shown_name(shown: Shown, entry: Entry) -> str:
    """The subject's name as a view of one of its records shows it; empty when it does not."""
    return shown.items.get(entry.subject_name_item, "")


def _masked(entry: Entry, item: Item, kind: str, value: str, opened: Mapping[str, str]) -> str:
    # Of an organisation the name is no secret; that of a person named in its record is.
    organisation = kind != INDIVIDUAL and item.code == entry.subject_name_item
    if item.masking == "name" and not organisation:
        return mask_name(value)
    if item.masking == "identifier":
        return mask_identifier(value)
    return scrub(value, opened.values()) if item.free_text else value


def _with(full: Shown, items: dict[str, str]) -> Shown:
    shown = copy(full)
    shown.items = items
    return shown
