"""The differences between two versions of an item, and the classes of a change (Art. 7)."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import msgspec

from chengxin.values.identifiers import PERSONAL
from services.catalog.domain.entry import EntryContent, IdentifierScheme, Item, Masking, Mode, Sensitivity
from services.catalog.domain.labels import IDENTIFIERS, MASKINGS, MODES, SENSITIVITIES, TYPES


class Compatibility(StrEnum):
    """What becomes of a record that was valid before a change; the gravest last.

    After `none`, `adds_optional` and `loosens` the record is still valid; after `tightens` it may be refused; after
    `breaks` it is refused or means something else.
    """

    NONE = "none"
    ADDS_OPTIONAL = "adds_optional"
    LOOSENS = "loosens"
    TIGHTENS = "tightens"
    BREAKS = "breaks"


class Exposure(StrEnum):
    """How a change affects who may see a value."""

    SAME = ""
    NARROWS = "narrows"
    WIDENS = "widens"
    CHANGES = "changes"


@dataclass(frozen=True, slots=True)
class ContentChange:
    """One difference: its place, its effect on records and on who sees them, and its description in both languages."""

    where: str
    effect: Compatibility
    exposure: Exposure
    before: Any
    after: Any
    zh: str
    en: str

    @classmethod
    def of(
        cls,
        where: str,
        effect: Compatibility,
        before: Any,
        after: Any,
        zh: str,
        en: str,
        exposure: Exposure = Exposure.SAME,
    ) -> "ContentChange":
        """Makes a change, with its values converted to plain JSON values."""
        return cls(where, effect, exposure, msgspec.to_builtins(before), msgspec.to_builtins(after), zh, en)

    def to_dict(self) -> dict[str, Any]:
        """Returns the plain values for JSON."""
        return dict(msgspec.to_builtins(self))


Found = tuple[str, Compatibility, Exposure, str, str]

_NONE, _LOOSENS, _TIGHTENS, _BREAKS = (
    Compatibility.NONE,
    Compatibility.LOOSENS,
    Compatibility.TIGHTENS,
    Compatibility.BREAKS,
)
_SAME = Exposure.SAME


def item_changes(old: EntryContent, new: EntryContent) -> Iterator[ContentChange]:
    """Yields the differences between the items of two contents. The order of items matters only to readers."""
    for item in old.items:
        if new.item(item.code) is None:
            zh, en = f"删除信息项 {item.code}（{item.name.zh}）", f"item {item.code} is dropped"
            yield ContentChange.of(f"items.{item.code}", _BREAKS, item, None, zh, en, Exposure.NARROWS)
    for item in new.items:
        before = old.item(item.code)
        if before is None:
            effect = _BREAKS if item.required else Compatibility.ADDS_OPTIONAL
            zh = f"增加{'必填' if item.required else '选填'}信息项 {item.code}（{item.name.zh}）"
            en = f"{'required' if item.required else 'optional'} item {item.code} is added"
            yield ContentChange.of(f"items.{item.code}", effect, None, item, zh, en, widening((), item.modes))
            continue
        for field, effect, exposure, zh, en in _compare_items(before, item):
            sentences = f"信息项 {item.code}（{item.name.zh}）{zh}", f"item {item.code}: {en}"
            values = getattr(before, field), getattr(item, field)
            yield ContentChange.of(f"items.{item.code}.{field}", effect, *values, *sentences, exposure)
    codes = [item.code for item in old.items], [item.code for item in new.items]
    yield from reordered("items", *codes, "信息项", "the order of items")


def reordered(where: str, old: Sequence[str], new: Sequence[str], zh: str, en: str) -> Iterator[ContentChange]:
    """Yields a change if the values that are in both lists stand in another order; `en` names the order."""
    before, after = ([v for v in dict.fromkeys(values) if v in old and v in new] for values in (old, new))
    if before != after:
        sentences = f"{zh}的顺序由 {'、'.join(before)} 改为 {'、'.join(after)}", f"{en} is {', '.join(after)}"
        yield ContentChange.of(where, _NONE, before, after, *sentences)


def widening(old: Sequence[Mode], new: Sequence[Mode]) -> Exposure:
    """Returns the effect of a change of modes on who may see a value."""
    if set(new) - set(old):
        return Exposure.WIDENS
    return Exposure.NARROWS if set(old) - set(new) else Exposure.SAME


def _compare_items(old: Item, new: Item) -> Iterator[Found]:
    yield from _compare_labels(old, new)
    if old.type != new.type:
        yield (
            "type",
            _BREAKS,
            _SAME,
            f"类型由{TYPES[old.type]}改为{TYPES[new.type]}",
            f"its type is {new.type}, not {old.type}",
        )
    if old.required != new.required:
        zh, en = ("改为必填", "it is required now") if new.required else ("改为选填", "it is optional now")
        yield "required", _TIGHTENS if new.required else _LOOSENS, _SAME, zh, en
    for field, zh, en in (("length", "长度", "length"), ("scale", "小数位数", "number of decimal places")):
        before, after = getattr(old, field), getattr(new, field)
        if before != after:
            effect = _TIGHTENS if after < before else _LOOSENS
            yield field, effect, _SAME, f"{zh}由 {before} 改为 {after}", f"its {en} is {after}, not {before}"
    yield from _compare_values(old, new)
    yield from _compare_visibility(old, new)


def _compare_labels(old: Item, new: Item) -> Iterator[Found]:
    if old.name.zh != new.name.zh:
        # The columns of files are named by it.
        zh = f"名称由“{old.name.zh}”改为“{new.name.zh}”，报送文件的表头须更改"
        yield "name", _BREAKS, _SAME, zh, f"its column is now called “{new.name.zh}”, not “{old.name.zh}”"
    elif old.name != new.name:
        zh = f"英文名称由“{old.name.en or '无'}”改为“{new.name.en or '无'}”"
        yield "name", _NONE, _SAME, zh, f"its English name is “{new.name.en}”, not “{old.name.en}”"
    if old.unit != new.unit:
        zh = f"计量单位由“{old.unit or '无'}”改为“{new.unit or '无'}”"
        yield "unit", _BREAKS, _SAME, zh, f"its unit is “{new.unit}”, not “{old.unit}”"
    if old.note != new.note:
        zh = f"填报说明由“{old.note or '无'}”改为“{new.note or '无'}”"
        yield "note", _NONE, _SAME, zh, f"its note is “{new.note}”, not “{old.note}”"


def _compare_values(old: Item, new: Item) -> Iterator[Found]:
    before, after = [v.code for v in old.code_list], [v.code for v in new.code_list]
    if not before and after:
        yield "code_list", _TIGHTENS, _SAME, "增加代码表", "it has a code list now"
    elif before and not after:
        # A pattern does not apply beside a code list, so it becomes a new demand when the code list goes.
        yield "code_list", _TIGHTENS if new.pattern else _LOOSENS, _SAME, "取消代码表", "it has no code list any more"
    else:
        if lost := [code for code in before if code not in after]:
            yield "code_list", _TIGHTENS, _SAME, f"代码表减少：{'、'.join(lost)}", f"codes lost: {', '.join(lost)}"
        if gained := [code for code in after if code not in before]:
            yield "code_list", _LOOSENS, _SAME, f"代码表增加：{'、'.join(gained)}", f"codes added: {', '.join(gained)}"
        yield from _compare_code_names(old, new)
        if [code for code in before if code in after] != [code for code in after if code in before]:
            yield (
                "code_list",
                _NONE,
                _SAME,
                f"代码的顺序改为：{'、'.join(after)}",
                f"its codes in order: {', '.join(after)}",
            )
    if old.code_list_ref != new.code_list_ref:
        before_ref, after_ref = _describe_reference(old), _describe_reference(new)
        zh = f"引用的代码表由“{before_ref[0]}”改为“{after_ref[0]}”"
        yield "code_list_ref", _NONE, _SAME, zh, f"it refers to “{after_ref[1]}”, not “{before_ref[1]}”"
    if old.multiple != new.multiple:
        zh, en = ("改为可多选", "several values are allowed") if new.multiple else ("改为单选", "one value is allowed")
        yield "multiple", _LOOSENS if new.multiple else _TIGHTENS, _SAME, zh, en
    if old.not_after_delivery != new.not_after_delivery:
        zh = "改为不得晚于报送日" if new.not_after_delivery else "改为可以晚于报送日"
        en = "it cannot be after the day of delivery now" if new.not_after_delivery else "it can lie ahead now"
        yield "not_after_delivery", _TIGHTENS if new.not_after_delivery else _LOOSENS, _SAME, zh, en
    if old.pattern != new.pattern:
        effect = _TIGHTENS if new.pattern else _LOOSENS
        zh = f"格式要求由“{old.pattern or '无'}”改为“{new.pattern or '无'}”"
        yield "pattern", effect, _SAME, zh, f"its pattern is “{new.pattern}”, not “{old.pattern}”"
    if old.identifier != new.identifier:
        takes_more = new.identifier is IdentifierScheme.PERSONAL_DOCUMENT and old.identifier in PERSONAL
        effect = _LOOSENS if takes_more or new.identifier is IdentifierScheme.NONE else _TIGHTENS
        en = f"its identifier check is “{new.identifier}”, not “{old.identifier}”"
        zh = f"标识校验由“{IDENTIFIERS[old.identifier]}”改为“{IDENTIFIERS[new.identifier]}”"
        yield "identifier", effect, _SAME, zh, en


def _compare_code_names(old: Item, new: Item) -> Iterator[Found]:
    before = {value.code: value.name for value in old.code_list}
    for value in new.code_list:
        name = before.get(value.code, value.name)
        if name.zh != value.name.zh:
            zh = f"代码 {value.code} 的名称由“{name.zh}”改为“{value.name.zh}”"
            yield "code_list", _NONE, _SAME, zh, f"code {value.code} is called “{value.name.zh}”, not “{name.zh}”"
        elif name.en != value.name.en:
            zh = f"代码 {value.code} 的英文名称由“{name.en or '无'}”改为“{value.name.en or '无'}”"
            yield (
                "code_list",
                _NONE,
                _SAME,
                zh,
                f"code {value.code} is called “{value.name.en}” in English, not “{name.en}”",
            )


def _describe_reference(item: Item) -> tuple[str, str]:
    reference = item.code_list_ref
    if reference is None:
        return "无", "none"
    return f"{reference.name} 第 {reference.version} 版", f"{reference.name} version {reference.version}"


def _compare_visibility(old: Item, new: Item) -> Iterator[Found]:
    if set(old.modes) != set(new.modes):
        before, after = ("、".join(MODES[mode] for mode in modes) or "无" for modes in (old.modes, new.modes))
        en = f"its modes are {', '.join(new.modes) or 'none'}, not {', '.join(old.modes) or 'none'}"
        yield "modes", _NONE, widening(old.modes, new.modes), f"公开方式由 {before} 改为 {after}", en
    if old.masking != new.masking:
        exposure = Exposure.CHANGES
        if Masking.NONE in (old.masking, new.masking):
            exposure = Exposure.WIDENS if new.masking is Masking.NONE else Exposure.NARROWS
        en = f"its masking is “{new.masking}”, not “{old.masking}”"
        yield "masking", _NONE, exposure, f"脱敏方式由{MASKINGS[old.masking]}改为{MASKINGS[new.masking]}", en
    if old.sensitivity != new.sensitivity:
        grades = list(Sensitivity)
        less_sensitive = grades.index(new.sensitivity) < grades.index(old.sensitivity)
        exposure = Exposure.WIDENS if less_sensitive else Exposure.NARROWS
        en = f"its sensitivity is {new.sensitivity}, not {old.sensitivity}"
        yield (
            "sensitivity",
            _NONE,
            exposure,
            f"敏感级别由{SENSITIVITIES[old.sensitivity]}改为{SENSITIVITIES[new.sensitivity]}",
            en,
        )
