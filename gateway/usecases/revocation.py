"""Ending tokens before they expire: sign-out, RFC 7009, suspension; and the list that every service reads."""

from typing import Any, Final

from chengxin.auth.access_tokens import Verifier
from chengxin.auth.executor import open_command, query
from chengxin.auth.principal import Principal, Role
from chengxin.auth.revocation import Revocation
from chengxin.errors import UNAUTHENTICATED, InBoth, Problem
from chengxin.store import on_record
from chengxin.store.database import UnitOfWork
from chengxin.values.acts import Act
from chengxin.values.clock import rfc3339
from gateway.context import GatewayContext
from gateway.domain.clients_and_officers import ANONYMOUS, PORTAL
from gateway.domain.token_refusals import CLIENT_NOT_AUTHENTICATED
from gateway.usecases.issue_token import ClientProof, authenticate

# How soon this process knows what another gateway revoked. Its own revocations it knows at once.
RELOAD_SECONDS: Final = 2.0
# After this time without an answer the gateway refuses all tokens. With the services' own 30 s that is under a minute.
STALE_SECONDS: Final = 20.0
# What is proposed for a client, or for an officer. A reset is not here: its approval is for the last one, and gives back
# neither roles nor what a suspension took.
OF_CLIENTS: Final = {Act.CLIENT_GRANTS_PROPOSED, Act.CLIENT_KEY_ADDED, Act.CLIENT_RESUMED}
_OF_OFFICERS: Final = {Act.OFFICER_ROLES_PROPOSED, Act.OFFICER_RESUMED}


def end_client_tokens(ctx: GatewayContext, unit: UnitOfWork, client_id: str) -> None:
    """Ends all tokens issued so far to a client that may do less, when the unit commits; and what was proposed for it
    before, which would give it back."""
    ctx.proposals.outdate(OF_CLIENTS, client_id, unit)
    now = ctx.clock.now()
    # `iat` is in whole seconds, and a token may be issued right now from what was read before: the two seconds more end
    # it too. A client that asks within them gets REVOKED_JUST_NOW (`issue_token.issue`).
    ctx.administration.revoke(Revocation("client_id", client_id, int(now.timestamp()) + 2), now, unit)


def end_all_sessions(ctx: GatewayContext, unit: UnitOfWork, sub: str) -> int:
    """Ends all sign-ins of an officer who may do less or other, and returns how many there were; and what was proposed for
    the officer before. A sign-in under way is refused at its end."""
    ctx.proposals.outdate(_OF_OFFICERS, sub.removeprefix("officer:"), unit)
    return end_sign_ins(ctx, unit, sub)


def end_sign_ins(ctx: GatewayContext, unit: UnitOfWork, sub: str) -> int:
    """Ends all sign-ins of an officer, and returns how many there were."""
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
def list_revocations(ctx: GatewayContext, _caller: Principal) -> list[dict[str, Any]]:
    """The services' verifiers read what is revoked."""
    return [revocation.to_dict() for revocation in ctx.administration.revocations(ctx.clock.now())]


@open_command(
    Act.TOKEN_REVOKED,
    articles=("31",),
    reason="a client proves itself by its assertion, a person by the token itself",
)
def revoke(ctx: GatewayContext, caller: Principal, verifier: Verifier, proof: ClientProof, token: str) -> None:
    """A client revokes one of its own tokens, or the holder of a person's token revokes that (RFC 7009).

    It does nothing for a token that is not good. Raises CLIENT_NOT_AUTHENTICATED, UPSTREAM_UNAVAILABLE.
    """
    try:
        client = authenticate(ctx, proof) if proof.assertion or proof.client_id else None
    except Problem as refusal:
        ctx.audit.refused(Act.TOKEN_REVOKED, caller, refusal)
        raise
    try:
        named = verifier.verify(token)
    except Problem as not_verified:
        # Whether the token is good cannot be known now: nothing was revoked, and the caller has to ask again.
        if not_verified.type is not UNAUTHENTICATED:
            raise
        on_record.enter_nothing_new()
        return
    owner = client.client_id if client else PORTAL
    if named.client_id != owner:
        problem = CLIENT_NOT_AUTHENTICATED(
            reason=InBoth("该令牌不是签发给此客户端的", "the token was issued to another client")
        )
        details = {"code": problem.code} | ({"client_id": client.client_id} if client else {})
        ctx.audit.record(ctx.audit.event(Act.TOKEN_REVOKED, caller, outcome="refused", details=details))
        raise problem
    # The edge gives the same token to all callers who have none.
    if named.sub == ANONYMOUS.sub:
        on_record.enter_nothing_new()
    else:
        _end(ctx, named)


def end_session(ctx: GatewayContext, unit: UnitOfWork, sub: str, jti: str) -> None:
    """Ends one sign-in."""
    ctx.administration.end_session(sub, jti, unit)
    ctx.administration.revoke(Revocation("jti", jti), ctx.clock.now(), unit)


def _end(ctx: GatewayContext, named: Principal) -> None:
    event = ctx.audit.event(Act.TOKEN_REVOKED, named, details={"jti": named.jti}).encode()

    def work(unit: UnitOfWork) -> None:
        end_session(ctx, unit, named.sub, named.jti)
        unit.record(event)

    ctx.accounts.transact(work)
    ctx.revocations.refresh()


def session_to_dict(row: dict[str, Any]) -> dict[str, Any]:
    """Returns a session as officers see it."""
    return {
        "jti": row["_id"],
        "signed_in_at": rfc3339(row["signed_in_at"]),
        "expires_at": rfc3339(row["expires_at"]),
    }
