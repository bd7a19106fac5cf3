"""The keys that sign access tokens, and the tokens that the gateway signs with them."""

import threading
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final

import jwt
import structlog
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from chengxin.audit.event import AuditEvent
from chengxin.auth.principal import Principal, Role
from chengxin.auth.revocation import Revocation
from chengxin.concurrency.periodic_task import PeriodicTask
from chengxin.store.database import UnitOfWork
from chengxin.values.acts import Act
from chengxin.values.clock import Clock, Expiry, rfc3339
from chengxin.values.ids import new_id
from chengxin.values.jwk import public_jwk
from gateway.domain.clients_and_officers import ANONYMOUS
from gateway.store.accounts import Accounts

log = structlog.get_logger()

TOKEN_SECONDS: Final = 600
# After at most this time, a gateway process knows a key that another process added.
_RELOAD_SECONDS: Final = 5.0
# A new key is published this long before it signs. By then every gateway has reloaded, and a service that meets the key
# can fetch it, however recently an unknown `kid` made the service look (chengxin.auth.access_tokens).
_PUBLISHED_AHEAD: Final = timedelta(seconds=12)
# A key is kept this long after the next key began to sign. By then its last token is expired everywhere.
_KEPT_AFTER_SUCCESSOR: Final = timedelta(seconds=TOKEN_SECONDS + 60)

GATEWAY: Final = Principal("gateway", frozenset({Role.SERVICE}), client_id="gateway")


@dataclass(frozen=True)
class IssuedToken:
    """A signed access token, the principal that it names, and for how many seconds it is good."""

    token: str
    principal: Principal
    seconds: int
    kid: str
    issued_at: int

    @property
    def jti(self) -> str:
        """The token's id."""
        return self.principal.jti


@dataclass(frozen=True)
class SigningKey:
    """A key pair, and the instant from which it signs."""

    jwk: dict[str, str]
    private: Ed25519PrivateKey
    signs_from: datetime


class SigningKeys:
    """Ed25519 keys from the store: the newest key that is due signs, and all keys verify.

    A background thread reloads the keys now and then. No caller waits for the store: while it does not answer, tokens
    are verified and issued as before.
    """

    def __init__(self, accounts: Accounts, issuer: str, audience: str, clock: Clock) -> None:
        self._accounts = accounts
        self._issuer = issuer
        self._audience = audience
        self._clock = clock
        self._keys: list[SigningKey] = []
        # How many keys this process has added or dropped. `load` reads again when one was while it read.
        self._changes = 0
        self._lock = threading.Lock()
        self._reloading = PeriodicTask("signing-keys", self.load, _RELOAD_SECONDS, first_after=_RELOAD_SECONDS)

    def load(self) -> None:
        """Reads the keys, and generates the first one when there is none. Raises `pymongo.errors.PyMongoError`."""
        if not self._read_stored():
            self.add(GATEWAY, self._clock.now())
            return
        for key in self.outlived(self._clock.now()):
            self.drop(GATEWAY, key.jwk["kid"], Act.SIGNING_KEY_DROPPED)

    def start(self) -> None:
        """Starts the thread that reloads the keys."""
        self._reloading.start()

    def stop(self) -> None:
        """Stops the thread that reloads the keys."""
        self._reloading.stop()

    def jwks(self) -> dict[str, Any]:
        """Returns the public keys (RFC 7517)."""
        return {"keys": [key.jwk for key in self._keys]}

    def has(self, kid: str) -> bool:
        """Returns whether this key verifies."""
        return any(key.jwk["kid"] == kid for key in self._keys)

    def all(self) -> list[SigningKey]:
        """Returns every key that verifies, the newest first."""
        return list(self._keys)

    def signing(self) -> SigningKey:
        """Returns the key that signs now."""
        now = self._clock.now()
        return next((key for key in self._keys if key.signs_from <= now), self._keys[-1])

    def outlived(self, now: datetime) -> list[SigningKey]:
        """Returns the keys whose last token is expired, because a newer key has signed for long enough."""
        successors = [key.signs_from for key in self._keys]
        return [
            key
            for index, key in enumerate(self._keys)
            if any(s + _KEPT_AFTER_SUCCESSOR <= now for s in successors[:index])
        ]

    def mint(self, principal: Principal, seconds: int = TOKEN_SECONDS) -> IssuedToken:
        """Issues an access token (RFC 9068) that names `principal` and is good for `seconds`."""
        key = self.signing()
        token_principal = replace(principal, jti=new_id("t"))
        now = int(self._clock.now().timestamp())
        claims = token_principal.to_claims() | {
            "iss": self._issuer,
            "aud": self._audience,
            "iat": now,
            "exp": now + seconds,
        }
        token = jwt.encode(claims, key.private, algorithm="EdDSA", headers={"typ": "at+jwt", "kid": key.jwk["kid"]})
        return IssuedToken(token, token_principal, seconds, key.jwk["kid"], now)

    def add(self, by: Principal, signs_from: datetime | None = None) -> SigningKey:
        """Generates a key. It is published at once, and signs a little later unless another instant is given."""
        private = Ed25519PrivateKey.generate()
        now = self._clock.now()
        key = SigningKey(public_jwk(private), private, signs_from or now + _PUBLISHED_AHEAD)
        pem = private.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        details = {"kid": key.jwk["kid"], "signs_from": rfc3339(key.signs_from)}
        event = AuditEvent("gateway", Act.SIGNING_KEY_CREATED, by, rfc3339(now), details=details).encode()

        def write(unit: UnitOfWork) -> None:
            self._accounts.add_signing_key(key.jwk["kid"], pem, now, key.signs_from, unit)
            unit.record(event)

        self._accounts.transact(write)
        self._change(key.jwk["kid"], key)
        return key

    def drop(self, by: Principal, kid: str, act: Act, revoked: bool = False) -> None:
        """Deletes a key. With `revoked`, services refuse the tokens that it signed, even if they still know it."""
        now = self._clock.now()
        event = AuditEvent("gateway", act, by, rfc3339(now), details={"kid": kid}).encode()

        def write(unit: UnitOfWork) -> None:
            # When several gateways drop a key that has outlived its tokens, only one of them puts that on record.
            dropped = self._accounts.drop_signing_key(kid, unit)
            if dropped or revoked:
                unit.record(event)
            else:
                unit.without_event("nothing changes")
            if revoked:
                self._accounts.administration.revoke(Revocation("kid", kid), now, unit)

        self._accounts.transact(write)
        self._change(kid)

    def _read_stored(self) -> bool:
        """Takes over the stored keys; returns whether there are any."""
        while True:
            before = self._changes
            pems = self._accounts.signing_keys()
            if not pems:
                return False
            keys = _readable(pems)
            with self._lock:
                # Otherwise a key that was dropped while the keys were read would come back, or a new one be missing.
                if self._changes == before:
                    self._keys = keys
                    return True

    def _change(self, kid: str, *added: SigningKey) -> None:
        """Puts `added` in the place of the key `kid`, which a reload may know already or know still."""
        with self._lock:
            self._changes += 1
            self._keys = [*added, *(key for key in self._keys if key.jwk["kid"] != kid)]


class OwnToken:
    """A token that the gateway issues to itself and uses until shortly before it expires."""

    def __init__(self, keys: SigningKeys, principal: Principal, lifetime: int, renew_after: float) -> None:
        self._keys = keys
        self._principal = principal
        self._lifetime = lifetime
        self._renew_after = renew_after
        self._lock = threading.Lock()
        self._issued: IssuedToken | None = None
        self._renewal = Expiry(0)

    @classmethod
    def of_gateway(cls, keys: SigningKeys) -> "OwnToken":
        """Returns the token with which the gateway calls the audit service and disclosure."""
        return cls(keys, GATEWAY, TOKEN_SECONDS, TOKEN_SECONDS - 60)

    @classmethod
    def of_anonymous(cls, keys: SigningKeys) -> "OwnToken":
        """Returns the token that the edge adds to requests without a token."""
        return cls(keys, ANONYMOUS, 180, 60)

    def token(self) -> str:
        """Returns the token, which is good for at least a minute."""
        with self._lock:
            if self._issued is None or self._renewal.has_come() or not self._keys.has(self._issued.kid):
                self._issued = self._keys.mint(self._principal, self._lifetime)
                self._renewal = Expiry(self._renew_after)
            return self._issued.token

    def metadata(self) -> tuple[tuple[str, str], ...]:
        """Returns the token as gRPC metadata."""
        return (("authorization", f"Bearer {self.token()}"),)


def _readable(pems: Iterable[tuple[bytes, datetime]]) -> list[SigningKey]:
    """Returns the stored keys that can be read.

    A key that cannot be read is logged, and the others are still used. Raises `ValueError` when no key can be read.
    """
    keys = []
    for pem, signs_from in pems:
        try:
            keys.append(_parse_key(pem, signs_from))
        except (ValueError, TypeError) as e:
            log.error("a signing key cannot be read", signs_from=rfc3339(signs_from), reason=type(e).__name__)
    if not keys:
        raise ValueError("no signing key in the store can be read")
    return keys


def _parse_key(pem: bytes, signs_from: datetime) -> SigningKey:
    key = serialization.load_pem_private_key(pem, None)
    if not isinstance(key, Ed25519PrivateKey):
        raise ValueError("a signing key in the store is not an Ed25519 key")
    return SigningKey(public_jwk(key), key, signs_from)
