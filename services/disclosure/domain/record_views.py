"""How each view shows a record (Art. 4, 14, 18). Which items a mode shows at all is said by the entry
(`DisclosureEntry.shown_in` of `catalog_entry.py`)."""

from collections.abc import Mapping
from datetime import date
from enum import StrEnum
from typing import Final, Generic, TypeVar

import msgspec

from chengxin.values.subject_kinds import INDIVIDUAL
from services.disclosure.domain.catalog_entry import DisclosureEntry, DisclosureItem
from services.disclosure.domain.masking import blank_name_in, mask_identifier, mask_name, scrub


class View(StrEnum):
    """The prepared views: the three disclosure modes (Art. 14), and the full view for subjects and by law (Art. 16).

    The public view of a person's record has three forms, because another of her records may ask for more discretion
    than the record's own entry does (decision 44). Each stored view is a bit: new ones come last.
    """

    OWN = "own"
    PUBLIC = "public"
    AUTHORIZED = "authorized"
    SHARED = "shared"
    # Her name is masked, also in texts.
    PUBLIC_MASKED = "public_masked"
    # Her name is left out, and masked in texts.
    PUBLIC_NAMELESS = "public_nameless"


# The forms of the public view for persons, the strictest last.
PERSON_PUBLIC: Final = (View.PUBLIC, View.PUBLIC_MASKED, View.PUBLIC_NAMELESS)

# The disclosure modes.
MODES: Final = (View.PUBLIC, View.SHARED, View.AUTHORIZED)


def views_of(entry: DisclosureEntry, kind: str) -> dict[View, View]:
    """Returns the views other than the full one that show a record of an entry, each with the mode that it is of."""
    views = {mode: mode for mode in MODES if mode in entry.shown_in}
    if kind == INDIVIDUAL and View.PUBLIC in views:
        views |= dict.fromkeys(PERSON_PUBLIC, View.PUBLIC)
    return views


INFORMATION_CLASSES: Final = ("basic", "licensing_and_penalty", "judicial", "evaluation", "qualification")


Items = TypeVar("Items")


class RecordViewOf(msgspec.Struct, Generic[Items]):
    """A record as one view shows it; this is what answers contain."""

    record_id: str
    version: int
    entry_code: str
    entry_version: int
    entry_name: str
    information_class: str
    provider_uscc: str
    provider_name: str
    items: Items
    # The last day of disclosure, a Shanghai date; empty when there is none.
    disclosed_until: str
    recorded_at: str
    under_objection: bool = False
    # True after the end of disclosure, when only the subject still sees the record; absent before.
    archived: bool | msgspec.UnsetType = msgspec.UNSET


class RecordView(RecordViewOf[dict[str, str]]):
    """A record with its items by code."""


class EncodedRecordView(RecordViewOf[msgspec.Raw]):
    """A record with its items as JSON."""


class RecordVersion(msgspec.Struct, frozen=True):
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
    # The items by code; values of identifier items are sealed.
    items: dict[str, str]
    revoked: bool
    recorded_at: str
    recorded_on: date


class Form(StrEnum):
    """How a view shows the value of an item."""

    PLAIN = "plain"
    NAME = "name"
    IDENTIFIER = "identifier"
    # The free text without identifiers.
    SCRUBBED = "scrubbed"
    # The same, and without the name of the person whose record it is.
    UNNAMED = "unnamed"


def form_of(item: DisclosureItem, entry: DisclosureEntry, kind: str, view: View) -> Form | None:
    """Returns how a view shows one of its items for a kind of subject (Art. 4, 14); None when it does not show it."""
    if view is not View.SHARED and view not in PERSON_PUBLIC:
        return Form.PLAIN
    if item.personal_identifier:
        # Whatever the entry says, an identity number is not public (Art. 4).
        return Form.IDENTIFIER if view is View.SHARED else None
    name_item = item.code == entry.subject_name_item
    if name_item and view is View.PUBLIC_NAMELESS:
        return None
    # The name of an organisation is no secret, but that of a person named in its record is.
    organisation = kind != INDIVIDUAL and name_item
    if item.masking == "identifier":
        return Form.IDENTIFIER
    if (item.masking == "name" and not organisation) or (name_item and view is View.PUBLIC_MASKED):
        return Form.NAME
    if not item.free_text:
        return Form.PLAIN
    return Form.SCRUBBED if name_item or _names_in_full(entry, kind, view) else Form.UNNAMED


def _names_in_full(entry: DisclosureEntry, kind: str, view: View) -> bool:
    """Whether a view shows the whole name of the subject of a record; an organisation's is in every view."""
    if kind != INDIVIDUAL:
        return True
    mode = View.PUBLIC if view in PERSON_PUBLIC else view
    item = entry.shown_in.get(mode, {}).get(entry.subject_name_item)
    return item is not None and form_of(item, entry, kind, view) in (Form.PLAIN, Form.SCRUBBED)


def discretion_of(entry: DisclosureEntry, kind: str) -> View:
    """Returns the form of the public view that a record of an entry asks for, for all public records of its subject:
    where it masks a person's name, no other record shows more of it (Art. 4)."""
    item = entry.shown_in.get(View.PUBLIC, {}).get(entry.subject_name_item)
    if _names_in_full(entry, kind, View.PUBLIC):
        return View.PUBLIC
    masked = item is not None and form_of(item, entry, kind, View.PUBLIC) is Form.NAME
    return View.PUBLIC_MASKED if masked else View.PUBLIC_NAMELESS


def apply_form(form: Form, code: str, value: str, opened: Mapping[str, str], name: str) -> str:
    """Returns a value as a form shows it.

    `opened` holds the plain values of the record's sealed items: they are masked, and are found and masked in the texts
    of other items, as `name` is, the subject's. A form that masks nothing leaves a sealed value sealed until the view is
    read.
    """
    match form:
        case Form.PLAIN:
            return value
        case Form.NAME:
            return mask_name(value)
        case Form.IDENTIFIER:
            return mask_identifier(opened.get(code, value))
        case Form.SCRUBBED:
            return scrub(value, opened.values())
        case Form.UNNAMED:
            return blank_name_in(scrub(value, opened.values()), name)


def shown_name(shown: RecordView, entry: DisclosureEntry) -> str:
    """Returns the subject's name as a view of one of its records shows it; empty when it does not show the name."""
    return shown.items.get(entry.subject_name_item, "")
