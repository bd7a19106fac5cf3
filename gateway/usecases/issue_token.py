"""Clients prove who they are by a signed assertion and get access tokens (RFC 6749, RFC 7523, RFC 8693, RFC 9068)."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

import jwt

from chengxin.audit.event import AuditEvent
from chengxin.auth.access_tokens import ASSERTION_TYPE, TOKEN_EXCHANGE
from chengxin.auth.executor import open_command
from chengxin.auth.principal import Principal, Role
from chengxin.auth.revocation import is_revoked
from chengxin.auth.tls import confirmation
from chengxin.errors import InBoth, Problem
from chengxin.values.acts import Act
from chengxin.values.jwk import thumbprint
from chengxin.values.outside_json import must_be_readable
from gateway.context import GatewayContext
from gateway.domain.client_assertions import algorithm_of, assertion_fault
from gateway.domain.clients_and_officers import Client, TokenRequest
from gateway.domain.token_refusals import (
    ASSERTION_REPLAYED,
    CLIENT_NOT_AUTHENTICATED,
    GRANT_UNSUPPORTED,
    REVOKED_JUST_NOW,
    TOKEN_REQUEST_INVALID,
)
from gateway.store.signing_keys import TOKEN_SECONDS, IssuedToken
from gateway.usecases.exchange_consent import exchange_consent

GRANT_TYPES: Final = ("client_credentials", TOKEN_EXCHANGE)
_MAX_ASSERTION: Final = 8192
_NOT_REGISTERED: Final = InBoth("客户端未登记", "the client is not registered")
# The types of a client assertion. A token of another type, above all at+jwt, was made for another purpose.
_ASSERTION_TYPES: Final = ("JWT", "client-authentication+jwt")


@dataclass(frozen=True)
class ClientProof:
    """How a client proves who it is (RFC 7521 section 4.2)."""

    grant_type: str = ""
    client_id: str = ""
    assertion_type: str = ""
    assertion: str = field(default="", repr=False)


@open_command(Act.TOKEN_ISSUED, articles=("16", "17", "31"), reason="the client proves itself by its signed assertion")
def issue(ctx: GatewayContext, caller: Principal, proof: ClientProof, asked: TokenRequest) -> IssuedToken:
    """A registered client gets an access token, also for a consent code. A refusal is on record first.

    Raises GRANT_UNSUPPORTED, TOKEN_REQUEST_INVALID, CLIENT_NOT_AUTHENTICATED, ASSERTION_REPLAYED, REVOKED_JUST_NOW,
    and what `Client.granted` or `exchange_consent` refuses.
    """
    client: Client | None = None
    try:
        claimed_by, claims = _read(proof)
        client = ctx.accounts.client(claimed_by)
        if client is None:
            raise CLIENT_NOT_AUTHENTICATED(reason=_NOT_REGISTERED)
        proved_by = _check_assertion(ctx, client, proof.assertion, claims)
        exchange = proof.grant_type == TOKEN_EXCHANGE
        granted = exchange_consent(client, asked, ctx.consents) if exchange else client.granted(asked)
        if Role.PROVIDER in granted.roles:
            # A provider signs its deliveries with the same key, and ingest believes this claim about whose key it is.
            granted = replace(granted, client_key=thumbprint(proved_by))
        minted = ctx.keys.mint(replace(granted, certificate=_read_binding(claims)), _seconds(ctx, proved_by))
        if is_revoked(ctx.revocations, minted.principal, minted.kid, minted.issued_at):
            raise REVOKED_JUST_NOW(retry_after=2)
    except Problem as refusal:
        # The id of a client that is not registered may be any text, so it is not put on record.
        details = {"code": refusal.code} | ({"client_id": client.client_id} if client else {})
        _record(ctx, client, ctx.audit.event(Act.TOKEN_ISSUED, caller, outcome="refused", details=details))
        raise
    details = {"jti": minted.principal.jti, "client_key": thumbprint(proved_by)}
    _record(ctx, client, ctx.audit.event(Act.TOKEN_ISSUED, minted.principal, details=details))
    return minted


def _seconds(ctx: GatewayContext, proved_by: Mapping[str, Any]) -> int:
    """How long a token is good: no longer than the key that proved it, which may retire at an instant."""
    if "exp" not in proved_by:
        return TOKEN_SECONDS
    return max(1, min(TOKEN_SECONDS, int(float(proved_by["exp"]) - ctx.clock.now().timestamp())))


def authenticate(ctx: GatewayContext, proof: ClientProof) -> Client:
    """Returns the client that proves itself at an address other than the token endpoint. Raises the refusal."""
    claimed_by, claims = _claimed(proof)
    client = ctx.accounts.client(claimed_by)
    if client is None:
        raise CLIENT_NOT_AUTHENTICATED(reason=_NOT_REGISTERED)
    _check_assertion(ctx, client, proof.assertion, claims)
    return client


def _read(proof: ClientProof) -> tuple[str, dict[str, Any]]:
    """Returns the client id and the claims of an assertion; nothing of them is proved yet."""
    if not proof.grant_type:
        raise TOKEN_REQUEST_INVALID(what=InBoth("缺少 grant_type", "grant_type is missing"))
    if proof.grant_type not in GRANT_TYPES:
        raise GRANT_UNSUPPORTED(supported=", ".join(GRANT_TYPES))
    return _claimed(proof)


def _claimed(proof: ClientProof) -> tuple[str, dict[str, Any]]:
    # No proof, or one of another kind, is a client that is not authenticated (RFC 6749 section 5.2).
    if not proof.assertion:
        raise CLIENT_NOT_AUTHENTICATED(reason=InBoth("缺少 client_assertion", "client_assertion is missing"))
    if proof.assertion_type != ASSERTION_TYPE:
        raise CLIENT_NOT_AUTHENTICATED(
            reason=InBoth(
                f"client_assertion_type 须为 {ASSERTION_TYPE}", f"client_assertion_type must be {ASSERTION_TYPE}"
            )
        )
    if len(proof.assertion) > _MAX_ASSERTION:
        raise CLIENT_NOT_AUTHENTICATED(
            reason=InBoth(f"超过 {_MAX_ASSERTION} 个字符", f"it is longer than {_MAX_ASSERTION} characters")
        )
    claims = _decoded(proof.assertion)
    claimed_by = claims.get("sub")
    if not isinstance(claimed_by, str) or not claimed_by:
        raise CLIENT_NOT_AUTHENTICATED(reason=InBoth("没有 sub", "it has no sub"))
    if proof.client_id and proof.client_id != claimed_by:
        raise CLIENT_NOT_AUTHENTICATED(reason=InBoth("client_id 与 sub 不一致", "client_id is not its sub"))
    return claimed_by, claims


def _decoded(assertion: str) -> dict[str, Any]:
    try:
        must_be_readable(assertion)
        return dict(jwt.decode(assertion, options={"verify_signature": False}))
    # For some malformed input PyJWT raises errors of other classes.
    except (jwt.PyJWTError, ValueError, TypeError):
        raise CLIENT_NOT_AUTHENTICATED(reason=InBoth("不是 JWT", "it is not a JWT")) from None


def _check_assertion(
    ctx: GatewayContext, client: Client, assertion: str, claims: Mapping[str, Any]
) -> Mapping[str, Any]:
    """Returns the registered key with which the client proved who it is, and uses up the assertion."""
    now = ctx.clock.now().timestamp()
    jwk = _find_signing_key(client, assertion, now)
    audiences = (ctx.issuer, f"{ctx.issuer}/oauth/token")
    fault = assertion_fault(claims, client.client_id, audiences, now)
    if fault is not None:
        raise CLIENT_NOT_AUTHENTICATED(reason=fault)
    if not ctx.accounts.spend_assertion(client.client_id, claims["jti"], float(claims["exp"])):
        raise ASSERTION_REPLAYED()
    return jwk


def _find_signing_key(client: Client, assertion: str, now: float) -> Mapping[str, Any]:
    """Returns the registered key that signed an assertion. Each key has one algorithm."""
    try:
        header = jwt.get_unverified_header(assertion)
    except (jwt.PyJWTError, ValueError, TypeError):
        raise CLIENT_NOT_AUTHENTICATED(reason=InBoth("头部格式有误", "its header is malformed")) from None
    if header.get("typ", "JWT") not in _ASSERTION_TYPES:
        raise CLIENT_NOT_AUTHENTICATED(reason=InBoth("typ 属于另一种令牌", "its typ is that of another kind of token"))
    kid = header.get("kid")
    candidates = [jwk for jwk in client.live_keys(now) if kid is None or jwk.get("kid") == kid]
    if len(candidates) != 1:
        raise CLIENT_NOT_AUTHENTICATED(reason=InBoth("kid 不是已登记的密钥", "its kid is not that of a registered key"))
    jwk = dict(candidates[0])
    algorithm = algorithm_of(jwk)
    if header.get("alg") != algorithm:
        raise CLIENT_NOT_AUTHENTICATED(
            reason=InBoth(
                f"alg 须为 {algorithm}，与登记的密钥一致", f"its alg must be {algorithm}, as the key is registered"
            )
        )
    checks = {"verify_signature": True} | {
        f"verify_{n}": False for n in ("exp", "nbf", "iat", "aud", "iss", "sub", "jti")
    }
    try:
        jwt.decode(assertion, jwt.PyJWK(jwk).key, algorithms=[algorithm], options=checks)  # type: ignore[arg-type]
    except (jwt.PyJWTError, ValueError, TypeError):
        raise CLIENT_NOT_AUTHENTICATED(reason=InBoth("签名不正确", "its signature is wrong")) from None
    return jwk


def _read_binding(claims: Mapping[str, Any]) -> str:
    """Returns the certificate to which the client wants its token bound, from the signed claim `cnf`."""
    try:
        return confirmation(claims)
    except ValueError as e:
        raise TOKEN_REQUEST_INVALID(what=str(e)) from None


def _record(ctx: GatewayContext, client: Client | None, event: AuditEvent) -> None:
    if client is not None and Role.SERVICE in client.roles:
        # A service needs its token before the audit service can be reached, so its event goes through the outbox.
        ctx.accounts.transact(lambda unit: unit.record(event.encode()))
    else:
        ctx.audit.record(event)
