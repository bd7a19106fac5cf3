"""Every answer that a test gets from a service's HTTP face is compared with what the service says of itself in OpenAPI.

So the description is checked against all that the tests of all services ask. See `undescribed` for what is compared.
"""

import json
from typing import Any

import fastjsonschema
from flask import Flask, Response, request, request_finished

from chengxin.http.description import PROBLEM_JSON, DescribedApp

# What was answered and is not described, since the last look.
_found: list[str] = []
# The statuses that tell where something is.
_MADE = (201, 202)
_validators: dict[tuple[str, str], Any] = {}


def watch() -> None:
    """Begins to compare."""
    request_finished.connect(_compare)


def take_findings() -> list[str]:
    """What was found since the last call."""
    found, _found[:] = list(_found), []
    return found


def undescribed(app: DescribedApp, response: Response) -> str:
    """What of an answer to the current request is not described: status, media type, JSON, or a required header field.

    Empty when all is, when the address is a page, and for a failure (500), which nobody means to answer.
    """
    path = app.path_of(request.url_rule.rule) if request.url_rule else ""
    operation = app.api_doc["paths"].get(path, {}).get(request.method.lower())
    if operation is None or response.status_code == 500:
        return ""
    described = operation["responses"].get(str(response.status_code))
    if described is None:
        return f"status {response.status_code}: {response.get_data(as_text=True)[:300]}"
    if "$ref" in described:
        described = app.api_doc["components"]["responses"][described["$ref"].rpartition("/")[2]]
    for name, header in described.get("headers", {}).items():
        if header["required"] and name not in response.headers:
            return f"status {response.status_code} without the header field {name}"
    if response.status_code in _MADE and (address := response.headers.get("Location")) and not _is_read(app, address):
        return f"status {response.status_code}: nothing is read at {address}"
    content = described.get("content", {})
    if not content:
        return "" if not response.get_data() else f"status {response.status_code}: a body"
    if response.status_code >= 400 and response.mimetype == "text/html":
        # The problem as a page, to a browser.
        return ""
    if response.mimetype not in content:
        return f"status {response.status_code}: {response.mimetype} is none of {', '.join(content)}"
    if response.mimetype in ("application/json", PROBLEM_JSON):
        return _mismatch(app, content[response.mimetype]["schema"], json.loads(response.get_data()))
    return ""


def _is_read(app: DescribedApp, address: str) -> bool:
    return app.url_map.bind("").test(address, "GET")


def _compare(app: Flask, response: Response, **_: Any) -> None:
    if isinstance(app, DescribedApp) and (fault := undescribed(app, response)):
        _found.append(f"{app.name}: {request.method} {request.url_rule}: {fault}")


def _mismatch(app: DescribedApp, schema: dict[str, Any], value: Any) -> str:
    key = app.name, json.dumps(schema)
    if key not in _validators:
        whole = _closed(schema | {"components": app.api_doc["components"]})
        _validators[key] = fastjsonschema.compile(whole, use_default=False)
    try:
        _validators[key](value)
    except fastjsonschema.JsonSchemaValueException as e:
        return f"{e.message}: {json.dumps(e.value, ensure_ascii=False)[:300]}"
    return ""


def _closed(schema: Any) -> Any:
    """The same schema, which refuses members that it does not describe."""
    if isinstance(schema, list):
        return [_closed(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    closed = {name: _closed(part) for name, part in schema.items()}
    if isinstance(schema.get("properties"), dict) and "additionalProperties" not in schema and "type" in schema:
        closed["additionalProperties"] = False
    return closed
