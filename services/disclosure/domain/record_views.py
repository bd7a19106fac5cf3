"""How each view shows a record (Art. 4, 14, 18). Which items a mode shows at all is said by the entry
(`DisclosureEntry.shown_in` of `catalog_entry.py`)."""

from collections.abc import Callable, Iterable, Mapping
from datetime import date
from enum import StrEnum
from typing import Final, Generic, TypeVar

import msgspec

from chengxin.values.identifiers import has_organisation_check
from chengxin.values.representatives import names_representative
from chengxin.values.subject_kinds import INDIVIDUAL
from services.disclosure.domain.catalog_entry import DisclosureEntry, DisclosureItem
from services.disclosure.domain.masking import mask_identifier, mask_name, scrub, without_names


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

# Instead of its subject's kind: an organisation whose record names a person, too. Whose name it has is not known, so no
# view shows it, nor the person's number, and texts are masked as if both were hers.
TWO_SUBJECTS: Final = "two_subjects"
_WITH_PERSON: Final = frozenset({INDIVIDUAL, TWO_SUBJECTS})

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


class TextForm(msgspec.Struct, frozen=True):
    """How a view shows a free text: without numbers of persons, and without the values of the items that it masks or
    leaves out (Art. 4). Both are codes of items."""

    names: tuple[str, ...] = ()
    numbers: tuple[str, ...] = ()


class OrganisationNumberForm(msgspec.Struct, frozen=True):
    """How a view shows what is given as an organisation's number: whole when it is one by its check digit, and not one of
    the record's own that the view masks; else as a text."""

    text: TextForm


ValueForm = Form | TextForm | OrganisationNumberForm


def shows_in_full(item: DisclosureItem, entry: DisclosureEntry, kind: str) -> bool:
    """Whether the full view shows an item for a kind of subject."""
    return kind != TWO_SUBJECTS or not (item.personal_identifier or item.code == entry.subject_name_item)


def form_of(item: DisclosureItem, entry: DisclosureEntry, kind: str, view: View) -> ValueForm | None:
    """Returns how a view shows one of its items for a kind of subject (Art. 4, 14); None when it does not show it."""
    if not shows_in_full(item, entry, kind):
        return None
    form = _mask_of(item, entry, kind, view)
    if form is not Form.PLAIN or not item.free_text or not _masks(view):
        return form
    hidden = [other for other in entry.items if not _shows_plainly(other, entry, kind, view)]
    # What a subject is called is no text about others.
    names = () if item.code == entry.subject_name_item else _codes_of(hidden, lambda other: _names(other, entry, kind))
    text = TextForm(names, _codes_of(hidden, lambda other: other.personal_identifier or other.masking == "identifier"))
    return OrganisationNumberForm(text) if entry.registers_organisation(item) else text


def _codes_of(items: Iterable[DisclosureItem], chosen: Callable[[DisclosureItem], bool]) -> tuple[str, ...]:
    return tuple(item.code for item in items if chosen(item))


def _masks(view: View) -> bool:
    return view is View.SHARED or view in PERSON_PUBLIC


def _mode_of(view: View) -> View:
    return View.PUBLIC if view in PERSON_PUBLIC else view


def _mask_of(item: DisclosureItem, entry: DisclosureEntry, kind: str, view: View) -> Form | None:
    """How a view shows an item, texts as they are."""
    if not _masks(view):
        return Form.PLAIN
    if item.personal_identifier:
        # Whatever the entry says, an identity number is not public (Art. 4).
        return Form.IDENTIFIER if view is View.SHARED else None
    name_item = item.code == entry.subject_name_item
    if name_item and view is View.PUBLIC_NAMELESS:
        return None
    if item.masking == "identifier":
        return Form.IDENTIFIER
    # The name of an organisation is no secret, but that of a person named in its record is.
    organisation = kind != INDIVIDUAL and name_item
    if (item.masking == "name" and not organisation) or (name_item and view is View.PUBLIC_MASKED):
        return Form.NAME
    return Form.PLAIN


def _shows_plainly(item: DisclosureItem, entry: DisclosureEntry, kind: str, view: View) -> bool:
    shown = entry.shown_in.get(_mode_of(view), {}) if shows_in_full(item, entry, kind) else {}
    return item.code in shown and _mask_of(item, entry, kind, view) is Form.PLAIN


def _names(item: DisclosureItem, entry: DisclosureEntry, kind: str) -> bool:
    """Whether the value of an item is a person's name, or a word of persons that is not for everybody."""
    if item.code == entry.subject_name_item:
        return kind in _WITH_PERSON
    return item.free_text and (
        item.masking == "name" or item.sensitivity == "personal" or names_representative(item.name.zh)
    )


def _names_in_full(entry: DisclosureEntry, kind: str, view: View) -> bool:
    """Whether a view shows the whole name of the subject of a record; an organisation's is in every view."""
    if kind != INDIVIDUAL:
        return True
    return any(item.code == entry.subject_name_item and _shows_plainly(item, entry, kind, view) for item in entry.items)


def discretion_of(entry: DisclosureEntry, kind: str) -> View:
    """Returns the form of the public view that a record of an entry asks for, for all public records of its subject:
    where it masks a person's name, no other record shows more of it (Art. 4)."""
    item = entry.shown_in.get(View.PUBLIC, {}).get(entry.subject_name_item)
    if _names_in_full(entry, kind, View.PUBLIC):
        return View.PUBLIC
    masked = item is not None and form_of(item, entry, kind, View.PUBLIC) is Form.NAME
    return View.PUBLIC_MASKED if masked else View.PUBLIC_NAMELESS


def apply_form(form: ValueForm, code: str, items: Mapping[str, str], opened: Mapping[str, str]) -> str:
    """Returns the value of an item as a form shows it.

    `opened` holds the plain values of the record's sealed items. A form that masks nothing leaves a sealed value sealed
    until the view is read.
    """
    value = items[code]
    match form:
        case Form.PLAIN:
            return value
        case Form.NAME:
            return mask_name(value)
        case Form.IDENTIFIER:
            return mask_identifier(opened.get(code, value))
        case TextForm(names, numbers):
            secrets = [opened.get(number) or items.get(number, "") for number in numbers]
            return without_names(scrub(value, secrets), [items[name] for name in names if name in items])
        case OrganisationNumberForm(text):
            own = [opened.get(number) or items.get(number, "") for number in text.numbers]
            return (
                value if has_organisation_check(value) and value not in own else apply_form(text, code, items, opened)
            )


def has_two_subjects(delivered: RecordVersion, entry: DisclosureEntry) -> bool:
    """Whether a record that is an organisation's names a person as its subject, too."""
    return delivered.kind != INDIVIDUAL and entry.names_two_subjects(delivered.items)


def shown_name(shown: RecordView, entry: DisclosureEntry) -> str:
    """Returns the subject's name as a view of one of its records shows it; empty when it does not show the name."""
    return shown.items.get(entry.subject_name_item, "")
