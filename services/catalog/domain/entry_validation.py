"""What an entry must be before it can be published (Art. 3, 4, 7, 8, 13, 14, 18). Pure: content in, findings out."""

import re
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from stdnum.cn import uscc

from chengxin.errors import FieldError
from services.catalog.domain.entry import (
    Attribute,
    CodeValue,
    CrossRule,
    CrossRuleKind,
    DisclosureRule,
    EntryContent,
    Extent,
    IdentifierScheme,
    ItemType,
    LocalText,
    Mode,
    SubjectKind,
)
from services.catalog.domain.findings_messages import message
from services.catalog.domain.item_validation import item_findings

_ENTRY_CODE: Final = re.compile(r"[A-Z][A-Z0-9_]{1,31}\Z")
# Class, item and category as the national guide codes them, a slash, the sequence (2017, annex 1).
_RESOURCE_CODE: Final = re.compile(r"[0-9A-Z]{1,20}/[0-9]{1,12}\Z")
# Control characters, line breaks among them, and halves of characters: neither JSON nor a spreadsheet keeps them all.
_UNPRINTABLE: Final = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff\ufffe\uffff]")
_MOST_ITEMS: Final = 300
# Of the permitted values of all items, which each version of an entry holds, however many refer to the same list. A
# publication writes it up to six times at once, and the embedded store stands still when that fills its cache.
_MOST_BYTES_OF_CODES: Final = 2 * 1024 * 1024
_MOST_WORKING_DAYS: Final = 250
_MOST_YEARS: Final = 100
_ORGANISATION_IDS: Final = {IdentifierScheme.USCC, IdentifierScheme.ORGANISATION_CODE}


@dataclass(frozen=True)
class Finding:
    """One thing wrong: where (`items.3.pattern`), which rule, and the words of its message."""

    where: str
    rule: str
    words: dict[str, object] = field(default_factory=dict)

    def field_error(self, language: str) -> FieldError:
        """As it is answered, in `zh-CN` or `en`."""
        return FieldError(self.where, self.rule, message(self.rule, language, **self.words))


Findings = Iterator[Finding]


def findings(content: EntryContent) -> list[Finding]:
    """Everything wrong with an entry's content, in the order of its fields; nothing for a sound one."""
    return [finding for check in _CHECKS for finding in check(content)]


def _heading(content: EntryContent) -> Findings:
    if not _ENTRY_CODE.match(content.code):
        yield Finding("code", "code.format")
    yield from text_findings("name", content.name, 200)
    for name in ("description", "coverage_note"):
        if len(getattr(content, name)) > 1000:
            yield Finding(name, "text.long", {"limit": 1000})
    if content.resource_code and not _RESOURCE_CODE.match(content.resource_code):
        yield Finding("resource_code", "resource_code")
    for where, text in _texts("", content.to_dict()):
        if _UNPRINTABLE.search(text):
            yield Finding(where, "text.unprintable")
        # Sheets do not keep it, and columns are found by their names. In a pattern it means something.
        if text != text.strip() and not where.endswith(".pattern"):
            yield Finding(where, "text.spaces")


def _texts(where: str, value: object) -> Iterator[tuple[str, str]]:
    """Every text of a content, and where it is."""
    if isinstance(value, str):
        yield where, value
    elif isinstance(value, dict):
        for name, part in value.items():
            yield from _texts(f"{where}.{name}" if where else name, part)
    elif isinstance(value, list | tuple):
        for n, part in enumerate(value):
            yield from _texts(f"{where}.{n}", part)


def _providers(content: EntryContent) -> Findings:
    yield from _some("providers", [p.uscc for p in content.providers])
    for n, provider in enumerate(content.providers):
        # `is_valid` would forgive spaces and small letters.
        if not (provider.uscc == uscc.compact(provider.uscc) and uscc.is_valid(provider.uscc)):
            yield Finding(f"providers.{n}.uscc", "uscc", {"value": provider.uscc})
        yield from text_findings(f"providers.{n}.name", LocalText(provider.name), 200)


def _coverage(content: EntryContent) -> Findings:
    yield from _some("subject_kinds", content.subject_kinds)
    yield from _some("regions", content.regions)


def region_findings(content: EntryContent, known: Collection[str]) -> Findings:
    """Regions that are not among the codes of the region list in force."""
    for n, region in enumerate(content.regions):
        if region not in known:
            yield Finding(f"regions.{n}", "region.unknown", {"value": region})


def _modes(content: EntryContent) -> Findings:
    yield from _attribute("sharing", content.sharing, Mode.SHARED, content.modes)
    yield from _attribute("openness", content.openness, Mode.PUBLIC, content.modes)
    yield from _some("modes", content.modes)
    for mode in content.modes:
        if not any(mode in item.modes for item in content.items):
            yield Finding("modes", "mode.unused", {"value": mode})


def _attribute(name: str, attribute: Attribute, mode: Mode, modes: Sequence[Mode]) -> Findings:
    if attribute.value is Extent.CONDITIONAL and not attribute.condition.strip():
        yield Finding(f"{name}.condition", "attribute.condition")
    if len(attribute.condition) > 500:
        yield Finding(f"{name}.condition", "text.long", {"limit": 500})
    if attribute.value is Extent.NONE and mode in modes:
        yield Finding(f"{name}.value", "attribute.contradiction", {"value": mode})


def _items(content: EntryContent) -> Findings:
    yield from _some("items", [item.code for item in content.items], "code")
    # Files name their columns by the Chinese names.
    yield from _repeated("items", [item.name.zh for item in content.items], "name.zh")
    if len(content.items) > _MOST_ITEMS:
        yield Finding("items", "too_many", {"limit": _MOST_ITEMS})
    size = sum(_size(value) for item in content.items for value in item.code_list)
    if size > _MOST_BYTES_OF_CODES:
        yield Finding("items", "codes.large", {"limit": _MOST_BYTES_OF_CODES, "size": size})
    for n, item in enumerate(content.items):
        yield from text_findings(f"items.{n}.name", item.name, 200)
        for where, rule, words in item_findings(item, content.modes):
            yield Finding(f"items.{n}.{where}", rule, words)


def _size(value: CodeValue) -> int:
    """About the bytes that a permitted value takes in a document."""
    return 64 + sum(len(text.encode()) for text in (value.code, value.name.zh, value.name.en))


def _identity(content: EntryContent) -> Findings:
    yield from _some("natural_key", content.natural_key)
    yield from _known(content, "natural_key", content.natural_key)
    yield from _known(content, "subject_name_item", [content.subject_name_item], numbered=False)
    yield from _some("subject_id_items", content.subject_id_items)
    yield from _known(content, "subject_id_items", content.subject_id_items)
    ids = {item.identifier for item in content.items if item.code in content.subject_id_items}
    for kind in content.subject_kinds:
        wanted = {IdentifierScheme.IDENTITY_NUMBER} if kind is SubjectKind.INDIVIDUAL else _ORGANISATION_IDS
        if not ids & wanted:
            yield Finding("subject_id_items", "subject_id.kind", {"value": kind})
    identifying = set(content.subject_id_items)
    required = any(item.required for item in content.items if item.code in identifying)
    grouped = any(group.items and set(group.items) <= identifying for group in content.required_one_of)
    if content.subject_id_items and not (required or grouped):
        yield Finding("subject_id_items", "subject_id.undetermined")


def _terms(content: EntryContent) -> Findings:
    if not 1 <= content.reporting_limit_working_days <= _MOST_WORKING_DAYS:
        yield Finding("reporting_limit_working_days", "limit.range", {"least": 1, "most": _MOST_WORKING_DAYS})
    yield from _disclosure(content)
    yield from _some("legal_basis", content.legal_basis)
    for n, basis in enumerate(content.legal_basis):
        yield from text_findings(f"legal_basis.{n}", LocalText(basis), 500)
    document = content.legal_document
    for part in ("number", "date", "organ"):
        code = getattr(document, part)
        yield from _known(content, f"legal_document.{part}", [code], numbered=False)
        if (item := content.item(code)) is not None and not item.required:
            yield Finding(f"legal_document.{part}", "legal_document.optional", {"value": code})
    if _type(content, document.date) not in (None, ItemType.DATE):
        yield Finding("legal_document.date", "legal_document.date")


def _disclosure(content: EntryContent) -> Findings:
    period = content.disclosure_period
    dated = period.rule in (DisclosureRule.YEARS_FROM_ITEM, DisclosureRule.UNTIL_ITEM)
    if dated and _type(content, period.item) is not ItemType.DATE:
        yield Finding("disclosure_period.item", "disclosure.item")
    if not dated and period.item:
        yield Finding("disclosure_period.item", "disclosure.superfluous")
    counted = period.rule is DisclosureRule.YEARS_FROM_ITEM
    if counted and not 1 <= period.years <= _MOST_YEARS:
        yield Finding("disclosure_period.years", "disclosure.years")
    if not counted and period.years:
        yield Finding("disclosure_period.years", "disclosure.superfluous")


def _rules(content: EntryContent) -> Findings:
    for n, group in enumerate(content.required_one_of):
        if len(set(group.items)) < 2:
            yield Finding(f"required_one_of.{n}.items", "group.size")
        yield from _known(content, f"required_one_of.{n}.items", group.items)
    for n, rule in enumerate(content.cross_rules):
        yield from _cross(content, f"cross_rules.{n}", rule)


def _cross(content: EntryContent, where: str, rule: CrossRule) -> Findings:
    yield from _known(content, f"{where}.item", [rule.item], numbered=False)
    yield from _known(content, f"{where}.other", [rule.other], numbered=False)
    if rule.item == rule.other:
        yield Finding(f"{where}.other", "cross_rule.self")
    yield from (_ordering if rule.rule.orders else _conditional)(content, where, rule)


def _ordering(content: EntryContent, where: str, rule: CrossRule) -> Findings:
    item, other = content.item(rule.item), content.item(rule.other)
    dated = rule.rule is CrossRuleKind.NOT_BEFORE
    if item is not None and other is not None:
        if {item.type, other.type} != {ItemType.DATE if dated else ItemType.NUMBER}:
            yield Finding(where, "cross_rule.dates" if dated else "cross_rule.numbers")
        elif item.unit != other.unit:
            yield Finding(where, "cross_rule.units")
    if rule.values:
        yield Finding(f"{where}.values", "cross_rule.superfluous_values")


def _conditional(content: EntryContent, where: str, rule: CrossRule) -> Findings:
    yield from _some(f"{where}.values", rule.values)
    if rule.rule is CrossRuleKind.FORBIDDEN_WHEN:
        item = content.item(rule.item)
        if item is not None and item.required:
            yield Finding(f"{where}.item", "cross_rule.forbids_required")
        for known in content.cross_rules:
            demanding = known.rule is CrossRuleKind.REQUIRED_WHEN
            if demanding and (known.item, known.other) == (rule.item, rule.other):
                for value in [value for value in rule.values if value in known.values]:
                    yield Finding(f"{where}.values", "cross_rule.contradiction", {"value": value})
    codes = {value.code for item in content.items if item.code == rule.other for value in item.code_list}
    for value in rule.values:
        if codes and value not in codes:
            yield Finding(f"{where}.values", "cross_rule.values", {"value": value})


def text_findings(where: str, text: LocalText, limit: int) -> Findings:
    """A text must be there in Chinese and fit."""
    if not text.zh.strip():
        yield Finding(where, "text.missing")
    if max(len(text.zh), len(text.en)) > limit:
        yield Finding(where, "text.long", {"limit": limit})


def _some(where: str, values: Sequence[str], part: str = "") -> Findings:
    if not values:
        yield Finding(where, "empty")
    yield from _repeated(where, values, part)


def _repeated(where: str, values: Sequence[str], part: str = "") -> Findings:
    seen = set()
    for n, value in enumerate(values):
        if value in seen:
            yield Finding(".".join(filter(None, (where, str(n), part))), "duplicate", {"value": value})
        seen.add(value)


def _known(content: EntryContent, where: str, codes: Sequence[str], numbered: bool = True) -> Findings:
    known = {item.code for item in content.items}
    for n, code in enumerate(codes):
        if code not in known:
            yield Finding(f"{where}.{n}" if numbered else where, "unknown_item", {"value": code})


def _type(content: EntryContent, code: str) -> ItemType | None:
    return next((item.type for item in content.items if item.code == code), None)


_CHECKS: Final[tuple[Callable[[EntryContent], Findings], ...]] = (
    _heading,
    _providers,
    _coverage,
    _modes,
    _items,
    _identity,
    _terms,
    _rules,
)
