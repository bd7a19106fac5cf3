"""A machine proves who it is by its signature, and gets exactly what its registration says."""

import re
import threading
import time
from collections.abc import Callable
from typing import Any

import jwt
import pytest
from pymongo import MongoClient

from chengxin.auth.access_tokens import ASSERTION_TYPE, Verifier
from chengxin.values.jwk import public_jwk
from tests.gateway.conftest import RunningGateway, exchange
from tests.support import until


def _claims(gate: RunningGateway, token: str) -> dict[str, object]:
    jwks = gate.edge.call("GET", "/.well-known/jwks.json").body["keys"]
    header = jwt.get_unverified_header(token)
    assert header["typ"] == "at+jwt"
    key = next(jwt.PyJWK(k) for k in jwks if k["kid"] == header["kid"])
    return jwt.decode(token, key.key, algorithms=["EdDSA"], audience="chengxin", issuer=gate.issuer)


def test_a_provider_gets_a_token_of_ten_minutes_with_the_claims_of_rfc_9068(gate: RunningGateway) -> None:
    answer = gate.ask(gate.assertion("market_regulator"), scope="provider")
    assert answer.status == 200
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.body["token_type"] == "Bearer"
    assert answer.body["expires_in"] == 600
    claims = _claims(gate, answer.body["access_token"])
    assert claims["exp"] - claims["iat"] == 600  # type: ignore[operator]
    assert {k: claims[k] for k in ("sub", "client_id", "roles", "org", "region", "acr")} == {
        "sub": "market_regulator",
        "client_id": "market_regulator",
        "roles": ["provider"],
        "org": "11000000MB0000019X",
        "region": "441700",
        "acr": "private_key_jwt",
    }


def test_the_services_verifier_accepts_what_the_gateway_signs(gate: RunningGateway) -> None:
    jwks = gate.edge.call("GET", "/.well-known/jwks.json").body
    principal = Verifier(gate.issuer, "chengxin", lambda: jwks).verify(gate.token("market_regulator"))
    assert principal.roles == {"provider"}


def test_a_key_on_p256_works_too(gate: RunningGateway) -> None:
    assert gate.ask(gate.assertion("p256")).status == 200


def test_a_providers_token_names_the_key_that_it_proved(gate: RunningGateway) -> None:
    key = public_jwk(gate.keys["market_regulator"])
    assert _claims(gate, gate.token("market_regulator"))["client_key"] == key["kid"]
    agency = gate.ask(gate.assertion("housing_bureau"), scope="agency", purpose="qualification_review")
    assert "client_key" not in _claims(gate, agency.body["access_token"])


def test_the_event_of_a_token_names_the_key_that_proved_it(gate: RunningGateway) -> None:
    answer = gate.ask(gate.assertion("housing_bureau"), scope="agency", purpose="qualification_review")
    jti = _claims(gate, answer.body["access_token"])["jti"]
    [event] = [e for e in gate.grpc_upstream.acts("token.issued") if e["details"].get("jti") == jti]
    assert event["details"]["client_key"] == public_jwk(gate.keys["housing_bureau"])["kid"]


def test_a_token_of_a_key_that_retires_ends_with_it(gate: RunningGateway) -> None:
    client: MongoClient[dict[str, Any]] = MongoClient(gate.environment["CHENGXIN_MONGO_URI"])
    ends = {"jwks.0.exp": str(int(time.time()) + 60)}
    client["gateway"]["clients"].update_one({"_id": "p256"}, {"$set": ends})
    answer = gate.ask(gate.assertion("p256"))
    client["gateway"]["clients"].update_one({"_id": "p256"}, {"$unset": {"jwks.0.exp": ""}})
    client.close()
    assert 1 <= answer.body["expires_in"] <= 60


def test_scope_may_be_left_out_only_when_there_is_one_role(gate: RunningGateway) -> None:
    assert _claims(gate, gate.token("market_regulator"))["roles"] == ["provider"]
    refused = gate.ask(gate.assertion("housing_bureau"))
    assert refused.body["error"] == "invalid_scope"
    assert "agency, provider" in refused.body["error_description"]


def test_an_agency_names_a_purpose_of_its_agreement(gate: RunningGateway) -> None:
    token = gate.token("housing_bureau", scope="agency", purpose="qualification_review")
    assert _claims(gate, token)["purpose"] == "qualification_review"


def test_an_agency_without_a_purpose_learns_which_ones_it_has(gate: RunningGateway) -> None:
    refused = gate.ask(gate.assertion("housing_bureau"), scope="agency")
    assert (refused.status, refused.body["error"]) == (400, "invalid_request")
    assert "qualification_review, routine_supervision" in refused.body["error_description"]


def test_an_agency_cannot_name_a_purpose_outside_its_agreement(gate: RunningGateway) -> None:
    refused = gate.ask(gate.assertion("housing_bureau"), scope="agency", purpose="curiosity")
    assert (refused.status, refused.body["error"]) == (400, "invalid_scope")
    assert refused.body["code"] == "PURPOSE_NOT_AGREED"


def test_a_court_names_legal_basis_case_and_officer(gate: RunningGateway) -> None:
    named = {"legal_basis": "民事诉讼法第二百五十三条", "case_no": "（2026）粤17执123号", "officer": "F1702-08"}
    claims = _claims(gate, gate.token("court", **named))
    assert {k: claims[k] for k in named} == named


@pytest.mark.parametrize(
    ("named", "error"),
    [
        ({"case_no": "1", "officer": "F1"}, "invalid_request"),
        ({"legal_basis": "民事诉讼法第二百五十三条", "officer": "F1"}, "invalid_request"),
        ({"legal_basis": "民事诉讼法第二百五十三条", "case_no": "1"}, "invalid_request"),
        ({"legal_basis": "刑法第一条", "case_no": "1", "officer": "F1"}, "invalid_scope"),
        ({"legal_basis": "民事诉讼法第二百五十三条", "case_no": "1", "officer": "王法官"}, "invalid_request"),
        (
            {"legal_basis": "民事诉讼法第二百五十三条", "case_no": "1", "officer": "441702188803020023"},
            "invalid_request",
        ),
        (
            {"legal_basis": "民事诉讼法第二百五十三条", "case_no": "案441702188803020023", "officer": "F1"},
            "invalid_request",
        ),
        ({"legal_basis": "民事诉讼法第二百五十三条", "case_no": "1\n2", "officer": "F1"}, "invalid_request"),
    ],
)
def test_a_court_that_leaves_something_out_or_writes_a_person_into_it_is_refused(
    gate: RunningGateway, named: dict[str, str], error: str
) -> None:
    refused = gate.ask(gate.assertion("court"), **named)
    assert (refused.status, refused.body["error"]) == (400, error)


def test_a_provider_cannot_bind_its_token_to_a_purpose(gate: RunningGateway) -> None:
    assert gate.ask(gate.assertion("market_regulator"), purpose="x").body["error"] == "invalid_request"


def test_a_suspended_client_is_refused(gate: RunningGateway, suspend: Callable[[str], None]) -> None:
    assert gate.ask(gate.assertion("suspended")).status == 200
    suspend("suspended")
    refused = gate.ask(gate.assertion("suspended"))
    assert (refused.status, refused.body["error"]) == (400, "unauthorized_client")


def test_issuing_and_refusing_are_on_record(gate: RunningGateway) -> None:
    answer = gate.ask(gate.assertion("market_regulator"))
    refused = gate.ask(gate.assertion("market_regulator"), scope="agency")
    event = next(e for e in gate.grpc_upstream.acts("token.issued") if e["request_id"] == answer.request_id)
    assert event["actor"]["client_id"] == "market_regulator"
    event = next(e for e in gate.grpc_upstream.acts("token.issued", "refused") if e["request_id"] == refused.request_id)
    assert event["details"] == {"client_id": "market_regulator", "code": "SCOPE_NOT_ALLOWED"}


def test_without_the_audit_service_no_token_is_issued_except_to_the_services(gate: RunningGateway) -> None:
    gate.grpc_upstream.audit_is_up = False
    try:
        refused = gate.ask(gate.assertion("market_regulator"))
        assert (refused.status, refused.body["code"]) == (503, "AUDIT_UNAVAILABLE")
        assert refused.headers["Retry-After"]
        service = gate.ask(gate.assertion("audit"), scope="service")
        assert service.status == 200
    finally:
        gate.grpc_upstream.audit_is_up = True
    assert gate.ask(gate.assertion("market_regulator")).status == 200
    # What the outbox kept is delivered when the log is back.
    until(lambda: [e for e in gate.grpc_upstream.acts("token.issued") if e["request_id"] == service.request_id])


def test_metadata_tells_where_and_how(gate: RunningGateway) -> None:
    metadata = gate.edge.call("GET", "/.well-known/oauth-authorization-server").body
    assert metadata["issuer"] == gate.issuer
    assert metadata["token_endpoint"] == f"{gate.issuer}/oauth/token"
    assert metadata["token_endpoint_auth_methods_supported"] == ["private_key_jwt"]


def test_an_assertion_is_good_once(gate: RunningGateway) -> None:
    assertion = gate.assertion("market_regulator")
    assert gate.ask(assertion).status == 200
    again = gate.ask(assertion)
    assert (again.status, again.body["code"]) == (401, "ASSERTION_REPLAYED")


def test_an_assertion_is_used_up_even_when_the_request_is_refused(gate: RunningGateway) -> None:
    assertion = gate.assertion("market_regulator")
    assert gate.ask(assertion, scope="agency").body["error"] == "invalid_scope"
    assert gate.ask(assertion, scope="provider").body["code"] == "ASSERTION_REPLAYED"


def test_of_many_at_once_one_assertion_gets_one_token(gate: RunningGateway) -> None:
    assertion = gate.assertion("market_regulator")
    statuses: list[int] = []
    threads = [threading.Thread(target=lambda: statuses.append(gate.ask(assertion).status)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(statuses) == [200] + [401] * 7


def test_two_clients_may_use_the_same_jti(gate: RunningGateway) -> None:
    assert gate.ask(gate.assertion("market_regulator", jti="shared")).status == 200
    assert gate.ask(gate.assertion("p256", jti="shared")).status == 200


@pytest.mark.parametrize("scope", ["agency", "service", "centre", "supervisor", "provider public", "PROVIDER", "*"])
def test_a_role_that_is_not_the_clients_is_refused(gate: RunningGateway, scope: str) -> None:
    refused = gate.ask(gate.assertion("market_regulator"), scope=scope)
    assert (refused.status, refused.body["error"]) == (400, "invalid_scope")


# RFC 6749, 5.2, and RFC 8693, 2.2.2: what is changed, the error, and what its description names.
WRONG_REQUESTS = [
    ({"grant_type": ""}, "invalid_request", "grant_type is missing"),
    ({"grant_type": "password"}, "unsupported_grant_type", "client_credentials"),
    ({"client_assertion": ""}, "invalid_client", "client_assertion is missing"),
    ({"client_assertion_type": ""}, "invalid_client", "client_assertion_type"),
    ({"client_assertion_type": "urn:other"}, "invalid_client", "client_assertion_type"),
    ({"client_id": "housing_bureau"}, "invalid_client", "client_id"),
    ({"scope": "agency"}, "invalid_scope", "scope"),
    ({"case_no": "", "officer": ""}, "invalid_request", "case_no, officer"),
    ({"legal_basis": "刑法第一条"}, "invalid_scope", "legal basis"),
    ({"officer": "王法官"}, "invalid_request", "officer"),
    (exchange("x") | {"audience": "x", "resource": "y"}, "invalid_target", "audience, resource"),
    (exchange("x") | {"subject_token_type": ""}, "invalid_request", "subject_token_type"),
    (exchange(""), "invalid_request", "subject_token"),
    (exchange("x") | {"requested_token_type": '"\\'}, "invalid_request", "requested_token_type"),
]


@pytest.mark.parametrize("language", ["en", "zh-CN"])
@pytest.mark.parametrize(("changed", "error", "named"), WRONG_REQUESTS)
def test_a_wrong_request_is_refused_as_oauth_has_it(
    gate: RunningGateway, changed: dict[str, str], error: str, named: str, language: str
) -> None:
    form = {
        **{"grant_type": "client_credentials", "client_assertion_type": ASSERTION_TYPE},
        **{"client_assertion": gate.assertion("court"), "case_no": "（2026）粤17执123号", "officer": "F1702-08"},
        "legal_basis": "民事诉讼法第二百五十三条",
    }
    headers = {"Accept-Language": language}
    refused = gate.edge.call("POST", "/oauth/token", fields=form | changed, encode_multipart=False, headers=headers)
    assert (refused.status, refused.body["error"]) == (401 if error == "invalid_client" else 400, error)
    described = refused.body["error_description"]
    assert re.fullmatch(r"[\x20\x21\x23-\x5b\x5d-\x7e]+", described)
    assert named in described
    assert refused.body["detail"].isascii() == (language == "en" and "registered" not in described)
    assert language == "en" or not re.search("[a-z]+ [a-z]+ [a-z]+", refused.body["detail"])
    assert refused.headers["Content-Language"] == language


def test_a_parameter_given_twice_is_refused(gate: RunningGateway) -> None:
    body = f"grant_type=client_credentials&grant_type=client_credentials&client_assertion={gate.assertion('p256')}"
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    answer = gate.edge.call("POST", "/oauth/token", body=body, headers=headers)
    assert (answer.status, answer.body["error"]) == (400, "invalid_request")
    assert "grant_type" in answer.body["error_description"]


def test_a_request_in_json_is_refused(gate: RunningGateway) -> None:
    answer = gate.edge.call("POST", "/oauth/token", json={"grant_type": "client_credentials"})
    assert (answer.status, answer.body["error"]) == (400, "invalid_request")


def test_a_request_with_a_client_secret_is_refused(gate: RunningGateway) -> None:
    headers = {"Authorization": "Basic bWFya2V0OnNlY3JldA=="}
    fields = {"grant_type": "client_credentials"}
    answer = gate.edge.call("POST", "/oauth/token", fields=fields, encode_multipart=False, headers=headers)
    assert (answer.status, answer.body["error"]) == (400, "invalid_request")


def test_an_enormous_request_is_refused(gate: RunningGateway) -> None:
    answer = gate.ask("x" * 100_000)
    assert answer.status == 413
