"""The rules that an entry must obey before it is published (Art. 3, 4, 7, 8, 13, 14, 18): content in, findings out."""

import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from chengxin.errors import FieldError
from chengxin.values.identifiers import PERSONAL, is_uscc
from chengxin.values.personal_numbers import holds_personal_number
from chengxin.values.representatives import names_representative
from chengxin.values.text_forms import code_point, comparison_key, first_hidden
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
    Masking,
    Mode,
    SubjectKind,
)
from services.catalog.domain.findings_messages import message
from services.catalog.domain.item_validation import item_findings

_ENTRY_CODE: Final = re.compile(r"[A-Z][A-Z0-9_]{1,31}\Z")
# The code of class, item and category in the national guide (2017, annex 1), a slash, the sequence number.
_RESOURCE_CODE: Final = re.compile(r"[0-9A-Z]{1,20}/[0-9]{1,12}\Z")
_LINE_BREAKS: Final = "\t\n\r"
_MOST_TOLD: Final = 5
_MOST_ITEMS: Final = 300
# Limit for the permitted values of all items. Each version of an entry holds them once for every item, even if several
# items refer to the same list. A publication writes them up to six times at once, and the embedded store stands still
# when that fills its cache.
_MOST_BYTES_OF_CODES: Final = 2 * 1024 * 1024
_MOST_WORKING_DAYS: Final = 250
_MOST_YEARS: Final = 100
_ORGANISATION_IDS: Final = frozenset({IdentifierScheme.USCC, IdentifierScheme.ORGANISATION_CODE})


@dataclass(frozen=True)
class Finding:
    """One fault: its place (`items.3.pattern`), the rule, and the values for the placeholders of the rule's message."""

    where: str
    rule: str
    words: dict[str, object] = field(default_factory=dict)

    def field_error(self, language: str) -> FieldError:
        """Returns the finding as it is answered, in `zh-CN` or `en`."""
        return FieldError(self.where, self.rule, message(self.rule, language, **self.words))


Findings = Iterator[Finding]


def findings(content: EntryContent) -> list[Finding]:
    """Returns every fault of an entry's content, in the order of its fields; an empty list when there is none."""
    return [finding for check in _CHECKS for finding in check(content)]


def _check_heading(content: EntryContent) -> Findings:
    if not _ENTRY_CODE.match(content.code):
        yield Finding("code", "code.format")
    yield from text_findings("name", content.name, 200)
    for name in ("description", "coverage_note"):
        if len(getattr(content, name)) > 1000:
            yield Finding(name, "text.long", {"limit": 1000})
    if content.resource_code and not _RESOURCE_CODE.match(content.resource_code):
        yield Finding("resource_code", "resource_code")
    plain = content.to_dict()
    yield from unprintable_findings(plain)
    yield from number_findings(plain)
    for where, text in _texts_in("", plain):
        # Spreadsheets lose outer spaces, and columns are found by their names. In a pattern, spaces have a meaning.
        if text != text.strip() and not where.endswith(".pattern"):
            yield Finding(where, "text.spaces")


def unprintable_findings(plain: object) -> Findings:
    """Yields a finding for each text of a content's JSON with line breaks or with characters that nobody sees."""
    for where, text in _texts_in("", plain):
        unseen = [char for char in _LINE_BREAKS if char in text] + [char for _, char in first_hidden(text, _MOST_TOLD)]
        if unseen:
            yield Finding(where, "text.unprintable", {"found": ", ".join(map(code_point, unseen))})


def number_findings(plain: object) -> Findings:
    """Yields a finding for each text of a content's JSON with the number of a person: everybody reads what is published."""
    for where, text in _texts_in("", plain):
        if holds_personal_number(text):
            yield Finding(where, "text.personal_number")


def _texts_in(where: str, value: object) -> Iterator[tuple[str, str]]:
    """Yields every text of a content with its place."""
    if isinstance(value, str):
        yield where, value
    elif isinstance(value, dict):
        for name, part in value.items():
            yield from _texts_in(f"{where}.{name}" if where else name, part)
    elif isinstance(value, list | tuple):
        for n, part in enumerate(value):
            yield from _texts_in(f"{where}.{n}", part)


def _check_providers(content: EntryContent) -> Findings:
    yield from _check_given("providers", [p.uscc for p in content.providers])
    for n, provider in enumerate(content.providers):
        if not is_uscc(provider.uscc):
            yield Finding(f"providers.{n}.uscc", "uscc", {"value": provider.uscc})
        yield from text_findings(f"providers.{n}.name", LocalText(provider.name), 200)


def _check_coverage(content: EntryContent) -> Findings:
    yield from _check_given("subject_kinds", content.subject_kinds)
    yield from _check_given("regions", content.regions)


def region_findings(content: EntryContent, known: Collection[str]) -> Findings:
    """Yields a finding for each region that is not in `known`, the codes of the region list in force."""
    for n, region in enumerate(content.regions):
        if region not in known:
            yield Finding(f"regions.{n}", "region.unknown", {"value": region})


def discretion_findings(content: EntryContent, masked: Mapping[str, Collection[str]]) -> Findings:
    """Yields a finding for each item that would show persons' names in full in public, though other entries mask them: who
    finds a person under one learns the name under the others (Art. 4). `masked` has the codes of these entries."""
    codes = [item.code for item in content.items]
    for persons, code in content.names_in_full().items():
        if entries := masked.get(persons):
            where = f"items.{codes.index(code)}.masking"
            yield Finding(where, "masking.undone", {"entries": "、".join(sorted(entries))})


def _check_representatives(content: EntryContent) -> Findings:
    """Whoever represents an organisation is public with its registration, so a mask elsewhere hides nothing."""
    if set(content.subject_kinds) == {SubjectKind.INDIVIDUAL}:
        return
    for n, item in enumerate(content.items):
        if names_representative(item.name.zh) and item.masking is Masking.NAME and Mode.PUBLIC in item.modes:
            yield Finding(f"items.{n}.masking", "masking.representative")


def _check_modes(content: EntryContent) -> Findings:
    yield from _check_attribute("sharing", content.sharing, Mode.SHARED, content.modes)
    yield from _check_attribute("openness", content.openness, Mode.PUBLIC, content.modes)
    yield from _check_given("modes", content.modes)
    for mode in content.modes:
        if not any(mode in item.modes for item in content.items):
            yield Finding("modes", "mode.unused", {"value": mode})


def _check_attribute(name: str, attribute: Attribute, mode: Mode, modes: Sequence[Mode]) -> Findings:
    if attribute.value is Extent.CONDITIONAL and not attribute.condition.strip():
        yield Finding(f"{name}.condition", "attribute.condition")
    if len(attribute.condition) > 500:
        yield Finding(f"{name}.condition", "text.long", {"limit": 500})
    if attribute.value is Extent.NONE and mode in modes:
        yield Finding(f"{name}.value", "attribute.contradiction", {"value": mode})


def _check_items(content: EntryContent) -> Findings:
    yield from _check_given("items", [item.code for item in content.items], "code")
    # The columns of files are named by the Chinese names, and found by what looks the same.
    yield from _check_duplicates("items", [comparison_key(item.name.zh) for item in content.items], "name.zh")
    if len(content.items) > _MOST_ITEMS:
        yield Finding("items", "too_many", {"limit": _MOST_ITEMS})
    size = sum(_size_of(value) for item in content.items for value in item.code_list)
    if size > _MOST_BYTES_OF_CODES:
        yield Finding("items", "codes.large", {"limit": _MOST_BYTES_OF_CODES, "size": size})
    for n, item in enumerate(content.items):
        yield from text_findings(f"items.{n}.name", item.name, 200)
        for where, rule, words in item_findings(item, content.modes):
            yield Finding(f"items.{n}.{where}", rule, words)


def _size_of(value: CodeValue) -> int:
    """Estimates the bytes that a permitted value takes in a document."""
    return 64 + sum(len(text.encode()) for text in (value.code, value.name.zh, value.name.en))


def _check_identity(content: EntryContent) -> Findings:
    yield from _check_given("natural_key", content.natural_key)
    yield from _check_items_exist(content, "natural_key", content.natural_key)
    yield from _check_items_exist(content, "subject_name_item", [content.subject_name_item], numbered=False)
    yield from _check_given("subject_id_items", content.subject_id_items)
    yield from _check_items_exist(content, "subject_id_items", content.subject_id_items)
    ids = {item.identifier for item in content.items if item.code in content.subject_id_items}
    for kind in content.subject_kinds:
        accepted = PERSONAL if kind is SubjectKind.INDIVIDUAL else _ORGANISATION_IDS
        if not ids & accepted:
            yield Finding("subject_id_items", "subject_id.kind", {"value": kind})
    id_items = set(content.subject_id_items)
    required = any(item.required for item in content.items if item.code in id_items)
    required_by_group = any(group.items and set(group.items) <= id_items for group in content.required_one_of)
    if content.subject_id_items and not (required or required_by_group):
        yield Finding("subject_id_items", "subject_id.undetermined")
    if all(any(item.required for item in group) for group in content.identifying_items()):
        yield Finding("subject_id_items", "subject_id.two")


def _check_terms(content: EntryContent) -> Findings:
    if not 1 <= content.reporting_limit_working_days <= _MOST_WORKING_DAYS:
        yield Finding("reporting_limit_working_days", "limit.range", {"least": 1, "most": _MOST_WORKING_DAYS})
    yield from _check_disclosure_period(content)
    yield from _check_given("legal_basis", content.legal_basis)
    for n, basis in enumerate(content.legal_basis):
        yield from text_findings(f"legal_basis.{n}", LocalText(basis), 500)
    document = content.legal_document
    for part in ("number", "date", "organ"):
        code = getattr(document, part)
        yield from _check_items_exist(content, f"legal_document.{part}", [code], numbered=False)
        if (item := content.item(code)) is not None and not item.required:
            yield Finding(f"legal_document.{part}", "legal_document.optional", {"value": code})
    if _type_of(content, document.date) not in (None, ItemType.DATE):
        yield Finding("legal_document.date", "legal_document.date")
    if _may_lie_ahead(content, document.date):
        yield Finding("legal_document.date", "legal_document.future", {"value": document.date})


def _check_disclosure_period(content: EntryContent) -> Findings:
    period = content.disclosure_period
    uses_item = period.rule in (DisclosureRule.YEARS_FROM_ITEM, DisclosureRule.UNTIL_ITEM)
    if uses_item and _type_of(content, period.item) is not ItemType.DATE:
        yield Finding("disclosure_period.item", "disclosure.item")
    if period.rule is DisclosureRule.YEARS_FROM_ITEM and _may_lie_ahead(content, period.item):
        yield Finding("disclosure_period.item", "disclosure.unbounded", {"value": period.item})
    if not uses_item and period.item:
        yield Finding("disclosure_period.item", "disclosure.superfluous")
    uses_years = period.rule is DisclosureRule.YEARS_FROM_ITEM
    if uses_years and not 1 <= period.years <= _MOST_YEARS:
        yield Finding("disclosure_period.years", "disclosure.years")
    if not uses_years and period.years:
        yield Finding("disclosure_period.years", "disclosure.superfluous")


def _check_rules(content: EntryContent) -> Findings:
    for n, group in enumerate(content.required_one_of):
        if len(set(group.items)) < 2:
            yield Finding(f"required_one_of.{n}.items", "group.size")
        yield from _check_items_exist(content, f"required_one_of.{n}.items", group.items)
    for n, rule in enumerate(content.cross_rules):
        yield from _check_cross_rule(content, f"cross_rules.{n}", rule)


def _check_cross_rule(content: EntryContent, where: str, rule: CrossRule) -> Findings:
    yield from _check_items_exist(content, f"{where}.item", [rule.item], numbered=False)
    yield from _check_items_exist(content, f"{where}.other", [rule.other], numbered=False)
    if rule.item == rule.other:
        yield Finding(f"{where}.other", "cross_rule.self")
    yield from (_check_ordering if rule.rule.orders else _check_conditional)(content, where, rule)


def _check_ordering(content: EntryContent, where: str, rule: CrossRule) -> Findings:
    item, other = content.item(rule.item), content.item(rule.other)
    compares_dates = rule.rule is CrossRuleKind.NOT_BEFORE
    if item is not None and other is not None:
        if {item.type, other.type} != {ItemType.DATE if compares_dates else ItemType.NUMBER}:
            yield Finding(where, "cross_rule.dates" if compares_dates else "cross_rule.numbers")
        elif item.unit != other.unit:
            yield Finding(where, "cross_rule.units")
    if rule.values:
        yield Finding(f"{where}.values", "cross_rule.superfluous_values")


def _check_conditional(content: EntryContent, where: str, rule: CrossRule) -> Findings:
    yield from _check_given(f"{where}.values", rule.values)
    if rule.rule is CrossRuleKind.FORBIDDEN_WHEN:
        item = content.item(rule.item)
        if item is not None and item.required:
            yield Finding(f"{where}.item", "cross_rule.forbids_required")
        for earlier in content.cross_rules:
            requires = earlier.rule is CrossRuleKind.REQUIRED_WHEN
            if requires and (earlier.item, earlier.other) == (rule.item, rule.other):
                for value in [value for value in rule.values if value in earlier.values]:
                    yield Finding(f"{where}.values", "cross_rule.contradiction", {"value": value})
    codes = {value.code for item in content.items if item.code == rule.other for value in item.code_list}
    for value in rule.values:
        if codes and value not in codes:
            yield Finding(f"{where}.values", "cross_rule.values", {"value": value})


def text_findings(where: str, text: LocalText, limit: int) -> Findings:
    """Yields the faults of a text: it needs Chinese, and each language has at most `limit` characters."""
    if not comparison_key(text.zh):
        yield Finding(where, "text.missing")
    if max(len(text.zh), len(text.en)) > limit:
        yield Finding(where, "text.long", {"limit": limit})


def _check_given(where: str, values: Sequence[str], part: str = "") -> Findings:
    if not values:
        yield Finding(where, "empty")
    yield from _check_duplicates(where, values, part)


def _check_duplicates(where: str, values: Sequence[str], part: str = "") -> Findings:
    seen = set()
    for n, value in enumerate(values):
        if value in seen:
            yield Finding(".".join(filter(None, (where, str(n), part))), "duplicate", {"value": value})
        seen.add(value)


def _check_items_exist(content: EntryContent, where: str, codes: Sequence[str], numbered: bool = True) -> Findings:
    known = {item.code for item in content.items}
    for n, code in enumerate(codes):
        if code not in known:
            yield Finding(f"{where}.{n}" if numbered else where, "unknown_item", {"value": code})


def _may_lie_ahead(content: EntryContent, code: str) -> bool:
    item = content.item(code)
    return item is not None and item.type is ItemType.DATE and not item.not_after_delivery


def _type_of(content: EntryContent, code: str) -> ItemType | None:
    return next((item.type for item in content.items if item.code == code), None)


_CHECKS: Final[tuple[Callable[[EntryContent], Findings], ...]] = (
    _check_heading,
    _check_providers,
    _check_coverage,
    _check_modes,
    _check_items,
    _check_representatives,
    _check_identity,
    _check_terms,
    _check_rules,
)
