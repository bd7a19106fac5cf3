"""Officers make, reset and suspend the accounts of other officers, and sign them out. Roles are in `grants.py`."""

import re
import secrets
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Final

import pyotp

from chengxin.auth.executor import command, query
from chengxin.auth.powers import OWN, Power, one, two
from chengxin.auth.principal import Principal, Role
from chengxin.auth.regions import all_of, covers, within
from chengxin.errors import InBoth, Problem
from chengxin.proposals.decisions import carries_out, propose
from chengxin.proposals.proposal import PROPOSAL_OUTDATED, Proposal
from chengxin.store.database import UnitOfWork, session_of
from chengxin.store.on_record import authorise
from chengxin.values.acts import Act
from gateway.context import GatewayContext
from gateway.domain.clients_and_officers import Officer, affiliation_fault
from gateway.domain.registered_words import ADDRESSED_NAME, word_fault
from gateway.domain.separation_of_duties import (
    OFFICER_EXISTS,
    OFFICER_INVALID,
    OFFICER_NOT_SUSPENDED,
    OFFICER_UNKNOWN,
    OWN_ACCOUNT,
    PASSWORD_NOT_CHOSEN,
    SUPERVISOR_MUST_APPROVE,
)
from gateway.domain.sign_in_locks import locked_for
from gateway.usecases.affiliation import organisation_is_own
from gateway.usecases.revocation import end_all_sessions, end_session, session_to_dict

_AUTHORITY: Final = {Role.AUTHORITY}
_READERS: Final = {Role.AUTHORITY, Role.SUPERVISOR}
_ARTICLES: Final = ("30", "31")
_APPROVERS: Final = {Role.AUTHORITY, Role.SUPERVISOR}
_TOLD: Final = "officers of the region, in the list of officers; supervisors, by the audit log"
_USERNAME: Final = re.compile(rf"{ADDRESSED_NAME}\Z")


@dataclass(frozen=True)
class NewOfficer:
    """The person for whom an account is made."""

    username: str
    name: str
    org: str
    region: str


@within
def in_region(_ctx: GatewayContext, officer: Officer, *_: object) -> str:
    """the officer's region lies within the caller's"""
    return officer.region


@within
def region_is_own(_ctx: GatewayContext, asked: NewOfficer, *_: object) -> str:
    """the new officer's region lies within the caller's"""
    return asked.region


def not_oneself(ctx: GatewayContext, caller: Principal, username: str, *_: object, **__: object) -> Problem | None:
    """it is another officer's account"""
    return OWN_ACCOUNT() if caller.sub == f"officer:{username}" else None


# An act of the authority on the account of another officer.
_on_anothers_account: Final = partial(command, roles=_AUTHORITY, articles=_ARTICLES, when=(not_oneself,), may=in_region)


@command(
    Act.OFFICER_REGISTERED,
    roles=_AUTHORITY,
    articles=_ARTICLES,
    when=(region_is_own, organisation_is_own),
    power=Power(
        OWN,
        one(
            "the account can do nothing until its holder has chosen a password and a second officer has approved its roles"
        ),
        _TOLD,
    ),
)
def register(ctx: GatewayContext, caller: Principal, asked: NewOfficer) -> dict[str, Any]:
    """An officer makes an account without roles. Only this answer has its initial password and TOTP secret.

    Raises OFFICER_EXISTS, OFFICER_INVALID.
    """
    if not _USERNAME.match(asked.username):
        raise OFFICER_INVALID(
            what=InBoth(
                "username 须为 1 至 64 个 a-z、0-9、_ . -，不以 . 开头",
                "username must be 1 to 64 of a-z, 0-9, '_', '.', '-', and begin with no '.'",
            )
        )
    words = word_fault("username", asked.username) or word_fault("name", asked.name)
    if fault := words or affiliation_fault(asked.org, asked.region):
        raise OFFICER_INVALID(what=fault)
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
    locked = locked_for(ctx.accounts.failures.longest_lock(username), ctx.clock.now()) > 0
    ctx.audit.record(ctx.audit.event(Act.OFFICER_READ, caller, details={"officer": officer.sub}))
    return officer_to_dict(officer) | {"locked": locked, "sessions": [session_to_dict(row) for row in alive]}


@_on_anothers_account(
    Act.OFFICER_RESET,
    power=Power(
        OWN,
        two(
            "one officer alone could sign in as another, as the supervisor even; at once the old secrets are dead and "
            "the sign-ins over, and the roles are back when another has approved"
        ),
        _TOLD,
    ),
)
def reset(ctx: GatewayContext, caller: Principal, username: str) -> dict[str, Any]:
    """An officer replaces password and TOTP secret of another, whose sign-ins all end. Until a second officer approves,
    the new secrets are good for choosing a password alone. Raises OFFICER_UNKNOWN.
    """
    password, totp_secret = _new_secrets()
    hashed = ctx.passwords.hash(password)

    def work(unit: UnitOfWork) -> tuple[Officer, dict[str, Any]]:
        officer = load_authorised(ctx, username, unit)
        asked = {"roles": sorted(officer.roles)}
        # However often an account is reset, one proposal is open: no number of them keeps an officer from a reset.
        ctx.proposals.outdate({Act.OFFICER_RESET}, username, unit)
        proposal = propose(ctx, caller, unit, Act.OFFICER_RESET, username, officer.region, asked, officer.sub)
        changed = replace(
            officer,
            password_hash=hashed,
            totp_secret=totp_secret,
            initial=True,
            reset_proposal=proposal.proposal_id,
        )
        ctx.accounts.put_officer(changed, unit, forget_codes=True)
        unit.record(_event(ctx, caller, Act.OFFICER_RESET, changed))
        end_all_sessions(ctx, unit, officer.sub)
        unit.committed.append(ctx.revocations.refresh)
        return changed, proposal.to_dict()

    officer, proposal = ctx.accounts.transact(work)
    ctx.accounts.failures.forget(username)
    return officer_to_dict(officer) | _secrets_to_dict(ctx, officer, password) | {"proposal": proposal}


@_on_anothers_account(
    Act.OFFICER_SUSPENDED,
    roles=_READERS,
    power=Power(OWN, one("it only takes away"), _TOLD),
)
def suspend(ctx: GatewayContext, caller: Principal, username: str) -> dict[str, Any]:
    """One officer suspends another, who cannot sign in; the tokens end within a minute. Raises OFFICER_UNKNOWN."""

    def work(unit: UnitOfWork) -> Officer:
        officer = replace(load_authorised(ctx, username, unit), suspended=True)
        ctx.accounts.put_officer(officer, unit)
        unit.record(_event(ctx, caller, Act.OFFICER_SUSPENDED, officer))
        end_all_sessions(ctx, unit, officer.sub)
        unit.committed.append(ctx.revocations.refresh)
        return officer

    return officer_to_dict(ctx.accounts.transact(work))


@_on_anothers_account(
    Act.OFFICER_RESUMED,
    power=Power(OWN, two("one officer alone could give back what another took away"), _TOLD),
)
def resume(ctx: GatewayContext, caller: Principal, username: str) -> dict[str, Any]:
    """An officer proposes that a suspended officer may sign in again. Raises OFFICER_UNKNOWN, OFFICER_NOT_SUSPENDED."""

    def work(unit: UnitOfWork) -> dict[str, Any]:
        officer = load_authorised(ctx, username, unit)
        if not officer.suspended:
            raise OFFICER_NOT_SUSPENDED(username=username)
        asked = {"roles": sorted(officer.roles)}
        act = Act.OFFICER_RESUMED
        return propose(ctx, caller, unit, act, username, officer.region, asked, officer.sub).to_dict()

    return ctx.accounts.transact(work)


@_on_anothers_account(
    Act.OFFICER_UNLOCKED,
    power=Power(
        OWN,
        one("a lock only slows guesses; who signs in still proves both factors, and five more guesses lock again"),
        _TOLD,
    ),
)
def unlock(ctx: GatewayContext, caller: Principal, username: str) -> dict[str, Any]:
    """An officer clears the failed sign-ins that lock a user name. Raises OFFICER_UNKNOWN."""

    def work(unit: UnitOfWork) -> Officer:
        officer = load_authorised(ctx, username, unit)
        unit.record(_event(ctx, caller, Act.OFFICER_UNLOCKED, officer))
        return officer

    officer = ctx.accounts.transact(work)
    ctx.accounts.failures.forget(username)
    return officer_to_dict(officer)


@command(
    Act.OFFICER_SIGNED_OUT,
    roles=_READERS,
    articles=_ARTICLES,
    may=in_region,
    power=Power(OWN, one("it only takes away"), _TOLD),
)
def sign_out(ctx: GatewayContext, caller: Principal, username: str, jti: str = "") -> dict[str, Any]:
    """An officer ends one sign-in of an officer, or all of them. Raises OFFICER_UNKNOWN."""

    def work(unit: UnitOfWork) -> int:
        officer = load_authorised(ctx, username, unit)
        alive = ctx.administration.sessions(officer.sub, ctx.clock.now(), unit.session)
        ended = [str(row["_id"]) for row in alive if jti in ("", row["_id"])]
        for session in ended:
            end_session(ctx, unit, officer.sub, session)
        details = {"officer": officer.sub, "sessions": len(ended)}
        unit.record(ctx.audit.event(Act.OFFICER_SIGNED_OUT, caller, details=details).encode())
        unit.committed.append(ctx.revocations.refresh)
        return len(ended)

    return {"username": username, "ended": ctx.accounts.transact(work)}


def load_proposed(ctx: GatewayContext, proposal: Proposal, unit: UnitOfWork) -> Officer:
    """Reads the account that a proposal is about. Raises OFFICER_UNKNOWN."""
    return load(ctx, proposal.target, unit)


def a_supervisors_by_a_supervisor(
    _ctx: GatewayContext, caller: Principal, officer: Officer, *_: object
) -> Problem | None:
    """the account of a supervisor takes a supervisor"""
    watches = Role.SUPERVISOR in officer.roles
    return SUPERVISOR_MUST_APPROVE() if watches and Role.SUPERVISOR not in caller.roles else None


@carries_out(
    Act.OFFICER_RESET,
    region=OWN,
    approvers=_APPROVERS,
    load=load_proposed,
    may=all_of(in_region, a_supervisors_by_a_supervisor),
)
def readmit(ctx: GatewayContext, caller: Principal, unit: UnitOfWork, proposal: Proposal, officer: Officer) -> None:
    """The account has its roles again, once its holder has chosen a password. Raises PROPOSAL_OUTDATED when it was reset
    again or got a role since, PASSWORD_NOT_CHOSEN.
    """
    if officer.reset_proposal != proposal.proposal_id:
        raise PROPOSAL_OUTDATED(what=InBoth("账号又被重置", "the account was reset again"))
    if officer.initial:
        raise PASSWORD_NOT_CHOSEN(username=officer.username)
    _give_back(ctx, caller, unit, proposal, officer, replace(officer, reset_proposal=""))


@carries_out(Act.OFFICER_RESUMED, region=OWN, approvers=_APPROVERS, load=load_proposed, may=in_region)
def resume_proposed(
    ctx: GatewayContext, caller: Principal, unit: UnitOfWork, proposal: Proposal, officer: Officer
) -> None:
    """The officer may sign in again, with no more than the roles that were seen. Raises PROPOSAL_OUTDATED."""
    _give_back(ctx, caller, unit, proposal, officer, replace(officer, suspended=False))


def _give_back(
    ctx: GatewayContext, caller: Principal, unit: UnitOfWork, proposal: Proposal, officer: Officer, changed: Officer
) -> None:
    if not officer.roles <= set(proposal.asked["roles"]):
        raise PROPOSAL_OUTDATED(what=InBoth("账号的角色", "the account's roles"))
    ctx.accounts.put_officer(changed, unit)
    details = {"officer": officer.sub, **proposal.on_record()}
    unit.record(ctx.audit.event(Act.OFFICER_RESUMED, caller, details=details).encode())


def officer_to_dict(officer: Officer) -> dict[str, Any]:
    """Returns an account as it is shown, without its name, password and secret."""
    return {
        "username": officer.username,
        "org": officer.org,
        "region": officer.region,
        "roles": sorted(officer.roles),
        "suspended": officer.suspended,
        "initial_password": officer.initial,
        "awaits_approval": bool(officer.reset_proposal),
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


def _new_secrets() -> tuple[str, str]:
    return secrets.token_urlsafe(12), pyotp.random_base32()


def _secrets_to_dict(ctx: GatewayContext, officer: Officer, password: str) -> dict[str, str]:
    uri = pyotp.TOTP(officer.totp_secret).provisioning_uri(name=officer.username, issuer_name="Chengxin")
    return {"password": password, "totp_secret": officer.totp_secret, "totp_uri": uri}


def _event(ctx: GatewayContext, caller: Principal, act: Act, officer: Officer) -> bytes:
    return ctx.audit.event(act, caller, details={"officer": officer.sub}).encode()
