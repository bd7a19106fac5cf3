"""How each view shows a record (Art. 4, 14, 18). Which items a mode shows at all is said by the entry
(`DisclosureEntry.shown_in` of `catalog_entry.py`)."""

from collections.abc import Mapping
from datetime import date
from enum import StrEnum
from typing import Final, Generic, TypeVar

import msgspec

from chengxin.values.subject_kinds import INDIVIDUAL
from services.disclosure.domain.catalog_entry import DisclosureEntry, DisclosureItem
from services.disclosure.domain.masking import mask_identifier, mask_name, scrub


class View(StrEnum):
    """The prepared views: the three disclosure modes (Art. 14), and the full view for subjects and by law (Art. 16)."""

    OWN = "own"
    PUBLIC = "public"
    AUTHORIZED = "authorized"
    SHARED = "shared"


# The views other than the full one, and whether they mask names and identifiers.
MODES: Final = {View.PUBLIC: True, View.SHARED: True, View.AUTHORIZED: False}

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


def form_of(item: DisclosureItem, entry: DisclosureEntry, kind: str, mode: View) -> Form | None:
    """Returns how a mode shows one of its items for a kind of subject (Art. 4, 14); None when it does not show it."""
    if not MODES[mode]:
        return Form.PLAIN
    if item.personal_identifier:
        # Whatever the entry says, an identity number is not public (Art. 4).
        return None if mode is View.PUBLIC else Form.IDENTIFIER
    # The name of an organisation is no secret, but that of a person named in its record is.
    organisation = kind != INDIVIDUAL and item.code == entry.subject_name_item
    if item.masking == "name" and not organisation:
        return Form.NAME
    if item.masking == "identifier":
        return Form.IDENTIFIER
    return Form.SCRUBBED if item.free_text else Form.PLAIN


def apply_form(form: Form, code: str, value: str, opened: Mapping[str, str]) -> str:
    """Returns a value as a form shows it.

    `opened` holds the plain values of the record's sealed items: they are masked, and are found and masked in the texts
    of other items. A form that masks nothing leaves a sealed value sealed until the view is read.
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


def shown_name(shown: RecordView, entry: DisclosureEntry) -> str:
    """Returns the subject's name as a view of one of its records shows it; empty when it does not show the name."""
    return shown.items.get(entry.subject_name_item, "")
