"""The differences between two contents of an entry, in words, and their consequences for records (Art. 7).

The class of a change states what becomes of a record that was valid before it; see `Compatibility`. `item_diff.py` has
the rules for items.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from services.catalog.domain.entry import (
    Attribute,
    CrossRule,
    CrossRuleKind,
    DisclosurePeriod,
    EntryContent,
    Extent,
    InformationClass,
    LegalDocumentItems,
    LocalText,
    UpdateCycle,
)
from services.catalog.domain.item_diff import Compatibility, ContentChange, Exposure, item_changes, reordered, widening
from services.catalog.domain.labels import (
    DISCLOSURE_RULES,
    INFORMATION_CLASSES,
    MODES,
    OPENNESS,
    SHARING,
    UPDATE_CYCLES,
    Terms,
)

__all__ = ["Compatibility", "ContentChange", "EntryDifference", "Exposure", "compare"]

_FASTEST_FIRST: Final = list(UpdateCycle)
_MOST_OPEN_FIRST: Final = [Extent.UNCONDITIONAL, Extent.CONDITIONAL, Extent.NONE]

# Fields whose change has no effect on records, with their names in both languages.
_DESCRIPTIVE: Final = {
    "name": ("条目名称", "the name"),
    "description": ("信息资源摘要", "the description"),
    "resource_code": ("政务信息资源代码", "the resource code"),
    "coverage_note": ("覆盖范围说明", "the note on coverage"),
    "information_class": ("信息属性分类", "the information class"),
    "legal_basis": ("依据", "the legal basis"),
    "legal_document": ("法律文书信息项", "the items of the legal document"),
}
# Fields that identify a record or its subject: after a change, no earlier record means the same.
_IDENTIFYING: Final = {
    "natural_key": ("记录主键", "the natural key"),
    "subject_name_item": ("主体名称信息项", "the item of the subject's name"),
    "subject_id_items": ("主体标识信息项", "the items that identify the subject"),
}
# Fields that state who and what is covered: when they cover less, records are refused; when more, more are taken.
_COVERING: Final = {
    "providers": ("信息提供单位", "providers"),
    "subject_kinds": ("信用主体类别", "kinds of subjects"),
    "regions": ("覆盖区域", "regions"),
}


@dataclass(frozen=True)
class EntryDifference:
    """Every change between two contents."""

    changes: tuple[ContentChange, ...]

    @property
    def compatibility(self) -> Compatibility:
        """The gravest class among the changes: what becomes of records that were valid before."""
        return max((c.effect for c in self.changes), key=list(Compatibility).index, default=Compatibility.NONE)

    @property
    def widens_exposure(self) -> bool:
        """Whether a disclosure mode may show what it did not show before."""
        return any(c.exposure in (Exposure.WIDENS, Exposure.CHANGES) for c in self.changes)

    def to_dict(self) -> dict[str, Any]:
        """Returns the plain values for JSON."""
        return {
            "compatibility": self.compatibility.value,
            "widens_exposure": self.widens_exposure,
            "changes": [change.to_dict() for change in self.changes],
        }


def compare(old: EntryContent, new: EntryContent) -> EntryDifference:
    """Returns the differences, in the order of an entry's fields."""
    checks = (
        _compare_descriptions,
        _compare_coverage,
        _compare_identity,
        _compare_terms,
        _compare_exposure,
        item_changes,
        _compare_groups,
        _compare_cross_rules,
    )
    return EntryDifference(tuple(change for check in checks for change in check(old, new)))


def _compare_descriptions(old: EntryContent, new: EntryContent) -> Iterator[ContentChange]:
    for field, (zh, en) in _DESCRIPTIVE.items():
        before, after = getattr(old, field), getattr(new, field)
        if before != after:
            (zh_before, en_before), (zh_after, en_after) = _describe_value(before), _describe_value(after)
            sentences = f"{zh}由“{zh_before}”改为“{zh_after}”", f"{en} is “{en_after}”, not “{en_before}”"
            yield ContentChange.of(field, Compatibility.NONE, before, after, *sentences)


def _compare_coverage(old: EntryContent, new: EntryContent) -> Iterator[ContentChange]:
    for field, (zh, en) in _COVERING.items():
        before, after = _as_texts(getattr(old, field)), _as_texts(getattr(new, field))
        if lost := [v for v in before if v not in after]:
            names = "、".join(lost)
            yield ContentChange.of(
                field, Compatibility.TIGHTENS, lost, None, f"{zh}减少：{names}", f"{en} lost: {', '.join(lost)}"
            )
        if gained := [v for v in after if v not in before]:
            names = "、".join(gained)
            yield ContentChange.of(
                field, Compatibility.LOOSENS, None, gained, f"{zh}增加：{names}", f"{en} added: {', '.join(gained)}"
            )
        yield from reordered(field, before, after, zh, f"the order of {en}")
    yield from _compare_provider_names(old, new)


def _compare_provider_names(old: EntryContent, new: EntryContent) -> Iterator[ContentChange]:
    before = {provider.uscc: provider.name for provider in old.providers}
    for provider in new.providers:
        name = before.get(provider.uscc, provider.name)
        if name != provider.name:
            zh = f"信息提供单位 {provider.uscc} 名称由“{name}”改为“{provider.name}”"
            en = f"provider {provider.uscc} is called “{provider.name}”, not “{name}”"
            yield ContentChange.of("providers", Compatibility.NONE, name, provider.name, zh, en)


def _compare_identity(old: EntryContent, new: EntryContent) -> Iterator[ContentChange]:
    for field, (zh, en) in _IDENTIFYING.items():
        before, after = getattr(old, field), getattr(new, field)
        if before != after:
            (zh_before, en_before), (zh_after, en_after) = _describe_value(before), _describe_value(after)
            sentences = f"{zh}由“{zh_before}”改为“{zh_after}”", f"{en}: “{en_after}”, not “{en_before}”"
            yield ContentChange.of(field, Compatibility.BREAKS, before, after, *sentences)


def _compare_terms(old: EntryContent, new: EntryContent) -> Iterator[ContentChange]:
    before, after = old.reporting_limit_working_days, new.reporting_limit_working_days
    if before != after:
        effect = Compatibility.TIGHTENS if after < before else Compatibility.LOOSENS
        zh = f"变更、撤销信息的报送时限由 {before} 个工作日改为 {after} 个工作日"
        en = f"amendments and revocations are due within {after} working days, not {before}"
        yield ContentChange.of("reporting_limit_working_days", effect, before, after, zh, en)
    if old.update_cycle != new.update_cycle:
        faster = _FASTEST_FIRST.index(new.update_cycle) < _FASTEST_FIRST.index(old.update_cycle)
        effect = Compatibility.TIGHTENS if faster else Compatibility.LOOSENS
        zh = f"更新周期由{UPDATE_CYCLES[old.update_cycle]}改为{UPDATE_CYCLES[new.update_cycle]}"
        en = f"the update cycle is {new.update_cycle}, not {old.update_cycle}"
        yield ContentChange.of("update_cycle", effect, old.update_cycle, new.update_cycle, zh, en)


def _compare_exposure(old: EntryContent, new: EntryContent) -> Iterator[ContentChange]:
    for field, zh, en, words in (
        ("sharing", "共享属性", "sharing", SHARING),
        ("openness", "开放属性", "openness", OPENNESS),
    ):
        before, after = getattr(old, field), getattr(new, field)
        if before == after:
            continue
        exposure = Exposure.CHANGES
        if before.value != after.value:
            more_open = _MOST_OPEN_FIRST.index(after.value) < _MOST_OPEN_FIRST.index(before.value)
            exposure = Exposure.WIDENS if more_open else Exposure.NARROWS
        zh = f"{zh}由{_describe_attribute(before, words)}改为{_describe_attribute(after, words)}"
        sentences = zh, f"{en} is {_describe_attribute(after)}, not {_describe_attribute(before)}"
        yield ContentChange.of(field, Compatibility.NONE, before, after, *sentences, exposure)
    if set(old.modes) != set(new.modes):
        exposure = widening(old.modes, new.modes)
        zh_before, zh_after = ("、".join(MODES[mode] for mode in modes) for modes in (old.modes, new.modes))
        zh = f"公开方式由{zh_before}改为{zh_after}"
        en = f"the modes are {_join(new.modes)}, not {_join(old.modes)}"
        yield ContentChange.of("modes", Compatibility.NONE, old.modes, new.modes, zh, en, exposure)
    if old.disclosure_period != new.disclosure_period:
        before, after = old.disclosure_period, new.disclosure_period
        zh = (
            f"披露期限由“{_describe_period(before, DISCLOSURE_RULES)}”改为“{_describe_period(after, DISCLOSURE_RULES)}”"
        )
        en = f"the disclosure period is {_describe_period(after)}, not {_describe_period(before)}"
        exposure = _classify_period_exposure(before, after)
        yield ContentChange.of("disclosure_period", Compatibility.NONE, before, after, zh, en, exposure)


def _classify_period_exposure(old: DisclosurePeriod, new: DisclosurePeriod) -> Exposure:
    if (old.rule, old.item) == (new.rule, new.item):
        return Exposure.WIDENS if new.years > old.years else Exposure.NARROWS
    return Exposure.CHANGES


def _compare_groups(old: EntryContent, new: EntryContent) -> Iterator[ContentChange]:
    before, after = _item_sets(old), _item_sets(new)
    required = {item.code for item in old.items if item.required}
    for group in after:
        if group not in before:
            # A group demands nothing new when every old record had to have one of its items anyway.
            implied = bool(group & required) or any(earlier <= group for earlier in before)
            effect = Compatibility.LOOSENS if implied else Compatibility.TIGHTENS
            codes = _join(sorted(group))
            yield ContentChange.of(
                "required_one_of", effect, None, sorted(group), f"至少填一项：{codes}", f"one of {codes} is required"
            )
    for group in before:
        if group not in after:
            codes = _join(sorted(group))
            zh, en = f"不再要求至少填一项：{codes}", f"one of {codes} is required no more"
            yield ContentChange.of("required_one_of", Compatibility.LOOSENS, sorted(group), None, zh, en)


def _compare_cross_rules(old: EntryContent, new: EntryContent) -> Iterator[ContentChange]:
    for rule in new.cross_rules:
        if rule not in old.cross_rules:
            effect = Compatibility.LOOSENS if _is_implied(rule, old) else Compatibility.TIGHTENS
            zh, en = _describe_rule(rule)
            yield ContentChange.of("cross_rules", effect, None, rule, f"增加规则：{zh}", f"rule added: {en}")
    for rule in old.cross_rules:
        if rule not in new.cross_rules:
            zh, en = _describe_rule(rule)
            yield ContentChange.of(
                "cross_rules", Compatibility.LOOSENS, rule, None, f"取消规则：{zh}", f"rule dropped: {en}"
            )


def _is_implied(rule: CrossRule, old: EntryContent) -> bool:
    """Whether every record that was valid under the old content obeys the rule anyway."""
    if rule.rule.orders:
        return False
    item = old.item(rule.item)
    if rule.rule is CrossRuleKind.REQUIRED_WHEN and item is not None and item.required:
        return True
    return any(
        (earlier.rule, earlier.item, earlier.other) == (rule.rule, rule.item, rule.other)
        and set(rule.values) <= set(earlier.values)
        for earlier in old.cross_rules
    )


def _describe_rule(rule: CrossRule) -> tuple[str, str]:
    if rule.rule is CrossRuleKind.NOT_BEFORE:
        return f"{rule.item} 不早于 {rule.other}", f"{rule.item} is not before {rule.other}"
    if rule.rule is CrossRuleKind.NOT_LESS:
        return f"{rule.item} 不小于 {rule.other}", f"{rule.item} is not less than {rule.other}"
    values = _join(rule.values)
    if rule.rule is CrossRuleKind.FORBIDDEN_WHEN:
        return (
            f"{rule.other} 为 {values} 时不得填写 {rule.item}",
            f"{rule.item} must be empty when {rule.other} is one of {values}",
        )
    return (
        f"{rule.other} 为 {values} 时须填 {rule.item}",
        f"{rule.item} is required when {rule.other} is one of {values}",
    )


def _item_sets(content: EntryContent) -> list[frozenset[str]]:
    return list(dict.fromkeys(frozenset(group.items) for group in content.required_one_of))


def _as_texts(values: Iterable[Any]) -> list[str]:
    return [str(getattr(value, "uscc", value)) for value in values]


def _describe_value(value: Any) -> tuple[str, str]:
    """Returns a value as text in both languages."""
    match value:
        case InformationClass():
            return INFORMATION_CLASSES[value], value.value
        case LocalText():
            text = f"{value.zh}（{value.en}）" if value.en else value.zh
            return text, text
        case LegalDocumentItems(number, date, organ):
            return f"文书号 {number}、日期 {date}、机关 {organ}", f"number {number}, date {date}, organ {organ}"
        case tuple():
            return "、".join(value), ", ".join(value)
    return value or "无", value or "none"


def _join(values: Sequence[str]) -> str:
    return "、".join(values)


def _describe_attribute(attribute: Attribute, words: Terms | None = None) -> str:
    value = words[attribute.value] if words else attribute.value.value
    return f"{value}（{attribute.condition}）" if attribute.condition else value


def _describe_period(period: DisclosurePeriod, words: Terms | None = None) -> str:
    rule = words[period.rule] if words else period.rule.value
    parts = [rule, period.item, str(period.years or "")]
    return " ".join(filter(None, parts))
