"""What an entry must be (Art. 3, 4, 8, 13, 14, 18)."""

import copy
import re
import time
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.catalog.domain.entry import read_content
from services.catalog.domain.entry_validation import findings
from services.catalog.domain.findings_messages import RULES
from services.catalog.domain.regex_safety import pattern_fault
from tests.catalog.conftest import demo_entry
from tests.catalog.licensing_entry import LICENSING, item

Change = Callable[[dict[str, Any]], Any]


def crossed(entry: dict[str, Any], rule: str, of: str, other: str = "XK_YXQZ", values: Sequence[str] = ()) -> None:
    """Makes the first cross rule another one."""
    entry["cross_rules"][0] = {"rule": rule, "item": of, "other": other, "values": list(values)}


def priced(entry: dict[str, Any]) -> None:
    """Makes two items sums of which one is not less than the other."""
    for code in ("BZ", "XK_XKBH"):
        item(entry, code).update(type="number", length=10, scale=2, unit="万元", pattern="", code_list=[])
    crossed(entry, "not_less", "BZ", "XK_XKBH")


def test_values_of_all_items_are_bounded_in_bytes_however_few_lists_they_refer_to() -> None:
    values = [{"code": f"{n:06}", "name": {"zh": "阳江市" * 20, "en": ""}} for n in range(3_000)]

    def listed(number: int) -> Change:
        def change(entry: dict[str, Any]) -> None:
            for one in [i for i in entry["items"] if i["type"] == "text" and not i.get("identifier")][:number]:
                one.update(code_list=values, pattern="", length=6)

        return change

    assert ("items", "codes.large") not in found(listed(2))
    assert ("items", "codes.large") in found(listed(4))


def test_sums_in_one_unit_can_be_compared() -> None:
    assert found(priced) == []


def found(change: Change, code: str = "XZXK") -> list[tuple[str, str]]:
    """What is wrong with a demonstration entry after a change."""
    entry = demo_entry(code)
    change(entry)
    wrong = findings(read_content(entry))
    for finding in wrong:
        assert finding.rule in RULES
        zh, en = finding.field_error("zh-CN"), finding.field_error("en")
        assert zh.message != en.message
        assert "{" not in zh.message + en.message.replace(str(finding.words.get("value", "")), "")
    return [(f.where, f.rule) for f in wrong]


def requires_two_subjects(entry: dict[str, Any]) -> None:
    entry["subject_id_items"].append("XK_FR_ZJHM")
    item(entry, "XK_FR_ZJHM")["identifier"] = "personal_document"
    for code in ("XK_XDR_SHXYM", "XK_FR_ZJHM"):
        item(entry, code)["required"] = True


@pytest.mark.parametrize(
    ("change", "where", "rule"),
    [
        (lambda e: e.update(code="xzxk"), "code", "code.format"),
        (lambda e: e["name"].update(zh=" "), "name", "text.missing"),
        (lambda e: e["items"][3]["name"].update(zh="名\n称"), "items.3.name.zh", "text.unprintable"),
        (lambda e: e["items"][3]["name"].update(zh="名\u3164称"), "items.3.name.zh", "text.unprintable"),
        (
            lambda e: e["items"][1]["code_list"][0].update(code="法\ufe00"),
            "items.1.code_list.0.code",
            "text.unprintable",
        ),
        (lambda e: item(e, "XK_NR")["name"].update(zh="许可编 号"), "items.16.name.zh", "duplicate"),
        (lambda e: e.update(description="长" * 1001), "description", "text.long"),
        (lambda e: e.update(resource_code="A"), "resource_code", "resource_code"),
        (lambda e: item(e, "BZ").update(unit="万元"), "items.25.unit", "item.number_only"),
        (lambda e: item(e, "BZ").update(note="长" * 501), "items.25.note", "text.long"),
        (lambda e: e.update(providers=[]), "providers", "empty"),
        (lambda e: e["providers"][0].update(uscc="11000000000000027X"), "providers.0.uscc", "uscc"),
        (lambda e: e["providers"][0].update(uscc="11000000000000027k"), "providers.0.uscc", "uscc"),
        (lambda e: e["providers"][0].update(uscc="0" * 18), "providers.0.uscc", "uscc"),
        (lambda e: e["providers"].append(e["providers"][0]), "providers.8", "duplicate"),
        (lambda e: e.update(subject_kinds=[]), "subject_kinds", "empty"),
        (lambda e: e.update(sharing={"value": "none"}), "sharing.value", "attribute.contradiction"),
        (lambda e: e.update(openness={"value": "conditional"}), "openness.condition", "attribute.condition"),
        (lambda e: e["items"].append(copy.deepcopy(e["items"][2])), "items.26.code", "duplicate"),
        (lambda e: item(e, "XK_NR")["name"].update(zh="许可编号"), "items.16.name.zh", "duplicate"),
        (lambda e: e["items"][0].update(length=0), "items.0.length", "item.length"),
        (lambda e: e["items"][0].update(scale=2), "items.0.scale", "item.scale"),
        (lambda e: e["items"][0].update(code="行政"), "items.0.code", "item.code.format"),
        (lambda e: e["items"][0].update(multiple=True), "items.0.multiple", "multiple.without_code_list"),
        (lambda e: e["items"][0].update(pattern="("), "items.0.pattern", "pattern.syntax"),
        (lambda e: e["items"][0].update(pattern="(a+)+"), "items.0.pattern", "pattern.catastrophic"),
        (lambda e: e["items"][0].update(pattern="a" * 201), "items.0.pattern", "pattern.too_long"),
        (lambda e: e["items"][0].update(pattern=r"(a)\1"), "items.0.pattern", "pattern.unsupported"),
        (lambda e: e["items"][1]["code_list"][0].update(code=""), "items.1.code_list.0.code", "text.missing"),
        (
            lambda e: e["items"][1]["code_list"][0].update(code="长" * 17),
            "items.1.code_list.0.code",
            "code_list.too_long",
        ),
        (lambda e: e["items"][2].update(length=17), "items.2.length", "identifier.length"),
        (lambda e: e["items"][0].update(sensitivity="identifier"), "items.0.modes", "identifier.public"),
        (lambda e: item(e, "XK_FR_ZJHM").update(masking=""), "items.10.masking", "identifier.masking"),
        (
            lambda e: e["items"][2].update(identifier="identity_number"),
            "items.2.sensitivity",
            "identifier.sensitivity",
        ),
        (lambda e: e.update(natural_key=["XK_WSHH"]), "natural_key.0", "unknown_item"),
        (lambda e: e.update(subject_name_item=""), "subject_name_item", "unknown_item"),
        (lambda e: e["subject_id_items"].append("NOPE"), "subject_id_items.6", "unknown_item"),
        (lambda e: e["subject_kinds"].append("individual"), "subject_id_items", "subject_id.kind"),
        (lambda e: e.update(required_one_of=[]), "subject_id_items", "subject_id.undetermined"),
        (requires_two_subjects, "subject_id_items", "subject_id.two"),
        (lambda e: e.update(reporting_limit_working_days=0), "reporting_limit_working_days", "limit.range"),
        (lambda e: e["disclosure_period"].update(item="XK_WSH"), "disclosure_period.item", "disclosure.item"),
        (lambda e: e["disclosure_period"].update(rule="unlimited"), "disclosure_period.item", "disclosure.superfluous"),
        (
            lambda e: e["disclosure_period"].update(rule="years_from_item"),
            "disclosure_period.years",
            "disclosure.years",
        ),
        (
            lambda e: e.update(disclosure_period={"rule": "years_from_item", "item": "XK_YXQZ", "years": 2}),
            "disclosure_period.item",
            "disclosure.unbounded",
        ),
        (lambda e: e["legal_document"].update(date="XK_YXQZ"), "legal_document.date", "legal_document.future"),
        (lambda e: e["items"][0].update(not_after_delivery=True), "items.0.not_after_delivery", "item.date_only"),
        (lambda e: e.update(legal_basis=[]), "legal_basis", "empty"),
        (lambda e: e["legal_document"].update(number=""), "legal_document.number", "unknown_item"),
        (lambda e: item(e, "XK_XKJG").update(required=False), "legal_document.organ", "legal_document.optional"),
        (lambda e: e["legal_document"].update(date="XK_WSH"), "legal_document.date", "legal_document.date"),
        (lambda e: e["required_one_of"][0].update(items=["XK_WSH"]), "required_one_of.0.items", "group.size"),
        (lambda e: e["cross_rules"][0].update(other="XK_WSH"), "cross_rules.0", "cross_rule.dates"),
        (lambda e: e["cross_rules"][1].update(values=["驾驶证"]), "cross_rules.1.values", "cross_rule.values"),
        (lambda e: e["cross_rules"][1].update(values=[]), "cross_rules.1.values", "empty"),
        (lambda e: e["cross_rules"][0].update(item="XK_YXQZ"), "cross_rules.0.other", "cross_rule.self"),
        (lambda e: crossed(e, "not_less", "XK_YXQZI"), "cross_rules.0", "cross_rule.numbers"),
        (lambda e: crossed(e, "not_less", "XK_ABSENT"), "cross_rules.0.item", "unknown_item"),
        (
            lambda e: crossed(e, "not_less", "BZ", "XK_NR", ["1"]),
            "cross_rules.0.values",
            "cross_rule.superfluous_values",
        ),
        (lambda e: crossed(e, "not_less", "BZ", "BZ"), "cross_rules.0.other", "cross_rule.self"),
        (lambda e: priced(e) or item(e, "BZ").update(unit="元"), "cross_rules.0", "cross_rule.units"),
        (lambda e: crossed(e, "forbidden_when", "BZ", "BZ", ["1"]), "cross_rules.0.other", "cross_rule.self"),
        (lambda e: crossed(e, "forbidden_when", "BZ", "XK_ZT"), "cross_rules.0.values", "empty"),
        (lambda e: crossed(e, "forbidden_when", "BZ", "XK_ZT", ["9"]), "cross_rules.0.values", "cross_rule.values"),
        (
            lambda e: crossed(e, "forbidden_when", "XK_NR", "XK_ZT", ["1"]),
            "cross_rules.0.item",
            "cross_rule.forbids_required",
        ),
        (
            lambda e: e["cross_rules"].append(e["cross_rules"][1] | {"rule": "forbidden_when", "values": ["身份证"]}),
            "cross_rules.2.values",
            "cross_rule.contradiction",
        ),
    ],
)
def test_an_unsound_entry_is_told_what_is_wrong(change: Change, where: str, rule: str) -> None:
    assert (where, rule) in found(change)


def test_an_item_is_shown_in_no_mode_that_its_entry_does_not_have() -> None:
    assert ("items.0.modes", "mode.outside_entry") in found(lambda e: e.update(modes=["shared"]))
    assert ("modes", "mode.unused") in found(lambda e: [i.update(modes=["public"]) for i in e["items"]])


@given(st.sampled_from(LICENSING["items"]), st.data())
def test_an_entry_without_one_of_its_items_is_sound_only_when_nothing_refers_to_it(
    removed: dict[str, Any], data: st.DataObject
) -> None:
    code = removed["code"]
    rest = {k: v for k, v in LICENSING.items() if k != "items"}
    referred = f'"{code}"' in str(rest).replace("'", '"')
    wrong = found(lambda e: e["items"].remove(item(e, code)))
    assert bool(wrong) == referred
    assert {rule for _, rule in wrong} <= {"unknown_item", "disclosure.item"}


# The standard library warns of sets within sets, which a later Python may read differently.
@pytest.mark.filterwarnings("ignore::FutureWarning")
@given(st.text(alphabet="ab(|)*+?{2,}[].\\", max_size=16), st.integers(1, 64))
def test_a_pattern_that_is_taken_matches_quickly(pattern: str, length: int) -> None:
    if pattern_fault(pattern, length) is None:
        began = time.perf_counter()
        for text in ("a" * length, "ab" * (length // 2), "a" * (length - 1) + "c"):
            re.fullmatch(pattern, text)
        assert time.perf_counter() - began < 1
