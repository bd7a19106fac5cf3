"""Attacks with access tokens, each by a name: at both edges every one is UNAUTHENTICATED."""

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Callable

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from pymongo import MongoClient

from chengxin.store.field_encryption import KeyRing
from chengxin.values.jwk import public_jwk
from tests.gateway.conftest import LI_NA, RunningGateway


def _signing_key(gate: RunningGateway) -> Ed25519PrivateKey:
    """The gateway's own key, which only the test can read."""
    client: MongoClient[dict[str, str]] = MongoClient(gate.environment["CHENGXIN_MONGO_URI"])
    row = client["gateway"]["signing_keys"].find_one()
    client.close()
    assert row is not None
    pem = KeyRing.load(gate.home.field_keys).decrypt(row["private_key"], "signing_key").encode()
    key = serialization.load_pem_private_key(pem, None)
    assert isinstance(key, Ed25519PrivateKey)
    return key


def token_with(
    gate: RunningGateway, key: object = None, headers: dict[str, object] | None = None, **changed: object
) -> str:
    """A token like the gateway's, but for the changed claims."""
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


def _unsigned(gate: RunningGateway) -> str:
    body = token_with(gate).split(".")[1]
    head = jwt.utils.base64url_encode(b'{"alg":"none","typ":"at+jwt"}').decode()
    return f"{head}.{body}."


def _public_bytes(gate: RunningGateway) -> bytes:
    public = _signing_key(gate).public_key()
    return public.public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)


Attack = Callable[[RunningGateway], str]


def _b64(value: object) -> str:
    raw = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def _parts(gate: RunningGateway) -> list[str]:
    return token_with(gate).split(".")


def _with_header(gate: RunningGateway, **header: object) -> str:
    """A good token's claims under another header, signed by the gateway's own key."""
    return token_with(gate, headers=header)


def _by_a_stranger(gate: RunningGateway, **header: object) -> str:
    key = Ed25519PrivateKey.generate()
    return token_with(gate, key, {k: public_jwk(key) if v == "own" else v for k, v in header.items()})


def _es256(gate: RunningGateway) -> str:
    """The kid of the Ed25519 key, signed by a P-256 key under its own algorithm."""
    kid = jwt.get_unverified_header(token_with(gate))["kid"]
    claims = jwt.decode(token_with(gate), options={"verify_signature": False})
    key = ec.generate_private_key(ec.SECP256R1())
    return jwt.encode(claims, key, "ES256", {"typ": "at+jwt", "kid": kid})


def _hmac(gate: RunningGateway, secret: bytes) -> str:
    kid = jwt.get_unverified_header(token_with(gate))["kid"]
    signed = f"{_b64({'alg': 'HS256', 'typ': 'at+jwt', 'kid': kid})}.{_parts(gate)[1]}"
    return f"{signed}.{_b64(hmac.digest(secret, signed.encode(), hashlib.sha256))}"


def _pem(gate: RunningGateway) -> bytes:
    public = _signing_key(gate).public_key()
    return public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)


def _revoked(gate: RunningGateway) -> str:
    proof = {k: LI_NA[k] for k in ("name", "identity_number")}
    token = str(gate.edge.call("POST", "/v1/identity/demo", json=proof).body["access_token"])
    gate.edge.call("POST", "/oauth/revoke", fields={"token": token}, encode_multipart=False)
    return token


def _of_another_client(gate: RunningGateway) -> str:
    """A client's own assertion with the typ of an access token."""
    return jwt.encode(
        gate.claims("market_regulator", aud="chengxin", roles=["supervisor"]),
        gate.keys["market_regulator"],
        "EdDSA",
        {"typ": "at+jwt", "kid": public_jwk(gate.keys["market_regulator"])["kid"]},
    )


# Access tokens: presented at both edges, where each is UNAUTHENTICATED.
TOKENS: dict[str, Attack] = {
    "alg none": _unsigned,
    "HS256 with the public key": lambda g: token_with(g, _public_bytes(g)),
    "another key under the right kid": lambda g: token_with(g, Ed25519PrivateKey.generate()),
    "unknown kid": lambda g: token_with(g, headers={"kid": "nobody"}),
    "without kid": lambda g: token_with(g, headers={"kid": ""}),
    "typ JWT": lambda g: token_with(g, headers={"typ": "JWT"}),
    "a client's assertion": lambda g: g.assertion("market_regulator"),
    "another issuer": lambda g: token_with(g, iss="https://elsewhere.example"),
    "another audience": lambda g: token_with(g, aud="another"),
    "expired": lambda g: token_with(g, exp=int(time.time()) - 60),
    "without expiry": lambda g: token_with(g, exp=None),
    "without subject": lambda g: token_with(g, sub=None),
    "not valid yet": lambda g: token_with(g, nbf=int(time.time()) + 600),
    "oversized": lambda g: token_with(g, padding="x" * 9000),
    "no JWT": lambda g: "abc",
    "roles exchanged": lambda g: ".".join(
        [(t := token_with(g).split("."))[0], token_with(g, roles=["supervisor"]).split(".")[1], t[2]]
    ),
    "HS256 with the public key as PEM": lambda g: _hmac(g, _pem(g)),
    "HS256 with an empty secret": lambda g: _hmac(g, b""),
    "HS256 with the kid as secret": lambda g: _hmac(g, jwt.get_unverified_header(token_with(g))["kid"].encode()),
    "alg None in capitals": lambda g: f"{_b64({'alg': 'NONE', 'typ': 'at+jwt'})}.{_parts(g)[1]}.",
    "alg none with the right kid": lambda g: (
        f"{_b64({'alg': 'none', 'typ': 'at+jwt', 'kid': jwt.get_unverified_header(token_with(g))['kid']})}.{_parts(g)[1]}."
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
    "issuer of another deployment": lambda g: token_with(g, iss="http://127.0.0.1:8080"),
    "issuer with a slash more": lambda g: token_with(g, iss=f"{g.issuer}/"),
    "issuer left out": lambda g: token_with(g, iss=None),
    "audience left out": lambda g: token_with(g, aud=None),
    "audience in capitals": lambda g: token_with(g, aud="CHENGXIN"),
    "audience empty": lambda g: token_with(g, aud=[]),
    "issued in the future, beyond skew": lambda g: token_with(
        g, iat=int(time.time()) + 3600, nbf=int(time.time()) + 3600, exp=int(time.time()) + 4000
    ),
    "iat beyond skew alone": lambda g: token_with(g, iat=int(time.time()) + 120),
    "without iat": lambda g: token_with(g, iat=None),
    "without jti": lambda g: token_with(g, jti=None),
    "exp a text": lambda g: token_with(g, exp="never"),
    "expired a second beyond skew": lambda g: token_with(g, exp=int(time.time()) - 6),
    "signature left out": lambda g: ".".join(_parts(g)[:2]) + ".",
    "signature of zeros": lambda g: ".".join([*_parts(g)[:2], _b64(bytes(64))]),
    "signature one bit off": lambda g: _flipped(g),
    "header exchanged": lambda g: ".".join([_b64({"alg": "EdDSA", "typ": "at+jwt", "kid": "k"}), *_parts(g)[1:]]),
    "four parts": lambda g: token_with(g) + ".e30",
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
    "bound to something unknown": lambda g: token_with(g, cnf={"jkt": "A" * 43}),
    "deeply nested": lambda g: f"{_parts(g)[0]}.{_b64(b'[' * 2000)}.{_parts(g)[2]}",
}


def _flipped(gate: RunningGateway) -> str:
    head, body, signature = _parts(gate)
    raw = bytearray(base64.urlsafe_b64decode(signature + "=="))
    raw[0] ^= 1
    return f"{head}.{body}.{_b64(bytes(raw))}"
