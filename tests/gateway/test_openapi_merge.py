"""The services' OpenAPI descriptions are merged without mixing their names."""

from gateway.http.openapi_merge import merge


def _part(path: str, schema: dict[str, object]) -> dict[str, object]:
    reference = {"schema": {"$ref": "#/components/schemas/Entry"}}
    answer = {"200": {"description": "", "content": {"application/json": reference}}}
    return {"paths": {path: {"get": {"responses": answer}}}, "components": {"schemas": {"Entry": schema}}}


def _reference(api: dict[str, object], path: str) -> str:
    answer = api["paths"][path]["get"]["responses"]["200"]  # type: ignore[index]
    return str(answer["content"]["application/json"]["schema"]["$ref"])


def test_the_same_schema_is_kept_once() -> None:
    api = merge("http://x", {"catalog": _part("/a", {"type": "object"}), "audit": _part("/b", {"type": "object"})})
    assert list(api["components"]["schemas"]) == ["Entry"]
    assert _reference(api, "/a") == _reference(api, "/b") == "#/components/schemas/Entry"


def test_different_schemas_of_the_same_name_are_told_apart() -> None:
    api = merge("http://x", {"catalog": _part("/a", {"type": "object"}), "audit": _part("/b", {"type": "string"})})
    renamed = {"type": "string", "title": "AuditEntry"}
    assert api["components"]["schemas"] == {"AuditEntry": renamed, "Entry": {"type": "object"}}
    assert _reference(api, "/a") == "#/components/schemas/Entry"
    assert _reference(api, "/b") == "#/components/schemas/AuditEntry"
