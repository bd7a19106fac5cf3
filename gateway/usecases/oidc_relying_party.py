"""An OpenID Connect relying party: citizens prove who they are at a provider that asserts name and identity number.

It uses the authorization code with PKCE, state and nonce (RFC 9700). A cookie shows that the browser that comes back is
the one that began.
"""

import base64
import hashlib
import hmac
import secrets
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final
from urllib.parse import urlencode

import jwt
import urllib3

from chengxin.auth.executor import open_command
from chengxin.auth.principal import Principal
from chengxin.bounds import own
from chengxin.errors import UPSTREAM_UNAVAILABLE, InBoth, unauthenticated
from chengxin.values.acts import Act
from chengxin.values.identifiers import personal_scheme, standard_form
from chengxin.values.outside_json import must_be_readable
from gateway.context import GatewayContext
from gateway.domain.clients_and_officers import Citizen
from gateway.store.signing_keys import IssuedToken
from gateway.usecases.verify_identity import admit

ACR: Final = "oidc"
_FLOW: Final = timedelta(minutes=10)
_FRESH_SECONDS: Final = 3600.0
_ALGORITHMS: Final = ["RS256", "PS256", "ES256", "EdDSA"]
_LEEWAY: Final = 30

OIDC_REFUSED = unauthenticated(
    "OIDC_REFUSED", "身份认证平台的应答不被接受：{reason}", "The identity provider's answer is not accepted: {reason}"
)

own(
    __name__,
    "PoolManager",
    resource="Pools of connections to the identity provider",
    total=1,
    why="Made once",
)


@dataclass(frozen=True)
class RelyingPartyRegistration:
    """This system's registration at the provider, and the claim that holds the identity number."""

    issuer: str
    client_id: str
    client_secret: str
    redirect_uri: str
    scope: str = "openid profile"
    number_claim: str = "identity_number"


@dataclass(frozen=True)
class SignInBegun:
    """The address to which the browser goes, and the cookie that it must bring back."""

    location: str
    cookie: str


class IdentityProvider:
    """The provider's metadata, keys and token endpoint."""

    def __init__(self, registration: RelyingPartyRegistration) -> None:
        self.registration = registration
        self._http = urllib3.PoolManager(retries=False, timeout=urllib3.Timeout(connect=3, read=10))
        self._lock = threading.Lock()
        self._metadata: dict[str, Any] = {}
        self._keys: dict[str, jwt.PyJWK] = {}
        self._fetched = float("-inf")

    def metadata(self) -> Mapping[str, Any]:
        """Returns the provider's metadata (OpenID Connect Discovery 1.0). Raises UPSTREAM_UNAVAILABLE, OIDC_REFUSED."""
        with self._lock:
            if time.monotonic() - self._fetched > _FRESH_SECONDS:
                issuer = self.registration.issuer
                found = self._get(f"{issuer.rstrip('/')}/.well-known/openid-configuration")
                if found.get("issuer") != issuer:
                    raise OIDC_REFUSED(reason=InBoth("元数据中的 issuer 不符", "its metadata names another issuer"))
                keys = self._get(str(found["jwks_uri"]))["keys"]
                self._keys = {str(k.get("kid", "")): jwt.PyJWK(k) for k in keys if k.get("use", "sig") == "sig"}
                self._metadata, self._fetched = found, time.monotonic()
            return self._metadata

    def redeem(self, code: str, verifier: str) -> dict[str, Any]:
        """Returns the tokens for a code (RFC 6749 section 4.1.3, RFC 7636).

        Raises OIDC_REFUSED, UPSTREAM_UNAVAILABLE.
        """
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self.registration.redirect_uri,
            "code_verifier": verifier,
        }
        account = f"{self.registration.client_id}:{self.registration.client_secret}"
        headers = urllib3.make_headers(basic_auth=account)
        url = str(self.metadata()["token_endpoint"])
        try:
            answer = self._http.request("POST", url, fields=form, encode_multipart=False, headers=headers)
            body = answer.json()
        except (urllib3.exceptions.HTTPError, ValueError):
            raise UPSTREAM_UNAVAILABLE(retry_after=2) from None
        if answer.status != 200 or not isinstance(body.get("id_token"), str):
            raise OIDC_REFUSED(reason=InBoth("授权码未能兑换", "the code was not exchanged"))
        return dict(body)

    def claims(self, id_token: str, nonce: str) -> dict[str, Any]:
        """Returns the claims of an ID token after checking signature, issuer, audience, time and nonce.

        Raises OIDC_REFUSED, UPSTREAM_UNAVAILABLE.
        """
        self.metadata()
        try:
            must_be_readable(id_token)
            header = jwt.get_unverified_header(id_token)
            key = self._key(str(header.get("kid", "")))
            claims = jwt.decode(
                id_token,
                key.key,
                algorithms=_ALGORITHMS,
                audience=self.registration.client_id,
                issuer=self.registration.issuer,
                leeway=_LEEWAY,
                options={"require": ["exp", "iat", "iss", "aud", "sub"]},
            )
        except (jwt.PyJWTError, ValueError, TypeError, KeyError):
            raise OIDC_REFUSED(reason=InBoth("ID 令牌无效", "its ID token is not good")) from None
        if not hmac.compare_digest(str(claims.get("nonce", "")).encode(), nonce.encode()):
            raise OIDC_REFUSED(reason=InBoth("ID 令牌属于另一次登录", "its ID token was made for another sign-in"))
        if claims.get("azp", self.registration.client_id) != self.registration.client_id:
            raise OIDC_REFUSED(reason=InBoth("ID 令牌属于另一客户端", "its ID token was made for another client"))
        return dict(claims)

    def _key(self, kid: str) -> jwt.PyJWK:
        if not kid and len(self._keys) == 1:
            return next(iter(self._keys.values()))
        return self._keys[kid]

    def _get(self, url: str) -> dict[str, Any]:
        try:
            answer = self._http.request("GET", url)
            if answer.status != 200:
                raise UPSTREAM_UNAVAILABLE(retry_after=2)
            return dict(answer.json())
        except (urllib3.exceptions.HTTPError, ValueError):
            raise UPSTREAM_UNAVAILABLE(retry_after=2) from None


@open_command(
    Act.CITIZEN_IDENTIFIED,
    articles=("16", "31"),
    reason="the citizen goes to the identity provider for the proof",
    unrecorded="a sign-in that begins names no one; it is on record when it ends",
)
def begin(ctx: GatewayContext, _caller: Principal, provider: IdentityProvider, uscc: str = "") -> SignInBegun:
    """A citizen begins a sign-in, for the citizen's own token or that of the organisation `uscc`.

    Raises UPSTREAM_UNAVAILABLE, OIDC_REFUSED.
    """
    state, nonce, verifier, cookie = (secrets.token_urlsafe(32) for _ in range(4))
    flow = {"nonce": nonce, "verifier": verifier, "cookie": _digest(cookie), "uscc": uscc}
    ctx.administration.begin_oidc(_digest(state), flow, ctx.clock.now() + _FLOW)
    challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).decode().rstrip("=")
    registration = provider.registration
    asked = {
        "response_type": "code",
        "client_id": registration.client_id,
        "redirect_uri": registration.redirect_uri,
        "scope": registration.scope,
        "state": state,
        "nonce": nonce,
        "code_challenge": challenge,
        "code_challenge_method": "S256",
    }
    return SignInBegun(f"{provider.metadata()['authorization_endpoint']}?{urlencode(asked)}", cookie)


@open_command(
    Act.CITIZEN_IDENTIFIED,
    articles=("16", "31"),
    reason="the citizen's proof is what the identity provider asserts",
)
def finish(
    ctx: GatewayContext, caller: Principal, provider: IdentityProvider, state: str, code: str, cookie: str
) -> IssuedToken:
    """The citizen's browser comes back with a code, and the citizen gets a token. A refusal is on record first.

    Raises OIDC_REFUSED, NOT_REPRESENTATIVE, UPSTREAM_UNAVAILABLE.
    """
    # The flow is removed whatever the outcome: a state is good for one attempt.
    flow = ctx.administration.end_oidc(_digest(state), ctx.clock.now()) or {}

    def verified() -> Citizen:
        if not flow:
            raise OIDC_REFUSED(
                reason=InBoth("该次登录不是从这里开始的，或已过时", "this sign-in was not begun here, or too long ago")
            )
        if not hmac.compare_digest(flow["cookie"], _digest(cookie)):
            raise OIDC_REFUSED(reason=InBoth("该次登录由另一浏览器开始", "another browser began this sign-in"))
        if not code:
            raise OIDC_REFUSED(reason=InBoth("没有授权码", "there is no code"))
        tokens = provider.redeem(code, flow["verifier"])
        claims = provider.claims(tokens["id_token"], flow["nonce"])
        number = str(claims.get(provider.registration.number_claim, "")).strip()
        scheme = personal_scheme(number, ctx.clock.today())
        if scheme is None:
            raise OIDC_REFUSED(
                reason=InBoth(
                    "未给出身份号码或其他证件号码", "it asserts no identity number, nor that of another document"
                )
            )
        return Citizen(ctx.subject_key.subject_ref(scheme, standard_form(scheme, number)), "")

    return admit(ctx, caller, ACR, verified, flow.get("uscc", ""))


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
