"""Ending tokens before they expire: sign-out, RFC 7009, suspension; and the list that every service reads."""

from typing import Any, Final

from chengxin.auth.access_tokens import Verifier
from chengxin.auth.policy import rule
from chengxin.auth.principal import Principal, Role
from chengxin.auth.revocation import Revocation
from chengxin.errors import Problem
from chengxin.store.database import Unit
from chengxin.values.clock import rfc3339
from gateway.context import Gateway
from gateway.domain.clients_and_officers import ANONYMOUS, CLIENT_NOT_AUTHENTICATED, PORTAL
from gateway.usecases.issue_token import ClientProof, authenticated

# How soon this process knows what another gateway revoked; its own it knows at once.
RELOAD_SECONDS: Final = 2.0
# After which it serves nobody whom it cannot be sure of: together with the services' own 30 s less than a minute.
STALE_SECONDS: Final = 20.0


def end_client_tokens(gateway: Gateway, unit: Unit, client_id: str) -> None:
    """Everything issued so far to a client is dead once the unit is committed."""
    now = gateway.clock.now()
    # `iat` is in whole seconds: one that is being made from what was read before this is caught too. A client that
    # asks within these two seconds is told to ask again (`tokens.issue`).
    gateway.administration.revoke(Revocation("client_id", client_id, int(now.timestamp()) + 2), now, unit)


def end_all_sessions(gateway: Gateway, unit: Unit, sub: str) -> int:
    """Every sign-in of an officer is over; how many there were. One that is going on finds her account changed."""
    alive = gateway.administration.sessions(sub, gateway.clock.now(), unit.session)
    for row in alive:
        end_session(gateway, unit, sub, str(row["_id"]))
    return len(alive)


@rule("revocations.read", roles={Role.SERVICE}, articles=("31",))
def revocations(gateway: Gateway, _caller: Principal) -> list[dict[str, Any]]:
    """What is revoked, for the services' verifiers."""
    return [revocation.plain() for revocation in gateway.administration.revocations(gateway.clock.now())]


def revoke(gateway: Gateway, verifier: Verifier, proof: ClientProof, token: str) -> None:
    """RFC 7009: a client revokes a token of its own; who holds a person's token proves herself by it.

    A token that is not good needs no revoking. Raises CLIENT_NOT_AUTHENTICATED.
    """
    client = authenticated(gateway, proof) if proof.assertion or proof.client_id else None
    try:
        named = verifier.verify(token)
    except Problem:
        return
    owner = client.client_id if client else PORTAL
    if named.client_id != owner:
        problem = CLIENT_NOT_AUTHENTICATED(reason="the token was issued to another client")
        details = {"code": problem.code} | ({"client_id": client.client_id} if client else {})
        gateway.audit.record(gateway.audit.event("token.revoked", ANONYMOUS, outcome="refused", details=details))
        raise problem
    # What the edge gives to whoever has none is everybody's.
    if named.sub != ANONYMOUS.sub:
        _end(gateway, named)


def end_session(gateway: Gateway, unit: Unit, sub: str, jti: str) -> None:
    """One sign-in is over."""
    gateway.administration.end_session(sub, jti, unit)
    gateway.administration.revoke(Revocation("jti", jti), gateway.clock.now(), unit)


def _end(gateway: Gateway, named: Principal) -> None:
    event = gateway.audit.event("token.revoked", named, details={"jti": named.jti}).encode()

    def work(unit: Unit) -> None:
        end_session(gateway, unit, named.sub, named.jti)
        unit.record(event)

    gateway.accounts.transact(work)
    gateway.revocations.refresh()


def shown(row: dict[str, Any]) -> dict[str, Any]:
    """A session as officers see it."""
    return {
        "jti": row["_id"],
        "signed_in_at": rfc3339(row["signed_in_at"]),
        "expires_at": rfc3339(row["expires_at"]),
    }
