"""Acts that take two officers, roles that no officer holds together, and regions of officers. Pure."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chengxin.auth.principal import Principal, Role
from chengxin.auth.regions import covers
from gateway.domain.clients_and_officers import Agreement
from gateway.domain.separation_of_duties import FOUR_EYES, PROPOSAL_DAYS, SUPERVISOR_MUST_APPROVE, Grants, Proposal

NOW = datetime(2026, 11, 25, tzinfo=UTC)
_grants = st.builds(
    Grants,
    st.frozensets(st.sampled_from(Role)),
    st.frozensets(st.builds(Agreement, st.sampled_from("ab"), st.sampled_from("12"))),
    st.frozensets(st.sampled_from(["甲法", "乙法"])),
)


@pytest.mark.parametrize(
    ("own", "region", "covered"),
    [
        ("441700", "441702", True),
        ("441700", "441700", True),
        ("441702", "441702", True),
        ("441702", "441700", False),
        ("441702", "441703", False),
        ("440000", "441702", True),
        ("440000", "450000", False),
        ("", "441702", True),
        ("", "", True),
        ("441700", "", False),
    ],
)
def test_an_officer_acts_in_her_region_and_what_belongs_to_it(own: str, region: str, covered: bool) -> None:
    assert covers(own, region) is covered


@given(_grants)
def test_grants_survive_being_written(grants: Grants) -> None:
    assert Grants.read(grants.to_dict()) == grants


@given(_grants, _grants)
def test_only_what_is_held_already_takes_one_officer(held: Grants, asked: Grants) -> None:
    takes_one = asked.only_less_than(held)
    added = (asked.roles - held.roles, asked.agreements - held.agreements, asked.legal_bases - held.legal_bases)
    assert takes_one == (not any(added))
    # Both ways only when nothing changes.
    assert not (takes_one and held.only_less_than(asked)) or held == asked


def _proposal(kind: str = "client", target: str = "c", roles: frozenset[Role] = frozenset({Role.PROVIDER})) -> Proposal:
    return Proposal("grant_1", kind, target, "441700", Grants(roles), "officer:li", NOW)


def _officer(name: str, role: Role = Role.AUTHORITY) -> Principal:
    return Principal(f"officer:{name}", frozenset({role}))


def test_neither_who_proposed_nor_whom_it_is_for_approves() -> None:
    assert _proposal().refusal_of_approval(_officer("li")) is FOUR_EYES
    assert _proposal("officer", "wang").refusal_of_approval(_officer("wang")) is FOUR_EYES
    assert _proposal("officer", "wang").refusal_of_approval(_officer("zhao")) is None


def test_the_role_supervisor_takes_a_supervisor() -> None:
    proposal = _proposal("officer", "wang", frozenset({Role.SUPERVISOR}))
    assert proposal.refusal_of_approval(_officer("zhao")) is SUPERVISOR_MUST_APPROVE
    assert proposal.refusal_of_approval(_officer("sun", Role.SUPERVISOR)) is None


def test_a_proposal_that_nobody_decides_is_void() -> None:
    in_time, too_late = NOW + timedelta(days=PROPOSAL_DAYS, seconds=-1), NOW + timedelta(days=PROPOSAL_DAYS)
    assert _proposal().seen(in_time).state == "open"
    assert _proposal().seen(too_late).state == "void"
    approved = _proposal().decided(_officer("zhao"), "approved", NOW)
    assert approved.seen(too_late).state == "approved"
