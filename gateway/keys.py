"""The keys that sign access tokens, and the tokens that the gateway makes with them."""

import threading
import time
from dataclasses import dataclass, replace
from typing import Any, Final

import jwt
import structlog
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from chengxin.audit_client import AuditEvent
from chengxin.clock import Clock, rfc3339
from chengxin.ids import new_id
from chengxin.mongo import Unit
from chengxin.principal import Principal, Role
from chengxin.tokens import public_jwk
from gateway.model import ANONYMOUS
from gateway.store import Accounts

log = structlog.get_logger()

TOKEN_SECONDS: Final = 600
# How soon a key that another gateway process added is known here.
_RELOAD_SECONDS: Final = 5.0

GATEWAY: Final = Principal("gateway", frozenset({Role.SERVICE}), client_id="gateway")


@dataclass(frozen=True)
class Minted:
    """A signed access token, whom it names, and for how many seconds."""

    token: str
    principal: Principal
    seconds: int


class SigningKeys:
    """Ed25519 keys from the store, reloaded now and then in the background; the newest signs, all of them verify.

    What is asked of them never waits for the store: while it is away, tokens are verified and made as before.
    """

    def __init__(self, accounts: Accounts, issuer: str, audience: str, clock: Clock) -> None:
        self._accounts = accounts
        self._issuer = issuer
        self._audience = audience
        self._clock = clock
        self._keys: list[tuple[dict[str, str], Ed25519PrivateKey]] = []
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="signing-keys", daemon=True)

    def load(self) -> None:
        """Reads the keys, after generating the first when there is none. Raises `pymongo.errors.PyMongoError`."""
        pems = self._accounts.signing_keys()
        if not pems:
            self.add()
            return
        self._keys = [_load(pem) for pem in pems]

    def start(self) -> None:
        """Begins to reload in the background."""
        self._thread.start()

    def stop(self) -> None:
        """Ends reloading."""
        self._stopped.set()

    def jwks(self) -> dict[str, Any]:
        """The public keys (RFC 7517)."""
        return {"keys": [jwk for jwk, _ in self._keys]}

    def mint(self, principal: Principal, seconds: int = TOKEN_SECONDS) -> Minted:
        """An access token (RFC 9068) that names `principal`."""
        jwk, key = self._keys[0]
        named = replace(principal, jti=new_id("t"))
        now = int(self._clock.now().timestamp())
        claims: dict[str, Any] = {
            "iss": self._issuer,
            "aud": self._audience,
            "sub": named.sub,
            "client_id": named.client_id,
            "roles": sorted(named.roles),
            "jti": named.jti,
            "iat": now,
            "exp": now + seconds,
        }
        for name in ("org", "region", "acr", "purpose", "legal_basis", "case_no", "officer", "consent_id"):
            if value := getattr(named, name):
                claims[name] = value
        token = jwt.encode(claims, key, algorithm="EdDSA", headers={"typ": "at+jwt", "kid": jwk["kid"]})
        return Minted(token, named, seconds)

    def add(self) -> str:
        """Generates a key, which signs from now on; its `kid`."""
        key = Ed25519PrivateKey.generate()
        kid = public_jwk(key)["kid"]
        pem = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        now = self._clock.now()
        event = AuditEvent("gateway", "signing_key.created", GATEWAY, rfc3339(now), details={"kid": kid}).encode()

        def write(unit: Unit) -> None:
            self._accounts.add_signing_key(kid, pem, now, unit)
            unit.record(event)

        self._accounts.transact(write)
        self._keys = [(public_jwk(key), key), *self._keys]
        return kid

    def _run(self) -> None:
        while not self._stopped.wait(_RELOAD_SECONDS):
            try:
                self.load()
            # Whatever keeps the keys from being read, those in hand stay good.
            except Exception as e:
                log.warning("signing keys not reloaded", reason=repr(e)[:200])


class OwnToken:
    """A token that the gateway mints for itself and uses again until shortly before it expires."""

    def __init__(self, keys: SigningKeys, principal: Principal, lifetime: int, renew_after: float) -> None:
        self._keys = keys
        self._principal = principal
        self._lifetime = lifetime
        self._renew_after = renew_after
        self._lock = threading.Lock()
        self._minted: Minted | None = None
        self._renew_at = 0.0

    @classmethod
    def of_gateway(cls, keys: SigningKeys) -> "OwnToken":
        """With which the gateway talks to the audit service."""
        return cls(keys, GATEWAY, TOKEN_SECONDS, TOKEN_SECONDS - 60)

    @classmethod
    def of_anonymous(cls, keys: SigningKeys) -> "OwnToken":
        """Which requests without a token are given."""
        return cls(keys, ANONYMOUS, 180, 60)

    def token(self) -> str:
        """The token, good for at least a minute."""
        with self._lock:
            if self._minted is None or time.monotonic() >= self._renew_at:
                self._minted = self._keys.mint(self._principal, self._lifetime)
                self._renew_at = time.monotonic() + self._renew_after
            return self._minted.token

    def metadata(self) -> tuple[tuple[str, str], ...]:
        """The token as gRPC metadata."""
        return (("authorization", f"Bearer {self.token()}"),)


def _load(pem: bytes) -> tuple[dict[str, str], Ed25519PrivateKey]:
    key = serialization.load_pem_private_key(pem, None)
    if not isinstance(key, Ed25519PrivateKey):
        raise ValueError("a signing key in the store is not an Ed25519 key")
    return public_jwk(key), key
