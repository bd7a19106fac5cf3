"""Officers make, reset and suspend the accounts of other officers, and sign them out. Roles are in `grants.py`."""

import re
import secrets
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Final

import pyotp

from chengxin.auth.executor import command, query
from chengxin.auth.principal import Principal, Role
from chengxin.auth.regions import covers, outside
from chengxin.errors import Problem
from chengxin.store.database import UnitOfWork, session_of
from chengxin.store.on_record import authorise
from chengxin.values.acts import Act
from gateway.context import GatewayContext
from gateway.domain.clients_and_officers import Officer, locked_for
from gateway.domain.separation_of_duties import OFFICER_EXISTS, OFFICER_INVALID, OFFICER_UNKNOWN, OWN_ACCOUNT
from gateway.usecases.revocation import end_all_sessions, end_session, session_to_dict

_AUTHORITY: Final = {Role.AUTHORITY}
_READERS: Final = {Role.AUTHORITY, Role.SUPERVISOR}
_ARTICLES: Final = ("30", "31")
_USERNAME: Final = re.compile(r"[a-z0-9_.-]{1,64}\Z")


@dataclass(frozen=True)
class NewOfficer:
    """The person for whom an account is made."""

    username: str
    name: str
    org: str
    region: str


def in_region(_ctx: GatewayContext, caller: Principal, officer: Officer) -> Problem | None:
    """the officer's region lies within the caller's"""
    return outside(caller, officer.region)


def region_is_own(ctx: GatewayContext, caller: Principal, asked: NewOfficer, *_: object) -> Problem | None:
    """the new officer's region lies within the caller's"""
    return outside(caller, asked.region)


def not_oneself(ctx: GatewayContext, caller: Principal, username: str, *_: object, **__: object) -> Problem | None:
    """it is another officer's account"""
    return OWN_ACCOUNT() if caller.sub == f"officer:{username}" else None


@command(Act.OFFICER_REGISTERED, roles=_AUTHORITY, articles=_ARTICLES, when=(region_is_own,))
def register(ctx: GatewayContext, caller: Principal, asked: NewOfficer) -> dict[str, Any]:
    """An officer makes an account without roles. Only this answer has its initial password and TOTP secret.

    Raises OFFICER_EXISTS, OFFICER_INVALID.
    """
    if not _USERNAME.match(asked.username):
        raise OFFICER_INVALID(what="username must be 1 to 64 of a-z, 0-9, '_', '.', '-'")
    password, totp_secret = _new_secrets()
    hashed = ctx.passwords.hash(password)
    officer = Officer(asked.username, frozenset(), asked.org, asked.region, hashed, totp_secret, initial=True)

    def work(unit: UnitOfWork) -> None:
        if ctx.accounts.officer(asked.username, unit.session) is not None:
            raise OFFICER_EXISTS(username=asked.username)
        ctx.accounts.put_officer(officer, unit, asked.name)
        unit.record(_event(ctx, caller, Act.OFFICER_REGISTERED, officer))

    ctx.accounts.transact(work)
    return officer_to_dict(officer) | _secrets_to_dict(ctx, officer, password)


@query(Act.OFFICER_LISTED, roles=_READERS, articles=_ARTICLES)
def list_officers(ctx: GatewayContext, caller: Principal, after: str, limit: int) -> list[dict[str, Any]]:
    """An officer lists the officers of the caller's region, by user name."""
    found: list[dict[str, Any]] = []
    while len(found) < limit and (page := ctx.accounts.officers(after, 200)):
        found += [officer_to_dict(officer) for officer in page if covers(caller.region, officer.region)]
        after = page[-1].username
    ctx.audit.record(ctx.audit.event(Act.OFFICER_LISTED, caller))
    return found[:limit]


@query(Act.OFFICER_READ, roles=_READERS, articles=_ARTICLES, may=in_region)
def read(ctx: GatewayContext, caller: Principal, username: str) -> dict[str, Any]:
    """An officer reads an account, with its sign-ins whose tokens are not expired. Raises OFFICER_UNKNOWN."""
    officer = load_authorised(ctx, username)
    alive = ctx.administration.sessions(officer.sub, ctx.clock.now())
    locked = locked_for(ctx.accounts.locked_until(username), ctx.clock.now()) > 0
    ctx.audit.record(ctx.audit.event(Act.OFFICER_READ, caller, details={"officer": officer.sub}))
    return officer_to_dict(officer) | {"locked": locked, "sessions": [session_to_dict(row) for row in alive]}


@command(Act.OFFICER_RESET, roles=_AUTHORITY, articles=_ARTICLES, when=(not_oneself,), may=in_region)
def reset(ctx: GatewayContext, caller: Principal, username: str) -> dict[str, Any]:
    """An officer replaces password and TOTP secret of another, whose sign-ins all end. Raises OFFICER_UNKNOWN."""
    password, totp_secret = _new_secrets()
    hashed = ctx.passwords.hash(password)

    def change(officer: Officer) -> Officer:
        return replace(officer, password_hash=hashed, totp_secret=totp_secret, initial=True)

    officer = _changed(ctx, caller, username, Act.OFFICER_RESET, change, ends_tokens=True, forget_codes=True)
    ctx.accounts.forget_failures(username)
    return officer_to_dict(officer) | _secrets_to_dict(ctx, officer, password)


@command(Act.OFFICER_SUSPENDED, roles=_READERS, articles=_ARTICLES, when=(not_oneself,), may=in_region)
def suspend(ctx: GatewayContext, caller: Principal, username: str) -> dict[str, Any]:
    """One officer suspends another, who cannot sign in; the tokens end within a minute. Raises OFFICER_UNKNOWN."""
    change = _with(suspended=True)
    return officer_to_dict(_changed(ctx, caller, username, Act.OFFICER_SUSPENDED, change, ends_tokens=True))


@command(Act.OFFICER_RESUMED, roles=_AUTHORITY, articles=_ARTICLES, when=(not_oneself,), may=in_region)
def resume(ctx: GatewayContext, caller: Principal, username: str) -> dict[str, Any]:
    """An officer lets a suspended officer sign in again. Raises OFFICER_UNKNOWN."""
    return officer_to_dict(_changed(ctx, caller, username, Act.OFFICER_RESUMED, _with(suspended=False)))


@command(Act.OFFICER_UNLOCKED, roles=_AUTHORITY, articles=_ARTICLES, when=(not_oneself,), may=in_region)
def unlock(ctx: GatewayContext, caller: Principal, username: str) -> dict[str, Any]:
    """An officer clears the failed sign-ins that lock a user name. Raises OFFICER_UNKNOWN."""
    officer = _changed(ctx, caller, username, Act.OFFICER_UNLOCKED, _with())
    ctx.accounts.forget_failures(username)
    return officer_to_dict(officer)


@command(Act.OFFICER_SIGNED_OUT, roles=_READERS, articles=_ARTICLES, may=in_region)
def sign_out(ctx: GatewayContext, caller: Principal, username: str, jti: str = "") -> dict[str, Any]:
    """An officer ends one sign-in of an officer, or all of them. Raises OFFICER_UNKNOWN."""

    def work(unit: UnitOfWork) -> int:
        officer = load_authorised(ctx, username, unit)
        alive = ctx.administration.sessions(officer.sub, ctx.clock.now(), unit.session)
        ended = [str(row["_id"]) for row in alive if jti in ("", row["_id"])]
        for one in ended:
            end_session(ctx, unit, officer.sub, one)
        details = {"officer": officer.sub, "sessions": len(ended)}
        unit.record(ctx.audit.event(Act.OFFICER_SIGNED_OUT, caller, details=details).encode())
        return len(ended)

    ended = ctx.accounts.transact(work)
    ctx.revocations.refresh()
    return {"username": username, "ended": ended}


def officer_to_dict(officer: Officer) -> dict[str, Any]:
    """Returns an account as it is shown, without its name, password and secret."""
    return {
        "username": officer.username,
        "org": officer.org,
        "region": officer.region,
        "roles": sorted(officer.roles),
        "suspended": officer.suspended,
        "initial_password": officer.initial,
    }


def load(ctx: GatewayContext, username: str, unit: UnitOfWork | None = None) -> Officer:
    """Reads an account, in the transaction of `unit` if there is one. Raises OFFICER_UNKNOWN."""
    officer = ctx.accounts.officer(username, session_of(unit))
    if officer is None:
        raise OFFICER_UNKNOWN(username=username)
    return officer


def load_authorised(ctx: GatewayContext, username: str, unit: UnitOfWork | None = None) -> Officer:
    """As `load`; the rule of the use case that is running judges the account as it was read."""
    return authorise(load(ctx, username, unit))


def _changed(
    ctx: GatewayContext,
    caller: Principal,
    username: str,
    act: Act,
    change: Callable[[Officer], Officer],
    ends_tokens: bool = False,
    forget_codes: bool = False,
) -> Officer:
    def work(unit: UnitOfWork) -> Officer:
        officer = change(load_authorised(ctx, username, unit))
        ctx.accounts.put_officer(officer, unit, forget_codes=forget_codes)
        unit.record(_event(ctx, caller, act, officer))
        if ends_tokens:
            end_all_sessions(ctx, unit, officer.sub)
        return officer

    officer = ctx.accounts.transact(work)
    if ends_tokens:
        ctx.revocations.refresh()
    return officer


def _with(**changed: Any) -> Callable[[Officer], Officer]:
    return lambda officer: replace(officer, **changed)


def _new_secrets() -> tuple[str, str]:
    return secrets.token_urlsafe(12), pyotp.random_base32()


def _secrets_to_dict(ctx: GatewayContext, officer: Officer, password: str) -> dict[str, str]:
    uri = pyotp.TOTP(officer.totp_secret).provisioning_uri(name=officer.username, issuer_name="Chengxin")
    return {"password": password, "totp_secret": officer.totp_secret, "totp_uri": uri}


def _event(ctx: GatewayContext, caller: Principal, act: Act, officer: Officer) -> bytes:
    return ctx.audit.event(act, caller, details={"officer": officer.sub}).encode()
