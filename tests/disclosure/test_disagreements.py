"""The subjects about which providers disagree are listed for the organs that oversee (Art. 2, 5)."""

import random
from collections.abc import Iterable
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chengxin.values.text_forms import comparison_key
from demo.identifiers import demo_uscc
from services.disclosure.context import OWN
from services.disclosure.domain.assertions import NOTHING, Assertion, Assertions, is_newer, packed, unpacked
from services.disclosure.domain.disagreements import (
    Disagreement,
    disagreeing,
    disagreeing_record_ids,
    disagreement_summaries,
    disagreements,
    fact_name,
)
from services.disclosure.domain.record_views import RecordView
from services.disclosure.store.disclosure_store import DisclosureStore
from services.disclosure.usecases.archive_records import archive
from tests.disclosure.running_disclosure import COMPANY, LI_NA, REGULATOR, TODAY, DisclosureCaller, RunningDisclosure
from tests.disclosure.subject_references import COURT, NAME, by_code, licence, of_code
from tests.support import until

THIRD = "11441700007332459A"
LIST = "/v1/subjects/disagreements"


@pytest.fixture
def officer(city: RunningDisclosure) -> DisclosureCaller:
    return city.caller("centre", sub="officer-1")


def listed(officer: DisclosureCaller, query: str = "") -> list[dict[str, Any]]:
    answer = officer.get(LIST + query)
    assert answer.status_code == 200, answer.text
    return list(answer.json["disagreements"])


def register(city: RunningDisclosure, name: str = NAME, **items: Any) -> Any:
    return city.record("QYDJ", COMPANY, name, "register", **{"DJZT": "存续"} | items)


def test_a_subject_is_listed_as_long_as_providers_differ(city: RunningDisclosure, officer: DisclosureCaller) -> None:
    city.delivers(register(city), licence(city))
    assert listed(officer) == []
    other = licence(city, "other", called="海陵食品厂")
    other.provider_uscc = COURT
    other.recorded_at.FromDatetime(TODAY + timedelta(minutes=1))
    city.delivers(other)
    [told] = listed(officer)
    assert (told["subject_ref"], told["subject_refs"]) == (city.ref(COMPANY), [city.ref(COMPANY)])
    assert told["facts"] == [
        {
            "fact": "名称或者姓名",
            "item": "name",
            "values": 2,
            "providers": [COURT, REGULATOR],
            "since": "2026-11-24T04:01:00.000000Z",
        }
    ]
    [english] = city.caller("authority", sub="officer-2", language="en").get(LIST).json["disagreements"]
    assert english["facts"][0]["fact"] == "Name"
    # The same name in other widths and spaces does not differ.
    mended = licence(city, "other", called=f" {NAME}", version=2)
    mended.provider_uscc = COURT
    mended.recorded_at.FromDatetime(TODAY + timedelta(minutes=2))
    city.delivers(mended)
    assert listed(officer) == []


def test_what_differs_is_told_without_reading_all_records(
    city: RunningDisclosure, officer: DisclosureCaller, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each of its records was once read in full, with its long texts, for every look at the first page."""
    other = licence(city, "other", called="海陵食品厂")
    other.provider_uscc = COURT
    city.delivers(other, *(licence(city, f"l{number}") for number in range(400)))
    read: list[int] = []
    pages = DisclosureStore.pages

    def counted(self: DisclosureStore, keys: Iterable[tuple[str, int]], unit: Any = None) -> Any:
        wanted = list(keys)
        read.append(len(wanted))
        return pages(self, wanted, unit)

    monkeypatch.setattr(DisclosureStore, "pages", counted)
    answer = officer.get(f"/v1/subjects/{city.ref(COMPANY)}/conflicts").json
    [told] = answer["conflicts"]
    assert {s["provider_uscc"] for s in told["statements"]} == {COURT, REGULATOR}
    own = city.caller("subject", sub=city.ref(COMPANY)).get("/v1/me/records?page_size=10").json
    assert [len(c["statements"]) for c in own["conflicts"]] == [2]
    assert sum(read) <= 16


def test_a_revoked_record_and_an_archived_one_say_nothing_any_more(
    city: RunningDisclosure, officer: DisclosureCaller
) -> None:
    first, second = register(city), register(city, "海陵食品厂")
    second.record_id, second.provider_uscc = "r_second", COURT
    city.delivers(first, second)
    assert len(listed(officer)) == 1
    second.version, second.revoked = 2, True
    city.delivers(second)
    assert listed(officer) == []
    short = licence(city, "short", called="海陵食品厂", XK_YXQZI="2026-11-24")
    short.provider_uscc = COURT
    city.delivers(short)
    assert len(listed(officer)) == 1
    city.clock.instant = TODAY + timedelta(days=1)
    assert archive(city.ctx, OWN) == 1
    assert listed(officer) == []


def test_a_statement_on_an_older_page_counts_until_it_is_taken_back(
    city: RunningDisclosure, officer: DisclosureCaller
) -> None:
    other = licence(city, "other", called="海陵食品厂")
    other.provider_uscc = COURT
    city.delivers(other)
    for start in range(0, 60, 20):
        city.delivers(*(licence(city, f"l{n}") for n in range(start, start + 20)))
    [told] = listed(officer)
    assert set(told["facts"][0]["providers"]) == {COURT, REGULATOR}
    # The newest statement of the provider is on an older page, too.
    other.version = 2
    other.items["XK_XDR_MC"] = other.subject.name = NAME
    other.recorded_at.FromDatetime(TODAY + timedelta(minutes=1))
    city.delivers(other)
    assert listed(officer) == []
    again = licence(city, "l3", called="海陵食品厂", version=2)
    again.recorded_at.FromDatetime(TODAY + timedelta(minutes=2))
    city.delivers(again)
    assert len(listed(officer)) == 1
    again.version, again.revoked = 3, True
    city.delivers(again)
    assert listed(officer) == []


def test_a_page_that_overflows_while_its_difference_ends_takes_the_subject_off(
    city: RunningDisclosure, officer: DisclosureCaller
) -> None:
    other = licence(city, "other", called="海陵食品厂")
    other.provider_uscc = COURT
    city.delivers(other, *(licence(city, f"l{n}") for n in range(24)))
    assert len(listed(officer)) == 1
    mended = licence(city, "other", version=2)
    mended.provider_uscc = COURT
    mended.recorded_at.FromDatetime(TODAY + timedelta(minutes=1))
    city.delivers(licence(city, "l24"), mended)
    assert listed(officer) == []


def test_references_of_one_subject_are_compared_together_also_after_officers_decide(
    city: RunningDisclosure, officer: DisclosureCaller
) -> None:
    city.delivers(register(city))
    city.delivers(by_code(city, name="海陵食品厂"))
    [told] = listed(officer)
    assert told["subject_refs"] == [city.ref(COMPANY), of_code(city)]
    [link] = officer.get(f"/v1/subjects/{city.ref(COMPANY)}").json["links"]
    city.decides(officer, f"/{link['link_id']}/split", {"reason": "核实中"})
    assert listed(officer) == []
    city.decides(officer, f"/{link['link_id']}/undo", {"reason": "已核实"})
    assert listed(officer) == [told]
    city.delivers(by_code(city, name=NAME, version=2))
    assert listed(officer) == []


def test_a_reference_that_differs_by_itself_is_listed_under_the_one_it_joins(
    city: RunningDisclosure, officer: DisclosureCaller
) -> None:
    first, second = by_code(city), by_code(city, "second", name="海陵食品厂")
    second.provider_uscc = THIRD
    city.delivers(first, second)
    assert [told["subject_ref"] for told in listed(officer)] == [of_code(city)]
    city.delivers(register(city))
    assert [told["subject_ref"] for told in listed(officer)] == [city.ref(COMPANY)]
    [link] = officer.get(f"/v1/subjects/{city.ref(COMPANY)}").json["links"]
    city.decides(officer, f"/{link['link_id']}/split", {"reason": "核实中"})
    assert [told["subject_ref"] for told in listed(officer)] == [of_code(city)]


def test_the_list_comes_page_by_page_and_names_nobody(city: RunningDisclosure, officer: DisclosureCaller) -> None:
    refs = []
    for n in range(5):
        code = demo_uscc("91", n, "MA")
        for provider, name in ((REGULATOR, f"甲{n}公司"), (COURT, f"乙{n}公司")):
            made = licence(city, f"{n}{provider}", code, name)
            made.provider_uscc = provider
            made.recorded_at.FromDatetime(TODAY - timedelta(minutes=n))
            city.delivers(made)
        refs.insert(0, city.ref(code))
    for key, name, provider in (("a", "李娜", REGULATOR), ("b", "李那", COURT)):
        made = city.record("CFGR", LI_NA, name, key, CF_WSH=key, CF_GSJZQ="2029-01-01")
        made.provider_uscc = provider
        made.recorded_at.FromDatetime(TODAY + timedelta(minutes=1))
        city.delivers(made)
    refs.append(city.ref(LI_NA))
    seen, token = [], ""
    while True:
        page = officer.get(f"{LIST}?page_size=2&page_token={token}").json
        seen += page["disagreements"]
        if not (token := page["next_page_token"]):
            break
    assert [told["subject_ref"] for told in seen] == refs
    assert seen[-1]["name"] == "李**"
    events = until(lambda: city.audit.of("subject.disagreements_listed"))
    assert [event["subject_refs"] for event in events] == [refs[:2], refs[2:4], refs[4:]]
    assert [event["details"] for event in events] == [{"found": 2}] * 3
    assert "李" not in str(events)
    assert officer.get(f"{LIST}?page_token=W10").json["code"] == "INPUT_INVALID"
    city.audit.away = True
    assert officer.get(LIST).json["code"] == "AUDIT_UNAVAILABLE"


@pytest.mark.parametrize("role", ["provider", "agency", "supervisor", "subject"])
def test_only_the_centre_and_the_authority_see_the_list(city: RunningDisclosure, role: str) -> None:
    assert city.caller(role, sub="somebody").get(LIST).status_code == 403


def test_the_list_says_what_the_pages_say_whatever_happens(city: RunningDisclosure, officer: DisclosureCaller) -> None:
    chance = random.Random(20)
    codes = [COMPANY, demo_uscc("91", 1, "MA"), demo_uscc("91", 2, "MA")]
    versions: dict[str, int] = {}
    for moment in range(160):
        code, number = chance.choice(codes), chance.randrange(40)
        provider = (REGULATOR, COURT, THIRD)[number % 3]
        name = NAME if chance.random() < 0.8 else "海陵食品厂"
        key = f"{code}{number}"
        if versions.get(key, 0) < 0:
            continue
        versions[key] = version = versions.get(key, 0) + 1
        if number % 5 == 0:
            made = city.record("QYDJ", code, name, key, DJZT=chance.choice(("存续", "注销")), version=version)
        elif number % 5 == 1 and code == COMPANY:
            made = by_code(city, key, name=name, version=version)
        else:
            made = licence(city, key, code, name, version=version)
        made.provider_uscc = provider
        made.recorded_at.FromDatetime(TODAY + timedelta(seconds=moment // 2))
        if version > 1 and chance.random() < 0.3:
            made.revoked, versions[key] = True, -1
        city.delivers(made)
        if moment % 4 == 0:
            by_pages = {}
            for ref in map(city.ref, codes):
                found = officer.get(f"/v1/subjects/{ref}/conflicts").json.get("conflicts", [])
                if found:
                    by_pages[ref] = {c["fact"]: [s["provider_uscc"] for s in c["statements"]] for c in found}
            told = {one["subject_ref"]: {f["fact"]: f["providers"] for f in one["facts"]} for one in listed(officer)}
            assert told == by_pages, moment


def assertion(fact: str, provider: str, at: str, value: str, basic: bool, number: int) -> Assertion:
    # A record states one value, in one spelling.
    return Assertion(fact, provider, at, value, basic, f"{provider} {number}{value}")


ASSERTIONS = st.builds(
    assertion,
    st.sampled_from(("name", "status")),
    st.sampled_from((REGULATOR, COURT, THIRD)),
    st.sampled_from(("2026-01-01", "2026-01-02", "2026-01-03")),
    # Two of them are one value, in other widths.
    st.sampled_from(("甲A", "甲Ａ", "乙")),
    st.booleans(),
    st.integers(0, 2),
)


@st.composite
def asserted_of_a_subject(draw: st.DrawFn) -> Assertions:
    newest: dict[tuple[str, str], Assertion] = {}
    registered: dict[str, str] = {}
    for made in draw(st.lists(ASSERTIONS, max_size=8)):
        known = newest.get((made.fact, made.provider))
        if known is None or is_newer(made, known):
            newest[made.fact, made.provider] = made
        if made.basic:
            registered[made.fact] = max(registered.get(made.fact, ""), made.recorded_at)
    return Assertions(tuple(newest.values()), registered)


def meaning(asserted: Assertions) -> Any:
    """The list without its order; of two equal assertions either one's class may be shown."""
    return {(a.fact, a.provider, a.recorded_at, a.value) for a in asserted.newest}, asserted.registered


@given(asserted_of_a_subject(), asserted_of_a_subject(), asserted_of_a_subject())
def test_what_is_asserted_is_the_same_however_pages_are_put_together(
    one: Assertions, two: Assertions, three: Assertions
) -> None:
    assert meaning(one.merged(two).merged(three)) == meaning(one.merged(two.merged(three)))
    assert meaning(one.merged(two)) == meaning(two.merged(one))
    assert one.merged(NOTHING) == one == NOTHING.merged(one) == unpacked(packed(one))


@given(asserted_of_a_subject())
def test_providers_disagree_where_what_counts_has_two_values(asserted: Assertions) -> None:
    """The rule, said in another way: against each pair of assertions."""

    def counts(one: Assertion) -> bool:
        return one.basic or one.recorded_at >= asserted.registered.get(one.fact, "")

    def contradict(one: Assertion, other: Assertion) -> bool:
        return one.fact == other.fact and comparison_key(one.value) != comparison_key(other.value)

    counted = [a for a in asserted.newest if counts(a)]
    found = {one.fact: one.assertions for one in disagreeing(asserted.newest, asserted.registered)}
    assert found.keys() == {a.fact for a in counted if any(contradict(a, other) for other in counted)}
    for fact, assertions in found.items():
        assert set(assertions) == {a for a in counted if a.fact == fact}
        assert [a.recorded_at for a in assertions] == sorted((a.recorded_at for a in assertions), reverse=True)


@given(asserted_of_a_subject(), st.data())
def test_the_list_and_the_page_of_a_subject_follow_one_rule(asserted: Assertions, data: st.DataObject) -> None:
    def shown(record_ids: Iterable[str]) -> list[Disagreement]:
        views = {i: RecordView(i, 1, "", 1, "", "", i.partition(" ")[0], "", {}, "", "") for i in record_ids}
        return disagreements(asserted, views, lambda code, version: None)

    every = sorted({a.record_id for a in asserted.newest})
    on_the_page = {d.fact: sorted(s.provider_uscc for s in d.statements) for d in shown(every)}
    assert on_the_page == {fact_name(f.fact): sorted(f.providers) for f in disagreement_summaries(asserted)}
    # The page reads no other records than those that disagree, whichever of all still stand.
    standing = data.draw(st.sets(st.sampled_from(every))) if every else set()
    assert shown(sorted(standing)) == shown(sorted(standing & set(disagreeing_record_ids(asserted))))
