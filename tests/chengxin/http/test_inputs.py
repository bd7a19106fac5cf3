"""No route takes what it does not know: parameters of addresses, members of bodies, fields of forms."""

import json
import re
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, get_args, get_type_hints

import fastjsonschema
import pytest
from flask import Flask
from pydantic import BaseModel

from chengxin.http.description import DescribedApp
from chengxin.http.inputs import FormBody
from tests.routes import APPS, Route, app_of, routes
from tests.support import Issuer


@pytest.fixture(scope="module", params=APPS)
def app(request: pytest.FixtureRequest, issuer: Issuer) -> Flask:
    """The apps, one after the other."""
    return app_of(request.param, issuer)


def strict(app: Flask) -> list[Route]:
    return [route for route in routes(app) if not hasattr(route.view, "ignores_unknown_parameters")]


def test_every_route_refuses_a_parameter_that_it_does_not_know(app: Flask, issuer: Issuer) -> None:
    client = app.test_client()
    wrong = []
    for route in strict(app):
        headers = issuer.bearer(*route.roles) if route.roles else {}
        found = client.open(f"{route.path}?page_sise=5", method=route.method, headers=headers)
        if (found.status_code, [e["field"] for e in found.json.get("errors", ())]) != (400, ["page_sise"]):
            wrong.append(f"{route}: {found.status_code} {found.text[:200]}")
    assert not wrong, "\n".join(wrong)
    assert len(strict(app)) > 10


def test_every_route_refuses_a_parameter_that_is_given_twice(app: Flask, issuer: Issuer) -> None:
    client = app.test_client()
    paged = [route for route in strict(app) if "page_size" in query_fields(route)]
    for route in paged:
        headers = issuer.bearer(*route.roles)
        found = client.open(f"{route.path}?page_size=5&page_size=6", method=route.method, headers=headers)
        assert found.json["errors"][0]["rule"] == "repeated", (str(route), found.text)
    assert paged or "page_size" not in str(app.url_map)


HUGE = (-(10**30), 10**30, int("9" * 4000), -(2**63) - 1, 2**63)


def test_no_route_takes_an_integer_that_no_store_takes(app: Flask, issuer: Issuer) -> None:
    client = app.test_client()
    wrong = []
    for route in routes(app):
        hints = get_type_hints(route.view)
        headers = issuer.bearer(*route.roles) if route.roles else {}
        for value in HUGE:
            asked: list[tuple[str, dict[str, Any]]] = [
                (f"{route.path}?{name}={value}", {})
                for name, member in getattr(hints.get("query"), "model_fields", {}).items()
                if member.annotation is int
            ]
            if "body" in hints:
                asked.append((route.path, {"json": {"anything": [{"deep": value}]}}))
            for path, options in asked:
                found = client.open(path, method=route.method, headers=headers, **options)
                if found.status_code != 400:
                    wrong.append(f"{route.method} {path[:90]}: {found.status_code}")
    for rule in app.url_map.iter_rules():
        for value in HUGE if "<int:" in rule.rule else ():
            path = re.sub("<int:[^>]*>", str(value), rule.rule).replace("<", "").replace(">", "")
            if client.get(path).status_code != 404:
                wrong.append(path[:90])
    assert not wrong, "\n".join(wrong)


NO_DAYS = (
    *("2027-01-01T00:00:00", "2027-01-01T00:00:00Z", "20270101", "2027-W01-1", "2027-001", "2027-1-1", "27-01-01"),
    *("2027-02-29", " 2027-01-01", "2027-01-01 ", "２０２７-01-01", "1798761600", "today"),
)


def test_a_day_is_written_in_one_form_alone(app: Flask, issuer: Issuer) -> None:
    wrong = []
    for call in calls(app, issuer):
        for value in NO_DAYS:
            for place, schema in places(call.api, call.body):
                if schema.get("format") in ("date", "date-time"):
                    wrong += call.untold(place, value, call.open(json=nest(place, value)))
            for parameter in call.parameters:
                if any("date" in schema.get("format", "") for _, schema in places(call.api, parameter["schema"])):
                    name = parameter["name"]
                    wrong += call.untold(name, value, call.open(query_string={name: value}))
    assert not wrong, "\n".join(wrong)


def test_a_text_that_is_no_utf_8_is_refused_by_name(app: Flask, issuer: Issuer) -> None:
    wrong = []
    for call in calls(app, issuer):
        for name in (parameter["name"] for parameter in call.parameters):
            # 演 in GB18030, and one that UTF-8 spells in one way alone. The test client itself sends no such thing.
            for text in ("%D1%DD", "%C0%AF"):
                wrong += call.untold(name, text, call.open(environ_overrides={"QUERY_STRING": f"{name}={text}"}))
        for name in re.findall("{([^}]*)}", call.described_as):
            path = re.sub("{[^}]*}", "2027", call.described_as.replace(f"{{{name}}}", "\xff"))
            found = call.open(environ_overrides={"PATH_INFO": path})
            # No number: there is no such address.
            wrong += call.untold(name, path, found) if found.status_code != 404 else []
        for fields in call.forms:
            for name in fields:
                part = f'--x\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n\xff\r\n--x--\r\n'
                found = call.open(data=part.encode("latin-1"), content_type="multipart/form-data; boundary=x")
                wrong += call.untold(name, "\xff", found)
    assert not wrong, "\n".join(wrong)


def test_a_body_of_another_media_type_is_told_so(app: Flask, issuer: Issuer) -> None:
    wrong = []
    for call in calls(app, issuer):
        taken = list(call.operation.get("requestBody", {}).get("content", {}))
        for given in ("text/plain", "application/xml", "application/x-www-form-urlencoded", "application/json,", ""):
            if taken and given not in taken:
                found = call.open(data=b"{}", content_type=given)
                # Of a request for a token RFC 6749 says how it is refused.
                told = found.json["detail" if found.status_code == 415 else "error_description"]
                if found.status_code != (400 if call.path.startswith("/oauth/") else 415) or taken[0] not in told:
                    wrong.append(f"{call.label}: {given}: {found.status_code} {found.text[:300]}")
    assert not wrong, "\n".join(wrong)


BROKEN_FORMS = {
    "no boundary": ("multipart/form-data", b"--x--"),
    "another boundary": ("multipart/form-data; boundary=y", b"--x--"),
    "no end": ("multipart/form-data; boundary=x", b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\nb'),
    "no form": ("multipart/form-data; boundary=x", b"{}"),
    "a file name in GBK": (
        "multipart/form-data; boundary=x",
        '--x\r\nContent-Disposition: form-data; name="file"; filename="报送"\r\n\r\na\r\n--x--'.encode("gbk"),
    ),
}


@pytest.mark.parametrize("broken", BROKEN_FORMS)
def test_a_form_that_is_not_whole_is_told_so(app: Flask, issuer: Issuer, broken: str) -> None:
    content_type, body = BROKEN_FORMS[broken]
    for call in calls(app, issuer):
        if any(call.forms):
            found = call.open(data=body, content_type=content_type)
            assert [e["rule"] for e in found.json["errors"]] == ["form"], (call.label, found.text)


def test_a_body_where_none_is_taken_is_not_passed_over(app: Flask, issuer: Issuer) -> None:
    without = [call for call in calls(app, issuer) if "requestBody" not in call.operation]
    for call in without:
        for body in (b'{"reason": "x"}', b"reason=x", b" " * 65):
            found = call.open(data=body, content_type="application/json")
            assert [e["rule"] for e in found.json["errors"]] == ["body"], (call.label, found.text)
    assert without


@pytest.mark.parametrize("number", ["05", "5.0", "1_0", "+5", " 5", "5 ", "５", "0x5", "5e0", "true", ""])
def test_a_number_in_an_address_has_one_spelling(app: Flask, issuer: Issuer, number: str) -> None:
    wrong = []
    for call in calls(app, issuer):
        for parameter in call.parameters:
            if {schema.get("type") for _, schema in places(call.api, parameter["schema"])} <= {"integer", "null"}:
                name = parameter["name"]
                wrong += call.untold(name, number, call.open(query_string={name: number}))
    assert not wrong, "\n".join(wrong)


def test_a_member_that_is_given_twice_is_refused_by_name(app: Flask, issuer: Issuer) -> None:
    wrong = []
    for call in calls(app, issuer):
        for place in {place for place, _ in places(call.api, call.body)} - {""}:
            name = place.rpartition(".")[2]
            body = json.dumps(nest(place, 1)).replace(f'"{name}": 1', f'"{name}": 1, "{name}": 1')
            if not name.isdigit():
                wrong += call.untold(place, body, call.open(data=body, content_type="application/json"))
    assert not wrong, "\n".join(wrong)


def test_a_part_of_a_form_is_given_once(app: Flask, issuer: Issuer) -> None:
    wrong = []
    for call in calls(app, issuer):
        for name, kind in call.single_parts:
            head = f'--x\r\nContent-Disposition: form-data; name="{name}"' + '; filename="a.csv"' * (kind == "binary")
            data = f"{head}\r\n\r\na\r\n" * 2 + "--x--\r\n"
            found = call.open(data=data.encode(), content_type="multipart/form-data; boundary=x")
            if (name, "repeated") not in [(e["field"], e["rule"]) for e in found.json["errors"]]:
                wrong.append(f"{call.label}: {name}: {found.text[:300]}")
    assert not wrong, "\n".join(wrong)


def test_a_request_has_one_idempotency_key_or_none(app: Flask, issuer: Issuer) -> None:
    """Two fields arrive as one with a comma; an empty one is what a client sends whose key was lost."""
    wrong = []
    for call in calls(app, issuer):
        if "Idempotency-Key" in [parameter["name"] for parameter in call.operation.get("parameters", ())]:
            for key in ("", "a,b", "a, b"):
                wrong += call.untold("Idempotency-Key", key, call.open(headers={"Idempotency-Key": key}))
    assert not wrong, "\n".join(wrong)


OF_OTHER_TYPES: dict[str, tuple[Any, ...]] = {
    "integer": ("5", True, 5.5, 1e300),
    "number": ("5", True),
    "boolean": ("true", 1),
    "string": (5, True),
    "array": ("a", {"0": "a"}),
    "object": ("a", [["a", "b"]]),
}


def test_a_body_takes_no_value_of_another_type_than_its_schema_says(app: Flask, issuer: Issuer) -> None:
    wrong = []
    for call in calls(app, issuer):
        taken: dict[str, set[str]] = defaultdict(set)
        for place, schema in places(call.api, call.body):
            # To Python, 1 is the `true` that alone may stand somewhere.
            taken[place].add("const" if "const" in schema else schema.get("type", "any"))
        for place, types in taken.items():
            if place and len(types) == 1:
                for value in OF_OTHER_TYPES.get(min(types), ()):
                    wrong += call.untold(place, value, call.open(json=nest(place, value)))
    assert not wrong, "\n".join(wrong)


def test_a_whole_number_may_be_written_with_a_fraction_of_nought(app: Flask, issuer: Issuer) -> None:
    """JSON Schema takes 5.0 for an integer, and some languages have no other way to write it."""
    wrong = []
    for call in calls(app, issuer):
        for place in {place for place, schema in places(call.api, call.body) if schema.get("type") == "integer"}:
            five, as_fraction = (call.open(json=nest(place, value)) for value in (5, 5.0))
            told = as_fraction.status_code, as_fraction.json.get("errors")
            if told != (five.status_code, five.json.get("errors")):
                wrong.append(f"{call.label}: {place}: {told}")
    assert not wrong, "\n".join(wrong)


def test_a_default_that_is_described_may_be_sent(app: Flask) -> None:
    """A generated client sends it: one that its schema refuses made every call of such a client a 400."""
    assert isinstance(app, DescribedApp)
    wrong, seen = [], 0
    for address, methods in app.api_doc["paths"].items():
        for method, operation in methods.items():
            for parameter in operation.get("parameters", ()):
                schema = parameter["schema"]
                if "default" in schema:
                    seen += 1
                    whole = {"components": app.api_doc["components"], **schema}
                    try:
                        fastjsonschema.compile(whole, use_default=False)(schema["default"])
                    except fastjsonschema.JsonSchemaValueException as e:
                        wrong.append(f"{method} {address}: {parameter['name']}: {e.message}")
    assert not wrong, "\n".join(wrong)
    assert seen


@dataclass(frozen=True)
class Call:
    """What an operation takes, and a way to send it."""

    api: dict[str, Any]
    operation: dict[str, Any]
    method: str
    path: str
    described_as: str
    headers: dict[str, str]
    send: Callable[..., Any]

    @property
    def label(self) -> str:
        return f"{self.method} {self.described_as}"

    def open(self, **request: Any) -> Any:
        """The answer to a request."""
        return self.send(
            self.path, method=self.method, **request | {"headers": self.headers | request.get("headers", {})}
        )

    @property
    def single_parts(self) -> list[tuple[str, str]]:
        """The names of what its form has once, each with its format."""
        content = self.operation.get("requestBody", {}).get("content", {}).get("multipart/form-data")
        found = dict(places(self.api, content["schema"])) if content else {}
        return [
            (n, part.get("format", "")) for n, part in found.items() if n and "." not in n and f"{n}.0" not in found
        ]

    @property
    def forms(self) -> Iterator[list[str]]:
        """The names of the texts in its form, where it takes one."""
        content = self.operation.get("requestBody", {}).get("content", {})
        for schema in (content[kind]["schema"] for kind in content if kind == "multipart/form-data"):
            found = dict(places(self.api, schema))
            yield [name for name, part in found.items() if name and part.get("format") != "binary" and "." not in name]

    @property
    def body(self) -> dict[str, Any]:
        """The schema of its JSON; empty without one."""
        content = self.operation.get("requestBody", {}).get("content", {})
        return dict(content.get("application/json", {}).get("schema", {}))

    @property
    def parameters(self) -> list[dict[str, Any]]:
        return [p for p in self.operation.get("parameters", ()) if p["in"] == "query"]

    def untold(self, place: str, value: Any, found: Any) -> list[str]:
        """What is wrong with an answer that should refuse what stands in a place of the request."""
        told = {e["field"] for e in found.json.get("errors", ())}
        if found.status_code == 400 and any(name == place or name.startswith(f"{place}.") for name in told):
            return []
        return [f"{self.label}: {place}: {found.status_code} {sorted(told)} to {value!r}"]


def calls(app: Flask, issuer: Issuer) -> Iterator[Call]:
    """Every described operation, as somebody who may call it."""
    assert isinstance(app, DescribedApp)
    for route in routes(app):
        operation = app.api_doc["paths"].get(route.described_as, {}).get(route.method.lower())
        if operation is not None:
            headers = issuer.bearer(*route.roles) if route.roles else {}
            # Some name a year, and an address is judged first.
            path = route.path.replace("/1", "/2027")
            yield Call(app.api_doc, operation, route.method, path, route.described_as, headers, app.test_client().open)


def places(api: dict[str, Any], schema: dict[str, Any], place: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Every place in a value of this schema, `items.0.since` say, with the schemas that it may have."""
    if "$ref" in schema:
        schema = api["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    parts = [(place, part) for kind in ("anyOf", "oneOf", "allOf") for part in schema.get(kind, ())]
    if not parts and schema:
        yield place, schema
    parts += [(f"{place}.{name}".lstrip("."), part) for name, part in schema.get("properties", {}).items()]
    parts += [(f"{place}.0".lstrip("."), schema["items"])] if "items" in schema else []
    for where, part in parts:
        yield from places(api, part, where)


def nest(place: str, value: Any) -> Any:
    """The smallest JSON with this value in that place."""
    for name in reversed(place.split(".")):
        value = [value] if name.isdigit() else {name: value}
    return value


def query_fields(route: Route) -> list[str]:
    model = get_type_hints(route.view).get("query")
    return list(model.model_fields) if model else []


def test_every_body_and_form_refuses_a_member_that_it_does_not_know(app: Flask) -> None:
    found = {model for route in routes(app) for model in models_of(route.view)}
    assert {model for model in found if model.model_config.get("extra") != "forbid"} == set()


def test_every_form_takes_its_fields_as_they_were_sent(app: Flask) -> None:
    forms = {get_type_hints(route.view).get("form") for route in routes(app)} - {None}
    assert {form for form in forms if not issubclass(form, FormBody)} == set()


def models_of(view: Any) -> Iterator[type[BaseModel]]:
    hints = get_type_hints(view)
    for kind in ("body", "form"):
        if kind in hints:
            yield from nested(hints[kind])


def nested(model: Any) -> Iterator[type[BaseModel]]:
    if isinstance(model, type) and issubclass(model, BaseModel):
        yield model
        for member in model.model_fields.values():
            yield from nested(member.annotation)
    for part in get_args(model):
        yield from nested(part)
