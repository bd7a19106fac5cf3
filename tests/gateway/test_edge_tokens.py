"""At both edges a token that is not in order gets nowhere."""

import time
from collections.abc import Callable

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from pymongo import MongoClient

from chengxin.store.field_encryption import KeyRing
from chengxin.values.jwk import public_jwk
from tests.gateway.conftest import Gate


def _signing_key(gate: Gate) -> Ed25519PrivateKey:
    """The gateway's own key, as only the test can have it."""
    client: MongoClient[dict[str, str]] = MongoClient(gate.environment["CHENGXIN_MONGO_URI"])
    row = client["gateway"]["signing_keys"].find_one()
    client.close()
    assert row is not None
    pem = KeyRing.load(gate.home.field_keys).decrypt(row["private_key"], "signing_key").encode()
    key = serialization.load_pem_private_key(pem, None)
    assert isinstance(key, Ed25519PrivateKey)
    return key


def _token(gate: Gate, key: object = None, headers: dict[str, object] | None = None, **changed: object) -> str:
    """What the gateway would sign, but for what is changed."""
    own = _signing_key(gate)
    now = int(time.time())
    claims = {
        "iss": gate.issuer,
        "aud": "chengxin",
        "sub": "x",
        "client_id": "x",
        "roles": ["provider"],
        "iat": now,
        "exp": now + 60,
        "jti": "t",
    } | changed
    head = {"typ": "at+jwt", "kid": public_jwk(own)["kid"]} | (headers or {})
    claims = {k: v for k, v in claims.items() if v is not None}
    algorithm = "HS256" if isinstance(key, bytes) else "EdDSA"
    return jwt.encode(claims, key or own, algorithm=algorithm, headers=head)  # type: ignore[arg-type]


def _unsigned(gate: Gate) -> str:
    body = _token(gate).split(".")[1]
    head = jwt.utils.base64url_encode(b'{"alg":"none","typ":"at+jwt"}').decode()
    return f"{head}.{body}."


def _public_bytes(gate: Gate) -> bytes:
    public = _signing_key(gate).public_key()
    return public.public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)


# The attack suite (test_attacks.py) tries these at both edges.
ATTACKS: dict[str, Callable[[Gate], str]] = {
    "alg none": _unsigned,
    "HS256 with the public key": lambda g: _token(g, _public_bytes(g)),
    "another key under the right kid": lambda g: _token(g, Ed25519PrivateKey.generate()),
    "unknown kid": lambda g: _token(g, headers={"kid": "nobody"}),
    "without kid": lambda g: _token(g, headers={"kid": ""}),
    "typ JWT": lambda g: _token(g, headers={"typ": "JWT"}),
    "a client's assertion": lambda g: g.assertion("market_regulator"),
    "another issuer": lambda g: _token(g, iss="https://elsewhere.example"),
    "another audience": lambda g: _token(g, aud="another"),
    "expired": lambda g: _token(g, exp=int(time.time()) - 60),
    "without expiry": lambda g: _token(g, exp=None),
    "without subject": lambda g: _token(g, sub=None),
    "not valid yet": lambda g: _token(g, nbf=int(time.time()) + 600),
    "oversized": lambda g: _token(g, padding="x" * 9000),
    "no JWT": lambda g: "abc",
    "roles exchanged": lambda g: ".".join(
        [(t := _token(g).split("."))[0], _token(g, roles=["supervisor"]).split(".")[1], t[2]]
    ),
}


def test_the_token_that_the_attacks_start_from_is_good(gate: Gate) -> None:
    assert gate.edge.call("GET", "/v1/me/records", _token(gate)).status == 200


@pytest.mark.parametrize("header", ["Basic abc", "Bearer", "Bearer ", "abc"])
def test_another_scheme_is_refused(gate: Gate, header: str) -> None:
    answer = gate.edge.call("GET", "/v1/me/records", headers={"Authorization": header})
    assert answer.status == 401
