"""Access tokens (RFC 9068) as services use them: verifying the caller's, obtaining their own."""

import hashlib
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import jwt
import structlog
import urllib3
from cachetools import LRUCache
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from chengxin.auth import request_context
from chengxin.auth.principal import DEMO_ACR, Principal
from chengxin.auth.revocation import Revocations, is_revoked
from chengxin.auth.tls import Trust, pool
from chengxin.bounds import own
from chengxin.errors import UNAUTHENTICATED, UPSTREAM_UNAVAILABLE, InBoth, Problem, invalid
from chengxin.values.clock import Expiry
from chengxin.values.ids import new_id
from chengxin.values.jwk import public_jwk
from chengxin.values.outside_json import must_be_readable

log = structlog.get_logger()

ALGORITHMS: Final = ["EdDSA", "ES256"]
ASSERTION_TYPE: Final = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
# Exchange of a consent code for a token (RFC 8693).
TOKEN_EXCHANGE: Final = "urn:ietf:params:oauth:grant-type:token-exchange"
CONSENT_CODE: Final = "urn:chengxin:token-type:consent-code"
_LEEWAY: Final = 5
_MAX_TOKEN: Final = 8192
# An unknown kid makes a verifier look at the JWKS again, at most this often.
_REFRESH_SECONDS: Final = 5.0
_JWKS_SECONDS: Final = 300.0
# After a failed request for the JWKS, tokens that come within this time cause no further one.
_FAILED_SECONDS: Final = 1.0

# Why a token is refused, for its holder; a library's words are for who reads its code.
_NOT_OURS: Final = InBoth("不是本系统的访问令牌", "it is no access token of this system")
_REASONS: Final[Mapping[type[jwt.PyJWTError], str]] = {
    jwt.ExpiredSignatureError: InBoth("令牌已过期", "it has expired"),
    jwt.ImmatureSignatureError: InBoth("令牌尚未生效，请核对时钟", "it is not good yet; check the clock"),
    jwt.InvalidSignatureError: InBoth("令牌的签名不正确", "its signature is wrong"),
    jwt.InvalidIssuerError: InBoth("令牌由其他系统签发", "another system issued it"),
    jwt.InvalidAudienceError: InBoth("令牌是为其他系统签发的", "it was issued for another system"),
}

PRIVATE_KEY_UNREADABLE = invalid(
    "PRIVATE_KEY_UNREADABLE",
    "文件 {file} 不是可用的私钥（{reason}）：应为 PEM 格式、没有密码的 Ed25519 私钥；用 chengxin keys new <文件> 生成，"
    "并请信用中心登记其公钥",
    "{file} is not a private key that can be used ({reason}): it must be an Ed25519 key in PEM without a password; make"
    " one by `chengxin keys new FILE`, and have the credit centre register its public half",
)

own(
    __name__,
    "LRUCache",
    resource="Verified tokens that are remembered",
    total=20_000,
    why="The least recently used is forgotten",
)
own(
    __name__,
    "Thread",
    resource="Threads that renew the service's own token",
    total=1,
    why="A lock lets one run",
)


def load_private_key(path: Path) -> Ed25519PrivateKey:
    """Reads an Ed25519 private key from PEM. Raises PRIVATE_KEY_UNREADABLE."""
    try:
        key = serialization.load_pem_private_key(path.read_bytes(), None)
    # TypeError: it has a password.
    except (ValueError, TypeError, UnsupportedAlgorithm) as e:
        raise PRIVATE_KEY_UNREADABLE(file=path, reason=_words(e)) from None
    if not isinstance(key, Ed25519PrivateKey):
        raise PRIVATE_KEY_UNREADABLE(file=path, reason=type(key).__name__)
    return key


@dataclass(frozen=True, slots=True)
class _Verified:
    """A token whose signature and claims are good."""

    principal: Principal
    kid: str
    iat: float
    exp: float


class Verifier:
    """Verifies tokens of one issuer for one audience; verified ones are remembered until they expire (bounded).

    With `revocations`, each is looked up there every time, remembered or not.
    """

    def __init__(
        self,
        issuer: str,
        audience: str,
        jwks: Callable[[], dict[str, Any]],
        revocations: Revocations | None = None,
        refresh_seconds: float = _REFRESH_SECONDS,
        demo: bool = False,
    ) -> None:
        """`demo` admits people who proved nothing; only the demonstration world sets it."""
        self._demo = demo
        self._issuer = issuer
        self._audience = audience
        self._jwks = jwks
        self._revocations = revocations
        self._refresh_seconds = refresh_seconds
        self._keys: dict[str, jwt.PyJWK] = {}
        self._fetched = float("-inf")
        self._failed = float("-inf")
        self._verified: LRUCache[bytes, _Verified] = LRUCache(20_000)
        self._lock = threading.Lock()
        # A lock of its own, so that a gateway that does not answer delays no token that is known.
        self._fetching = threading.Lock()

    def verify(self, token: str) -> Principal:
        """The caller that the token names.

        Raises UNAUTHENTICATED, or UPSTREAM_UNAVAILABLE when the keys or the revocations cannot be obtained.
        """
        known = self._known(token)
        if self._revocations is not None:
            self._revocations.check(known.principal, known.kid, known.iat)
        return known.principal

    def is_revoked(self, token: str) -> bool:
        """Whether a verified token was revoked since; for calls that last."""
        known = self._known(token, lasting=True)
        return self._revocations is not None and is_revoked(self._revocations, known.principal, known.kid, known.iat)

    def _known(self, token: str, lasting: bool = False) -> _Verified:
        if len(token) > _MAX_TOKEN:
            raise UNAUTHENTICATED(reason=_NOT_OURS)
        fingerprint = hashlib.sha256(token.encode("utf-8", "replace")).digest()
        with self._lock:
            known = self._verified.get(fingerprint)
        if known is not None and (lasting or time.time() < known.exp):
            return known
        header, claims = self._claims(token)
        try:
            principal = Principal.from_claims(claims)
        except ValueError:
            raise UNAUTHENTICATED(reason=_NOT_OURS) from None
        if principal.acr == DEMO_ACR and not self._demo:
            raise UNAUTHENTICATED(
                reason=InBoth(
                    "演示身份只在演示系统中有效", "a demonstration identity counts in the demonstration alone"
                )
            )
        known = _Verified(principal, str(header["kid"]), float(claims["iat"]), float(claims["exp"]))
        with self._lock:
            self._verified[fingerprint] = known
        return known

    def _claims(self, token: str) -> tuple[dict[str, Any], dict[str, Any]]:
        try:
            must_be_readable(token)
            header = jwt.get_unverified_header(token)
            if header.get("typ") != "at+jwt":
                raise UNAUTHENTICATED(reason=_NOT_OURS)
            key = self._key(str(header.get("kid", "")))
            return header, jwt.decode(
                token,
                key.key,
                algorithms=ALGORITHMS,
                issuer=self._issuer,
                audience=self._audience,
                leeway=_LEEWAY,
                options={"require": ["exp", "iat", "iss", "aud", "sub", "jti"]},
            )
        except (jwt.PyJWTError, ValueError, TypeError, KeyError) as e:
            reason = next((words for kind, words in _REASONS.items() if isinstance(e, kind)), _NOT_OURS)
            raise UNAUTHENTICATED(reason=reason) from None

    def _key(self, kid: str) -> jwt.PyJWK:
        with self._fetching:
            now = time.monotonic()
            age = now - self._fetched
            if (age > _JWKS_SECONDS or (kid not in self._keys and age > self._refresh_seconds)) and (
                now - self._failed > _FAILED_SECONDS
            ):
                try:
                    self._keys = {k["kid"]: jwt.PyJWK(k) for k in self._jwks()["keys"]}
                    self._fetched = time.monotonic()
                # Known keys stay good while the gateway is away.
                except (OSError, urllib3.exceptions.HTTPError, ValueError, KeyError, jwt.PyJWTError):
                    self._failed = time.monotonic()
            if kid in self._keys:
                return self._keys[kid]
            if self._failed > self._fetched:
                raise UPSTREAM_UNAVAILABLE(retry_after=1)
            raise UNAUTHENTICATED(
                reason=InBoth("令牌的签名密钥不存在或已停用", "its signing key is unknown or retired")
            )


class TokenSource:
    """A client's own access tokens by `private_key_jwt` (RFC 7523), renewed a minute before they expire.

    With a certificate in `trust` they are bound to it (RFC 8705).
    """

    def __init__(
        self,
        token_url: str,
        audience: str,
        client_id: str,
        key: Ed25519PrivateKey,
        trust: Trust | None = None,
        **parameters: str,
    ) -> None:
        self._url = token_url
        self._audience = audience
        self._client_id = client_id
        self._key = key
        self._kid = public_jwk(key)["kid"]
        self._parameters = parameters
        self._thumbprint = trust.thumbprint if trust else ""
        self._http = pool(trust, retries=False, timeout=urllib3.Timeout(connect=2, read=5))
        self._lock = threading.Lock()
        self._token = ""
        self._renewal = self._expiry = Expiry(0)

    def token(self) -> str:
        """A token that is good. From a minute before it expires the next one is obtained in the background.

        So callers wait for a gateway that does not answer only when the token has expired.

        Raises the gateway's Problem, or UPSTREAM_UNAVAILABLE.
        """
        if self._renewal.has_come() and not self._expiry.has_come():
            self._renew_in_background()
            return self._token
        with self._lock:
            if self._renewal.has_come():
                self._renew()
            return self._token

    def _renew_in_background(self) -> None:
        if self._lock.acquire(blocking=False):

            def renew() -> None:
                try:
                    self._renew()
                except Problem as e:
                    # The gateway refuses a new token: the old one is used no more, and the next caller is told why.
                    self._expiry = Expiry(0)
                    log.warning("no new token", reason=str(e)[:200])
                finally:
                    self._lock.release()

            try:
                threading.Thread(target=renew, name="token-renewal", daemon=True).start()
            except RuntimeError as e:
                # The system gives no thread now. The token that there is is still good; the next caller tries again.
                self._lock.release()
                log.warning("no thread for a new token", reason=str(e))

    def _renew(self) -> None:
        try:
            self._token, lifetime = self._obtain()
        except Problem as e:
            if e.type is not UPSTREAM_UNAVAILABLE or self._expiry.has_come():
                raise
            self._renewal = Expiry(1)
        else:
            # In this order, so that a caller that reads both meanwhile takes a token that is good.
            self._expiry = Expiry(lifetime - _LEEWAY)
            self._renewal = Expiry(max(lifetime - 60, 1))

    def forget(self) -> None:
        """Drops the token, because it was refused."""
        with self._lock:
            self._renewal = self._expiry = Expiry(0)

    def metadata(self) -> tuple[tuple[str, str], ...]:
        """The token as gRPC metadata, with the id of the current request, by which it is followed through services."""
        return (("authorization", f"Bearer {self.token()}"), *request_context.hop())

    def assertion(self) -> str:
        """A fresh client assertion, good for one use within a minute."""
        now = int(time.time())
        claims = {
            "iss": self._client_id,
            "sub": self._client_id,
            "aud": self._audience,
            "iat": now,
            "exp": now + 60,
            "jti": new_id("ca"),
            **({"cnf": {"x5t#S256": self._thumbprint}} if self._thumbprint else {}),
        }
        return jwt.encode(claims, self._key, algorithm="EdDSA", headers={"kid": self._kid})

    def _obtain(self) -> tuple[str, float]:
        form = {
            "grant_type": "client_credentials",
            "client_assertion_type": ASSERTION_TYPE,
            "client_assertion": self.assertion(),
            **self._parameters,
        }
        try:
            answer = self._http.request("POST", self._url, fields=form, encode_multipart=False)
            body = answer.json()
            if answer.status == 200:
                return str(body["access_token"]), float(body["expires_in"])
        # What answers may be no gateway.
        except (urllib3.exceptions.HTTPError, ValueError, TypeError, KeyError):
            raise UPSTREAM_UNAVAILABLE(retry_after=1) from None
        raise token_problem(answer.status, body if isinstance(body, dict) else {})


def token_problem(status: int, body: dict[str, Any]) -> Problem:
    """The error of a token endpoint (RFC 6749 section 5.2) as a Problem."""
    if status >= 500:
        return UPSTREAM_UNAVAILABLE(retry_after=1)
    return UNAUTHENTICATED(reason=f"{body.get('error', status)}: {body.get('error_description', '')}")


def fetch_jwks(url: str, trust: Trust | None = None) -> Callable[[], dict[str, Any]]:
    """Reads a JWKS (RFC 7517) over HTTP."""
    http = pool(trust, retries=False, timeout=urllib3.Timeout(connect=2, read=3))

    def fetch() -> dict[str, Any]:
        return dict(http.request("GET", url).json())

    return fetch


def _words(error: Exception) -> str:
    return str(error)[:120].replace("\n", " ") or type(error).__name__
