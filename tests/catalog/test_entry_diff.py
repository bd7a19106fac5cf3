"""A change is classed by what happens to records that were valid before it (Art. 7)."""

import copy
import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.catalog.domain.entry import read_content
from services.catalog.domain.entry_diff import Compatibility, compare
from services.catalog.domain.entry_validation import findings
from services.catalog.domain.sample_record import example_record
from tests.catalog.conftest import demo_entry
from tests.catalog.licensing_entry import item
from tests.catalog.record_checks import accepts

Change = Callable[[dict[str, Any]], Any]
MODES = ["public", "authorized", "shared"]


def compared(change: Change) -> tuple[str, list[str], bool]:
    """Class, places and exposure of a change of the licensing entry."""
    changed = demo_entry("XZXK")
    change(changed)
    difference = compare(read_content(demo_entry("XZXK")), read_content(changed))
    for found in difference.changes:
        assert found.zh != found.en
    return difference.compatibility, [c.where for c in difference.changes], difference.widens_exposure


NEW = {"code": "XK_NEW", "name": {"zh": "新项"}, "length": 10, "modes": ["shared"]}


@pytest.mark.parametrize(
    ("change", "effect", "where"),
    [
        (lambda e: None, "none", []),
        (lambda e: e["items"].reverse(), "none", ["items"]),
        (lambda e: e["providers"].reverse(), "none", ["providers"]),
        (lambda e: e["providers"][0].update(name="阳江市市监局"), "none", ["providers"]),
        (lambda e: item(e, "XK_ZT")["code_list"].reverse(), "none", ["items.XK_ZT.code_list"]),
        (lambda e: e["name"].update(en="Licences"), "none", ["name"]),
        (lambda e: e.update(legal_basis=["《行政许可法》"]), "none", ["legal_basis"]),
        (lambda e: e["items"].append(NEW), "adds_optional", ["items.XK_NEW"]),
        (lambda e: e["items"].append(NEW | {"required": True}), "breaks", ["items.XK_NEW"]),
        (lambda e: e["items"].remove(item(e, "BZ")), "breaks", ["items.BZ"]),
        (lambda e: item(e, "BZ").update(type="number", length=3), "breaks", ["items.BZ.type", "items.BZ.length"]),
        (lambda e: item(e, "BZ")["name"].update(zh="说明"), "breaks", ["items.BZ.name"]),
        (lambda e: item(e, "BZ").update(required=True), "tightens", ["items.BZ.required"]),
        (lambda e: item(e, "XK_NR").update(required=False), "loosens", ["items.XK_NR.required"]),
        (lambda e: item(e, "BZ").update(length=100), "tightens", ["items.BZ.length"]),
        (lambda e: item(e, "BZ").update(length=4000 - 1), "tightens", ["items.BZ.length"]),
        (lambda e: item(e, "XK_NR").update(length=3999), "tightens", ["items.XK_NR.length"]),
        (lambda e: item(e, "XK_ZT")["code_list"].pop(), "tightens", ["items.XK_ZT.code_list"]),
        (
            lambda e: item(e, "XK_ZT")["code_list"].append({"code": "3", "name": {"zh": "中止"}}),
            "loosens",
            ["items.XK_ZT.code_list"],
        ),
        (lambda e: item(e, "XK_ZT").update(code_list=[]), "loosens", ["items.XK_ZT.code_list"]),
        (lambda e: item(e, "BZ").update(pattern="[a-z]+"), "tightens", ["items.BZ.pattern"]),
        (lambda e: item(e, "XK_XKJGDM").update(identifier=""), "loosens", ["items.XK_XKJGDM.identifier"]),
        (lambda e: e.update(natural_key=["XK_WSH"]), "breaks", ["natural_key"]),
        (lambda e: e["providers"].pop(), "tightens", ["providers"]),
        (lambda e: e["regions"].append("441700"), "none", []),
        (lambda e: e["subject_kinds"].pop(), "tightens", ["subject_kinds"]),
        (lambda e: e.update(update_cycle="realtime"), "tightens", ["update_cycle"]),
        (lambda e: e.update(reporting_limit_working_days=10), "loosens", ["reporting_limit_working_days"]),
        (lambda e: e["cross_rules"].pop(), "loosens", ["cross_rules"]),
        (
            lambda e: e["cross_rules"].append({"rule": "not_before", "item": "XK_YXQZ", "other": "XK_JDRQ"}),
            "tightens",
            ["cross_rules"],
        ),
        (
            lambda e: e["cross_rules"].append(
                {"rule": "forbidden_when", "item": "BZ", "other": "XK_ZT", "values": ["1"]}
            ),
            "tightens",
            ["cross_rules"],
        ),
        (lambda e: e["cross_rules"][1]["values"].pop(), "loosens", ["cross_rules", "cross_rules"]),
        (lambda e: e["cross_rules"][1]["values"].append("其他"), "tightens", ["cross_rules", "cross_rules"]),
        (lambda e: item(e, "BZ").update(unit="万元"), "breaks", ["items.BZ.unit"]),
        (
            lambda e: item(e, "XK_YXQZ").update(not_after_delivery=True),
            "tightens",
            ["items.XK_YXQZ.not_after_delivery"],
        ),
        (
            lambda e: item(e, "XK_JDRQ").update(not_after_delivery=False),
            "loosens",
            ["items.XK_JDRQ.not_after_delivery"],
        ),
        (lambda e: e["required_one_of"].append({"items": ["BZ", "XK_XKZS"]}), "tightens", ["required_one_of"]),
        # One item of the group is required anyway.
        (lambda e: e["required_one_of"].append({"items": ["BZ", "XK_NR"]}), "loosens", ["required_one_of"]),
        (lambda e: e["required_one_of"][0]["items"].pop(), "tightens", ["required_one_of", "required_one_of"]),
    ],
)
def test_a_change_is_classed(change: Change, effect: str, where: list[str]) -> None:
    assert compared(change)[:2] == (effect, where)


@pytest.mark.parametrize(
    ("change", "zh", "en"),
    [
        (
            lambda e: e["providers"][0].update(name="阳江市市监局"),
            "信息提供单位 11000000000000027K 名称由“阳江市市场监督管理局”改为“阳江市市监局”",
            "provider 11000000000000027K is called “阳江市市监局”, not “阳江市市场监督管理局”",
        ),
        (
            lambda e: item(e, "XK_ZT")["code_list"][1]["name"].update(zh="作废"),
            "信息项 XK_ZT（当前状态）代码 2 的名称由“无效”改为“作废”",
            "item XK_ZT: code 2 is called “作废”, not “无效”",
        ),
        (
            lambda e: e.update(information_class="basic"),
            "信息属性分类由“行政许可与行政处罚信息”改为“基本信息”",
            "the information class is “basic”, not “licensing_and_penalty”",
        ),
        (
            lambda e: e["legal_document"].update(number="XK_XKBH"),
            "法律文书信息项由“文书号 XK_WSH、日期 XK_JDRQ、机关 XK_XKJG”改为“文书号 XK_XKBH、日期 XK_JDRQ、机关 XK_XKJG”",
            "the items of the legal document is “number XK_XKBH, date XK_JDRQ, organ XK_XKJG”, "
            "not “number XK_WSH, date XK_JDRQ, organ XK_XKJG”",
        ),
        (
            lambda e: e.update(resource_code="306001/1"),
            "政务信息资源代码由“无”改为“306001/1”",
            "the resource code is “306001/1”, not “none”",
        ),
        (
            lambda e: e.update(sharing={"value": "conditional", "condition": "履职需要"}),
            "共享属性由无条件共享改为有条件共享（履职需要）",
            "sharing is conditional（履职需要）, not unconditional",
        ),
        (
            lambda e: e["disclosure_period"].update(rule="unlimited", item=""),
            "披露期限由“至信息项日期 XK_YXQZI”改为“长期”",
            "the disclosure period is unlimited, not until_item XK_YXQZI",
        ),
        (
            lambda e: item(e, "BZ").update(modes=["public", "shared", "authorized"]),
            "信息项 BZ（备注）公开方式由 行政机关共享 改为 依法公开、行政机关共享、授权查询",
            "item BZ: its modes are public, shared, authorized, not shared",
        ),
        (
            lambda e: e.update(update_cycle="weekly"),
            "更新周期由每日改为每周",
            "the update cycle is weekly, not daily",
        ),
    ],
)
def test_what_differs_is_told_with_what_it_was(change: Change, zh: str, en: str) -> None:
    changed = demo_entry("XZXK")
    change(changed)
    [found] = compare(read_content(demo_entry("XZXK")), read_content(changed)).changes
    assert (found.zh, found.en) == (zh, en)


def test_the_legal_basis_is_told_as_it_was_and_is() -> None:
    changed = demo_entry("XZXK")
    before = "、".join(changed["legal_basis"])
    changed["legal_basis"] = ["《中华人民共和国行政许可法》", "《行政许可条例》"]
    [found] = compare(read_content(demo_entry("XZXK")), read_content(changed)).changes
    assert found.zh == f"依据由“{before}”改为“《中华人民共和国行政许可法》、《行政许可条例》”"


@pytest.mark.parametrize(
    ("rule", "zh", "en"),
    [
        (
            {"rule": "not_less", "item": "CF_NR_FK", "other": "CF_NR_WFFF"},
            "CF_NR_FK 不小于 CF_NR_WFFF",
            "CF_NR_FK is not less than CF_NR_WFFF",
        ),
        (
            {"rule": "forbidden_when", "item": "CF_NR_FK", "other": "CF_CFLB", "values": ["警告", "通报批评"]},
            "CF_CFLB 为 警告、通报批评 时不得填写 CF_NR_FK",
            "CF_NR_FK must be empty when CF_CFLB is one of 警告、通报批评",
        ),
    ],
)
def test_a_rule_across_items_is_told_in_words(rule: dict[str, Any], zh: str, en: str) -> None:
    old, new = demo_entry("XZCF"), demo_entry("XZCF")
    new["cross_rules"].append(rule)
    assert findings(read_content(new)) == []
    [added] = compare(read_content(old), read_content(new)).changes
    assert (added.effect, added.zh, added.en) == ("tightens", f"增加规则：{zh}", f"rule added: {en}")
    [dropped] = compare(read_content(new), read_content(old)).changes
    assert (dropped.effect, dropped.zh, dropped.en) == ("loosens", f"取消规则：{zh}", f"rule dropped: {en}")


@pytest.mark.parametrize(
    ("change", "widens"),
    [
        (lambda e: item(e, "BZ").update(modes=MODES), True),
        (lambda e: item(e, "XK_NR").update(modes=["shared"]), False),
        (lambda e: item(e, "XK_FR_ZJHM").update(masking=""), True),
        (lambda e: item(e, "XK_FRDB").update(masking="name"), False),
        (lambda e: item(e, "XK_FRDB").update(sensitivity="open"), True),
        (lambda e: e.update(sharing={"value": "conditional", "condition": "履职需要"}), False),
        (lambda e: e["disclosure_period"].update(rule="unlimited", item=""), True),
        (lambda e: e["items"].append(NEW), True),
        (lambda e: e["items"].append(NEW | {"modes": []}), False),
    ],
)
def test_whoever_publishes_sees_when_more_is_shown(change: Change, widens: bool) -> None:
    assert compared(change)[2] is widens


CODES = [{"code": c, "name": {"zh": c}} for c in ("a", "b", "a-b", "1")]
FORMS = ["", "[a-z1;-]*", "1|x"]


def small() -> dict[str, Any]:
    """An entry with so few parts that several changes hit the same one."""
    entry = demo_entry("AJNSR")
    for code in ("P", "Q", "R"):
        entry["items"].append({"code": code, "name": {"zh": code}, "length": 3, "modes": ["shared"]})
    return entry


@st.composite
def changed(draw: st.DrawFn, base: dict[str, Any]) -> dict[str, Any]:
    """An entry after a few changes of its items P, Q, R and of rules about them; an unsound change is undone."""
    entry = copy.deepcopy(base)
    for _ in range(draw(st.integers(0, 5))):
        sound = copy.deepcopy(entry)
        mine = [i for i in entry["items"] if i["code"] in "PQRS"]
        if not mine:
            break
        one = draw(st.sampled_from(mine))
        names = [i["code"] for i in mine]
        kinds = ["add", "drop", "size", "demand", "codes", "many", "form", "group", "cross", "free"]
        match draw(st.sampled_from(kinds)):
            case "add":
                entry["items"].append(NEW | {"code": "S", "required": draw(st.booleans())})
            case "drop":
                entry["items"].remove(one)
            case "size":
                one["length"] = draw(st.integers(1, 4))
            case "demand":
                one["required"] = draw(st.booleans())
            case "codes":
                one["code_list"] = draw(st.lists(st.sampled_from(CODES), unique_by=lambda c: c["code"]))
            case "many":
                one["multiple"] = draw(st.booleans())
            case "form":
                one["pattern"] = draw(st.sampled_from(FORMS))
            case "group":
                groups = st.lists(st.sampled_from([*names, "NS_JG"]), min_size=2, max_size=3, unique=True)
                entry["required_one_of"] = [{"items": g} for g in draw(st.lists(groups, max_size=2))]
            case "cross":
                kind = draw(st.sampled_from(["required_when", "forbidden_when"]))
                rule = {"rule": kind, "item": draw(st.sampled_from(names)), "other": one["code"]}
                values = st.lists(st.sampled_from(["a", "b", "1", "x"]), min_size=1, unique=True)
                entry["cross_rules"] = [*entry["cross_rules"], rule | {"values": draw(values)}][-2:]
            case "free":
                entry["cross_rules"] = entry["cross_rules"][1:]
        if findings(read_content(entry)):
            entry = sound
    return entry


BASE_RECORD = {k: v for k, v in example_record(read_content(small())).items() if k not in "PQR"}
texts = st.one_of(st.none(), st.sampled_from(["1", "a", "b", "x", "a-b", "a;b", "1;a", "长长长长"]))
records = st.fixed_dictionaries(dict.fromkeys("PQRS", texts))


@settings(max_examples=100)
@given(st.data())
def test_what_is_said_to_be_compatible_takes_every_record_that_was_taken(data: st.DataObject) -> None:
    old = read_content(data.draw(changed(small())))
    new = read_content(data.draw(changed(json.loads(json.dumps(old.to_dict())))))
    effect = compare(old, new).compatibility
    if effect in (Compatibility.TIGHTENS, Compatibility.BREAKS):
        return
    before, after = accepts(old), accepts(new)
    for drawn in data.draw(st.lists(records, min_size=20, max_size=60)):
        record = BASE_RECORD | {code: text for code, text in drawn.items() if text is not None}
        if before(record):
            assert after(record), (effect, record)
        elif effect is Compatibility.NONE:
            assert not after(record), record
