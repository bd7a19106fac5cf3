"""The catalog entry as ingest reads it (Art. 7, 8): one published, immutable version, named as in the contract."""

from collections.abc import Iterable
from functools import cached_property
from typing import Any

import msgspec

from chengxin.values.catalog_contract import NamedCode, TranslatedText
from chengxin.values.identifiers import PERSONAL
from chengxin.values.representatives import names_representative


class EntryProvider(msgspec.Struct, frozen=True):
    """An organisation by its unified social credit code."""

    uscc: str = ""
    name: str = ""


class DeliveryItem(msgspec.Struct, frozen=True):
    """One information item (信息项)."""

    code: str
    name: TranslatedText = msgspec.field(default_factory=TranslatedText)
    type: str = "text"
    length: int = 0
    scale: int = 0
    required: bool = False
    code_list: tuple[NamedCode, ...] = ()
    multiple: bool = False
    identifier: str = ""
    pattern: str = ""
    sensitivity: str = "open"
    # How public views mask the value; `name` also marks the value as a name.
    masking: str = ""
    # The unit of a number, for example `万元`.
    unit: str = ""
    # The date of something that has happened, which is not after the day of delivery.
    not_after_delivery: bool = False

    @property
    def sealed(self) -> bool:
        """Whether its values are personal identifiers, which are encrypted at rest and never shown in a message."""
        return self.sensitivity == "identifier"


class DeliveryItemGroup(msgspec.Struct, frozen=True):
    """Items of which at least one must be present."""

    items: tuple[str, ...] = ()


class DeliveryCrossRule(msgspec.Struct, frozen=True):
    """A rule across items of one record."""

    rule: str = ""
    item: str = ""
    other: str = ""
    values: tuple[str, ...] = ()


class LegalDocument(msgspec.Struct, frozen=True):
    """Codes of the items that name the legal document."""

    date: str = ""


class DeliveryEntry(msgspec.Struct, frozen=True, dict=True):
    """The parts of one version of a catalog entry that ingest needs."""

    code: str
    version: int
    name: TranslatedText = msgspec.field(default_factory=TranslatedText)
    providers: tuple[EntryProvider, ...] = ()
    subject_kinds: tuple[str, ...] = ()
    items: tuple[DeliveryItem, ...] = ()
    natural_key: tuple[str, ...] = ()
    subject_name_item: str = ""
    subject_id_items: tuple[str, ...] = ()
    # The number of working days within which amendments and revocations are due (Art. 11).
    reporting_limit_working_days: int = 0
    effective_from: str = ""
    effective_to: str = ""
    required_one_of: tuple[DeliveryItemGroup, ...] = ()
    cross_rules: tuple[DeliveryCrossRule, ...] = ()
    update_cycle: str = ""
    legal_document: LegalDocument = msgspec.field(default_factory=LegalDocument)
    published_at: str = ""

    @cached_property
    def sealed(self) -> tuple[str, ...]:
        """Codes of the items that are personal identifiers."""
        return tuple(item.code for item in self.items if item.sealed)

    @cached_property
    def by_code(self) -> dict[str, DeliveryItem]:
        """The items by code."""
        return {item.code: item for item in self.items}

    @cached_property
    def optional(self) -> tuple[str, ...]:
        """Codes of the items that a record may lack."""
        return tuple(item.code for item in self.items if not item.required)

    @cached_property
    def document_date(self) -> str:
        """The code of the item with the date of the legal document; empty when there is none."""
        item = self.by_code.get(self.legal_document.date)
        return item.code if item and item.type == "date" else ""

    def in_force(self, today: str) -> bool:
        """Whether the version is in force on a Shanghai date."""
        return self.effective_from <= today and (not self.effective_to or today <= self.effective_to)

    def is_name(self, item: DeliveryItem) -> bool:
        """Whether an item holds the name of an organisation or a person."""
        is_text = item.type == "text" and not item.identifier and not item.code_list
        named = item.masking == "name" or names_representative(item.name.zh)
        return is_text and (item.code == self.subject_name_item or named)

    def registers_organisation(self, item: DeliveryItem) -> bool:
        """Whether an item holds a number under which organisations are registered, and which is for everybody."""
        if item.identifier:
            return item.identifier not in PERSONAL
        return item.type == "text" and item.code in self.subject_id_items and item.sensitivity == "open"

    def provider(self, uscc: str) -> EntryProvider | None:
        """Returns the provider with this code; None when the entry does not name it."""
        return next((p for p in self.providers if p.uscc == uscc), None)


def begun_versions(entries: Iterable[DeliveryEntry], today: str) -> list[DeliveryEntry]:
    """Returns the versions that are in force on a Shanghai date or were before, by code and version: what an entry is
    called, and who provides it, the last of them says. Of an entry that is yet to come it is the first version."""
    found: list[DeliveryEntry] = []
    for entry in sorted(entries, key=lambda e: (e.code, e.version)):
        if entry.effective_from <= today or not found or found[-1].code != entry.code:
            found.append(entry)
    return found


def read_entry(value: dict[str, Any]) -> DeliveryEntry:
    """Reads an entry from plain values (the contract's JSON). Raises `msgspec.ValidationError`."""
    return msgspec.convert(value, DeliveryEntry)


def entry_to_dict(entry: DeliveryEntry) -> dict[str, Any]:
    """Returns the plain values of an entry."""
    return dict(msgspec.to_builtins(entry))
