"""A consent code becomes a token (Art. 16; RFC 8693): disclosure decides, the gateway issues."""

import jwt

from tests.gateway.conftest import BANK, RunningGateway, exchange
from tests.support import until


def test_the_grantee_gets_a_token_that_names_the_consent(gate: RunningGateway) -> None:
    gate.grpc_upstream.consents["given"] = (BANK, "")
    answer = gate.ask(gate.assertion("bank"), **exchange("given"))
    assert answer.status == 200, answer.body
    assert answer.body["issued_token_type"] == "urn:ietf:params:oauth:token-type:access_token"
    assert (answer.body["scope"], answer.headers["Cache-Control"]) == ("subject_authorized", "no-store")
    claims = jwt.decode(answer.body["access_token"], options={"verify_signature": False})
    named = {k: claims[k] for k in ("sub", "roles", "org", "consent_id", "purpose")}
    assert named == {
        "sub": "bank",
        "roles": ["subject_authorized"],
        "org": BANK,
        "consent_id": "consent_given",
        "purpose": "loan_application",
    }
    event = until(
        lambda: next((e for e in gate.grpc_upstream.acts("token.issued") if e["request_id"] == answer.request_id), None)
    )
    assert (event["consent_id"], event["purpose"]) == ("consent_given", "loan_application")
    assert "given" not in str(event["details"])


def test_disclosure_is_asked_for_the_clients_own_organisation(gate: RunningGateway) -> None:
    gate.grpc_upstream.consents["own"] = (BANK, "")
    gate.ask(gate.assertion("bank"), **exchange("own"))
    assert gate.grpc_upstream.resolved[-1] == ("own", BANK)


def test_who_has_not_proved_herself_makes_the_gateway_ask_nothing(gate: RunningGateway) -> None:
    asked = len(gate.grpc_upstream.resolved)
    for client_id, changed in (("bank", {"aud": "elsewhere"}), ("market_regulator", {})):
        assert gate.ask(gate.assertion(client_id, **changed), **exchange("given")).status in (400, 401)
    assert len(gate.grpc_upstream.resolved) == asked


def test_an_exchange_is_announced(gate: RunningGateway) -> None:
    metadata = gate.edge.call("GET", "/.well-known/oauth-authorization-server").body
    assert exchange("")["grant_type"] in metadata["grant_types_supported"]
