"""Officers sign in with password and one-time code."""

from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Final

from chengxin.auth.executor import open_command
from chengxin.auth.principal import Principal
from chengxin.concurrency.shares import Claimant
from chengxin.errors import Problem
from chengxin.store.database import UnitOfWork
from chengxin.values.acts import Act
from gateway.context import GatewayContext
from gateway.domain.clients_and_officers import (
    ACCOUNT_NOT_APPROVED,
    OFFICER_NOT_ACTIVE,
    PASSWORD_CHANGE_REQUIRED,
    SIGN_IN_LOCKED,
    SIGN_IN_REFUSED,
    Officer,
    matching_step,
)
from gateway.domain.sign_in_locks import lock_seconds, locked_for, strangers_locked_for
from gateway.store.signing_keys import IssuedToken
from gateway.usecases.revocation import end_sign_ins

# The codes of user names that do not exist are checked against this secret, so that the answer takes as long.
_UNUSED_SECRET: Final = "A" * 32

# NIST SP 800-63B asks for 8 at least; these accounts see everything that their role may.
_SHORTEST_PASSWORD: Final = 12


@dataclass(frozen=True)
class SignInProof:
    """The password and the one-time code of an officer, and the new password if the officer wants one."""

    username: str
    password: str = field(repr=False)
    code: str = field(repr=False)
    new_password: str = field(default="", repr=False)


@open_command(
    Act.OFFICER_SIGNED_IN, articles=("30", "31"), reason="the officer's proof is a password and a one-time code"
)
def sign_in(ctx: GatewayContext, caller: Principal, proof: SignInProof, origin: str) -> IssuedToken:
    """An officer signs in, and gets a token with the roles of the account. A refusal is on record first.

    `origin` is where the request comes from: failures count for a user name and an origin, so that nobody is locked out
    by the guesses of others.

    Raises SIGN_IN_REFUSED, whatever was wrong, or SIGN_IN_LOCKED. After a good proof it may also raise
    OFFICER_NOT_ACTIVE, PASSWORD_CHANGE_REQUIRED and ACCOUNT_NOT_APPROVED.
    """
    officer: Officer | None = None
    try:
        is_known = ctx.accounts.failures.is_known(proof.username, origin, ctx.clock.now())
        _check_lock(ctx, proof.username, origin, is_known)
        officer = ctx.accounts.officer(proof.username)
        _check_proof(ctx, officer, proof, Claimant(origin, proven=is_known))
        if officer is None:
            raise SIGN_IN_REFUSED()
        if officer.suspended or not (officer.roles or officer.initial):
            raise OFFICER_NOT_ACTIVE()
        officer = _with_new_password(ctx, officer, proof)
        if officer.reset_proposal or not officer.roles:
            raise ACCOUNT_NOT_APPROVED()
        minted = ctx.keys.mint(officer.principal())
        _open_session(ctx, officer, minted)
    except Problem as refusal:
        # A user name without an account may be any text typed by mistake, so it is not put on record.
        known = {"officer": officer.sub} if officer else {}
        details = {"code": refusal.code, **known}
        ctx.audit.record(ctx.audit.event(Act.OFFICER_SIGNED_IN, caller, outcome="refused", details=details))
        raise
    ctx.audit.record(ctx.audit.event(Act.OFFICER_SIGNED_IN, minted.principal, details={"jti": minted.jti}))
    return minted


def _with_new_password(ctx: GatewayContext, officer: Officer, proof: SignInProof) -> Officer:
    if not officer.initial and not proof.new_password:
        return officer
    if len(proof.new_password) < _SHORTEST_PASSWORD or proof.new_password == proof.password:
        raise PASSWORD_CHANGE_REQUIRED()
    hashed = ctx.passwords.hash(proof.new_password)
    changed = replace(officer, password_hash=hashed, initial=False)
    event = ctx.audit.event(Act.OFFICER_PASSWORD_CHANGED, officer.principal()).encode()

    def work(unit: UnitOfWork) -> None:
        _refuse_changed(ctx, unit, officer)
        ctx.accounts.put_officer(changed, unit)
        # Whoever knew the old password may have signed in with it.
        end_sign_ins(ctx, unit, officer.sub)
        unit.committed.append(ctx.revocations.refresh)
        unit.record(event)

    ctx.accounts.transact(work)
    return changed


def _open_session(ctx: GatewayContext, officer: Officer, minted: IssuedToken) -> None:
    now = ctx.clock.now()
    ends = now + timedelta(seconds=minted.seconds)

    def work(unit: UnitOfWork) -> None:
        _refuse_changed(ctx, unit, officer)
        ctx.administration.open_session(minted.jti, officer.sub, now, ends, unit)
        # A session is of no use to anyone before its token is given out.
        unit.event_follows("the sign-in goes on record before the token is given out")

    ctx.accounts.transact(work)


def _refuse_changed(ctx: GatewayContext, unit: UnitOfWork, officer: Officer) -> None:
    """Raises SIGN_IN_REFUSED for an account that was changed, suspended say, while the officer signed in."""
    if ctx.accounts.officer(officer.username, unit.session) != officer:
        raise SIGN_IN_REFUSED()


def _check_lock(ctx: GatewayContext, username: str, origin: str, is_known: bool) -> None:
    failures, now = ctx.accounts.failures, ctx.clock.now()
    seconds = locked_for(failures.locked_until(username, origin), now)
    if not is_known:
        seconds = max(seconds, strangers_locked_for(*failures.of_strangers(username), now))
    if seconds:
        raise SIGN_IN_LOCKED(seconds=seconds, retry_after=seconds)


def _check_proof(ctx: GatewayContext, officer: Officer | None, proof: SignInProof, origin: Claimant) -> None:
    """Raises SIGN_IN_REFUSED after the same time and with the same text, whatever is wrong."""
    failures, username = ctx.accounts.failures, proof.username
    matches = ctx.passwords.matches(officer.password_hash if officer else None, proof.password, origin)
    now = ctx.clock.now()
    step = matching_step(officer.totp_secret if officer else _UNUSED_SECRET, proof.code, now.timestamp())
    if not matches or step is None:
        if not origin.proven:
            failures.add_of_stranger(username, now)
        if seconds := lock_seconds(failures.add(username, origin.name, now)):
            failures.lock(username, origin.name, now + timedelta(seconds=seconds))
        raise SIGN_IN_REFUSED()
    # A good code that is used up is no guess, so it does not count towards the lock.
    if not ctx.accounts.spend_totp(username, step):
        raise SIGN_IN_REFUSED()
    failures.succeeded(username, origin.name, now)
