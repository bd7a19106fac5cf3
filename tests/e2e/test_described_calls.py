"""The published description is true: schemathesis calls every operation from it and finds nothing wrong."""

from collections.abc import Iterator
from typing import Any, Final

import pytest

from chengxin.auth.principal import Role
from tests.city import City, running_city
from tests.e2e.described_calls import CHECKS, LAST, ROLES, Tried, of_role, shared_out, tried
from tests.e2e.policy_world import PolicyWorld

_BOUNDARIES: Final[dict[str, dict[str, Any]]] = {"coverage": {"enabled": True}}
_ALL: Final[dict[str, dict[str, Any]]] = {
    "examples": {"enabled": True},
    "coverage": {"enabled": True},
    "fuzzing": {"enabled": True, "generation": {"max-examples": 25}},
}
_CHAINS: Final[dict[str, dict[str, Any]]] = {"stateful": {"enabled": True, "generation": {"max-examples": 3}}}
_LONG_CHAINS: Final[dict[str, dict[str, Any]]] = {"stateful": {"enabled": True, "generation": {"max-examples": 25}}}


@pytest.fixture(scope="module")
def city() -> Iterator[City]:
    """A city of its own: what is called here changes it."""
    with running_city() as found:
        yield found


@pytest.fixture(scope="module")
def world(city: City) -> PolicyWorld:
    """Things that exist, and callers in every role."""
    return PolicyWorld(city)


@pytest.fixture(scope="module")
def api(city: City) -> dict[str, Any]:
    """The published description."""
    return dict(city.anybody.get("/openapi.json"))


def _but_the_last(operations: list[str]) -> list[str]:
    return [label for label in operations if label != LAST]


def _faults(found: Tried) -> str:
    """What is wrong, in words; also when nothing was tried because the token was refused, or the suite was gone."""
    told = [f"{face}, {check}: {what}" for (face, check), what in found.wrong.items()]
    if not any(200 <= status < 300 for status in found.statuses):
        told.append(f"nothing was answered: {dict(found.statuses)}")
    return "\n\n".join(told)


@pytest.mark.parametrize("role", ROLES)
def test_every_operation_is_as_it_is_described(city: City, world: PolicyWorld, api: dict[str, Any], role: Role) -> None:
    operations = _but_the_last(shared_out(api)[role])
    found = tried(api, world, role, operations, _BOUNDARIES)
    assert not _faults(found)
    assert found.operations == set(operations)
    assert set(found.checks) >= CHECKS


@pytest.mark.parametrize("role", ROLES)
def test_what_follows_from_an_answer_is_as_it_is_described(
    city: City, world: PolicyWorld, api: dict[str, Any], role: Role
) -> None:
    """Things that are made, read, changed and ended, one after the other."""
    assert not _faults(tried(api, world, role, _but_the_last(of_role(api, role)), _CHAINS))


def test_every_operation_is_somebodys(api: dict[str, Any]) -> None:
    shared = [label for labels in shared_out(api).values() for label in labels]
    for_services = [
        f"{method.upper()} {path}"
        for path, methods in api["paths"].items()
        for method, operation in methods.items()
        if operation.get("x-roles") == ["service"]
    ]
    assert sorted(shared + for_services) == sorted(
        f"{method.upper()} {path}" for path, methods in api["paths"].items() for method in methods
    )


# Six minutes a role.
@pytest.mark.rounds
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("role", ROLES)
def test_all_that_a_role_may_call_is_as_it_is_described(
    city: City, world: PolicyWorld, api: dict[str, Any], role: Role
) -> None:
    for phases in (_ALL, _LONG_CHAINS):
        assert not _faults(tried(api, world, role, _but_the_last(of_role(api, role)), phases))


@pytest.mark.long
def test_what_ends_all_tokens_is_as_it_is_described(city: City, world: PolicyWorld, api: dict[str, Any]) -> None:
    assert not _faults(tried(api, world, Role.AUTHORITY, [LAST, "GET /v1/identity/signing-keys"], _ALL))
