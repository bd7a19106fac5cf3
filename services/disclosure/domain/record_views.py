"""What a record looks like to whom (Art. 4, 14, 18). Pure: no I/O, no framework, no clock but what is passed in."""

from collections.abc import Mapping
from datetime import date
from enum import StrEnum
from typing import Final, Generic, TypeVar

import msgspec

from chengxin.values.subject_kinds import INDIVIDUAL
from services.disclosure.domain.catalog_entry import DisclosureEntry, DisclosureItem
from services.disclosure.domain.masking import mask_identifier, mask_name, scrub


class View(StrEnum):
    """The prepared views: three disclosure modes of Art. 14, and the full one of the subject and of the law (Art. 16)."""

    OWN = "own"
    PUBLIC = "public"
    AUTHORIZED = "authorized"
    SHARED = "shared"


# The views other than the full one, and whether names and identifiers are masked in them.
MODES: Final = {View.PUBLIC: True, View.SHARED: True, View.AUTHORIZED: False}

INFORMATION_CLASSES: Final = ("basic", "licensing_and_penalty", "judicial", "evaluation", "qualification")


Items = TypeVar("Items")


class RecordViewOf(msgspec.Struct, Generic[Items]):
    """A record as one view shows it, which is what is answered."""

    record_id: str
    version: int
    entry_code: str
    entry_version: int
    entry_name: str
    information_class: str
    provider_uscc: str
    provider_name: str
    items: Items
    # Last day of disclosure, Shanghai date; empty when there is none.
    disclosed_until: str
    recorded_at: str
    under_objection: bool = False
    # Disclosure has ended: only the subject still sees it. Absent while it has not.
    archived: bool | msgspec.UnsetType = msgspec.UNSET


class RecordView(RecordViewOf[dict[str, str]]):
    """With its items by code."""


class EncodedRecordView(RecordViewOf[msgspec.Raw]):
    """With its items as JSON."""


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
    # Values of identifier items are sealed.
    items: dict[str, str]
    revoked: bool
    recorded_at: str
    recorded_on: date


class Form(StrEnum):
    """How a view shows the value of an item."""

    PLAIN = "plain"
    NAME = "name"
    IDENTIFIER = "identifier"
    # As people wrote it, without identifiers.
    SCRUBBED = "scrubbed"


def form_of(item: DisclosureItem, entry: DisclosureEntry, kind: str, mode: View) -> Form | None:
    """How a disclosure mode shows one of its items of a subject of this kind (Art. 4, 14); None when it does not."""
    if not MODES[mode]:
        return Form.PLAIN
    if item.personal_identifier:
        # Whatever the entry says, an identity number is not public (Art. 4).
        return None if mode is View.PUBLIC else Form.IDENTIFIER
    # Of an organisation the name is no secret; that of a person named in its record is.
    organisation = kind != INDIVIDUAL and item.code == entry.subject_name_item
    if item.masking == "name" and not organisation:
        return Form.NAME
    if item.masking == "identifier":
        return Form.IDENTIFIER
    return Form.SCRUBBED if item.free_text else Form.PLAIN


def formed(form: Form, code: str, value: str, opened: Mapping[str, str]) -> str:
    """A value as it is shown. `opened` holds the plain values of the record's sealed items: they are masked, and found and
    masked in the texts of other items. Where nothing is masked, a sealed value stays sealed until the view is read."""
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
    """The subject's name as a view of one of its records shows it; empty when it does not."""
    return shown.items.get(entry.subject_name_item, "")
