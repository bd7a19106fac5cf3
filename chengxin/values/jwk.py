"""Public keys as JSON Web Keys (RFC 7517), named by their thumbprints (RFC 7638). Pure."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey


def public_jwk(key: Ed25519PrivateKey) -> dict[str, str]:
    """The public JWK (RFC 8037) of a private key; its `kid` is the RFC 7638 thumbprint."""
    jwk = json.loads(jwt.algorithms.OKPAlgorithm.to_jwk(key.public_key()))
    return {"kty": "OKP", "crv": "Ed25519", "x": jwk["x"], "kid": thumbprint(jwk), "alg": "EdDSA", "use": "sig"}


def thumbprint(jwk: Mapping[str, Any]) -> str:
    """The thumbprint (RFC 7638) of an OKP or EC key. Raises `KeyError` for a key that lacks a member."""
    members = ("crv", "kty", "x", "y") if jwk["kty"] == "EC" else ("crv", "kty", "x")
    basis = json.dumps({name: jwk[name] for name in members}, separators=(",", ":"))
    return jwt.utils.base64url_encode(hashlib.sha256(basis.encode()).digest()).decode()
