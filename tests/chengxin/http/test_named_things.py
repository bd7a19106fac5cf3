"""What a request names and a service keeps is looked at: organisations, documents of persons, entries, regions, days.

Derived from the contracts of the services: a new field fails here until it is known who tries it.
"""

import importlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from chengxin.auth.policy_table import placeholder
from chengxin.process.operations import Operations
from chengxin.values.identifiers import IDENTIFIERS, is_uscc
from gateway.context import GatewayContext
from gateway.http.gateway import make_own_app

ROOT = Path(__file__).parents[3]
CONTEXTS = {
    "catalog": "CatalogContext",
    "ingest": "IngestContext",
    "disclosure": "DisclosureContext",
    "objection": "ObjectionContext",
}
NAMING = {
    *IDENTIFIERS,
    *("provider", "grantee", "org", "organisation"),
    *("entry", "entries", "catalog"),
    *("region", "regions"),
    *("valid_from", "valid_to", "until", "effective_from", "effective_to", "effective_date", "days_off", "days_worked"),
    *("period", "through"),
}
_DRAFTS = ("post /v1/catalog/drafts", "put /v1/catalog/drafts/{draft_id}")
_CATALOG, _INGEST, _GATEWAY = "tests/catalog/", "tests/ingest/", "tests/gateway/"
_SLIPS = f"{_CATALOG}test_entry_versions.py::test_nothing_begins_on_a_day_that_is_a_slip"
_CHANGES = f"{_INGEST}test_amendments.py::test_a_change_has_taken_effect_and_not_before_there_was_anybody_to_decide_it"
_CONSENTS = "tests/disclosure/test_consents.py::test_a_consent_that_could_never_be_used_is_refused"
_OF_CLIENTS = (
    f"{_GATEWAY}test_client_administration.py::test_a_client_belongs_to_an_organisation_and_region_that_can_be"
)
_OF_OFFICERS = (
    f"{_GATEWAY}test_officer_administration.py::test_an_officer_belongs_to_an_organisation_and_region_that_can_be"
)
_COUNTER = f"{_GATEWAY}test_counter_verification.py::"
# Fields that are kept, with the test in which something is named that cannot be.
KEPT = {
    **{
        f"{d} providers.uscc": f"{_CATALOG}test_entry_validation.py::test_an_unsound_entry_is_told_what_is_wrong"
        for d in _DRAFTS
    },
    **{
        f"{d} regions": f"{_CATALOG}test_draft_content.py::test_an_entry_covers_regions_that_there_are" for d in _DRAFTS
    },
    "post /v1/catalog/drafts/{draft_id}/publish effective_from": _SLIPS,
    "post /v1/catalog/drafts/{draft_id}/publish effective_to": f"{_CATALOG}test_publish.py::"
    "test_a_publication_must_not_be_backdated_or_overlap",
    "post /v1/catalog/entries/{code}/retire effective_to": f"{_CATALOG}test_drafts.py::"
    "test_an_entry_is_retired_with_its_basis",
    "post /v1/catalog/code-lists/drafts/{draft_id}/publish effective_from": _SLIPS,
    "post /v1/catalog/rules effective_from": _SLIPS,
    "put /v1/catalog/calendar/{year} days_off": f"{_CATALOG}test_calendar.py::"
    "test_a_notice_that_contradicts_the_calendar_is_told_day_by_day",
    "put /v1/catalog/calendar/{year} days_worked": f"{_CATALOG}test_calendar.py::"
    "test_a_notice_that_contradicts_the_calendar_is_told_day_by_day",
    "put /v1/catalog/organisations/{uscc} uscc": f"{_CATALOG}test_organisations.py::"
    "test_an_organisation_is_entered_rightly",
    "put /v1/catalog/organisations/{uscc} region": f"{_CATALOG}test_organisations.py::"
    "test_an_organisation_is_entered_rightly",
    "put /v1/submissions/agreements/{provider} provider": f"{_INGEST}test_signed_deliveries.py::"
    "test_who_sees_and_changes_agreements",
    "put /v1/submissions/mappings/{entry} entry": f"{_INGEST}test_column_mappings.py::"
    "test_a_mapping_that_cannot_be_is_refused",
    "post /v1/submissions catalog": f"{_INGEST}test_submit_file.py::test_who_may_upload",
    **{
        f"post /v1/submissions/nothing-to-report {field}": f"{_INGEST}test_reporting_duties.py::"
        "test_what_is_not_owed_is_not_declared"
        for field in ("catalog", "period", "through")
    },
    "post /v1/records/{record_id}/amendments effective_date": _CHANGES,
    "post /v1/records/{record_id}/revocation effective_date": _CHANGES,
    **{f"post /v1/me/consents {field}": _CONSENTS for field in ("grantee", "entries", "valid_from", "valid_to")},
    **{f"post /v1/identity/clients {field}": _OF_CLIENTS for field in ("org", "region")},
    **{f"post /v1/identity/officers {field}": _OF_OFFICERS for field in ("org", "region")},
    "post /v1/identity/counter/codes identity_number": f"{_COUNTER}test_a_number_of_another_document_is_refused",
    **{
        f"post /v1/identity/representations {field}": f"{_COUNTER}test_a_representation_names_what_can_be"
        for field in ("identity_number", "uscc", "until")
    },
}
# Fields by which something is looked up, and nothing is kept: a thing that is not there is not found.
LOOKED_UP = {
    *(
        f"post /v1/{query}/queries subject.{scheme}"
        for query in ("shared", "statutory", "authorized")
        for scheme in IDENTIFIERS
    ),
    *(f"post /v1/{query}/queries entries" for query in ("shared", "statutory", "authorized")),
    *(f"post /v1/subjects/queries {scheme}" for scheme in IDENTIFIERS),
    *(f"post /v1/subjects/links subjects.{scheme}" for scheme in IDENTIFIERS),
    "post /v1/catalog/rules/preview effective_from",
    "post /v1/submissions/preview catalog",
    "post /v1/records/queries catalog",
    "post /v1/public/feed/differences through",
    "post /v1/identity/counter/token identity_number",
    "post /v1/identity/counter/token uscc",
}


def described() -> Iterator[dict[str, Any]]:
    """The contract of each service and of the gateway."""
    for service, context in CONTEXTS.items():
        made = getattr(importlib.import_module(f"services.{service}.context"), context)
        faces = importlib.import_module(f"services.{service}.__main__").faces
        yield faces(placeholder(made), None, dict, placeholder(Operations))[0].api_doc
    own = make_own_app(
        placeholder(GatewayContext), None, dict, dict, operations=placeholder(Operations), grpc_edge_serves=lambda: True
    )
    yield own.api_doc


def fields(schemas: dict[str, Any], reference: str, prefix: str = "") -> Iterator[str]:
    """The fields of a body, with those of the objects in it."""
    for name, field in schemas[reference.rpartition("/")[2]].get("properties", {}).items():
        yield prefix + name
        inner = [field, field.get("items", {}), *field.get("anyOf", [])]
        for found in (part["$ref"] for part in inner if "$ref" in part):
            yield from fields(schemas, found, f"{prefix}{name}.")


def named(contract: dict[str, Any]) -> Iterator[str]:
    """The fields that name something, of all requests that send one."""
    schemas = contract["components"]["schemas"]
    for path, operations in contract["paths"].items():
        for method, operation in operations.items():
            found = [parameter["name"] for parameter in operation.get("parameters", []) if method != "get"]
            for content in operation.get("requestBody", {}).get("content", {}).values():
                if "$ref" in content["schema"]:
                    found += fields(schemas, content["schema"]["$ref"])
            yield from (f"{method} {path} {name}" for name in found if name.rpartition(".")[2] in NAMING)


def test_every_field_that_names_something_is_known() -> None:
    found = {field for contract in described() for field in named(contract)}
    assert found - KEPT.keys() - LOOKED_UP == set()
    assert (KEPT.keys() | LOOKED_UP) - found == set()


def test_each_that_is_kept_is_tried_by_a_test() -> None:
    for field, test in KEPT.items():
        file, _, name = test.partition("::")
        assert f"def {name}(" in (ROOT / file).read_text(), f"{field}: {test}"


@pytest.mark.parametrize("code", ["0" * 18, "11000000000000019q", " 11000000000000019Q", "11000000000000019R", ""])
def test_what_is_no_credit_code(code: str) -> None:
    assert not is_uscc(code)
