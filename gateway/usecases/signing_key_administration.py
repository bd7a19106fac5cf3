"""The signing keys, as officers see and change them."""

from typing import Any, Final

from chengxin.auth.policy import rule
from chengxin.auth.principal import Principal, Role
from chengxin.values.clock import rfc3339
from gateway.context import Gateway
from gateway.domain.separation_of_duties import KEY_UNKNOWN
from gateway.store.signing_keys import SigningKey

_AUTHORITY: Final = {Role.AUTHORITY}


@rule("signing_key.listed", roles={Role.AUTHORITY, Role.SUPERVISOR}, articles=("31",))
def listed(gateway: Gateway, caller: Principal) -> list[dict[str, Any]]:
    """The keys that verify tokens, the newest first."""
    gateway.audit.record(gateway.audit.event("signing_key.listed", caller))
    return [_plain(gateway, key) for key in gateway.keys.all()]


@rule("signing_key.created", roles=_AUTHORITY, articles=("31",))
def rotate(gateway: Gateway, caller: Principal) -> dict[str, Any]:
    """A new key, published at once, signing seconds later; the one before it verifies until its tokens are expired."""
    return _plain(gateway, gateway.keys.add(caller))


@rule("signing_key.revoked", roles=_AUTHORITY, articles=("31",))
def revoke(gateway: Gateway, caller: Principal, kid: str) -> dict[str, Any]:
    """For a key that may be known to somebody: everything that it signed is dead within a minute, a new one signs now.

    Raises KEY_UNKNOWN.
    """
    if not gateway.keys.has(kid):
        raise KEY_UNKNOWN(kid=kid)
    if gateway.keys.signing().jwk["kid"] == kid:
        gateway.keys.add(caller, gateway.clock.now())
    gateway.keys.drop(caller, kid, "signing_key.revoked", revoked=True)
    gateway.revocations.refresh()
    return _plain(gateway, gateway.keys.signing())


def _plain(gateway: Gateway, key: SigningKey) -> dict[str, Any]:
    return {
        "kid": key.jwk["kid"],
        "signs_from": rfc3339(key.signs_from),
        "signs": key.jwk["kid"] == gateway.keys.signing().jwk["kid"],
    }
