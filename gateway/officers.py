"""Officers sign in with password and one-time code."""

from datetime import timedelta
from typing import Final

from chengxin.errors import Problem
from gateway.keys import Minted
from gateway.model import ANONYMOUS, SIGN_IN_LOCKED, SIGN_IN_REFUSED, Officer, lock_seconds, matching_step
from gateway.room import Gateway

# Checked for user names that do not exist, so that they take as long; nobody holds it.
_NOBODYS_SECRET: Final = "A" * 32


def sign_in(gateway: Gateway, username: str, password: str, code: str) -> Minted:
    """A token with the officer's roles. Raises SIGN_IN_REFUSED, whatever was wrong, or SIGN_IN_LOCKED."""
    officer: Officer | None = None
    try:
        _check_lock(gateway, username)
        officer = gateway.accounts.officer(username)
        _check_proof(gateway, username, officer, password, code)
    except Problem as refusal:
        # A user name that is nobody's may be anything that was typed by mistake: it is not put on record.
        known = {"officer": officer.sub} if officer else {}
        details = {"code": refusal.code, **known}
        gateway.audit.record(gateway.audit.event("officer.signed_in", ANONYMOUS, outcome="refused", details=details))
        raise
    if officer is None:
        raise SIGN_IN_REFUSED()
    minted = gateway.keys.mint(officer.principal())
    gateway.audit.record(
        gateway.audit.event("officer.signed_in", minted.principal, details={"jti": minted.principal.jti})
    )
    return minted


def _check_lock(gateway: Gateway, username: str) -> None:
    until = gateway.accounts.locked_until(username)
    now = gateway.clock.now()
    if until is not None and until > now:
        seconds = int((until - now).total_seconds()) + 1
        raise SIGN_IN_LOCKED(seconds=seconds, retry_after=seconds)


def _check_proof(gateway: Gateway, username: str, officer: Officer | None, password: str, code: str) -> None:
    """Takes the same time and gives the same answer, whatever is wrong."""
    known = gateway.passwords.matches(officer.password_hash if officer else None, password)
    now = gateway.clock.now()
    step = matching_step(officer.totp_secret if officer else _NOBODYS_SECRET, code, now.timestamp())
    if not known or step is None:
        failures = gateway.accounts.add_failure(username, now)
        if seconds := lock_seconds(failures):
            gateway.accounts.lock(username, now + timedelta(seconds=seconds))
        raise SIGN_IN_REFUSED()
    # A code that was good but is used up is no guess: it does not count towards the lock.
    if not gateway.accounts.spend_totp(username, step):
        raise SIGN_IN_REFUSED()
    gateway.accounts.forget_failures(username)
