"""What each service's OpenAPI document says of who may call an operation is what the rule of its view says."""

import importlib
import re
from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask

from chengxin.auth.policy import declared_rules
from chengxin.auth.policy_table import placeholder, policy_table
from chengxin.auth.principal import Role
from chengxin_cli.suite.home import SERVICES
from gateway.http.gateway import make_own_app
from tests.tools.loading import tool


def described(service: str) -> tuple[Any, list[tuple[type, str]]]:
    """An app that only tells its rules, and the classes of the servicers beside it."""
    anything: Any = placeholder(object)
    if service == "gateway":
        return make_own_app(
            *(anything, anything, dict, lambda own: own),
            provider=anything,
            operations=anything,
            grpc_edge_serves=bool,
        ), []
    more = () if service == "audit" else (anything,)
    app, servicers = importlib.import_module(f"services.{service}.__main__").faces(anything, None, dict, *more)
    return app, [(type(servicer), name) for _, servicer, name in servicers]


def operations(document: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield f"{method.upper()} {path}", operation


@pytest.mark.parametrize("service", [*SERVICES, "gateway"])
def test_an_operation_says_who_may_call_it_as_its_rule_does(service: str) -> None:
    app, servicers = described(service)
    rows = {re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", row["face"]): row for row in policy_table(service, app, servicers)}
    document = app.api_doc
    assert document["components"]["securitySchemes"]["bearer"]["type"] == "http"
    found = dict(operations(document))
    assert len(found) > 5
    for face, operation in found.items():
        row = rows[face]
        assert operation.get("x-roles") == (row.get("roles") or None), face
        if "open_to_all" in row:
            assert operation["security"] == [], face
        else:
            assert operation["security"] == [{"bearer": []}] + [{}] * ("public" in row["roles"]), face


def test_a_rule_without_a_face_is_for_services_alone_or_like_one_that_has_a_face() -> None:
    import_all = tool("generated_documents").import_all
    faced, same = set(), set()
    for service in (*SERVICES, "gateway"):
        import_all(service if service == "gateway" else f"services.{service}")
        for row in policy_table(service, *described(service)):
            if "use_case" in row:
                faced.add(row["use_case"])
                same.add((row["act"], *row["roles"]))
    declared = {rule.use_case: rule for rule in declared_rules() if not rule.use_case.startswith("tests.")}
    assert faced <= set(declared)
    for use_case in set(declared) - faced:
        rule = declared[use_case]
        assert rule.roles == {Role.SERVICE} or (rule.act, *sorted(rule.roles)) in same, use_case


def test_what_only_tells_its_rules_says_so_when_it_is_used() -> None:
    with pytest.raises(LookupError, match=r"Flask\.name is used, but this app only tells its rules"):
        print(placeholder(Flask).name)
