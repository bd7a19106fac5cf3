"""Officers' accounts: made, reset, suspended, signed out by another officer. Roles are in `grants.py`."""

import re
import secrets
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Final

import pyotp

from chengxin.auth.policy import rule
from chengxin.auth.principal import Principal, Role
from chengxin.auth.regions import covers, outside
from chengxin.errors import Problem
from chengxin.store.database import Unit
from gateway.context import Gateway
from gateway.domain.clients_and_officers import Officer, locked_for
from gateway.domain.separation_of_duties import OFFICER_EXISTS, OFFICER_INVALID, OFFICER_UNKNOWN, OWN_ACCOUNT
from gateway.usecases.revocation import end_all_sessions, end_session, shown

_AUTHORITY: Final = {Role.AUTHORITY}
_READERS: Final = {Role.AUTHORITY, Role.SUPERVISOR}
_ARTICLES: Final = ("30", "31")
_USERNAME: Final = re.compile(r"[a-z0-9_.-]{1,64}\Z")


@dataclass(frozen=True)
class NewOfficer:
    """Who gets an account."""

    username: str
    name: str
    org: str
    region: str


def in_region(gateway: Gateway, caller: Principal, username: str, *_: object, **__: object) -> Problem | None:
    """the officer's region lies within the caller's"""
    officer = gateway.accounts.officer(username)
    return outside(caller, officer.region) if officer else None


def region_is_own(gateway: Gateway, caller: Principal, asked: NewOfficer, *_: object) -> Problem | None:
    """the new officer's region lies within the caller's"""
    return outside(caller, asked.region)


def not_oneself(gateway: Gateway, caller: Principal, username: str, *_: object, **__: object) -> Problem | None:
    """it is another officer's account"""
    return OWN_ACCOUNT() if caller.sub == f"officer:{username}" else None


@rule("officer.registered", roles=_AUTHORITY, articles=_ARTICLES, when=(region_is_own,))
def register(gateway: Gateway, caller: Principal, asked: NewOfficer) -> dict[str, Any]:
    """Makes an account; the answer tells its initial password and TOTP secret, once. It holds no role yet.

    Raises OFFICER_EXISTS, OFFICER_INVALID.
    """
    if not _USERNAME.match(asked.username):
        raise OFFICER_INVALID(what="username must be 1 to 64 of a-z, 0-9, '_', '.', '-'")
    password, totp_secret = _new_secrets()
    hashed = gateway.passwords.hash(password)
    officer = Officer(asked.username, frozenset(), asked.org, asked.region, hashed, totp_secret, initial=True)

    def work(unit: Unit) -> None:
        if gateway.accounts.officer(asked.username, unit.session) is not None:
            raise OFFICER_EXISTS(username=asked.username)
        gateway.accounts.put_officer(officer, unit, asked.name)
        unit.record(_event(gateway, caller, "officer.registered", officer))

    gateway.accounts.transact(work)
    return plain(officer) | _told(gateway, officer, password)


@rule("officer.listed", roles=_READERS, articles=_ARTICLES)
def listed(gateway: Gateway, caller: Principal, after: str, limit: int) -> list[dict[str, Any]]:
    """Officers of the caller's region, by user name."""
    found: list[dict[str, Any]] = []
    while len(found) < limit and (page := gateway.accounts.officers(after, 200)):
        found += [plain(officer) for officer in page if covers(caller.region, officer.region)]
        after = page[-1].username
    gateway.audit.record(gateway.audit.event("officer.listed", caller))
    return found[:limit]


@rule("officer.read", roles=_READERS, articles=_ARTICLES, when=(in_region,))
def read(gateway: Gateway, caller: Principal, username: str) -> dict[str, Any]:
    """One account, with the sign-ins that are alive. Raises OFFICER_UNKNOWN."""
    officer = gateway.accounts.transact(lambda unit: known(gateway, username, unit))
    alive = gateway.administration.sessions(officer.sub, gateway.clock.now())
    locked = locked_for(gateway.accounts.locked_until(username), gateway.clock.now()) > 0
    gateway.audit.record(gateway.audit.event("officer.read", caller, details={"officer": officer.sub}))
    return plain(officer) | {"locked": locked, "sessions": [shown(row) for row in alive]}


@rule("officer.reset", roles=_AUTHORITY, articles=_ARTICLES, when=(not_oneself, in_region))
def reset(gateway: Gateway, caller: Principal, username: str) -> dict[str, Any]:
    """A new initial password and TOTP secret, told once; every sign-in of before is over. Raises OFFICER_UNKNOWN."""
    password, totp_secret = _new_secrets()
    hashed = gateway.passwords.hash(password)

    def change(officer: Officer) -> Officer:
        return replace(officer, password_hash=hashed, totp_secret=totp_secret, initial=True)

    officer = _changed(gateway, caller, username, "officer.reset", change, ends_tokens=True, forget_codes=True)
    gateway.accounts.forget_failures(username)
    return plain(officer) | _told(gateway, officer, password)


@rule("officer.suspended", roles=_READERS, articles=_ARTICLES, when=(not_oneself, in_region))
def suspend(gateway: Gateway, caller: Principal, username: str) -> dict[str, Any]:
    """Suspends an account: no sign-in, and tokens are dead within a minute. One officer suffices."""
    change = _with(suspended=True)
    return plain(_changed(gateway, caller, username, "officer.suspended", change, ends_tokens=True))


@rule("officer.resumed", roles=_AUTHORITY, articles=_ARTICLES, when=(not_oneself, in_region))
def resume(gateway: Gateway, caller: Principal, username: str) -> dict[str, Any]:
    """Lets a suspended officer sign in again. Raises OFFICER_UNKNOWN."""
    return plain(_changed(gateway, caller, username, "officer.resumed", _with(suspended=False)))


@rule("officer.unlocked", roles=_AUTHORITY, articles=_ARTICLES, when=(not_oneself, in_region))
def unlock(gateway: Gateway, caller: Principal, username: str) -> dict[str, Any]:
    """Forgets the failed sign-ins that lock a user name. Raises OFFICER_UNKNOWN."""
    officer = _changed(gateway, caller, username, "officer.unlocked", _with())
    gateway.accounts.forget_failures(username)
    return plain(officer)


@rule("officer.signed_out", roles=_READERS, articles=_ARTICLES, when=(in_region,))
def sign_out(gateway: Gateway, caller: Principal, username: str, jti: str = "") -> dict[str, Any]:
    """Ends one sign-in of an officer, or all of them. Raises OFFICER_UNKNOWN."""

    def work(unit: Unit) -> int:
        officer = known(gateway, username, unit)
        alive = gateway.administration.sessions(officer.sub, gateway.clock.now(), unit.session)
        ended = [str(row["_id"]) for row in alive if jti in ("", row["_id"])]
        for one in ended:
            end_session(gateway, unit, officer.sub, one)
        details = {"officer": officer.sub, "sessions": len(ended)}
        unit.record(gateway.audit.event("officer.signed_out", caller, details=details).encode())
        return len(ended)

    ended = gateway.accounts.transact(work)
    gateway.revocations.refresh()
    return {"username": username, "ended": ended}


def plain(officer: Officer) -> dict[str, Any]:
    """An account as it is shown: never its name, password or secret."""
    return {
        "username": officer.username,
        "org": officer.org,
        "region": officer.region,
        "roles": sorted(officer.roles),
        "suspended": officer.suspended,
        "initial_password": officer.initial,
    }


def known(gateway: Gateway, username: str, unit: Unit) -> Officer:
    """An account within a unit. Raises OFFICER_UNKNOWN."""
    officer = gateway.accounts.officer(username, unit.session)
    if officer is None:
        raise OFFICER_UNKNOWN(username=username)
    return officer


def _changed(
    gateway: Gateway,
    caller: Principal,
    username: str,
    act: str,
    change: Callable[[Officer], Officer],
    ends_tokens: bool = False,
    forget_codes: bool = False,
) -> Officer:
    def work(unit: Unit) -> Officer:
        officer = change(known(gateway, username, unit))
        gateway.accounts.put_officer(officer, unit, forget_codes=forget_codes)
        unit.record(_event(gateway, caller, act, officer))
        if ends_tokens:
            end_all_sessions(gateway, unit, officer.sub)
        return officer

    officer = gateway.accounts.transact(work)
    if ends_tokens:
        gateway.revocations.refresh()
    return officer


def _with(**changed: Any) -> Callable[[Officer], Officer]:
    return lambda officer: replace(officer, **changed)


def _new_secrets() -> tuple[str, str]:
    return secrets.token_urlsafe(12), pyotp.random_base32()


def _told(gateway: Gateway, officer: Officer, password: str) -> dict[str, str]:
    uri = pyotp.TOTP(officer.totp_secret).provisioning_uri(name=officer.username, issuer_name="Chengxin")
    return {"password": password, "totp_secret": officer.totp_secret, "totp_uri": uri}


def _event(gateway: Gateway, caller: Principal, act: str, officer: Officer) -> bytes:
    return gateway.audit.event(act, caller, details={"officer": officer.sub}).encode()
