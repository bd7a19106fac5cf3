"""The catalog entry as disclosure reads it (Art. 8, 14, 18): one published, immutable version, in contract names."""

from collections.abc import Collection
from functools import cached_property
from typing import Any, Final

import msgspec

from chengxin.values.catalog_contract import NamedCode, TranslatedText
from chengxin.values.identifiers import DECLARED, PERSONAL

NAME: Final = "name"
# The information class of registers.
BASIC: Final = "basic"
# Item names in basic entries, and the facts that they state; a subject has one value of each fact at a time.
FACTS: Final = {
    "法定代表人": "legal_representative",
    "法定代表人姓名": "legal_representative",
    "登记状态": "status",
    "状态": "status",
    "主体类型": "type",
    "成立日期": "established",
    "住所": "domicile",
}


class DisclosurePeriodRule(msgspec.Struct, frozen=True):
    """How long a record is disclosed (Art. 18)."""

    rule: str = "unlimited"
    item: str = ""
    years: int = 0


class LegalDocumentItem(msgspec.Struct, frozen=True):
    """The code of the item with the number of a record's legal document."""

    number: str = ""


class DisclosureItem(msgspec.Struct, frozen=True, dict=True):
    """One information item (信息项)."""

    code: str
    name: TranslatedText = msgspec.field(default_factory=TranslatedText)
    type: str = "text"
    code_list: tuple[NamedCode, ...] = ()
    multiple: bool = False
    identifier: str = ""
    sensitivity: str = "open"
    modes: tuple[str, ...] = ()
    masking: str = ""

    @cached_property
    def free_text(self) -> bool:
        """Whether people write the value freely: the entry checks codes and dates, but free text may hold anything."""
        return self.type == "text" and self.identifier not in DECLARED and not self.code_list

    @cached_property
    def personal_identifier(self) -> bool:
        """Whether its values identify a natural person beyond doubt; they are never public and never shared in full."""
        return self.sensitivity == "identifier" or self.identifier in PERSONAL


class DisclosureEntry(msgspec.Struct, frozen=True, dict=True):
    """The parts of one version of a catalog entry that disclosure needs."""

    code: str
    version: int
    name: TranslatedText = msgspec.field(default_factory=TranslatedText)
    information_class: str = ""
    modes: tuple[str, ...] = ()
    items: tuple[DisclosureItem, ...] = ()
    subject_name_item: str = ""
    subject_id_items: tuple[str, ...] = ()
    disclosure_period: DisclosurePeriodRule = msgspec.field(default_factory=DisclosurePeriodRule)
    legal_document: LegalDocumentItem = msgspec.field(default_factory=LegalDocumentItem)

    @classmethod
    def read(cls, document: dict[str, Any]) -> "DisclosureEntry":
        """Reads the JSON of the contract's Entry and ignores fields that disclosure does not need."""
        return msgspec.convert(document, cls)

    @cached_property
    def shown_in(self) -> dict[str, dict[str, DisclosureItem]]:
        """The items that each mode shows, by mode and code; a mode that the entry does not have is absent."""
        return {m: {item.code: item for item in self.items if m in item.modes} for m in self.modes}

    @cached_property
    def plans(self) -> dict[str, Any]:
        """A cache: the plans for storing the items, by kind of subject; `record_fragments.py` fills it."""
        return {}

    @cached_property
    def facts(self) -> tuple[tuple[str, str], ...]:
        """The facts that records of this entry state, with their items; a subject has one value of each fact."""
        stated = [(NAME, self.subject_name_item)] if self.subject_name_item else []
        if self.information_class == BASIC:
            stated += [(FACTS[item.name.zh], item.code) for item in self.items if item.name.zh in FACTS]
        # Sealed values cannot be compared.
        return tuple((fact, code) for fact, code in stated if code not in self.identifiers)

    def registers_organisation(self, item: DisclosureItem) -> bool:
        """Whether an item, in which people write freely, is for a number under which organisations are registered."""
        registered = item.code in self.subject_id_items and item.sensitivity == "open"
        return bool(item.identifier) or registered

    @cached_property
    def identifying(self) -> tuple[tuple[str, str], ...]:
        """Code and scheme of the items that identify the subject, as ingest uses them to make references."""
        return tuple(
            (item.code, item.identifier or f"item:{item.code}")
            for item in self.items
            if item.code in self.subject_id_items
        )

    def names_two_subjects(self, items: Collection[str]) -> bool:
        """Whether a record with these items names an organisation and a person as its subject. Ingest refuses such records
        (`subject.two`), and accepted them before."""
        named = [scheme for code, scheme in self.identifying if code in items]
        return any(scheme in PERSONAL for scheme in named) and not all(scheme in PERSONAL for scheme in named)

    @cached_property
    def identifiers(self) -> tuple[str, ...]:
        """Codes of the items whose values are stored sealed."""
        return tuple(item.code for item in self.items if item.sensitivity == "identifier")
