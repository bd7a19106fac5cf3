"""The validator of an entry version, compiled once (Art. 9): a fast check, and a detailed one for what fails it."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date, timedelta
from decimal import Decimal
from typing import Annotated, Any, Final, Literal

import msgspec

from chengxin.values.clock import EARLIEST_DAY
from chengxin.values.identifiers import ANY_DOCUMENT, DECLARED, PERSONAL, fault_of, scheme_of
from chengxin.values.name_faults import name_fault
from chengxin.values.personal_numbers import is_personal_number, is_persons_instead
from chengxin.values.sample_marker import example_text
from chengxin.values.text_forms import code_point, first_hidden, with_hidden_named
from services.ingest.domain.catalog_entry import DeliveryCrossRule, DeliveryEntry, DeliveryItem
from services.ingest.domain.normalisation import ItemNormaliser, is_date
from services.ingest.domain.violation_messages import BothLanguages, listed, message_of, named, permitted

_MOST_REPORTED: Final = 5
_PERSONS_NUMBER: Final = "persons_number"
_CANONICAL: Final = re.compile(r"(?!-0\Z)-?(?:0|[1-9][0-9]*)(?:\.[0-9]*[1-9])?\Z")
# A spreadsheet turns a long number in a cell without text format into 4.41781E+17, which loses digits.
_ROUNDED: Final = re.compile(r"[+-]?[0-9](?:\.[0-9]+)?[eE]\+[0-9]{1,3}\Z")
# How a number is typed so that a spreadsheet keeps it as a text: with signs before it and perhaps behind (`'4417…`,
# `="4417…"`, `“4417…”`). In other programs they stay. Short words in quotes are names: `“7UP”`.
_SIGNS: Final = "='‘’‛′`´＇"
_QUOTES: Final = '"“”„″＂'
_MARKED: Final = re.compile(
    rf"""(?:[{_SIGNS}][{_SIGNS}{_QUOTES}]*(?=[^0-9]*[0-9])|[{_QUOTES}]+(?=(?:[^0-9]*[0-9]){{6}}))"""
    rf"""\+?[0-9A-Za-z.:/-]+[{_SIGNS}{_QUOTES}]*\Z|="[^"]*"\Z"""
)
_MARKS: Final = re.compile(rf"[{_SIGNS}]|[{_QUOTES}][0-9A-Za-z.:/+-]")
# A passport's number as it is printed, without its State or without the hyphen after it.
_PASSPORT_ALONE: Final = re.compile(r"(?:[A-Z]{3})?[0-9A-Z]{5,9}\Z")
# An identity number as people space it out: `441702-18960312-0024`.
_WITH_DASHES: Final = re.compile(r"(?=(?:[0-9]-*){17}[0-9X]\Z)[0-9]+-[0-9X-]*\Z")
# Dates as a spreadsheet counts them, in days since 1900: the years 1954 to 2119.
_SERIAL: Final = re.compile(r"[2-7][0-9]{4}\Z")
_SERIAL_ZERO: Final = date(1899, 12, 30)

Items = Mapping[str, str]


class Violation(msgspec.Struct, frozen=True):
    """One fault of a record: item, rule and message in both languages; the value only when it may be shown."""

    item: str
    rule: str
    zh: str
    en: str
    value: str = ""

    def message(self, language: str) -> str:
        """Returns the message, in `zh-CN` or `en`."""
        return self.en if language == "en" else self.zh


Rule = Callable[[Items], Violation | None]


class Validator:
    """The rules of one entry version."""

    def __init__(self, entry: DeliveryEntry) -> None:
        self.entry = entry
        self._known = entry.by_code
        self._normaliser = ItemNormaliser(entry)
        self._shape = _make_shape(entry)
        self._identifiers = [
            (item.code, DECLARED[item.identifier].fault) for item in entry.items if item.identifier in DECLARED
        ]
        self._dates = [item.code for item in entry.items if item.type == "date"]
        self._name_items = [item.code for item in entry.items if entry.is_name(item)]
        # What else is checked in these lets a person's number pass, and everybody sees them.
        self._no_persons: dict[str, Callable[[str], bool]] = {
            item.code: is_personal_number if item.type == "number" else is_persons_instead
            for item in entry.items
            if item.type == "number" or (item.identifier not in DECLARED and entry.registers_organisation(item))
        }
        self._happened = [item.code for item in entry.items if item.not_after_delivery]
        self._rules: list[Rule] = [
            *(_require_one_of("required_one_of", group.items, self._known) for group in entry.required_one_of),
            *(_make_cross_rule(rule, self._known) for rule in entry.cross_rules),
            _require_one_of("subject", entry.subject_id_items, self._known),
            _require_one_of("natural_key", entry.natural_key, self._known),
            *self._one_subject_rules(entry),
            *self._example_rules(entry),
        ]

    def _one_subject_rules(self, entry: DeliveryEntry) -> Iterator[Rule]:
        """Refuses a record that names an organisation and a person as its subject: it would be the organisation's, with
        the person's name on the organisation's public page."""
        named_items = [self._known[code] for code in entry.subject_id_items if code in self._known]
        persons = [item for item in named_items if item.identifier in PERSONAL]
        organisations = [item for item in named_items if item.identifier not in PERSONAL]
        if persons and organisations:
            yield _forbid_both("subject.two", organisations, persons)

    def _example_rules(self, entry: DeliveryEntry) -> Iterator[Rule]:
        """Refuses the example row of a template, which concerns no real subject and obeys every other rule."""
        if (item := self._known.get(entry.subject_name_item)) is None:
            return
        # The example as it is delivered; standardisation may change the item's name in it.
        written = {item.code: example_text(item.name.zh, item.length)}
        if example := self._normaliser.apply(written).get(item.code):
            violation = _make_violation(item, "example", example)
            yield lambda items: violation if items.get(item.code) == example else None

    def check(self, delivered: Items, today: date) -> tuple[dict[str, str], list[Violation]]:
        """Returns the standardised items and their faults; most records have none, which takes 10 µs to find out.

        `today` is the Shanghai date on which the record is delivered: nobody is born and nothing has happened after it.
        """
        items = {code: text for code, value in delivered.items() if (text := value.strip())}
        if self.passes(items, today) and not self._normaliser.is_odd(items):
            return items, []
        items = self._normaliser.apply(items)
        if self.passes(items, today):
            return items, []
        return items, self.violations(items, today)

    def standard(self, delivered: Items) -> dict[str, str]:
        """Returns the items as they are recorded, even if they break rules; empty ones are left out."""
        return self._normaliser.apply(delivered)

    def passes(self, items: Items, today: date) -> bool:
        """Whether standardised items obey every rule."""
        try:
            msgspec.convert(items, self._shape)
        except msgspec.ValidationError:
            return False
        text = "".join(items.values())
        if first_hidden(text, 1):
            return False
        if "E+" in text or "e+" in text or _MARKS.search(text):
            return not self.violations(items, today)
        for code, fault in self._identifiers:
            if code in items and fault(items[code], today):
                return False
        if any(name_fault(items[code]) for code in self._name_items if code in items):
            return False
        if any(is_persons(items[code]) for code, is_persons in self._no_persons.items() if code in items):
            return False
        # Dates in standard form are ordered as texts.
        day = today.isoformat()
        if any(items[code] > day for code in self._happened if code in items):
            return False
        if any(items[code] < EARLIEST_DAY for code in self._dates if code in items):
            return False
        return not any(rule(items) for rule in self._rules)

    def violations(self, items: Items, today: date) -> list[Violation]:
        """Returns every fault of standardised items, in the order of the entry."""
        violations = [
            # The value of an unknown item is not shown, because its sensitivity is unknown, too.
            Violation(code, "unknown_item", *message_of("unknown_item", item=with_hidden_named(code)))
            for code in items
            if code not in self._known
        ]
        for item in self.entry.items:
            if item.code in items:
                violations.extend(_item_violations(item, items[item.code], today))
                if (is_persons := self._no_persons.get(item.code)) is not None and is_persons(items[item.code]):
                    violations.append(_make_violation(item, _PERSONS_NUMBER, ""))
                if item.code in self._name_items and (fault := name_fault(items[item.code])):
                    violations.append(_make_violation(item, f"name.{fault}", items[item.code]))
            elif item.required:
                violations.append(_make_violation(item, "required", ""))
        violations.extend(violation for rule in self._rules if (violation := rule(items)))
        return violations


def _make_shape(entry: DeliveryEntry) -> type[msgspec.Struct]:
    fields: list[Any] = []
    names = {}
    for number, item in enumerate(entry.items):
        name = f"i{number}"
        names[name] = item.code
        kind = _type_of(item)
        fields.append((name, kind) if item.required else (name, kind | msgspec.UnsetType, msgspec.UNSET))
    return msgspec.defstruct(entry.code, fields, kw_only=True, forbid_unknown_fields=True, rename=names, gc=False)


def _type_of(item: DeliveryItem) -> Any:
    if item.type == "date":
        return date
    if item.type == "number":
        return Annotated[str, msgspec.Meta(pattern=_number_pattern(item))]
    limit = item.length or None
    if item.code_list and not item.multiple and not item.pattern:
        codes = tuple(v.code for v in item.code_list if not limit or len(v.code) <= limit)
        return Literal[codes] if codes else Annotated[str, msgspec.Meta(max_length=0)]
    if patterns := [p for p in (_codes_pattern(item), item.pattern) if p]:
        whole = "".join(f"(?=(?:{p})\\Z)" for p in patterns)
        return Annotated[str, msgspec.Meta(max_length=limit, pattern=f"^{whole}")]
    return Annotated[str, msgspec.Meta(max_length=limit)]


def _codes_pattern(item: DeliveryItem) -> str:
    if not item.code_list:
        return ""
    code = "(?:" + "|".join(re.escape(v.code) for v in item.code_list) + ")"
    return f"{code}(?:;{code})*" if item.multiple else code


def _number_pattern(item: DeliveryItem) -> str:
    decimals = rf"(?:\.[0-9]{{0,{item.scale - 1}}}[1-9])?" if item.scale else ""
    digits = rf"(?=-?(?:[0-9]\.?){{1,{item.length}}}\Z)" if item.length else ""
    return rf"^(?!-0\Z){digits}-?(?:0|[1-9][0-9]*){decimals}\Z"


def _item_violations(item: DeliveryItem, text: str, today: date) -> list[Violation]:
    if _MARKED.match(text):
        return [_make_violation(item, "spreadsheet_mark", text)]
    hidden = first_hidden(text, _MOST_REPORTED)
    if hidden and item.type != "text":
        return [_hidden_violation(item, text, hidden)]
    if item.type == "date":
        if _SERIAL.match(text):
            meant_date = (_SERIAL_ZERO + timedelta(days=int(text))).isoformat()
            return [_make_violation(item, "date.serial", text, meant=meant_date)]
        if not is_date(text):
            return [_make_violation(item, "date", text)]
        if text < EARLIEST_DAY:
            return [_make_violation(item, "date.early", text)]
        if item.not_after_delivery and text > today.isoformat():
            return [_make_violation(item, "date.future", text, today=today.isoformat())]
        return []
    if item.type == "number":
        return _number_violations(item, text)
    if _ROUNDED.match(text):
        return [_make_violation(item, "spreadsheet_number", text)]
    violations = []
    fault = fault_of(item.identifier, text, today)
    # A number that is none is not mended by making it shorter.
    if item.length and len(text) > item.length and not fault:
        violations.append(_make_violation(item, "length", text, actual=len(text), limit=item.length))
    if hidden:
        violations.append(_hidden_violation(item, text, hidden))
    if item.code_list and not re.match(_codes_pattern(item) + r"\Z", text):
        violations.append(_make_violation(item, "code_list", text, permitted=permitted(item)))
    if item.pattern and not re.match(rf"(?:{item.pattern})\Z", text):
        violations.append(_make_violation(item, "pattern", text, pattern=item.pattern))
    if fault and item.identifier not in PERSONAL and is_persons_instead(text):
        violations.append(_make_violation(item, _PERSONS_NUMBER, ""))
    elif fault:
        violations.append(_make_violation(item, _identifier_rule(item.identifier, text, fault), text, actual=len(text)))
    return violations


def _identifier_rule(declared: str, text: str, fault: str) -> str:
    if declared in PERSONAL and _WITH_DASHES.match(text):
        return "identity_number.dashes"
    # Which document was meant is not known: a passport's number without its State is no short identity number.
    if declared == ANY_DOCUMENT and fault in ("length", "format"):
        return f"{ANY_DOCUMENT}.{'passport' if _PASSPORT_ALONE.match(text) else 'form'}"
    return f"{scheme_of(declared, text)}.{fault}"


def _hidden_violation(item: DeliveryItem, text: str, hidden: Sequence[tuple[int, str]]) -> Violation:
    zh = "、".join(f"第 {place} 个字符 {code_point(char)}" for place, char in hidden)
    en = ", ".join(f"{code_point(char)} as character {place}" for place, char in hidden)
    return _make_violation(item, "characters", text, found=BothLanguages(zh, en))


def _number_violations(item: DeliveryItem, text: str) -> list[Violation]:
    if _ROUNDED.match(text):
        return [_make_violation(item, "spreadsheet_number", text)]
    if not _CANONICAL.match(text):
        return [_make_violation(item, "number.format", text)]
    violations = []
    digits = sum(c.isdigit() for c in text)
    decimals = len(text.partition(".")[2])
    if item.length and digits > item.length:
        violations.append(_make_violation(item, "number.length", text, actual=digits, limit=item.length))
    if decimals > item.scale:
        violations.append(_make_violation(item, "number.scale", text, actual=decimals, limit=item.scale))
    return violations


def _require_one_of(rule: str, codes: Sequence[str], known: Mapping[str, DeliveryItem]) -> Rule:
    violation = Violation("", rule, *message_of(rule, items=listed([known[c] for c in codes if c in known])))
    if len(codes) == 1:
        (only,) = codes
        return lambda items: None if only in items else violation

    def check(items: Items) -> Violation | None:
        for code in codes:
            if code in items:
                return None
        return violation

    return check


def _forbid_both(rule: str, organisations: Sequence[DeliveryItem], persons: Sequence[DeliveryItem]) -> Rule:
    words = message_of(rule, organisations=listed(organisations), persons=listed(persons))
    violation = Violation("", rule, *words)
    of_organisations, of_persons = ({item.code for item in items} for items in (organisations, persons))

    def check(items: Items) -> Violation | None:
        both = not of_organisations.isdisjoint(items) and not of_persons.isdisjoint(items)
        return violation if both else None

    return check


def _make_cross_rule(rule: DeliveryCrossRule, known: Mapping[str, DeliveryItem]) -> Rule:
    item, other = known[rule.item], known[rule.other]
    match rule.rule:
        case "not_before":
            return _make_ordering_rule(
                rule.rule,
                item,
                other,
                lambda value, other_value: value < other_value and is_date(value) and is_date(other_value),
            )
        case "not_less":
            return _make_ordering_rule(rule.rule, item, other, _is_less)
        case "required_when" | "forbidden_when":
            return _make_conditional_rule(rule, item, other)
    raise ValueError(f"unknown cross rule {rule.rule}")


def _make_ordering_rule(
    rule: str, item: DeliveryItem, other: DeliveryItem, is_wrong: Callable[[str, str], bool]
) -> Rule:
    def check(items: Items) -> Violation | None:
        value, other_value = items.get(item.code), items.get(other.code)
        if value is None or other_value is None or not is_wrong(value, other_value):
            return None
        return _make_violation(item, rule, value, other=named(other))

    return check


def _is_less(value: str, other_value: str) -> bool:
    # Texts that are not numbers are not compared: another rule reports them.
    return bool(_CANONICAL.match(value) and _CANONICAL.match(other_value)) and Decimal(value) < Decimal(other_value)


def _make_conditional_rule(rule: DeliveryCrossRule, item: DeliveryItem, other: DeliveryItem) -> Rule:
    values = frozenset(rule.values)
    words: dict[str, Any] = {"other": named(other), "values": "/".join(rule.values)}
    forbids = rule.rule == "forbidden_when"

    def check(items: Items) -> Violation | None:
        if (item.code in items) is not forbids or other.code not in items:
            return None
        if values.isdisjoint(items[other.code].split(";")):
            return None
        return _make_violation(item, rule.rule, items.get(item.code, ""), **words)

    return check


def _make_violation(item: DeliveryItem, rule: str, value: str, **words: object) -> Violation:
    shown = "" if item.sealed else value[:200]
    return Violation(item.code, rule, *message_of(rule, item=named(item), **words), shown)
