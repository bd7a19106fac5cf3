"""The authorization table, cell by cell: every HTTP route and gRPC method, asked in every capacity (decision 1)."""

import json
import re
from collections.abc import Callable, Iterator
from typing import Any

import grpc
import pytest

from chengxin.client import Caller
from chengxin.errors import Problem
from chengxin.principal import Role
from gateway.routes import prefix_of
from tests.city import City
from tests.support import figure

# Where to be refused is not to be let in: of a role, of a condition, of a missing token.
ROLE_NOT_ALLOWED = "ROLE_NOT_ALLOWED"


@pytest.fixture(scope="module")
def table(city: City) -> list[dict[str, Any]]:
    """`chengxin policy --json`."""
    done = city.chengxin("policy", "--json")
    assert done.returncode == 0, done.stderr
    return list(json.loads(done.stdout))


@pytest.fixture(scope="module")
def capacities(city: City) -> dict[Role, Caller]:
    """Somebody of this city in each capacity that a client or a person can have."""
    return {
        Role.PUBLIC: city.machine("credit_agency", scope="public"),
        Role.SUBJECT: city.li_na,
        Role.STATUTORY: city.statutory,
        Role.AGENCY: city.housing_bureau,
        Role.PROVIDER: city.market_regulator,
        Role.CENTRE: city.centre,
        Role.AUTHORITY: city.authority,
        Role.SUPERVISOR: city.supervisor,
        Role.SERVICE: city.service("objection"),
    }


def test_every_cell_of_the_table_is_as_it_says(
    city: City, table: list[dict[str, Any]], capacities: dict[Role, Caller]
) -> None:
    wrong = []
    cells = 0
    for row in table:
        for role, caller in capacities.items():
            for code in _asked(city, row, caller):
                cells += 1
                allowed = "open_to_all" in row or role in row["roles"]
                # What comes after the rule (conditions, input, what exists) is the use case's own business.
                if allowed == (code == ROLE_NOT_ALLOWED) and not (allowed and row.get("conditions")):
                    wrong.append(f"{row['face']} as {role}: {code or 'let in'}")
    figure("policy.cells", cells)
    assert not wrong, "\n".join(wrong)
    assert cells > 300


def test_without_a_token_one_is_the_public_over_http_and_nobody_over_grpc(
    city: City, table: list[dict[str, Any]]
) -> None:
    wrong = []
    for row in table:
        if "open_to_all" in row:
            continue
        for code in _asked(city, row, city.anybody):
            if " " in row["face"]:
                right = code != "UNAUTHENTICATED" and (Role.PUBLIC in row["roles"]) == (code != ROLE_NOT_ALLOWED)
            else:
                right = code == "UNAUTHENTICATED"
            if not right:
                wrong.append(f"{row['face']} without a token: {code or 'let in'}")
    assert not wrong, "\n".join(wrong)


def _asked(city: City, row: dict[str, Any], caller: Caller) -> Iterator[str]:
    """The code of the refusal, empty when there is none; nothing for a face that is not reachable from outside."""
    method, space, path = row["face"].partition(" ")
    if not space:
        yield _rpc_code(city, row["face"], caller)
    elif row["service"] == "gateway" or prefix_of(path) is not None:
        yield _http_code(method, re.sub(r"<[^>]*>", "1", path), caller)


def _http_code(method: str, path: str, caller: Caller) -> str:
    answer = caller.call(method, path, **({} if method in ("GET", "DELETE") else {"json": {}}))
    return str(answer.body.get("code", "")) if answer.status >= 400 and isinstance(answer.body, dict) else ""


def _rpc_code(city: City, method: str, caller: Caller) -> str:
    described = city.method(method)
    kinds: dict[tuple[bool, bool], Callable[..., Any]] = {
        (False, False): city.edge.channel.unary_unary,
        (False, True): city.edge.channel.unary_stream,
        (True, False): city.edge.channel.stream_unary,
        (True, True): city.edge.channel.stream_stream,
    }
    call = kinds[described.client_streaming, described.server_streaming](f"/{method}")
    request = iter([b""]) if described.client_streaming else b""
    try:
        answer = call(request, metadata=caller.metadata(), timeout=3)
        if described.server_streaming:
            next(answer, None)
            answer.cancel()
    except grpc.RpcError as e:
        # Who was let in to watch, and has nothing to see, waits until her time is over.
        return "" if e.code() is grpc.StatusCode.DEADLINE_EXCEEDED else Problem.from_rpc(e).code
    return ""
