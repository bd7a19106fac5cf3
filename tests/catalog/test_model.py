"""What an entry must be, and when a version is in force (Art. 3, 4, 7, 8, 13, 14, 18)."""

import copy
import re
import time
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chengxin.errors import Problem
from services.catalog.domain.code_list import CodeListContent, following
from services.catalog.domain.draft import Draft, ReviewDecision, read_draft
from services.catalog.domain.entry import CodeValue, Entry, LocalText, read_content
from services.catalog.domain.entry_validation import findings
from services.catalog.domain.entry_versions import InForcePeriod, publish, read_entry
from services.catalog.domain.findings_messages import RULES
from services.catalog.domain.regex_safety import pattern_fault
from services.catalog.domain.rule_set import RuleSet
from tests.catalog.conftest import demo_entry

LICENSING = demo_entry("XZXK")
CONTENT = read_content(LICENSING)
NOW = datetime(2026, 11, 24, 4, 0, tzinfo=UTC)
TODAY = date(2026, 11, 24)

Change = Callable[[dict[str, Any]], Any]


def item(entry: dict[str, Any], code: str) -> dict[str, Any]:
    return next(i for i in entry["items"] if i["code"] == code)


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


@pytest.mark.parametrize(
    ("change", "where", "rule"),
    [
        (lambda e: e.update(code="xzxk"), "code", "code.format"),
        (lambda e: e["name"].update(zh=" "), "name", "text.missing"),
        (lambda e: e["items"][3]["name"].update(zh="名\n称"), "items.3.name.zh", "text.unprintable"),
        (lambda e: e.update(description="长" * 1001), "description", "text.long"),
        (lambda e: e.update(resource_code="A"), "resource_code", "resource_code"),
        (lambda e: item(e, "BZ").update(unit="万元"), "items.25.unit", "item.number_only"),
        (lambda e: item(e, "BZ").update(note="长" * 501), "items.25.note", "text.long"),
        (lambda e: e.update(providers=[]), "providers", "empty"),
        (lambda e: e["providers"][0].update(uscc="11000000000000027X"), "providers.0.uscc", "uscc"),
        (lambda e: e["providers"][0].update(uscc="11000000000000027k"), "providers.0.uscc", "uscc"),
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
        (lambda e: e.update(reporting_limit_working_days=0), "reporting_limit_working_days", "limit.range"),
        (lambda e: e["disclosure_period"].update(item="XK_WSH"), "disclosure_period.item", "disclosure.item"),
        (lambda e: e["disclosure_period"].update(rule="unlimited"), "disclosure_period.item", "disclosure.superfluous"),
        (
            lambda e: e["disclosure_period"].update(rule="years_from_item"),
            "disclosure_period.years",
            "disclosure.years",
        ),
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


starts = st.integers(0, 400).map(lambda n: TODAY + timedelta(n))


@given(st.lists(st.tuples(starts, st.one_of(st.none(), st.integers(0, 200))), min_size=1, max_size=8))
def test_never_are_two_versions_in_force_on_one_day(asked: list[tuple[date, int | None]]) -> None:
    entries: list[Entry] = []
    for first, length in asked:
        before = entries[-1] if entries else None
        last = None if length is None else first + timedelta(length)
        if before is not None and first <= before.effective_from:
            with pytest.raises(Problem, match="PUBLICATION_OVERLAPS"):
                publish(CONTENT, InForcePeriod(first, last), before, NOW, TODAY)
            continue
        publication = publish(CONTENT, InForcePeriod(first, last), before, NOW, TODAY)
        if publication.closed:
            entries[-1] = publication.closed
        entries.append(publication.entry)
    assert [e.version for e in entries] == list(range(1, len(entries) + 1))
    for n in range(620):
        day = TODAY + timedelta(n)
        assert sum(e.in_force(day) for e in entries) <= 1
    assert all(e.effective_to is None or e.effective_to >= e.effective_from for e in entries)


def test_a_new_version_closes_the_one_before_the_day_before() -> None:
    first = publish(CONTENT, InForcePeriod(TODAY), None, NOW, TODAY).entry
    second = publish(CONTENT, InForcePeriod(date(2027, 1, 1)), first, NOW, TODAY)
    assert second.closed is not None
    assert second.closed.effective_to == date(2026, 12, 31)
    assert second.closed.content == first.content


def test_a_version_with_an_end_of_its_own_is_left_as_it_is() -> None:
    first = publish(CONTENT, InForcePeriod(TODAY, date(2026, 12, 1)), None, NOW, TODAY).entry
    assert publish(CONTENT, InForcePeriod(date(2027, 1, 1)), first, NOW, TODAY).closed is None


def test_nothing_is_published_for_a_day_that_is_past() -> None:
    with pytest.raises(Problem) as refused:
        publish(CONTENT, InForcePeriod(TODAY - timedelta(1)), None, NOW, TODAY)
    assert refused.value.code == "PUBLICATION_BACKDATED"


def test_a_version_survives_its_json() -> None:
    entry = publish(CONTENT, InForcePeriod(TODAY, date(2030, 1, 1)), None, NOW, TODAY).entry
    assert read_entry(entry.to_dict()) == entry


def test_rules_do_not_reach_back() -> None:
    values = {"retention_years": 5}
    first = RuleSet("archive", date(2018, 1, 1), values).following(None, TODAY)
    assert first.version == 1
    with pytest.raises(Problem) as refused:
        RuleSet("archive", date(2020, 1, 1), values).following(first, TODAY)
    assert refused.value.code == "RULES_BACKDATED"
    second = RuleSet("archive", TODAY, values).following(first, TODAY)
    with pytest.raises(Problem) as refused:
        RuleSet("archive", TODAY, values).following(second, TODAY)
    assert refused.value.code == "RULES_OVERLAP"


def test_nothing_begins_on_a_day_that_is_a_slip() -> None:
    """Nothing could be published before it, and an entry could not even be retired."""
    codes = CodeListContent("colour", LocalText("颜色"), (CodeValue("1", LocalText("红")),))

    def begins(day: date) -> list[str]:
        told = []
        for begin in (
            lambda: publish(CONTENT, InForcePeriod(day), None, NOW, TODAY),
            lambda: following(codes, day, None, NOW, TODAY),
            lambda: RuleSet("archive", day, {"years": 5}).following(None, TODAY),
        ):
            try:
                begin()
            except Problem as problem:
                told.append(problem.code)
        return told

    assert begins(TODAY) == begins(date(2028, 11, 24)) == []
    assert begins(date(2028, 11, 25)) == ["EFFECTIVE_IMPLAUSIBLE"] * 3
    assert begins(date(9999, 12, 31)) == ["EFFECTIVE_IMPLAUSIBLE"] * 3
    past = ["PUBLICATION_BACKDATED"]
    assert begins(date(1949, 10, 1)) == past
    assert begins(date(1949, 9, 30)) == past + ["EFFECTIVE_IMPLAUSIBLE"] * 2
    newest = publish(CONTENT, InForcePeriod(TODAY), None, NOW, TODAY).entry
    with pytest.raises(Problem, match="EFFECTIVE_IMPLAUSIBLE"):
        publish(CONTENT, InForcePeriod(date(2206, 12, 1)), newest, NOW, TODAY)


def test_the_objection_rules_must_be_complete() -> None:
    rules = RuleSet("objection", TODAY, {"acceptance_working_days": 3, "patience": 9, "answer_working_days": -1})
    wrong = {(f.where, f.rule) for f in rules.findings()}
    assert ("values.patience", "rules.unknown") in wrong
    assert ("values.answer_working_days", "rules.value") in wrong
    assert ("values", "rules.missing") in wrong


def test_what_was_kept_before_there_were_reviews_is_read_as_it_was() -> None:
    entry = publish(CONTENT, InForcePeriod(TODAY), None, NOW, TODAY).entry
    old = {
        k: v for k, v in entry.to_dict().items() if k not in ("publication_document", "retirement_basis", "description")
    }
    assert read_entry(old) == entry
    draft = Draft("draft_1", CONTENT, NOW, NOW, authors=("officer:a",))
    assert read_draft(draft.to_dict()) == draft
    kept = {k: v for k, v in draft.to_dict().items() if k not in ("authors", "reviews")}
    assert read_draft(kept).authors == ()


def test_who_has_written_a_draft_meanwhile_cannot_review_it() -> None:
    draft = Draft("draft_1", CONTENT, NOW, NOW, authors=("officer:a",)).submitted("officer:b", NOW, 1)
    for author in ("officer:a", "officer:b"):
        with pytest.raises(Problem) as refused:
            draft.reviewed(ReviewDecision.APPROVE, "同意", author, NOW, 1)
        assert refused.value.code == "REVIEW_OWN_WORK"
    assert draft.reviewed(ReviewDecision.RETURN, "不同意", "officer:c", NOW, 1).state == "draft"
