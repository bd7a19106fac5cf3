"""Attacks with client assertions, each by a name: every one is answered with invalid_client."""

import base64
import json
import time
from collections.abc import Callable

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from chengxin.values.jwk import public_jwk
from tests.gateway.conftest import RunningGateway

# JSON can spell half of a character; no text holds one.
_HALF = "\ud800"


def _b64(value: object) -> str:
    raw = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def _unsigned(gate: RunningGateway) -> str:
    return f"{_b64({'alg': 'none', 'typ': 'JWT'})}.{_b64(gate.claims('market_regulator'))}."


def _by_public_key_as_secret(gate: RunningGateway) -> str:
    """The classic confusion: the public key used as an HMAC secret."""
    import hashlib
    import hmac

    pem = (
        gate.keys["market_regulator"]
        .public_key()
        .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    )
    signed = f"{_b64({'alg': 'HS256', 'typ': 'JWT'})}.{_b64(gate.claims('market_regulator'))}"
    return f"{signed}.{_b64(hmac.digest(pem, signed.encode(), hashlib.sha256))}"


def _by_key(
    gate: RunningGateway, key: object, headers: dict[str, object] | None = None, algorithm: str = "EdDSA"
) -> str:
    return jwt.encode(gate.claims("market_regulator"), key, algorithm=algorithm, headers=headers)  # type: ignore[arg-type]


def _own_key_in_header(gate: RunningGateway) -> str:
    key = Ed25519PrivateKey.generate()
    return _by_key(gate, key, {"jwk": public_jwk(key)})


def _tampered(gate: RunningGateway) -> str:
    head, _, sign = gate.assertion("market_regulator").split(".")
    return f"{head}.{_b64(gate.claims('market_regulator', jti='mine'))}.{sign}"


def _with_header(gate: RunningGateway, **header: object) -> str:
    return _by_key(gate, gate.keys["market_regulator"], header)


def _changed(**changed: object) -> Callable[[RunningGateway], str]:
    return lambda gate: gate.assertion("market_regulator", **changed)


# The attack suite (test_attacks.py) tries these.
ATTACKS: dict[str, Callable[[RunningGateway], str]] = {
    "alg none": _unsigned,
    "HS256 with the public key": _by_public_key_as_secret,
    "another client's key": lambda g: _by_key(g, g.keys["housing_bureau"]),
    "another client's key under the right kid": lambda g: _by_key(
        g, g.keys["housing_bureau"], {"kid": public_jwk(g.keys["market_regulator"])["kid"]}
    ),
    "another algorithm than the key's": lambda g: _by_key(g, g.keys["p256"], algorithm="ES256"),
    "a key of its own in the header": _own_key_in_header,
    "unknown kid": lambda g: _with_header(g, kid="nobody"),
    "kid that is not a text": lambda g: _with_header(g, kid="../../etc/passwd"),
    "typ of an access token": lambda g: _with_header(g, typ="at+jwt"),
    "critical extension": lambda g: _with_header(g, crit=["exp2"], exp2=1),
    "claims exchanged": _tampered,
    "signature left out": lambda g: g.assertion("market_regulator").rpartition(".")[0] + ".",
    "expired": lambda g: g.assertion("market_regulator", exp=int(time.time()) - 10),
    "valid for an hour": lambda g: g.assertion("market_regulator", exp=int(time.time()) + 3600),
    "valid for ever": _changed(exp=None),
    "exp infinite": _changed(exp=float("inf")),
    "exp a text": _changed(exp="tomorrow"),
    "exp true": _changed(exp=True),
    "not valid yet": lambda g: g.assertion("market_regulator", nbf=int(time.time()) + 60),
    "issued in the future": lambda g: g.assertion("market_regulator", iat=int(time.time()) + 60),
    "without iat": _changed(iat=None),
    "without jti": _changed(jti=None),
    "empty jti": _changed(jti=""),
    "jti that is not a text": _changed(jti=["a"]),
    "huge jti": _changed(jti="j" * 1000),
    "another audience": _changed(aud="https://elsewhere.example"),
    "two audiences": lambda g: g.assertion("market_regulator", aud=[g.issuer, "https://elsewhere.example"]),
    "without audience": _changed(aud=None),
    "issuer is another": _changed(iss="housing_bureau"),
    "subject is another": _changed(sub="housing_bureau"),
    "unknown client": _changed(iss="nobody", sub="nobody"),
    "subject that is a query": _changed(sub={"$ne": ""}, iss={"$ne": ""}),
    "oversized": _changed(padding="x" * 9000),
    "not a JWT": lambda g: "not.a.jwt",
    "two parts": lambda g: "e30.e30",
    "payload that is a list": lambda g: f"{_b64({'alg': 'EdDSA'})}.{_b64([1])}.{_b64(b'x' * 64)}",
    "deeply nested": lambda g: f"{_b64({'alg': 'EdDSA'})}.{_b64(b'[' * 3000)}.{_b64(b'x')}",
    "null bytes": lambda g: "\0.\0.\0",
    "an access token": lambda g: g.token("market_regulator"),
    **{f"half a character in {name}": _changed(**{name: "\ud800"}) for name in ("iss", "sub", "aud", "jti", "other")},
    "half a character for a client, unsigned": lambda g: (
        f"{_b64({'alg': 'none'})}.{_b64(g.claims('x', iss=_HALF, sub=_HALF))}."
    ),
    "half a character for a key": lambda g: (
        f"{_b64({'alg': 'EdDSA', 'kid': _HALF, 'typ': _HALF})}.{_b64(g.claims('market_regulator'))}.{_b64(b'x' * 64)}"
    ),
    **{f"{name} of 400 digits": _changed(**{name: 10**399}) for name in ("exp", "iat", "nbf")},
    "exp of 400 digits below zero": _changed(exp=-(10**399)),
}
