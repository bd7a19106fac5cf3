"""Every field of a request in which somebody names an organisation by its credit code takes a valid one (GB 32100).

Derived from the contracts of the services: a new field fails here until it is known who tries it.
"""

import importlib
from collections.abc import Iterator
from typing import Any

import pytest

from chengxin.auth.policy_table import placeholder
from chengxin.process.operations import Operations
from chengxin.values.identifiers import is_uscc

CONTEXTS = {
    "catalog": "CatalogContext",
    "ingest": "IngestContext",
    "disclosure": "DisclosureContext",
    "objection": "ObjectionContext",
}
CODES = {"uscc", "provider", "grantee", "org", "organisation"}
# Fields that are kept, with the test that sends `000000000000000000`.
KEPT = {
    "post /v1/catalog/drafts providers.uscc": "tests/catalog/test_entry_validation.py",
    "put /v1/catalog/drafts/{draft_id} providers.uscc": "tests/catalog/test_entry_validation.py",
    "put /v1/catalog/organisations/{uscc} uscc": "tests/catalog/test_organisations.py",
    "put /v1/submissions/agreements/{provider} provider": "tests/ingest/test_signed_deliveries.py",
    "post /v1/me/consents grantee": "tests/disclosure/test_consents.py",
}
# Fields by which a subject is looked up: a code that nobody has finds nobody.
LOOKED_UP = {
    "post /v1/shared/queries subject.uscc",
    "post /v1/statutory/queries subject.uscc",
    "post /v1/authorized/queries subject.uscc",
    "post /v1/subjects/queries uscc",
    "post /v1/subjects/links subjects.uscc",
}


def fields(schemas: dict[str, Any], reference: str, prefix: str = "") -> Iterator[str]:
    """The fields of a body, with those of the objects in it."""
    for name, field in schemas[reference.rpartition("/")[2]].get("properties", {}).items():
        yield prefix + name
        inner = [field, field.get("items", {}), *field.get("anyOf", [])]
        for found in (part["$ref"] for part in inner if "$ref" in part):
            yield from fields(schemas, found, f"{prefix}{name}.")


def named(service: str) -> Iterator[str]:
    """The fields with a credit code, of all requests of a service that send one."""
    context = getattr(importlib.import_module(f"services.{service}.context"), CONTEXTS[service])
    faces = importlib.import_module(f"services.{service}.__main__").faces
    app, _ = faces(placeholder(context), None, dict, placeholder(Operations))
    schemas = app.api_doc["components"]["schemas"]
    for path, operations in app.api_doc["paths"].items():
        for method, operation in operations.items():
            found = [parameter["name"] for parameter in operation.get("parameters", []) if method != "get"]
            for content in operation.get("requestBody", {}).get("content", {}).values():
                if "$ref" in content["schema"]:
                    found += fields(schemas, content["schema"]["$ref"])
            yield from (f"{method} {path} {name}" for name in found if name.rpartition(".")[2] in CODES)


def test_every_field_with_a_credit_code_is_known() -> None:
    assert {field for service in CONTEXTS for field in named(service)} == KEPT.keys() | LOOKED_UP


@pytest.mark.parametrize("code", ["0" * 18, "11000000000000019q", " 11000000000000019Q", "11000000000000019R", ""])
def test_what_is_no_credit_code(code: str) -> None:
    assert not is_uscc(code)
