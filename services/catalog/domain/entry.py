"""The types of the catalog: entries and their items (Art. 7, 8, 13, 14, 18).

Field names are those of proto/chengxin/catalog/v1/catalog.proto. The content classes have slots: of a class without
slots, msgspec writes only the fields that were set, and leaves out those that have their defaults.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Any, Final, NamedTuple

import msgspec

from chengxin.errors import invalid, not_found
from chengxin.values.clock import rfc3339
from chengxin.values.identifiers import PERSONAL
from chengxin.values.representatives import names_representative
from chengxin.values.text_forms import comparison_key

ENTRY_INVALID = invalid(
    "ENTRY_INVALID",
    "目录条目草案不符合编制要求，请按 errors 逐项修正",
    "The draft entry does not obey the rules of the catalog; see errors for each field",
)
ENTRY_UNKNOWN = not_found(
    "ENTRY_UNKNOWN",
    "目录中没有已发布的条目 {code}（版本 {version}），请核对条目代码和版本",
    "The catalog has no published entry {code} (version {version}); check code and version",
)

# The persons that records are about, beside those whom other items name. No item is called so.
SUBJECTS: Final = ""


class SubjectKind(StrEnum):
    """The kind of subject that information is about (Art. 13)."""

    ENTERPRISE = "enterprise"
    PUBLIC_INSTITUTION = "public_institution"
    SOCIAL_ORGANIZATION = "social_organization"
    INDIVIDUAL = "individual"


class InformationClass(StrEnum):
    """The class of information, by its nature (Art. 13)."""

    BASIC = "basic"
    LICENSING_AND_PENALTY = "licensing_and_penalty"
    JUDICIAL = "judicial"
    EVALUATION = "evaluation"
    QUALIFICATION = "qualification"


class Mode(StrEnum):
    """A disclosure mode: who may see information (Art. 14)."""

    PUBLIC = "public"
    AUTHORIZED = "authorized"
    SHARED = "shared"


class UpdateCycle(StrEnum):
    """How often a provider delivers (Art. 8)."""

    REALTIME = "realtime"
    DAILY = "daily"
    WEEKLY = "weekly"
    MONTHLY = "monthly"
    QUARTERLY = "quarterly"
    YEARLY = "yearly"


class Extent(StrEnum):
    """The value of the sharing or openness attribute (Art. 8)."""

    UNCONDITIONAL = "unconditional"
    CONDITIONAL = "conditional"
    NONE = "none"


class ItemType(StrEnum):
    """The type of an item's value."""

    TEXT = "text"
    DATE = "date"
    NUMBER = "number"


class IdentifierScheme(StrEnum):
    """What a text identifies.

    Values are checked as `chengxin/values/identifiers.py` says; of a registration number only that it is no person's.
    """

    NONE = ""
    USCC = "uscc"
    IDENTITY_NUMBER = "identity_number"
    PERMANENT_RESIDENCE = "permanent_residence"
    HK_MACAO_PERMIT = "hk_macao_permit"
    TAIWAN_PERMIT = "taiwan_permit"
    PASSPORT = "passport"
    # Any of these documents of a person.
    PERSONAL_DOCUMENT = "personal_document"
    ORGANISATION_CODE = "organisation_code"
    # 工商注册号, used before the unified social credit code: 15 digits, in earlier times 13.
    REGISTRATION_NUMBER = "registration_number"


class Sensitivity(StrEnum):
    """How an item is protected (Art. 4); `identifier` is encrypted at rest."""

    OPEN = "open"
    PERSONAL = "personal"
    IDENTIFIER = "identifier"


class Masking(StrEnum):
    """How the public and shared views show a value."""

    NONE = ""
    NAME = "name"
    IDENTIFIER = "identifier"


class DisclosureRule(StrEnum):
    """When disclosure ends (Art. 18)."""

    UNLIMITED = "unlimited"
    YEARS_FROM_ITEM = "years_from_item"
    UNTIL_ITEM = "until_item"
    UNTIL_REVOKED = "until_revoked"


class CrossRuleKind(StrEnum):
    """What a rule across items demands."""

    NOT_BEFORE = "not_before"
    NOT_LESS = "not_less"
    REQUIRED_WHEN = "required_when"
    FORBIDDEN_WHEN = "forbidden_when"

    @property
    def orders(self) -> bool:
        """Whether the rule compares two values.

        Otherwise it demands or forbids one item when another item has certain values.
        """
        return self in (CrossRuleKind.NOT_BEFORE, CrossRuleKind.NOT_LESS)


@dataclass(frozen=True, slots=True)
class LocalText:
    """A text in both languages; English may be missing."""

    zh: str
    en: str = ""


@dataclass(frozen=True, slots=True)
class Organisation:
    """An organisation by its unified social credit code."""

    uscc: str
    name: str


@dataclass(frozen=True, slots=True)
class Attribute:
    """Sharing or openness, with its condition in words."""

    value: Extent
    condition: str = ""


@dataclass(frozen=True, slots=True)
class CodeValue:
    """A permitted value."""

    code: str
    name: LocalText


@dataclass(frozen=True, slots=True)
class CodeListRef:
    """A version of a code list; version 0 asks for the one in force."""

    name: str
    version: int = 0


@dataclass(frozen=True, slots=True)
class Item:
    """One information item (信息项) of an entry."""

    code: str
    name: LocalText
    type: ItemType = ItemType.TEXT
    # The greatest length in characters (text) or digits (number); 0 for dates.
    length: int = 0
    scale: int = 0
    required: bool = False
    code_list: tuple[CodeValue, ...] = ()
    multiple: bool = False
    identifier: IdentifierScheme = IdentifierScheme.NONE
    pattern: str = ""
    sensitivity: Sensitivity = Sensitivity.OPEN
    modes: tuple[Mode, ...] = ()
    masking: Masking = Masking.NONE
    # The list from which `code_list` was taken; None when the item has values of its own.
    code_list_ref: CodeListRef | None = None
    # The unit of a number, for example 万元.
    unit: str = ""
    # The instruction for the person who fills in the item.
    note: str = ""
    # The date of something that has happened, which is not after the day of delivery.
    not_after_delivery: bool = False


@dataclass(frozen=True, slots=True)
class ItemGroup:
    """Items of which at least one must be present."""

    items: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class CrossRule:
    """A rule across items of one record."""

    rule: CrossRuleKind
    item: str
    other: str
    values: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class LegalDocumentItems:
    """Codes of the items that name a record's legal document (Art. 3)."""

    number: str
    date: str
    organ: str


@dataclass(frozen=True, slots=True)
class DisclosurePeriod:
    """How long a record is disclosed (Art. 18)."""

    rule: DisclosureRule
    item: str = ""
    years: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryContent:
    """The content of an entry, published or not."""

    code: str
    name: LocalText
    providers: tuple[Organisation, ...]
    subject_kinds: tuple[SubjectKind, ...]
    information_class: InformationClass
    regions: tuple[str, ...]
    update_cycle: UpdateCycle
    sharing: Attribute
    openness: Attribute
    modes: tuple[Mode, ...]
    items: tuple[Item, ...]
    natural_key: tuple[str, ...]
    subject_name_item: str
    subject_id_items: tuple[str, ...]
    reporting_limit_working_days: int
    disclosure_period: DisclosurePeriod
    legal_basis: tuple[str, ...]
    legal_document: LegalDocumentItems
    required_one_of: tuple[ItemGroup, ...] = ()
    cross_rules: tuple[CrossRule, ...] = ()
    # What the information resource is about.
    description: str = ""
    # The code in the government information resource catalog (Art. 6), once the data bureau has assigned it.
    resource_code: str = ""
    # What regions and subject kinds cannot express about the coverage.
    coverage_note: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Returns the plain values for the contract's JSON."""
        return dict(msgspec.to_builtins(self))

    def names_persons(self) -> Masking | None:
        """Returns how the public sees the names of the persons that records are about; None when it sees none."""
        if SubjectKind.INDIVIDUAL not in self.subject_kinds or Mode.PUBLIC not in self.modes:
            return None
        item = self.item(self.subject_name_item)
        return item.masking if item is not None and Mode.PUBLIC in item.modes else None

    def names_masked(self) -> set[str]:
        """Returns whose names the public does not see in full: `SUBJECTS`, and what items with others' names are called."""
        masked = {comparison_key(i.name.zh) for i in self._texts_for_the_public() if i.masking is Masking.NAME}
        about_persons = SubjectKind.INDIVIDUAL in self.subject_kinds and Mode.PUBLIC in self.modes
        return masked | ({SUBJECTS} if about_persons and self.names_persons() is not Masking.NONE else set())

    def names_in_full(self) -> dict[str, str]:
        """Returns whose names the public would see in full, with the code of the item, if they are names at all."""
        full = {comparison_key(i.name.zh): i.code for i in self._texts_for_the_public() if i.masking is Masking.NONE}
        return full | ({SUBJECTS: self.subject_name_item} if self.names_persons() is Masking.NONE else {})

    def _texts_for_the_public(self) -> list[Item]:
        """The items of the public view in which people write, but for the name of the subject."""
        return [
            item
            for item in self.items
            if Mode.PUBLIC in item.modes
            and item.type is ItemType.TEXT
            and not item.code_list
            and item.code != self.subject_name_item
        ]

    def identifying_items(self) -> tuple[list[Item], list[Item]]:
        """Returns the items that identify organisations, and those that identify persons; a record has those of one."""
        items = [item for item in self.items if item.code in self.subject_id_items]
        return [i for i in items if i.identifier not in PERSONAL], [i for i in items if i.identifier in PERSONAL]

    def registers_organisation(self, item: Item) -> bool:
        """Whether an item holds a number under which organisations are registered, as ingest reads it."""
        if item.identifier:
            return item.identifier not in PERSONAL
        registered = item.code in self.subject_id_items and item.sensitivity is Sensitivity.OPEN
        return item.type is ItemType.TEXT and registered

    def is_name(self, item: Item) -> bool:
        """Whether an item holds the name of an organisation or a person, as ingest reads it."""
        is_text = item.type is ItemType.TEXT and not item.identifier and not item.code_list
        named = item.masking is Masking.NAME or names_representative(item.name.zh)
        return is_text and (item.code == self.subject_name_item or named)

    def item(self, code: str) -> Item | None:
        """Returns the item with this code; None when the entry has no such item."""
        return next((item for item in self.items if item.code == code), None)


class VersionName(NamedTuple):
    """Names a published version; what it says never changes."""

    code: str
    version: int


@dataclass(frozen=True, slots=True)
class Entry:
    """One published, immutable version; only its last day may still be set, by the next version or by retirement."""

    content: EntryContent
    version: int
    effective_from: date
    effective_to: date | None
    published_at: datetime
    # The document with which it was published.
    publication_document: str = ""
    # The reason for its end, when it was retired.
    retirement_basis: str = ""

    @property
    def version_name(self) -> VersionName:
        """Its name among all versions of all entries."""
        return VersionName(self.content.code, self.version)

    def in_force(self, day: date) -> bool:
        """Whether the version is in force on a Shanghai date."""
        return self.effective_from <= day and (self.effective_to is None or day <= self.effective_to)

    def to_dict(self) -> dict[str, Any]:
        """Returns the plain values for the contract's JSON."""
        return self.content.to_dict() | {
            "version": self.version,
            "effective_from": self.effective_from.isoformat(),
            "effective_to": self.effective_to.isoformat() if self.effective_to else "",
            "published_at": rfc3339(self.published_at),
            "publication_document": self.publication_document,
            "retirement_basis": self.retirement_basis,
        }


def read_content(plain: Mapping[str, Any]) -> EntryContent:
    """Reads content from the contract's JSON and ignores other fields. Raises `msgspec.ValidationError`."""
    return msgspec.convert(plain, EntryContent)
