"""Signing keys are rotated and revoked while the suite goes on."""

import pytest

from chengxin.errors import Problem
from tests.gateway.conftest import RunningGateway
from tests.gateway.verifying_service import as_a_service
from tests.support import until


def _kid(token: str) -> str:
    import jwt

    return str(jwt.get_unverified_header(token)["kid"])


@pytest.mark.long
def test_the_signing_key_is_rotated_and_nobody_notices(gate: RunningGateway) -> None:
    old = gate.token("market_regulator")
    rotated = gate.officer("first").call("POST", "/v1/identity/signing-keys")
    assert rotated.status == 201
    kid = rotated.body["kid"]
    # Published before it signs, so that every verifier can have it.
    assert (rotated.body["signs"], _kid(gate.token("market_regulator"))) == (False, _kid(old))
    assert kid in {k["kid"] for k in gate.edge.call("GET", "/.well-known/jwks.json").body["keys"]}
    verifier, _ = as_a_service(gate)

    def signs() -> bool:
        # Meanwhile every token is good.
        token = gate.token("market_regulator")
        assert verifier.verify(token).client_id == "market_regulator"
        assert gate.edge.call("GET", "/v1/me/records", token).status == 200
        return _kid(token) == kid

    until(signs, "the new key signs", 30)
    assert verifier.verify(old).client_id == "market_regulator"
    keys = gate.officer("watcher").get("/v1/identity/signing-keys")["signing_keys"]
    assert [k["signs"] for k in keys] == [True] + [False] * (len(keys) - 1)
    event = until(lambda: gate.grpc_upstream.acts("signing_key.created"))[-1]
    assert event["details"]["kid"] == kid
    assert event["actor"]["sub"] == "officer:first"


def test_what_a_revoked_key_signed_is_dead_and_the_suite_goes_on(gate: RunningGateway) -> None:
    verifier, revocations = as_a_service(gate)
    token = gate.token("market_regulator")
    verifier.verify(token)
    by = gate.officer("first")
    answer = by.call("POST", f"/v1/identity/signing-keys/{_kid(token)}/revoke")
    assert answer.status == 200, answer.body
    assert gate.edge.call("GET", "/v1/me/records", token).status == 401
    # The service's own token was signed by it: it obtains another and hears the rest.
    revocations.refresh()
    revocations.refresh()
    with pytest.raises(Problem, match="revoked"):
        verifier.verify(token)
    fresh = gate.token("market_regulator")
    assert gate.edge.call("GET", "/v1/me/records", fresh).status == 200
    assert gate.edge.call("GET", "/v1/public/subjects").status == 200
    # Officers whose tokens it signed sign in again.
    gate.signed_in.clear()
