"""Grants that take two officers, and regions of officers. Pure."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chengxin.auth.principal import Role
from chengxin.auth.regions import covers
from gateway.domain.clients_and_officers import Agreement
from gateway.domain.separation_of_duties import Grants

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
