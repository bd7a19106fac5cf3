"""Which references are one subject, by the links alone: whatever the order, and never two of the strongest kind."""

from itertools import permutations

from hypothesis import given
from hypothesis import strategies as st

from services.disclosure.domain.entity_resolution import (
    STRONG,
    Groups,
    Link,
    LinkDecision,
    LinkState,
    SchemedReference,
    group_links,
    joins_more,
    link_id,
    mixes_kinds,
    organisation_code_in,
    two_persons,
)

COMPANY = SchemedReference("s_a", "uscc")
OTHER = SchemedReference("s_b", "uscc")
PERSON = SchemedReference("s_c", "identity_number")
WANG = SchemedReference("s_w", "identity_number")
CODE = SchemedReference("s_d", "organisation_code")
REGISTRATION = SchemedReference("s_e", "registration_number")

_SCHEMES = ("uscc", "uscc", "identity_number", "organisation_code", "registration_number", "ZJHM")
_IDENTIFIERS = [SchemedReference(f"s_{n}", _SCHEMES[n % len(_SCHEMES)]) for n in range(12)]


@st.composite
def links(draw: st.DrawFn, decisions: tuple[LinkDecision, ...] = tuple(LinkDecision)) -> list[Link]:
    """Any links between a few references of all kinds."""
    pairs = draw(st.sets(st.tuples(st.sampled_from(_IDENTIFIERS), st.sampled_from(_IDENTIFIERS)), max_size=14))
    unique = {link_id(a.ref, b.ref): (a, b) for a, b in pairs if a != b}
    return [
        Link(a, b, draw(st.booleans()), draw(st.sampled_from(decisions)))
        for a, b in (unique[i] for i in sorted(unique))
    ]


def answers(groups: Groups) -> dict[str, tuple[str, ...]]:
    return {i.ref: groups.of(i.ref) for i in _IDENTIFIERS}


@given(links(), st.randoms())
def test_the_order_of_arrival_changes_nothing(found: list[Link], chance: object) -> None:
    mixed = list(found)
    chance.shuffle(mixed)  # type: ignore[attr-defined]
    turned = [Link(link.other, link.one, link.claimed, link.decision) for link in mixed]
    assert answers(group_links(turned)) == answers(group_links(found))
    assert group_links(turned).states == group_links(found).states


@given(links((LinkDecision.NONE, LinkDecision.DIFFERENT)))
def test_records_alone_never_join_two_of_which_nobody_has_two(found: list[Link]) -> None:
    groups = group_links(found)
    for members in groups.members.values():
        assert sum(i.scheme in STRONG for i in members) <= 1
        assert not mixes_kinds({i.scheme for i in members})


@given(links())
def test_a_record_joins_no_more_than_officers_did_of_the_strongest(found: list[Link]) -> None:
    decided = group_links(link for link in found if link.decision is LinkDecision.SAME)
    for members in group_links(found).members.values():
        strong = [i.ref for i in members if i.scheme in STRONG]
        assert all(set(strong) <= set(decided.of(ref)) for ref in strong)


@given(links())
def test_nothing_makes_two_persons_or_a_person_and_an_organisation_one(found: list[Link]) -> None:
    for members in group_links(found).members.values():
        assert not two_persons(members)
        assert not mixes_kinds({i.scheme for i in members})


def test_a_split_that_gives_a_code_to_another_company_joins() -> None:
    """The code was named with two companies, and an officer said whose it is."""
    decided = [Link(COMPANY, CODE, decision=LinkDecision.SAME), Link(OTHER, CODE)]
    split = [Link(COMPANY, CODE, decision=LinkDecision.DIFFERENT), Link(OTHER, CODE)]
    assert joins_more(group_links(decided), group_links(split))
    assert not joins_more(group_links([Link(COMPANY, CODE)]), group_links(split[:1]))


def test_two_persons_stay_two_also_by_a_third_reference() -> None:
    """As after two merges that were allowed each by itself, or a merge of the last version."""
    passport = SchemedReference("s_p", "ZJHM")
    first, second = Link(PERSON, passport, decision=LinkDecision.SAME), Link(passport, WANG, decision=LinkDecision.SAME)
    assert group_links([first]).of("s_c") == ("s_c", "s_p")
    for order in permutations([first, second, Link(PERSON, WANG, decision=LinkDecision.SAME)]):
        groups = group_links(order)
        assert {groups.of(ref) for ref in ("s_c", "s_p", "s_w")} == {("s_c",), ("s_p",), ("s_w",)}
        assert set(groups.states.values()) == {LinkState.CONFLICT}


@given(links(), st.sampled_from(_IDENTIFIERS), st.sampled_from(_IDENTIFIERS))
def test_a_merge_joins_and_its_undoing_restores(
    found: list[Link], one: SchemedReference, other: SchemedReference
) -> None:
    number = link_id(one.ref, other.ref)
    known = next((link for link in found if link.id == number), Link(one, other, claimed=False))
    rest = [link for link in found if link.id != number]
    before = answers(group_links(found))
    merged = group_links([*rest, Link(known.one, known.other, known.claimed, LinkDecision.SAME)])
    assert one == other or other.ref in merged.of(one.ref) or merged.states[number] is LinkState.CONFLICT
    undone = [*rest, known]
    assert answers(group_links(undone)) == before


@given(links())
def test_each_is_in_one_subject_and_the_strongest_stands_for_it(found: list[Link]) -> None:
    groups = group_links(found)
    for ref, members in groups.members.items():
        assert ref in groups.of(ref)
        assert [i.rank for i in members] == sorted(i.rank for i in members)
        assert all(groups.of(i.ref) == groups.of(ref) for i in members)


def test_a_code_named_with_two_companies_joins_neither() -> None:
    claims = [Link(COMPANY, CODE), Link(OTHER, CODE), Link(COMPANY, REGISTRATION)]
    for order in permutations(claims):
        groups = group_links(order)
        assert groups.of("s_d") == ("s_d",)
        assert groups.of("s_a") == ("s_a", "s_e")
        assert groups.states[link_id("s_a", "s_d")] == LinkState.CONFLICT
        assert groups.states[link_id("s_b", "s_d")] == LinkState.CONFLICT
        assert groups.states[link_id("s_a", "s_e")] == LinkState.AUTOMATIC


def test_an_officer_says_whose_the_code_is_and_the_conflict_is_over() -> None:
    said = [Link(COMPANY, CODE, decision=LinkDecision.DIFFERENT), Link(OTHER, CODE)]
    assert group_links(said).of("s_d") == ("s_b", "s_d")
    said = [Link(COMPANY, CODE, decision=LinkDecision.SAME), Link(OTHER, CODE)]
    assert group_links(said).of("s_d") == ("s_a", "s_d")
    assert group_links(said).states[link_id("s_b", "s_d")] == LinkState.CONFLICT


def test_a_record_with_a_company_and_its_owner_joins_them_not() -> None:
    groups = group_links([Link(COMPANY, PERSON)])
    assert groups.of("s_a") == ("s_a",)
    assert groups.states[link_id("s_a", "s_c")] == LinkState.CONFLICT


def test_a_chain_of_weak_references_reaches_its_company() -> None:
    assert group_links([Link(CODE, REGISTRATION), Link(COMPANY, CODE)]).of("s_e") == ("s_a", "s_d", "s_e")


def test_the_organisation_code_is_characters_9_to_17_of_the_credit_code() -> None:
    assert organisation_code_in("91000000MA000901XJ") == "MA000901X"
    assert organisation_code_in("MA000901X") == ""
