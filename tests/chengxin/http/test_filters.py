"""A filter that names what cannot be is refused: over HTTP each parameter of each address, over gRPC each field.

What only a store knows (entries, rule sets, regions of a city's own) is tried in the tests of its service.
"""

from types import SimpleNamespace
from typing import Any

import pytest

from chengxin.auth.principal import Principal, Role
from chengxin.auth.request_context import RequestContext, serving
from chengxin.errors import Problem
from chengxin.grpc.named_things import NAMED
from chengxin_api.audit.v1 import audit_pb2
from chengxin_api.catalog.v1 import catalog_pb2
from chengxin_api.disclosure.v1 import disclosure_pb2
from chengxin_api.ingest.v1 import ingest_pb2
from chengxin_api.objection.v1 import objection_pb2
from services.audit.grpc.servicer import AuditServicer
from services.disclosure.grpc.servicer import DisclosureServicer
from services.ingest.grpc.servicer import IngestServicer
from tests.routes import APPS, Route, app_of, routes
from tests.support import Issuer

_WRONG_CODE = "91441700MA0000000X"
WRONG: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(
        ("provider", "uscc", "provider_uscc"), ("x", _WRONG_CODE, _WRONG_CODE.lower(), "441702189603120024")
    ),
    "region": ("44170", "4417021", "yangjiang"),
    "subject_ref": ("x", "s_" + "A" * 26, "441702189603120024", "s_" + "a" * 26 + "\n"),
    "event_id": ("x", "ev_1", "req_" + "0" * 26),
    "request_id": ("x", "ev_" + "0" * 26, "REQ_" + "0" * 26),
    "actor": ("李娜", "a b", "s_1", "x" * 81),
    "act": ("nope", "record.queried.nobody", "RECORD.QUERIED.OWN", "record"),
    **dict.fromkeys(("state", "kind", "function", "format"), ("nope",)),
    **dict.fromkeys(("from", "until", "as_of"), ("yesterday",)),
}
# What only the service's store knows, and what narrows nothing.
STORED = {"entry", "name"}
ANYTHING = {"q", "page_token", "code"}


def parameters(route: Route, api: dict[str, Any], path: str) -> list[str]:
    operation = api["paths"].get(path, {}).get(route.method.lower(), {})
    return [
        p["name"]
        for p in operation.get("parameters", ())
        if p["in"] == "query" and not {"integer", "boolean"} & {s.get("type") for s in _forms(p["schema"])}
    ]


def _forms(schema: dict[str, Any]) -> list[dict[str, Any]]:
    return [schema, *schema.get("anyOf", ())]


@pytest.mark.parametrize("service", APPS)
def test_every_parameter_refuses_what_cannot_be(service: str, issuer: Issuer) -> None:
    app, wrong, tried = app_of(service, issuer), [], 0
    api = app.api_doc  # type: ignore[attr-defined]
    paths = {(rule.rule, method): rule for rule in app.url_map.iter_rules() for method in rule.methods or ()}
    described = {id(app.view_functions[r.endpoint]): app.path_of(r.rule) for r in paths.values()}  # type: ignore[attr-defined]
    for route in routes(app):
        for name in parameters(route, api, described[id(route.view)]):
            # Of the provider of identities, who answers what was asked of it.
            if name in STORED | ANYTHING or (name == "state" and "/oidc/" in route.path):
                continue
            for value in WRONG[name]:
                headers = issuer.bearer(*route.roles[:1]) if route.roles else {}
                found = app.test_client().open(
                    route.path, method=route.method, headers=headers, query_string={name: value}
                )
                if found.status_code != 400 or name not in [e["field"].partition(".")[0] for e in found.json["errors"]]:
                    wrong.append(f"{route}: {name}={value!a}: {found.status_code} {found.text[:200]}")
                tried += 1
    assert not wrong, "\n".join(wrong)
    assert tried > 0 or service == "objection"


def test_from_after_until_is_refused(issuer: Issuer) -> None:
    client = app_of("audit", issuer).test_client()
    asked = {"from": "2026-11-24T00:00:00Z", "until": "2026-11-23T23:59:59.999999Z"}
    found = client.get("/v1/audit/events", query_string=asked, headers=issuer.bearer("supervisor"))
    assert [(e["field"], e["rule"]) for e in found.json["errors"]] == [("from", "range")]


# Fields of requests that name a thing of which there is one: who names another is told that there is none.
_ONE = {"record_id", "submission_id", "objection_no", "code", "as_of", "uscc"}
# What a caller chooses or writes, and what only a store knows.
_OTHER = {"page_token", "items", "reason", "document_number", "effective_date", "signature", "evidence", "entries"}
# The gateway's question: whether a consent's code is good for an organisation.
_OTHER |= {"grantee"}


def test_every_field_of_a_message_refuses_what_cannot_be() -> None:
    nothing: Any = SimpleNamespace()
    servicers: dict[str, Any] = {
        "AuditService": AuditServicer(nothing),
        "IngestService": IngestServicer(nothing),
        "DisclosureService": DisclosureServicer(nothing),
    }
    tried = []
    for module in (audit_pb2, catalog_pb2, disclosure_pb2, ingest_pb2, objection_pb2):
        [service] = module.DESCRIPTOR.services_by_name.values()
        for method in service.methods:
            request = getattr(module, method.input_type.name)
            # In a change they name what is changed, and the key of a repeat.
            names = {f.name for f in method.input_type.fields if f.type == f.TYPE_STRING}
            names -= {"request_id"} if "reason" in names or "evidence" in names else set()
            assert names <= set(NAMED) | _ONE | _OTHER, f"{method.full_name}: is a name of these fields one of a thing?"
            for name in sorted(names & set(NAMED)):
                for value in WRONG[name]:
                    assert _refused(servicers[service.name], method.name, request(**{name: value})) == name
                tried.append(f"{method.name}.{name}")
    assert {"ListEvents.act", "WatchPublic.provider_uscc", "GetSubmission.provider_uscc"} <= set(tried)
    assert len(tried) == 9


def _refused(servicer: Any, method: str, request: Any) -> str:
    """The field for which a call is refused."""
    caller = Principal("officer:x", frozenset(Role))
    context: Any = SimpleNamespace(is_active=lambda: True)
    with serving(RequestContext("req_1", principal=caller)), pytest.raises(Problem) as refused:
        next(getattr(servicer, method)(request, context))
    assert refused.value.code == "INPUT_INVALID"
    [fault] = refused.value.fields
    return fault.field
