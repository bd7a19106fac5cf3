"""Ending tokens before they expire: sign-out, RFC 7009, suspension; and the list that every service reads."""

from typing import Any, Final

from chengxin.auth.access_tokens import Verifier
from chengxin.auth.executor import query
from chengxin.auth.principal import Principal, Role
from chengxin.auth.revocation import Revocation
from chengxin.errors import Problem
from chengxin.store.database import UnitOfWork
from chengxin.values.acts import Act
from chengxin.values.clock import rfc3339
from gateway.context import GatewayContext
from gateway.domain.clients_and_officers import ANONYMOUS, CLIENT_NOT_AUTHENTICATED, PORTAL
from gateway.usecases.issue_token import ClientProof, authenticated

# How soon this process knows what another gateway revoked; its own it knows at once.
RELOAD_SECONDS: Final = 2.0
# After which it serves nobody whom it cannot be sure of: together with the services' own 30 s less than a minute.
STALE_SECONDS: Final = 20.0


def end_client_tokens(ctx: GatewayContext, unit: UnitOfWork, client_id: str) -> None:
    """Everything issued so far to a client is dead once the unit is committed."""
    now = ctx.clock.now()
    # `iat` is in whole seconds: one that is being made from what was read before this is caught too. A client that
    # asks within these two seconds is told to ask again (`tokens.issue`).
    ctx.administration.revoke(Revocation("client_id", client_id, int(now.timestamp()) + 2), now, unit)


def end_all_sessions(ctx: GatewayContext, unit: UnitOfWork, sub: str) -> int:
    """Every sign-in of an officer is over; how many there were. One that is going on finds her account changed."""
    alive = ctx.administration.sessions(sub, ctx.clock.now(), unit.session)
    for row in alive:
        end_session(ctx, unit, sub, str(row["_id"]))
    return len(alive)


@query(
    Act.REVOCATIONS_READ,
    roles={Role.SERVICE},
    articles=("31",),
    unrecorded="services read it every few seconds, to refuse what it names",
)
def revocations(ctx: GatewayContext, _caller: Principal) -> list[dict[str, Any]]:
    """What is revoked, for the services' verifiers."""
    return [revocation.to_dict() for revocation in ctx.administration.revocations(ctx.clock.now())]


def revoke(ctx: GatewayContext, verifier: Verifier, proof: ClientProof, token: str) -> None:
    """RFC 7009: a client revokes a token of its own; who holds a person's token proves herself by it.

    A token that is not good needs no revoking. Raises CLIENT_NOT_AUTHENTICATED.
    """
    client = authenticated(ctx, proof) if proof.assertion or proof.client_id else None
    try:
        named = verifier.verify(token)
    except Problem:
        return
    owner = client.client_id if client else PORTAL
    if named.client_id != owner:
        problem = CLIENT_NOT_AUTHENTICATED(reason="the token was issued to another client")
        details = {"code": problem.code} | ({"client_id": client.client_id} if client else {})
        ctx.audit.record(ctx.audit.event(Act.TOKEN_REVOKED, ANONYMOUS, outcome="refused", details=details))
        raise problem
    # What the edge gives to whoever has none is everybody's.
    if named.sub != ANONYMOUS.sub:
        _end(ctx, named)


def end_session(ctx: GatewayContext, unit: UnitOfWork, sub: str, jti: str) -> None:
    """One sign-in is over."""
    ctx.administration.end_session(sub, jti, unit)
    ctx.administration.revoke(Revocation("jti", jti), ctx.clock.now(), unit)


def _end(ctx: GatewayContext, named: Principal) -> None:
    event = ctx.audit.event(Act.TOKEN_REVOKED, named, details={"jti": named.jti}).encode()

    def work(unit: UnitOfWork) -> None:
        end_session(ctx, unit, named.sub, named.jti)
        unit.record(event)

    ctx.accounts.transact(work)
    ctx.revocations.refresh()


def shown(row: dict[str, Any]) -> dict[str, Any]:
    """A session as officers see it."""
    return {
        "jti": row["_id"],
        "signed_in_at": rfc3339(row["signed_in_at"]),
        "expires_at": rfc3339(row["expires_at"]),
    }
