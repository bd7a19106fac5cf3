"""At both edges a token that is not in order is refused."""

import pytest

from tests.gateway.access_token_attacks import token_with
from tests.gateway.conftest import RunningGateway


def test_the_token_that_the_attacks_start_from_is_good(gate: RunningGateway) -> None:
    assert gate.edge.call("GET", "/v1/me/records", token_with(gate)).status == 200


@pytest.mark.parametrize("header", ["Basic abc", "Bearer", "Bearer ", "abc"])
def test_another_scheme_is_refused(gate: RunningGateway, header: str) -> None:
    answer = gate.edge.call("GET", "/v1/me/records", headers={"Authorization": header})
    assert answer.status == 401
