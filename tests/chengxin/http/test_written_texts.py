"""No text that somebody writes into the system has a character that nobody sees: every field of every body."""

import io
from collections.abc import Iterator
from typing import Any

import pytest

from tests.routes import APPS, app_of, routes
from tests.support import Issuer

# Of the items of a record their own rule tells more, by row and item.
_OF_RECORDS = {"items", "key"}
UNSEEN = ("a\u202eb", "a\u0000", "\u3164", "\ufeff", "a\u2028b", "\u0085x", "x\u200b")

Place = tuple[str, ...]


def texts_of(api: dict[str, Any], schema: dict[str, Any], place: Place = ()) -> Iterator[Place]:
    """The places of all texts that a schema takes without saying which."""
    if "$ref" in schema:
        yield from texts_of(api, api["components"]["schemas"][schema["$ref"].rpartition("/")[2]], place)
    for one in schema.get("anyOf", ()):
        yield from texts_of(api, one, place)
    for name, member in schema.get("properties", {}).items():
        yield from texts_of(api, member, (*place, name))
    if isinstance(schema.get("items"), dict):
        yield from texts_of(api, schema["items"], (*place, "0"))
    if isinstance(schema.get("additionalProperties"), dict):
        yield from texts_of(api, schema["additionalProperties"], (*place, "name"))
    if schema.get("type") == "string" and not schema.keys() & {"enum", "const", "format"}:
        yield place


def nested(place: Place, text: str) -> Any:
    """A body with a text at a place, and nothing else."""
    if not place:
        return text
    return [nested(place[1:], text)] if place[0] == "0" else {place[0]: nested(place[1:], text)}


@pytest.mark.parametrize("service", APPS)
def test_every_text_of_every_body_is_looked_at(service: str, issuer: Issuer) -> None:
    app, wrong, looked_at = app_of(service, issuer), [], 0
    client = app.test_client()
    api = app.api_doc  # type: ignore[attr-defined]
    described = {app.path_of(rule.rule): rule for rule in app.url_map.iter_rules()}  # type: ignore[attr-defined]
    callers = {(route.method, route.path): route.roles for route in routes(app)}
    for path, operations in api["paths"].items():
        for method, operation in operations.items():
            contents = operation.get("requestBody", {}).get("content", {})
            # Words that clients are registered with are compared, and kept by nobody: /oauth/token.
            for media_type in contents.keys() & {"application/json", "multipart/form-data"}:
                address = _address(described[path].rule)
                roles = callers[method.upper(), address]
                headers = issuer.bearer(*roles) if roles else {}
                for place in dict.fromkeys(texts_of(api, contents[media_type]["schema"])):
                    if place[0] in _OF_RECORDS and path.startswith("/v1/records/"):
                        continue
                    for text in UNSEEN:
                        sent = {"json": nested(place, text)} if media_type == "application/json" else _form(place, text)
                        found = client.open(address, method=method.upper(), headers=headers, **sent)
                        told = {(e["field"], e["rule"]) for e in found.json.get("errors", ())}
                        if found.status_code != 400 or (".".join(place), "characters") not in told:
                            wrong.append(f"{method} {path} {place} {text!a}: {found.status_code} {told}")
                    looked_at += 1
    assert not wrong, "\n".join(wrong)
    assert looked_at > (5 if service != "audit" else -1)


def _address(rule: str) -> str:
    return "/".join("1" if part.startswith("<") else part for part in rule.split("/"))


def _form(place: Place, text: str) -> dict[str, Any]:
    return {"data": {place[0]: text}, "content_type": "multipart/form-data"}


def test_the_name_of_a_delivered_file_is_looked_at(issuer: Issuer) -> None:
    client = app_of("ingest", issuer).test_client()
    for address in ("/v1/submissions", "/v1/submissions/preview"):
        form = {"catalog": "XZXK", "file": (io.BytesIO(b"a"), "gpj.\u202evsc")}
        found = client.post(address, data=form, headers=issuer.bearer("provider"))
        assert (found.status_code, [e["field"] for e in found.json["errors"]]) == (400, ["file"])
        assert "U+202E" in found.json["errors"][0]["message"]


def test_line_breaks_tabs_and_shapes_of_chinese_characters_are_no_fault(issuer: Issuer) -> None:
    body = {"reason": "葛\U000e0100某：\r\n\t记录有误"}
    found = (
        app_of("objection", issuer)
        .test_client()
        .post("/v1/objections/1/refuse", json=body | {"unknown": ""}, headers=issuer.bearer("centre"))
    )
    assert [e["rule"] for e in found.json["errors"]] == ["extra_forbidden"]
