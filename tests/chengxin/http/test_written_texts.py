"""No text that somebody writes into the system has a character that nobody sees, and none the number of a person but those
of which it is listed here: every field of every body."""

import io
from collections.abc import Iterator
from typing import Any

import pytest

from chengxin.http.inputs import Body
from tests.chengxin.values.test_personal_numbers import NUMBER
from tests.routes import APPS, app_of, routes
from tests.support import Issuer

# Of the items of a record their own rule tells more, by row and item.
_OF_RECORDS = {"items", "key"}
UNSEEN = ("a\u202eb", "a\u0000", "\u3164", "\ufeff", "a\u2028b", "\u0085x", "x\u200b")

# Texts that may hold the number of a person. Why, the body says (`may_hold_numbers`): whoever adds one here asks whether it
# is shown to others, goes into a token, or is kept in the clear.
_NUMBERS = {
    *("identity_number", "permanent_residence", "hk_macao_permit", "taiwan_permit", "passport"),
    *("uscc", "organisation_code"),
}
_QUERIES = {f"post /v1/{kind}/queries" for kind in ("shared", "statutory", "authorized")}
MAY_HOLD = {
    "catalog": {f"put /v1/catalog/organisations/{{uscc}} {of}telephone" for of in ("", "officers.")},
    "ingest": {
        "post /v1/records/queries page_token",
        *(f"post /v1/records/{{record_id}}/{change} signature" for change in ("amendments", "revocation")),
        "post /v1/submissions signature",
    },
    "disclosure": {
        *(f"{query} subject.{number}" for query in _QUERIES for number in _NUMBERS),
        *(f"{query} {more}" for query in _QUERIES for more in ("entries", "page_token")),
        *(f"post /v1/subjects/queries {number}" for number in _NUMBERS),
        *(f"post /v1/subjects/links subjects.{number}" for number in _NUMBERS),
        *(
            f"post /v1/public/feed/differences {ours}"
            for ours in ("after", "through", "records.record_id", "records.etag")
        ),
    },
    "objection": {
        *(
            f"post /v1/me/objections{act} {words}"
            for act in ("", "/{objection_no}/supplement")
            for words in ("statement", "evidence.name", "evidence.content")
        ),
        "post /v1/objections/{objection_no}/answer evidence",
        "post /v1/objections/{objection_no}/decide explanation",
        "post /v1/objections/{objection_no}/extension reason",
        "post /v1/objections/{objection_no}/refuse reason",
        "post /v1/objections/{objection_no}/request-supplement missing",
        "post /v1/objections/{objection_no}/verify note",
    },
    "gateway": {
        "post /v1/identity/counter/codes identity_number",
        *(f"post /v1/identity/counter/token {proof}" for proof in ("identity_number", "code", "uscc")),
        "post /v1/identity/demo identity_number",
        *(f"post /v1/identity/officers/sign-in {proof}" for proof in ("username", "password", "new_password")),
        "post /v1/identity/representations identity_number",
    },
}

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
    app, wrong, may_hold, looked_at = app_of(service, issuer), [], set(), 0
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
                    for text in (*UNSEEN, NUMBER):
                        sent = _body(media_type, place, text)
                        found = client.open(address, method=method.upper(), headers=headers, **sent)
                        told = {(e["field"], e["rule"]) for e in found.json.get("errors", ())}
                        if text == NUMBER and (".".join(place), "personal_number") not in told:
                            may_hold.add(f"{method} {path} {'.'.join(part for part in place if part != '0')}")
                        elif text == NUMBER:
                            assert NUMBER not in found.text
                        elif found.status_code != 400 or (".".join(place), "characters") not in told:
                            wrong.append(f"{method} {path} {place} {text!a}: {found.status_code} {told}")
                    looked_at += 1
    assert not wrong, "\n".join(wrong)
    assert may_hold == MAY_HOLD.get(service, set())
    assert looked_at > (5 if service != "audit" else -1)


def test_what_may_hold_the_number_of_a_person_is_there_and_says_why() -> None:
    waiting, bodies = [Body], []
    while waiting:
        bodies.append(body := waiting.pop())
        waiting += body.__subclasses__()
    for body in bodies:
        for member, why in body.may_hold_numbers.items():
            assert member.partition(".")[0] in body.model_fields, f"{body.__name__}: {member}"
            assert why


def test_the_names_of_members_are_texts_too(issuer: Issuer) -> None:
    """The columns of a mapping are kept in the clear, by the texts of their headers."""
    client = app_of("ingest", issuer).test_client()
    body = {"columns": {f"证件{NUMBER}": "ZTMC"}}
    found = client.put("/v1/submissions/mappings/XZXK", json=body, headers=issuer.bearer("provider"))
    assert (found.status_code, NUMBER in found.text) == (400, False)
    assert [(e["field"], e["rule"]) for e in found.json["errors"]] == [("columns", "personal_number")]


def _address(rule: str) -> str:
    return "/".join("1" if part.startswith("<") else part for part in rule.split("/"))


def _body(media_type: str, place: Place, text: str) -> dict[str, Any]:
    """A body that is refused whatever its text is: it has a member that there is not."""
    if media_type == "application/json":
        return {"json": nested(place, text) | {"no_such_member": 1}}
    return {"data": {place[0]: text, "no_such_member": "1"}, "content_type": "multipart/form-data"}


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
