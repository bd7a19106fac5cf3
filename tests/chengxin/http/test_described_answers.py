"""The OpenAPI description of the whole interface: what it takes, what it answers, and what it refuses."""

import copy
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any

import pytest
from flask import Response
from pydantic import BaseModel

from chengxin.auth.policy import open_to_all
from chengxin.http.description import PROBLEM_JSON, AnswerNotDescribed
from chengxin.http.web import bare_app
from chengxin_cli.suite.home import SERVICES
from gateway.http.openapi_merge import merge
from tests.chengxin.http.test_descriptions import described, operations

# Prefixes of what programs ask; other addresses are pages, and the operation of a process.
_FOR_PROGRAMS = ("/v1/", "/oauth/", "/tlog/", "/.well-known/")


@cache
def _apps() -> dict[str, Any]:
    return {service: described(service)[0] for service in ("gateway", *SERVICES)}


@pytest.fixture(scope="module")
def api() -> dict[str, Any]:
    """The description of the whole interface, as the gateway puts it together."""
    return merge("http://x", {name: app.api_doc for name, app in _apps().items()})


def _answers(api: dict[str, Any], operation: dict[str, Any]) -> dict[str, dict[str, Any]]:
    shared = api["components"]["responses"]
    return {
        status: shared[answer["$ref"].rpartition("/")[2]] if "$ref" in answer else answer
        for status, answer in operation["responses"].items()
    }


def test_every_address_for_programs_is_described(api: dict[str, Any]) -> None:
    missing = []
    for name, app in _apps().items():
        for route in app.url_map.iter_rules():
            methods = {method.lower() for method in route.methods} - {"head", "options"}
            if route.rule.startswith(_FOR_PROGRAMS) and not methods <= set(
                api["paths"].get(app.path_of(route.rule), ())
            ):
                missing.append(f"{name}: {route.rule}")
    assert not missing


def test_every_operation_says_what_it_answers(api: dict[str, Any]) -> None:
    for face, operation in operations(api):
        good = {status: answer for status, answer in _answers(api, operation).items() if status < "400"}
        assert good, face
        for status, answer in good.items():
            assert answer.get("content") or status in ("302", "304"), f"{face}: {status}"


def test_every_refusal_is_one_problem_document(api: dict[str, Any]) -> None:
    problem = {"$ref": "#/components/schemas/ProblemDocument"}
    for face, operation in operations(api):
        refusals = {status: answer for status, answer in _answers(api, operation).items() if status >= "400"}
        assert {"400", "429", "503"} <= set(refusals), face
        for status, answer in refusals.items():
            assert answer["content"][PROBLEM_JSON]["schema"] == problem, f"{face}: {status}"
        assert "Retry-After" in refusals["429"]["headers"]
        assert "Retry-After" in refusals["503"]["headers"]


def test_an_operation_that_asks_for_a_role_says_that_it_refuses_others(api: dict[str, Any]) -> None:
    for face, operation in operations(api):
        if "x-roles" in operation:
            assert {"401", "403"} <= set(operation["responses"]), face
            assert "WWW-Authenticate" in _answers(api, operation)["401"]["headers"]


def test_what_is_forwarded_says_that_a_token_is_judged_first(api: dict[str, Any]) -> None:
    """Also where none is needed: a bad token is 401, and a service's own is 403 outside."""
    for service in SERVICES:
        for path in _apps()[service].api_doc["paths"]:
            for method, operation in api["paths"][path].items():
                assert {"401", "403"} <= set(operation["responses"]), f"{method} {path}"


def test_what_a_request_is_made_of_is_described(api: dict[str, Any]) -> None:
    fields = {
        face: {p["name"] for p in operation.get("parameters", ()) if p["in"] == "header"}
        for face, operation in operations(api)
    }
    assert sum("Idempotency-Key" in names for names in fields.values()) > 30
    assert fields["PUT /v1/catalog/drafts/{draft_id}"] == {"Idempotency-Key", "If-Match"}
    assert fields["POST /v1/objections/{objection_no}/accept"] == {"Idempotency-Key", "If-Match"}
    body = api["paths"]["/v1/me/objections"]["post"]["requestBody"]
    assert body["required"]
    assert set(body["content"]) == {"application/json", "multipart/form-data"}
    for content in body["content"].values():
        name = content["schema"]["$ref"].rpartition("/")[2]
        assert {"record_id", "statement"} <= set(api["components"]["schemas"][name]["required"])


def test_names_by_which_clients_are_generated_are_given_once(api: dict[str, Any]) -> None:
    ids = Counter(operation["operationId"] for _, operation in operations(api))
    titles = Counter(schema.get("title", name) for name, schema in api["components"]["schemas"].items())
    assert [name for name, times in (ids + titles).items() if times > 1] == []


def test_every_reference_leads_somewhere(api: dict[str, Any]) -> None:
    def follow(value: Any) -> None:
        if isinstance(value, dict):
            if isinstance(target := value.get("$ref"), str):
                _, kind, name = target.removeprefix("#/").split("/")
                assert name in api["components"][kind], target
            for part in value.values():
                follow(part)
        elif isinstance(value, list):
            for part in value:
                follow(part)

    follow(api)


def test_what_is_made_has_an_address_or_none_of_its_own(api: dict[str, Any]) -> None:
    made = {
        face: _answers(api, operation)["201"] for face, operation in operations(api) if "201" in operation["responses"]
    }
    assert [face for face, answer in made.items() if "Location" not in answer.get("headers", {})] == [
        "POST /v1/catalog/drafts/{draft_id}/comments",
        "POST /v1/catalog/rules",
        "POST /v1/identity/clients/{client_id}/keys",
        "POST /v1/identity/counter/codes",
        "POST /v1/identity/signing-keys",
    ]
    assert len(made) > 10


def test_a_route_that_makes_something_says_where_it_is() -> None:
    class Something(BaseModel):
        """Something."""

    app = bare_app("trial", None)
    with pytest.raises(AnswerNotDescribed, match=r"POST /v1/trial does not say where what it makes is"):

        @app.post("/v1/trial", responses={201: Something})
        @open_to_all("a trial")
        def trial() -> Response:
            return Response()


def test_a_route_that_does_not_say_what_it_answers_cannot_be_made() -> None:
    class Nothing(BaseModel):
        """Nothing."""

    app = bare_app("trial", None)
    for responses in (None, {}, {404: Nothing}):
        with pytest.raises(AnswerNotDescribed, match=r"GET /v1/trial does not say what it answers"):

            @app.get("/v1/trial", responses=responses)
            @open_to_all("a trial")
            def trial() -> Response:
                return Response()


def test_those_who_ask_first_at_the_same_time_get_it_whole() -> None:
    app, together = described("gateway")[0], threading.Barrier(8)

    def ask(_: int) -> Any:
        together.wait(30)
        return copy.deepcopy(app.api_doc)

    with ThreadPoolExecutor(8) as callers:
        found = list(callers.map(ask, range(8)))
    assert found == [app.api_doc] * 8
