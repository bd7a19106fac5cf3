"""Attacks on tokens, assertions and grants through both edges: each is refused with the right code and on record.

How many distinct ones there are goes to build/figures.json.
"""

import base64
import hashlib
import hmac
import json
import threading
import time
from collections.abc import Callable
from typing import Any

import grpc
import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from chengxin.errors import Problem
from chengxin.values.jwk import public_jwk
from chengxin_cli.gateway_client import HttpAnswer
from tests.gateway import test_edge_tokens, test_tokens
from tests.gateway.conftest import BANK, LI_NA, Gate, exchange
from tests.support import figure, until

Attack = Callable[[Gate], str]
_token = test_edge_tokens._token


def _b64(value: object) -> str:
    raw = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def _parts(gate: Gate) -> list[str]:
    return _token(gate).split(".")


def _with_header(gate: Gate, **header: object) -> str:
    """A good token's claims under another header, signed by the gateway's own key."""
    return _token(gate, headers=header)


def _by_a_stranger(gate: Gate, **header: object) -> str:
    key = Ed25519PrivateKey.generate()
    return _token(gate, key, {k: public_jwk(key) if v == "own" else v for k, v in header.items()})


def _es256(gate: Gate) -> str:
    """The kid of the Ed25519 key, signed by a P-256 key under its own algorithm."""
    kid = jwt.get_unverified_header(_token(gate))["kid"]
    claims = jwt.decode(_token(gate), options={"verify_signature": False})
    key = ec.generate_private_key(ec.SECP256R1())
    return jwt.encode(claims, key, "ES256", {"typ": "at+jwt", "kid": kid})


def _hmac(gate: Gate, secret: bytes) -> str:
    kid = jwt.get_unverified_header(_token(gate))["kid"]
    signed = f"{_b64({'alg': 'HS256', 'typ': 'at+jwt', 'kid': kid})}.{_parts(gate)[1]}"
    return f"{signed}.{_b64(hmac.digest(secret, signed.encode(), hashlib.sha256))}"


def _pem(gate: Gate) -> bytes:
    public = test_edge_tokens._signing_key(gate).public_key()
    return public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)


def _revoked(gate: Gate) -> str:
    proof = {k: LI_NA[k] for k in ("name", "identity_number")}
    token = str(gate.edge.call("POST", "/v1/identity/demo", json=proof).body["access_token"])
    gate.edge.call("POST", "/oauth/revoke", fields={"token": token}, encode_multipart=False)
    return token


def _of_another_client(gate: Gate) -> str:
    """A client's own assertion with the typ of an access token."""
    return jwt.encode(
        gate.claims("market_regulator", aud="chengxin", roles=["supervisor"]),
        gate.keys["market_regulator"],
        "EdDSA",
        {"typ": "at+jwt", "kid": public_jwk(gate.keys["market_regulator"])["kid"]},
    )


# Access tokens: presented at both edges, where each is UNAUTHENTICATED.
TOKENS: dict[str, Attack] = test_edge_tokens.ATTACKS | {
    "HS256 with the public key as PEM": lambda g: _hmac(g, _pem(g)),
    "HS256 with an empty secret": lambda g: _hmac(g, b""),
    "HS256 with the kid as secret": lambda g: _hmac(g, jwt.get_unverified_header(_token(g))["kid"].encode()),
    "alg None in capitals": lambda g: f"{_b64({'alg': 'NONE', 'typ': 'at+jwt'})}.{_parts(g)[1]}.",
    "alg none with the right kid": lambda g: (
        f"{_b64({'alg': 'none', 'typ': 'at+jwt', 'kid': jwt.get_unverified_header(_token(g))['kid']})}.{_parts(g)[1]}."
    ),
    "alg left out": lambda g: f"{_b64({'typ': 'at+jwt'})}.{_parts(g)[1]}.{_parts(g)[2]}",
    "ES256 under the kid of an Ed25519 key": _es256,
    "a key of its own in jwk": lambda g: _by_a_stranger(g, jwk="own"),
    "jku of its own": lambda g: _by_a_stranger(g, jku="http://127.0.0.1:1/jwks.json"),
    "x5u of its own": lambda g: _by_a_stranger(g, x5u="http://127.0.0.1:1/cert.pem"),
    "x5c of its own": lambda g: _by_a_stranger(g, x5c=["MIIB"]),
    "kid that is a path": lambda g: _by_a_stranger(g, kid="../../../../dev/null"),
    "kid that is a query": lambda g: _by_a_stranger(g, kid="' OR 1=1 --"),
    "kid that is a URL": lambda g: _by_a_stranger(g, kid="http://127.0.0.1:1/key"),
    "kid with a null byte": lambda g: _by_a_stranger(g, kid="\0"),
    "typ left out": lambda g: _with_header(g, typ=None),
    "typ of a client assertion": lambda g: _with_header(g, typ="client-authentication+jwt"),
    "typ of an ID token": lambda g: _with_header(g, typ="id+jwt"),
    "issuer of another deployment": lambda g: _token(g, iss="http://127.0.0.1:8080"),
    "issuer with a slash more": lambda g: _token(g, iss=f"{g.issuer}/"),
    "issuer left out": lambda g: _token(g, iss=None),
    "audience left out": lambda g: _token(g, aud=None),
    "audience in capitals": lambda g: _token(g, aud="CHENGXIN"),
    "audience empty": lambda g: _token(g, aud=[]),
    "issued in the future, beyond skew": lambda g: _token(
        g, iat=int(time.time()) + 3600, nbf=int(time.time()) + 3600, exp=int(time.time()) + 4000
    ),
    "iat beyond skew alone": lambda g: _token(g, iat=int(time.time()) + 120),
    "without iat": lambda g: _token(g, iat=None),
    "without jti": lambda g: _token(g, jti=None),
    "exp a text": lambda g: _token(g, exp="never"),
    "expired a second beyond skew": lambda g: _token(g, exp=int(time.time()) - 6),
    "signature left out": lambda g: ".".join(_parts(g)[:2]) + ".",
    "signature of zeros": lambda g: ".".join([*_parts(g)[:2], _b64(bytes(64))]),
    "signature one bit off": lambda g: _flipped(g),
    "header exchanged": lambda g: ".".join([_b64({"alg": "EdDSA", "typ": "at+jwt", "kid": "k"}), *_parts(g)[1:]]),
    "four parts": lambda g: _token(g) + ".e30",
    "one part": lambda g: _parts(g)[0],
    "payload that is a list": lambda g: f"{_parts(g)[0]}.{_b64([1])}.{_parts(g)[2]}",
    "payload that is no JSON": lambda g: f"{_parts(g)[0]}.{_b64(b'x')}.{_parts(g)[2]}",
    "encrypted, five parts": lambda g: (
        f"{_b64({'alg': 'dir', 'enc': 'A256GCM'})}..{_b64(b'iv')}.{_b64(b'c')}.{_b64(b't')}"
    ),
    "critical extension": lambda g: _with_header(g, crit=["b64"], b64=False),
    "an assertion dressed up as an access token": _of_another_client,
    "a revoked token": _revoked,
    "bound to a certificate that is not shown": lambda g: g.token_with(cnf={"x5t#S256": "A" * 43}),
    "bound to something unknown": lambda g: _token(g, cnf={"jkt": "A" * 43}),
    "deeply nested": lambda g: f"{_parts(g)[0]}.{_b64(b'[' * 2000)}.{_parts(g)[2]}",
}


def _flipped(gate: Gate) -> str:
    head, body, signature = _parts(gate)
    raw = bytearray(base64.urlsafe_b64decode(signature + "=="))
    raw[0] ^= 1
    return f"{head}.{body}.{_b64(bytes(raw))}"


# Those that a transport refuses before anybody reads them, over gRPC.
_ONLY_HTTP = {"oversized"}


def _recorded(gate: Gate, act: str, request_id: str) -> dict[str, Any]:
    return until(
        lambda: next((e for e in gate.grpc_room.acts(act, "refused") if e["request_id"] == request_id), None),
        f"{act} {request_id} is on record",
    )


@pytest.mark.parametrize("attack", TOKENS)
def test_over_http(gate: Gate, attack: str) -> None:
    token = TOKENS[attack](gate)
    before = gate.http_room.requests
    answer = gate.edge.call("GET", "/v1/me/records", token)
    assert (answer.status, answer.body["code"]) == (401, "UNAUTHENTICATED")
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.headers["WWW-Authenticate"] == "Bearer"
    assert gate.http_room.requests == before
    event = _recorded(gate, "edge.refused", answer.request_id)
    # Nothing that the token says of itself is believed, or kept.
    assert event["details"] == {"code": "UNAUTHENTICATED", "edge": "http"}
    assert event["actor"]["sub"] == "anonymous"


@pytest.mark.parametrize("attack", sorted(TOKENS.keys() - _ONLY_HTTP))
def test_over_grpc(gate: Gate, attack: str) -> None:
    call = gate.edge.channel.unary_unary("/chengxin.disclosure.v1.DisclosureService/Query")
    with pytest.raises(grpc.RpcError) as refused:
        call(b"", metadata=(("authorization", f"Bearer {TOKENS[attack](gate)}"),), timeout=5)
    assert refused.value.code() is grpc.StatusCode.UNAUTHENTICATED
    assert Problem.from_rpc(refused.value).code == "UNAUTHENTICATED"
    event = _recorded(gate, "edge.refused", _request_id(refused.value))
    assert event["details"] == {"code": "UNAUTHENTICATED", "edge": "grpc"}


@pytest.mark.parametrize("attack", TOKENS)
def test_at_the_gateways_own_addresses(gate: Gate, attack: str) -> None:
    answer = gate.edge.call("GET", "/v1/identity/clients", TOKENS[attack](gate))
    assert (answer.status, answer.body["code"]) == (401, "UNAUTHENTICATED")


def _request_id(error: grpc.RpcError) -> str:
    from google.rpc import error_details_pb2
    from grpc_status import rpc_status

    info = error_details_pb2.RequestInfo()
    assert any(detail.Unpack(info) for detail in rpc_status.from_call(error).details)  # type: ignore[union-attr]
    return str(info.request_id)


# Client assertions: each is invalid_client.
ASSERTIONS: dict[str, Attack] = test_tokens.ATTACKS


@pytest.mark.parametrize("attack", ASSERTIONS)
def test_an_assertion(gate: Gate, attack: str) -> None:
    answer = gate.ask(ASSERTIONS[attack](gate), scope="provider")
    assert (answer.status, answer.body["error"]) == (401, "invalid_client")
    assert "access_token" not in answer.body
    assert answer.body["error_description"].isascii()
    assert _recorded(gate, "token.issued", answer.request_id)["details"]["code"] == "CLIENT_NOT_AUTHENTICATED"


def _ask(client_id: str, **parameters: str) -> Callable[[Gate], HttpAnswer]:
    return lambda gate: gate.ask(gate.assertion(client_id), **parameters)


def _replayed(gate: Gate) -> HttpAnswer:
    assertion = gate.assertion("market_regulator")
    assert gate.ask(assertion).status == 200
    return gate.ask(assertion)


def _raced(gate: Gate) -> HttpAnswer:
    """Two at once with one assertion: the one that loses."""
    assertion = gate.assertion("p256")
    found: list[HttpAnswer] = []
    threads = [threading.Thread(target=lambda: found.append(gate.ask(assertion))) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return max(found, key=lambda answer: answer.status)


_LAW = {"legal_basis": "民事诉讼法第二百五十三条", "case_no": "1", "officer": "F1"}

# What disclosure knows of consents: the grantee's code, and why it gives nothing.
_CONSENTS = {
    "good": (BANK, ""),
    "others": ("91000000MA0000218U", ""),
    "withdrawn": (BANK, "CONSENT_WITHDRAWN"),
    "expired": (BANK, "CONSENT_NOT_IN_TIME"),
    "used": (BANK, "CONSENT_USED_UP"),
}


def _exchange(code: str, client_id: str = "bank", **changed: str) -> Callable[[Gate], HttpAnswer]:
    """The exchange of a consent code, but for changed parameters."""

    def ask(gate: Gate) -> HttpAnswer:
        gate.grpc_room.consents.update(_CONSENTS)
        return gate.ask(gate.assertion(client_id), **(exchange(code) | changed))

    return ask


def _frozen(gate: Gate) -> str:
    _suspended(gate)
    return "frozen"


# Grants: what is asked for is more than there is. (How, the code.)
GRANTS: dict[str, tuple[Callable[[Gate], HttpAnswer], str]] = {
    "a replayed assertion": (_replayed, "ASSERTION_REPLAYED"),
    "a replayed assertion, at the same time": (_raced, "ASSERTION_REPLAYED"),
    "scope of another role": (_ask("market_regulator", scope="agency"), "SCOPE_NOT_ALLOWED"),
    "scope of an officer": (_ask("market_regulator", scope="supervisor"), "SCOPE_NOT_ALLOWED"),
    "scope of a service": (_ask("market_regulator", scope="service"), "SCOPE_NOT_ALLOWED"),
    "scope of a subject": (_ask("housing_bureau", scope="subject"), "SCOPE_NOT_ALLOWED"),
    "scope of a consent": (_ask("housing_bureau", scope="subject_authorized"), "SCOPE_NOT_ALLOWED"),
    "two scopes at once": (_ask("housing_bureau", scope="agency provider"), "SCOPE_NOT_ALLOWED"),
    "a purpose outside the agreement": (
        _ask("housing_bureau", scope="agency", purpose="curiosity"),
        "PURPOSE_NOT_AGREED",
    ),
    "no purpose": (_ask("housing_bureau", scope="agency"), "PURPOSE_MISSING"),
    "a legal basis that is not registered": (
        _ask("court", **(_LAW | {"legal_basis": "刑法第一条"})),
        "LEGAL_BASIS_NOT_ENTITLED",
    ),
    "a legal basis without a case": (_ask("court", **(_LAW | {"case_no": ""})), "TOKEN_REQUEST_INVALID"),
    "a legal basis by who is no court": (_ask("market_regulator", **_LAW), "TOKEN_REQUEST_INVALID"),
    "an identity number as officer": (
        _ask("court", **(_LAW | {"officer": "441702188803020027"})),
        "TOKEN_REQUEST_INVALID",
    ),
    "a service's scope with its name as client_id": (
        lambda g: g.ask(g.assertion("market_regulator"), client_id="disclosure", scope="service"),
        "CLIENT_NOT_AUTHENTICATED",
    ),
    "a password grant": (
        lambda g: g.ask(g.assertion("market_regulator"), grant_type="password"),
        "GRANT_UNSUPPORTED",
    ),
    "an authorization code": (
        lambda g: g.ask(g.assertion("market_regulator"), grant_type="authorization_code", code="x"),
        "GRANT_UNSUPPORTED",
    ),
    "an exchange of an access token": (
        lambda g: g.ask(
            g.assertion("market_regulator"),
            grant_type="urn:ietf:params:oauth:grant-type:token-exchange",
            subject_token=g.token("housing_bureau", scope="provider"),
            subject_token_type="urn:ietf:params:oauth:token-type:access_token",
        ),
        "TOKEN_REQUEST_INVALID",
    ),
    "a consent's role without a consent": (_ask("bank", scope="subject_authorized"), "TOKEN_REQUEST_INVALID"),
    "a consent code by who holds no such role": (_exchange("good", "market_regulator"), "EXCHANGE_NOT_ALLOWED"),
    "a consent code by a suspended client": (lambda g: _exchange("good", _frozen(g))(g), "CLIENT_SUSPENDED"),
    "a consent code that nobody gave": (_exchange("guessed"), "CONSENT_CODE_UNKNOWN"),
    "a consent code of another grantee": (_exchange("others"), "CONSENT_OTHER_GRANTEE"),
    "a consent code of a withdrawn consent": (_exchange("withdrawn"), "CONSENT_WITHDRAWN"),
    "a consent code of an expired consent": (_exchange("expired"), "CONSENT_NOT_IN_TIME"),
    "a consent code of a used-up consent": (_exchange("used"), "CONSENT_USED_UP"),
    "a consent code for another role": (_exchange("good", scope="public"), "SCOPE_NOT_ALLOWED"),
    "a consent code for two roles": (_exchange("good", scope="subject_authorized agency"), "SCOPE_NOT_ALLOWED"),
    "a consent code for a subject's role": (_exchange("good", scope="subject"), "SCOPE_NOT_ALLOWED"),
    "a consent code for another purpose": (_exchange("good", purpose="marketing"), "TOKEN_REQUEST_INVALID"),
    "a consent code with a legal basis": (_exchange("good", **_LAW), "TOKEN_REQUEST_INVALID"),
    "a consent code as another kind of token": (
        _exchange("good", subject_token_type="urn:ietf:params:oauth:token-type:jwt"),
        "TOKEN_REQUEST_INVALID",
    ),
    "a consent code for a refresh token": (
        _exchange("good", requested_token_type="urn:ietf:params:oauth:token-type:refresh_token"),
        "TOKEN_REQUEST_INVALID",
    ),
    "a consent code for another audience": (_exchange("good", audience="other"), "TOKEN_REQUEST_INVALID"),
    "a consent code on behalf of somebody": (_exchange("good", actor_token="x"), "TOKEN_REQUEST_INVALID"),
    "a consent code without an assertion": (_exchange("good", client_assertion=""), "TOKEN_REQUEST_INVALID"),
    "a consent code with another's assertion": (
        lambda g: g.ask(g.assertion("court"), client_id="bank", **exchange("good")),
        "CLIENT_NOT_AUTHENTICATED",
    ),
    "an oversized consent code": (_exchange("x" * 10_000), "TOKEN_REQUEST_INVALID"),
    "no consent code": (_exchange(""), "TOKEN_REQUEST_INVALID"),
    "a SAML assertion": (
        lambda g: g.ask(
            g.assertion("market_regulator"),
            client_assertion_type="urn:ietf:params:oauth:client-assertion-type:saml2-bearer",
        ),
        "TOKEN_REQUEST_INVALID",
    ),
    "an assertion of a suspended client": (lambda g: _suspended(g), "CLIENT_SUSPENDED"),
}


def _suspended(gate: Gate) -> HttpAnswer:
    gate.officer("first").call("POST", "/v1/identity/clients/frozen/suspend")
    return gate.ask(gate.assertion("frozen"))


@pytest.mark.parametrize("attack", GRANTS)
def test_a_grant(gate: Gate, attack: str) -> None:
    how, code = GRANTS[attack]
    answer = how(gate)
    assert answer.status in (400, 401)
    assert answer.body["code"] == code
    assert "access_token" not in answer.body
    assert _recorded(gate, "token.issued", answer.request_id)["details"]["code"] == code


def test_every_attack_is_counted(gate: Gate) -> None:
    count = len(TOKENS) + len(ASSERTIONS) + len(GRANTS)
    assert count >= 60
    figure("gateway.token_attacks", count)
    figure("gateway.token_attack_runs", 3 * len(TOKENS) - len(_ONLY_HTTP) + len(ASSERTIONS) + len(GRANTS))
