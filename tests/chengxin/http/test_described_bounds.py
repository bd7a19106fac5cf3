"""What a reader bounds, the description bounds: no parameter and no member of a body is described as any text at all."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.routes import APPS, app_of
from tests.support import Issuer

# Which keywords bound a value of each type.
BOUNDS = {
    "string": {"maxLength", "pattern", "enum", "const", "format"},
    "integer": {"maximum", "exclusiveMaximum", "enum", "const"},
    "number": {"maximum", "exclusiveMaximum"},
    "array": {"maxItems"},
}
_TOLD = "its rules are told in words, with every fault of it at once: docs/operations/catalog.md"
_OAUTH = "its bounds are those of what the members name or sign, and faults are told as OAuth wants them"
# Models whose members are bounded by more than a schema says, and why; what each refuses, `x-beyond-schema` says.
IN_WORDS = {
    **dict.fromkeys(("EntryBody", "Attribute", "CodeListBody", "CodeListRef", "CodeValue", "CrossRule", "Item"), _TOLD),
    **dict.fromkeys(("DisclosurePeriod", "ItemGroup", "LegalDocumentItems", "LocalText", "Organisation"), _TOLD),
    **dict.fromkeys(("OrganisationBody", "DesignatedOfficerBody", "NoticeBody"), _TOLD),
    **dict.fromkeys(("TokenForm", "RevocationForm"), _OAUTH),
    **dict.fromkeys(("ClientBody", "ClientKeyBody"), "a key is of the form that RFC 7517 gives it"),
    **dict.fromkeys(("ClientGrantsBody", "ConsentBody", "QueryBody"), "what is named is one that there is"),
    **dict.fromkeys(("AmendmentBody", "MappingBody", "NaturalKeyBody"), "the schema of the entry bounds its items"),
    "EvidenceBody": "a media type may have parameters",
}


def unbounded(api: dict[str, Any], schema: dict[str, Any], where: str, above: tuple[str, ...]) -> Iterator[str]:
    """The members of a schema that nothing bounds, as `Model.member`."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        if name not in above:
            yield from unbounded(api, api["components"]["schemas"][name], name, (*above, name))
        return
    for form in (form for kind in ("anyOf", "oneOf", "allOf") for form in schema.get(kind, ())):
        yield from unbounded(api, form, where, above)
    kind = schema.get("type")
    if kind in BOUNDS and not BOUNDS[kind] & schema.keys():
        yield where
    if kind == "object" and "properties" not in schema and "maxProperties" not in schema:
        yield where
    for part in (schema.get("items"), schema.get("additionalProperties")):
        if isinstance(part, dict):
            yield from unbounded(api, part, where, above)
    for name, member in schema.get("properties", {}).items():
        yield from unbounded(api, member, f"{where}.{name}", above)


def test_every_parameter_and_member_is_bounded_or_its_model_says_in_words_why_not(issuer: Issuer) -> None:
    found, silent = set(), []
    for service in APPS:
        api = app_of(service, issuer).api_doc  # type: ignore[attr-defined]
        for path, methods in api["paths"].items():
            for method, operation in methods.items():
                places = [*operation.get("requestBody", {}).get("content", {}).values()]
                open_ones = [place for p in places for place in unbounded(api, p["schema"], "", ())]
                if open_ones and not operation.get("x-beyond-schema"):
                    silent.append(f"{method} {path}: {open_ones}")
                found.update(open_ones)
                for parameter in operation.get("parameters", ()):
                    # It may name any versions, and is never refused.
                    if parameter["name"] == "If-None-Match":
                        continue
                    found.update(unbounded(api, parameter["schema"], f"{path}?{parameter['name']}", ()))
    assert not silent
    assert not sorted(place for place in found if place.partition(".")[0] not in IN_WORDS)
    assert {place.partition(".")[0] for place in found} == IN_WORDS.keys()


@pytest.mark.parametrize(
    ("schema", "open_members"),
    [
        ({"type": "string"}, ["x"]),
        ({"type": "string", "maxLength": 3}, []),
        ({"type": "array", "maxItems": 3, "items": {"type": "integer", "minimum": 0}}, ["x"]),
        ({"anyOf": [{"type": "null"}, {"type": "string"}]}, ["x"]),
        ({"type": "object", "properties": {"a": {"type": "array"}}}, ["x.a"]),
        ({"type": "object", "additionalProperties": {"type": "string", "pattern": "^a$"}}, ["x"]),
    ],
)
def test_what_is_not_bounded_is_found(schema: dict[str, Any], open_members: list[str]) -> None:
    assert list(unbounded({}, schema, "x", ())) == open_members
