"""An entry version compiled once into its validator (Art. 9): a fast gate, and a detailed pass for what fails it."""

import re
import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date, timedelta
from decimal import Decimal
from itertools import islice
from typing import Annotated, Any, Final, Literal

import msgspec

from chengxin.values.sample_marker import example_text
from services.ingest.domain.catalog_entry import DeliveryCrossRule, DeliveryEntry, DeliveryItem
from services.ingest.domain.identifiers import FAULTS
from services.ingest.domain.normalisation import ItemNormaliser, is_date
from services.ingest.domain.violations import both, listed, named, permitted

# Control, format (also what changes the direction of a text, and the zero-width joiners that no Chinese record needs),
# surrogate and private use, separators of lines. Not what is unassigned: new Han characters are, in an older table.
_UNSEEN: Final = frozenset({"Cc", "Cf", "Cs", "Co", "Zl", "Zp"})
_SEEN: Final = frozenset("\t\n\r")
_SHOWN: Final = 5
_CANONICAL: Final = re.compile(r"(?!-0\Z)-?(?:0|[1-9][0-9]*)(?:\.[0-9]*[1-9])?\Z")
# What a spreadsheet makes of a long number typed into a cell that is not text: 4.41781E+17. Digits are lost.
_ROUNDED: Final = re.compile(r"[0-9](?:\.[0-9]+)?[eE]\+[0-9]{1,3}\Z")
# Days since 1900 as a spreadsheet counts: 1954 to 2119.
_SERIAL: Final = re.compile(r"[2-7][0-9]{4}\Z")
_SERIAL_ZERO: Final = date(1899, 12, 30)

Items = Mapping[str, str]


class Violation(msgspec.Struct, frozen=True):
    """One thing wrong with a record: which item, which rule, what to tell; the value only when it may be shown."""

    item: str
    rule: str
    zh: str
    en: str
    value: str = ""

    def message(self, language: str) -> str:
        """What to tell the person, in `zh-CN` or `en`."""
        return self.en if language == "en" else self.zh


Rule = Callable[[Items], Violation | None]


class Validator:
    """The rules of one entry version."""

    def __init__(self, entry: DeliveryEntry) -> None:
        self.entry = entry
        self._known = entry.by_code
        self._standard = ItemNormaliser(entry.items, entry.subject_name_item)
        self._shape = _shape(entry)
        self._identifiers = [(item.code, FAULTS[item.identifier]) for item in entry.items if item.identifier in FAULTS]
        self._rules: list[Rule] = [
            *(_one_of("required_one_of", group.items, self._known) for group in entry.required_one_of),
            *(_cross(rule, self._known) for rule in entry.cross_rules),
            _one_of("subject", entry.subject_id_items, self._known),
            _one_of("natural_key", entry.natural_key, self._known),
            *self._not_the_example(entry),
        ]

    def _not_the_example(self, entry: DeliveryEntry) -> Iterator[Rule]:
        """The row that a template shows how to fill in is about nobody, and obeys every other rule."""
        if (item := self._known.get(entry.subject_name_item)) is None:
            return
        # As it is delivered; standardisation may write the item's name in another way.
        written = {item.code: example_text(item.name.zh, item.length)}
        if example := self._standard.apply(written).get(item.code):
            wrong = _violation(item, "example", example)
            yield lambda items: wrong if items.get(item.code) == example else None

    def check(self, delivered: Items) -> tuple[dict[str, str], list[Violation]]:
        """The standardised items and what is wrong with them; nothing is wrong with most records, told in 10 µs."""
        items = {code: text for code, value in delivered.items() if (text := value.strip())}
        if self.passes(items) and not self._standard.is_odd(items):
            return items, []
        items = self._standard.apply(items)
        if self.passes(items):
            return items, []
        return items, self.violations(items)

    def standard(self, delivered: Items) -> dict[str, str]:
        """The items as they are recorded, whether or not they obey the rules; empty ones left out."""
        return self._standard.apply(delivered)

    def passes(self, items: Items) -> bool:
        """Whether standardised items obey every rule."""
        try:
            msgspec.convert(items, self._shape)
        except msgspec.ValidationError:
            return False
        text = "".join(items.values())
        if _unseen(text):
            return False
        if "E+" in text or "e+" in text:
            return not self.violations(items)
        for code, fault in self._identifiers:
            if code in items and fault(items[code]):
                return False
        return not any(rule(items) for rule in self._rules)

    def violations(self, items: Items) -> list[Violation]:
        """Everything wrong with standardised items, in the order of the entry."""
        found = [
            # The sensitivity of an unknown item is unknown too: its value is not shown.
            Violation(code, "unknown_item", *both("unknown_item", item=code))
            for code in items
            if code not in self._known
        ]
        for item in self.entry.items:
            if item.code in items:
                found.extend(_item_violations(item, items[item.code]))
            elif item.required:
                found.append(_violation(item, "required", ""))
        found.extend(violation for rule in self._rules if (violation := rule(items)))
        return found


def _unseen(text: str) -> list[str]:
    """The first few characters of a text that nobody sees, or that make others look different."""
    # Python tells at once of nearly every text that there are none.
    if text.isprintable():
        return []
    there = (c for c in dict.fromkeys(text) if unicodedata.category(c) in _UNSEEN and c not in _SEEN)
    return list(islice(there, _SHOWN))


def _shape(entry: DeliveryEntry) -> type[msgspec.Struct]:
    fields: list[Any] = []
    names = {}
    for number, item in enumerate(entry.items):
        name = f"i{number}"
        names[name] = item.code
        kind = _type(item)
        fields.append((name, kind) if item.required else (name, kind | msgspec.UnsetType, msgspec.UNSET))
    return msgspec.defstruct(entry.code, fields, kw_only=True, forbid_unknown_fields=True, rename=names, gc=False)


def _type(item: DeliveryItem) -> Any:
    if item.type == "date":
        return date
    if item.type == "number":
        return Annotated[str, msgspec.Meta(pattern=_number_pattern(item))]
    longest = item.length or None
    if item.code_list and not item.multiple and not item.pattern:
        permitted = tuple(v.code for v in item.code_list if not longest or len(v.code) <= longest)
        return Literal[permitted] if permitted else Annotated[str, msgspec.Meta(max_length=0)]
    if patterns := [p for p in (_codes_pattern(item), item.pattern) if p]:
        whole = "".join(f"(?=(?:{p})\\Z)" for p in patterns)
        return Annotated[str, msgspec.Meta(max_length=longest, pattern=f"^{whole}")]
    return Annotated[str, msgspec.Meta(max_length=longest)]


def _codes_pattern(item: DeliveryItem) -> str:
    if not item.code_list:
        return ""
    one = "(?:" + "|".join(re.escape(v.code) for v in item.code_list) + ")"
    return f"{one}(?:;{one})*" if item.multiple else one


def _number_pattern(item: DeliveryItem) -> str:
    decimals = rf"(?:\.[0-9]{{0,{item.scale - 1}}}[1-9])?" if item.scale else ""
    digits = rf"(?=-?(?:[0-9]\.?){{1,{item.length}}}\Z)" if item.length else ""
    return rf"^(?!-0\Z){digits}-?(?:0|[1-9][0-9]*){decimals}\Z"


def _item_violations(item: DeliveryItem, text: str) -> list[Violation]:
    if item.type == "date":
        if _SERIAL.match(text):
            meant = (_SERIAL_ZERO + timedelta(days=int(text))).isoformat()
            return [_violation(item, "date.serial", text, meant=meant)]
        return [] if is_date(text) else [_violation(item, "date", text)]
    if item.type == "number":
        return _number_violations(item, text)
    if _ROUNDED.match(text):
        return [_violation(item, "spreadsheet_number", text)]
    found = []
    if item.length and len(text) > item.length:
        found.append(_violation(item, "length", text, actual=len(text), limit=item.length))
    if unseen := _unseen(text):
        found.append(_violation(item, "characters", text, found="、".join(f"U+{ord(c):04X}" for c in unseen)))
    if item.code_list and not re.match(_codes_pattern(item) + r"\Z", text):
        found.append(_violation(item, "code_list", text, permitted=permitted(item)))
    if item.pattern and not re.match(rf"(?:{item.pattern})\Z", text):
        found.append(_violation(item, "pattern", text, pattern=item.pattern))
    if item.identifier in FAULTS and (fault := FAULTS[item.identifier](text)):
        found.append(_violation(item, f"{item.identifier}.{fault}", text, actual=len(text)))
    return found


def _number_violations(item: DeliveryItem, text: str) -> list[Violation]:
    if not _CANONICAL.match(text):
        return [_violation(item, "number.format", text)]
    found = []
    digits = sum(c.isdigit() for c in text)
    decimals = len(text.partition(".")[2])
    if item.length and digits > item.length:
        found.append(_violation(item, "number.length", text, actual=digits, limit=item.length))
    if decimals > item.scale:
        found.append(_violation(item, "number.scale", text, actual=decimals, limit=item.scale))
    return found


def _one_of(rule: str, codes: Sequence[str], known: Mapping[str, DeliveryItem]) -> Rule:
    missing = Violation("", rule, *both(rule, items=listed([known[c] for c in codes if c in known])))
    if len(codes) == 1:
        (only,) = codes
        return lambda items: None if only in items else missing

    def check(items: Items) -> Violation | None:
        for code in codes:
            if code in items:
                return None
        return missing

    return check


def _cross(rule: DeliveryCrossRule, known: Mapping[str, DeliveryItem]) -> Rule:
    item, other = known[rule.item], known[rule.other]
    match rule.rule:
        case "not_before":
            return _ordered(rule.rule, item, other, lambda this, that: this < that and is_date(this) and is_date(that))
        case "not_less":
            return _ordered(rule.rule, item, other, _less)
        case "required_when" | "forbidden_when":
            return _conditional(rule, item, other)
    raise ValueError(f"unknown cross rule {rule.rule}")


def _ordered(rule: str, item: DeliveryItem, other: DeliveryItem, wrong: Callable[[str, str], bool]) -> Rule:
    def check(items: Items) -> Violation | None:
        this, that = items.get(item.code), items.get(other.code)
        if this is None or that is None or not wrong(this, that):
            return None
        return _violation(item, rule, this, other=named(other))

    return check


def _less(this: str, that: str) -> bool:
    # What is no number is told as that.
    return bool(_CANONICAL.match(this) and _CANONICAL.match(that)) and Decimal(this) < Decimal(that)


def _conditional(rule: DeliveryCrossRule, item: DeliveryItem, other: DeliveryItem) -> Rule:
    values = frozenset(rule.values)
    words: dict[str, Any] = {"other": named(other), "values": "/".join(rule.values)}
    there_is_wrong = rule.rule == "forbidden_when"

    def check(items: Items) -> Violation | None:
        if (item.code in items) is not there_is_wrong or other.code not in items:
            return None
        if values.isdisjoint(items[other.code].split(";")):
            return None
        return _violation(item, rule.rule, items.get(item.code, ""), **words)

    return check


def _violation(item: DeliveryItem, rule: str, value: str, **words: object) -> Violation:
    shown = "" if item.sealed else value[:200]
    return Violation(item.code, rule, *both(rule, item=named(item), **words), shown)
