"""Officers list, rotate and revoke the signing keys."""

from typing import Any, Final

from chengxin.auth.executor import command, query
from chengxin.auth.powers import CITY, Power, one
from chengxin.auth.principal import Principal, Role
from chengxin.values.acts import Act
from chengxin.values.clock import rfc3339
from gateway.context import GatewayContext
from gateway.domain.separation_of_duties import KEY_UNKNOWN
from gateway.store.signing_keys import SigningKey

_AUTHORITY: Final = {Role.AUTHORITY}
_TOLD: Final = "everybody, by /.well-known/jwks.json; supervisors, by the audit log"


@query(Act.SIGNING_KEY_LISTED, roles={Role.AUTHORITY, Role.SUPERVISOR}, articles=("31",))
def list_keys(ctx: GatewayContext, caller: Principal) -> list[dict[str, Any]]:
    """An officer lists the keys that verify tokens, the newest first."""
    ctx.audit.record(ctx.audit.event(Act.SIGNING_KEY_LISTED, caller))
    return [_to_dict(ctx, key) for key in ctx.keys.all()]


@command(
    Act.SIGNING_KEY_CREATED,
    roles=_AUTHORITY,
    articles=("31",),
    power=Power(CITY, one("nobody gets anything by it: the key never leaves the gateway"), _TOLD),
)
def rotate(ctx: GatewayContext, caller: Principal) -> dict[str, Any]:
    """An officer adds a key. It is published at once and signs seconds later; earlier tokens stay good."""
    return _to_dict(ctx, ctx.keys.add(caller))


@command(
    Act.SIGNING_KEY_REVOKED,
    roles=_AUTHORITY,
    articles=("31",),
    power=Power(CITY, one("it only takes away, and a stolen key cannot wait for a second officer"), _TOLD),
)
def revoke(ctx: GatewayContext, caller: Principal, kid: str) -> dict[str, Any]:
    """An officer revokes a key that others may know: its tokens end within a minute, and a new key signs at once.

    Raises KEY_UNKNOWN.
    """
    if not ctx.keys.has(kid):
        raise KEY_UNKNOWN(kid=kid)
    if ctx.keys.signing().jwk["kid"] == kid:
        ctx.keys.add(caller, ctx.clock.now())
    ctx.keys.drop(caller, kid, Act.SIGNING_KEY_REVOKED, revoked=True)
    ctx.revocations.refresh()
    return _to_dict(ctx, ctx.keys.signing())


def _to_dict(ctx: GatewayContext, key: SigningKey) -> dict[str, Any]:
    return {
        "kid": key.jwk["kid"],
        "signs_from": rfc3339(key.signs_from),
        "signs": key.jwk["kid"] == ctx.keys.signing().jwk["kid"],
    }
