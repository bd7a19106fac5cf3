"""Officers register organisations' systems, change their keys and suspend them (Art. 17). Grants are in `grants.py`."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, Final

from chengxin.auth.executor import command, query
from chengxin.auth.powers import OWN, Power, one, two
from chengxin.auth.principal import Principal, Role
from chengxin.auth.regions import covers, within
from chengxin.errors import InBoth
from chengxin.proposals.decisions import carries_out, propose
from chengxin.proposals.proposal import PROPOSAL_OUTDATED, Proposal
from chengxin.store.database import UnitOfWork, session_of
from chengxin.store.on_record import authorise
from chengxin.values.acts import Act
from chengxin.values.canonical_json import canonical
from chengxin.values.jwk import thumbprint
from gateway.context import GatewayContext
from gateway.domain.clients_and_officers import CLIENT_ROLES, Client, affiliation_fault, is_service_number
from gateway.domain.registered_words import word_fault
from gateway.domain.separation_of_duties import (
    CLIENT_EXISTS,
    CLIENT_INVALID,
    CLIENT_NOT_SUSPENDED,
    CLIENT_UNKNOWN,
    KEY_EXISTS,
    KEY_UNKNOWN,
    LAST_KEY,
    Grants,
    listed_keys,
    thumbprints,
)
from gateway.usecases.affiliation import organisation_is_own
from gateway.usecases.bootstrap import usable_jwk
from gateway.usecases.revocation import OF_CLIENTS, end_client_tokens

_REGISTRARS: Final = {Role.AUTHORITY, Role.CENTRE}
_READERS: Final = {Role.AUTHORITY, Role.CENTRE, Role.SUPERVISOR}
_ARTICLES: Final = ("14", "17")
_UNUSABLE_KEY: Final = InBoth("不是可用的公钥", "not a usable public key")
_APPROVERS: Final = {Role.AUTHORITY, Role.SUPERVISOR}
# The word by which a client names itself.
ME: Final = "me"
_TOLD: Final = (
    "supervisors, by the audit log; the client's holder, at /v1/identity/clients/me while the client gets tokens. Suspended "
    "or without roles it gets none, as the refusal at /oauth/token says; what was done meanwhile stands there afterwards"
)


@dataclass(frozen=True)
class ClientRegistration:
    """The data with which a client is registered."""

    client_id: str
    name: str
    org: str
    region: str
    responsible: str
    jwk: Mapping[str, Any]


@within
def in_region(_ctx: GatewayContext, client: Client, *_: object) -> str:
    """the client's region lies within the officer's"""
    return client.region


@within
def region_is_own(_ctx: GatewayContext, asked: ClientRegistration, *_: object) -> str:
    """the new client's region lies within the officer's"""
    return asked.region


@command(
    Act.CLIENT_REGISTERED,
    roles=_REGISTRARS,
    articles=_ARTICLES,
    when=(region_is_own, organisation_is_own),
    power=Power(OWN, one("the client can do nothing until grants are approved, for the keys that it has then"), _TOLD),
)
def register(ctx: GatewayContext, caller: Principal, asked: ClientRegistration, key: str = "") -> dict[str, Any]:
    """An officer registers a client with its first key. The client can do nothing until grants are approved.

    Raises CLIENT_EXISTS, CLIENT_INVALID.
    """
    if asked.client_id == ME:
        raise CLIENT_INVALID(
            what=InBoth(
                f"client_id {ME} 是客户端自称所用的词", f"client_id {ME} is the word by which a client names itself"
            )
        )
    words = word_fault("client_id", asked.client_id) or word_fault("name", asked.name)
    if fault := words or affiliation_fault(asked.org, asked.region):
        raise CLIENT_INVALID(what=fault)
    if not is_service_number(asked.responsible):
        raise CLIENT_INVALID(
            what=InBoth(
                "responsible 须为工号：字母、数字、_ . -",
                "responsible must be a service number: letters, digits, '_', '.', '-'",
            )
        )
    client = Client(
        asked.client_id,
        asked.name,
        asked.org,
        asked.region,
        (_parse_jwk(asked.jwk),),
        frozenset(),
        responsible=asked.responsible,
    )

    def work(unit: UnitOfWork) -> dict[str, Any]:
        if ctx.accounts.client(asked.client_id, unit.session) is not None:
            raise CLIENT_EXISTS(client_id=asked.client_id)
        _save(ctx, caller, unit, Act.CLIENT_REGISTERED, client)
        return client_to_dict(client)

    asked_for = canonical([Act.CLIENT_REGISTERED, {**client_to_dict(client)}])
    return ctx.store.once(caller.sub, key, asked_for, work, dict).answer


@query(Act.CLIENT_READ, roles=_READERS, articles=_ARTICLES, may=in_region)
def read(ctx: GatewayContext, caller: Principal, client_id: str) -> dict[str, Any]:
    """An officer reads a client's registration. Raises CLIENT_UNKNOWN."""
    client = load_authorised(ctx, client_id)
    ctx.audit.record(ctx.audit.event(Act.CLIENT_READ, caller, details={"client_id": client_id}))
    return client_to_dict(client)


@query(Act.CLIENT_READ_OWN, roles=set(CLIENT_ROLES), articles=_ARTICLES)
def read_own(ctx: GatewayContext, caller: Principal) -> dict[str, Any]:
    """A client reads its own registration: its keys, and what officers have proposed for it. Raises CLIENT_UNKNOWN.

    Whoever holds one of its keys finds here that another key is asked for.
    """
    client = load(ctx, caller.client_id)
    waiting = ctx.proposals.waiting(OF_CLIENTS, client.client_id, ctx.clock.now())
    ctx.audit.record(ctx.audit.event(Act.CLIENT_READ_OWN, caller))
    return client_to_dict(client) | {"proposals": [proposal.to_dict() for proposal in waiting]}


@query(Act.CLIENT_LISTED, roles=_READERS, articles=_ARTICLES)
def list_clients(ctx: GatewayContext, caller: Principal, after: str, limit: int) -> list[dict[str, Any]]:
    """An officer lists the clients of the officer's region, by id."""
    found: list[dict[str, Any]] = []
    # Clients of other regions are read and left out: a deployment has hundreds of clients, not millions.
    while len(found) < limit and (page := ctx.accounts.clients(after, 200)):
        found += [client_to_dict(client) for client in page if covers(caller.region, client.region)]
        after = page[-1].client_id
    ctx.audit.record(ctx.audit.event(Act.CLIENT_LISTED, caller))
    return found[:limit]


@command(
    Act.CLIENT_KEY_ADDED,
    roles=_REGISTRARS,
    articles=_ARTICLES,
    may=in_region,
    power=Power(
        OWN,
        two(
            "one officer alone could act as the client, with a key of her own; a client without roles, which can do "
            "nothing, gets its keys at once"
        ),
        _TOLD,
    ),
)
def add_key(
    ctx: GatewayContext,
    caller: Principal,
    client_id: str,
    jwk: Mapping[str, Any],
    overlap_hours: int | None = None,
    key: str = "",
) -> dict[str, Any]:
    """An officer adds a key; with an overlap, the earlier keys retire at its end. For a client with roles it waits for
    a second officer: the answer is the proposal.

    Raises CLIENT_UNKNOWN, CLIENT_INVALID, KEY_EXISTS.
    """
    added = _parse_jwk(jwk)

    def work(unit: UnitOfWork, client: Client) -> dict[str, Any]:
        changed = _with_key(ctx, client, added, overlap_hours)
        if client.roles:
            wanted = {"jwk": added, "thumbprint": thumbprint(added), "overlap_hours": overlap_hours}
            asked = wanted | {"keys": thumbprints(client), **Grants.of(client).to_dict()}
            act = Act.CLIENT_KEY_ADDED
            return propose(ctx, caller, unit, act, client_id, client.region, asked).to_dict()
        _save(ctx, caller, unit, Act.CLIENT_KEY_ADDED, changed, kid=added["kid"])
        return client_to_dict(changed)

    asked_for = canonical([Act.CLIENT_KEY_ADDED, client_id, added, overlap_hours])
    return ctx.store.once_on(
        lambda unit: load_authorised(ctx, client_id, unit), caller.sub, key, asked_for, work, dict
    ).answer


@command(
    Act.CLIENT_KEY_RETIRED,
    roles=_REGISTRARS,
    articles=_ARTICLES,
    may=in_region,
    power=Power(OWN, one("it only takes away"), _TOLD),
)
def retire_key(ctx: GatewayContext, caller: Principal, client_id: str, kid: str) -> dict[str, Any]:
    """An officer retires a key at once; all tokens of the client end within a minute, and its other keys get new ones.

    Raises CLIENT_UNKNOWN, KEY_UNKNOWN, LAST_KEY.
    """

    def change(client: Client) -> Client:
        kept = tuple(known for known in client.jwks if known["kid"] != kid)
        if len(kept) == len(client.jwks):
            raise KEY_UNKNOWN(kid=kid)
        left = replace(client, jwks=kept)
        if not left.live_keys(ctx.clock.now().timestamp()):
            raise LAST_KEY()
        return left

    return _taken_away(ctx, caller, client_id, Act.CLIENT_KEY_RETIRED, change, kid=kid)


@command(
    Act.CLIENT_SUSPENDED,
    roles=_READERS,
    articles=("17", "31"),
    may=in_region,
    power=Power(OWN, one("it only takes away"), _TOLD),
)
def suspend(ctx: GatewayContext, caller: Principal, client_id: str) -> dict[str, Any]:
    """One officer suspends a client: it gets no tokens, and those that it has end within a minute.

    Raises CLIENT_UNKNOWN.
    """
    return _taken_away(ctx, caller, client_id, Act.CLIENT_SUSPENDED, lambda c: replace(c, suspended=True))


@command(
    Act.CLIENT_RESUMED,
    roles={Role.AUTHORITY},
    articles=("17", "31"),
    may=in_region,
    power=Power(
        OWN, two("one officer alone could give back what another took away, to a key that is stolen, say"), _TOLD
    ),
)
def resume(ctx: GatewayContext, caller: Principal, client_id: str) -> dict[str, Any]:
    """An officer proposes that a suspended client works again. Raises CLIENT_UNKNOWN, CLIENT_NOT_SUSPENDED."""

    def work(unit: UnitOfWork) -> dict[str, Any]:
        client = load_authorised(ctx, client_id, unit)
        if not client.suspended:
            raise CLIENT_NOT_SUSPENDED(client_id=client_id)
        asked = Grants.of(client).to_dict() | {"keys": thumbprints(client)}
        return propose(ctx, caller, unit, Act.CLIENT_RESUMED, client_id, client.region, asked).to_dict()

    return ctx.accounts.transact(work)


def load_proposed(ctx: GatewayContext, proposal: Proposal, unit: UnitOfWork) -> Client:
    """Reads the client that a proposal is about. Raises CLIENT_UNKNOWN."""
    return load(ctx, proposal.target, unit)


@carries_out(Act.CLIENT_KEY_ADDED, region=OWN, approvers=_APPROVERS, load=load_proposed, may=in_region)
def add_proposed_key(
    ctx: GatewayContext, caller: Principal, unit: UnitOfWork, proposal: Proposal, client: Client
) -> None:
    """The client has the key, for no more than what it could do when it was proposed. Raises PROPOSAL_OUTDATED."""
    _must_stand(client, proposal)
    added = proposal.asked["jwk"]
    changed = _with_key(ctx, client, added, proposal.asked["overlap_hours"])
    _save(ctx, caller, unit, proposal.act, changed, kid=added["kid"], **proposal.on_record())
    if proposal.asked["overlap_hours"] == 0:
        # The earlier keys are out now, and what they got. A token never outlives a key that retires later.
        end_client_tokens(ctx, unit, client.client_id)
        unit.committed.append(ctx.revocations.refresh)


@carries_out(Act.CLIENT_RESUMED, region=OWN, approvers=_APPROVERS, load=load_proposed, may=in_region)
def resume_proposed(
    ctx: GatewayContext, caller: Principal, unit: UnitOfWork, proposal: Proposal, client: Client
) -> None:
    """The client works again, with no more than what it had when that was proposed. Raises PROPOSAL_OUTDATED."""
    _must_stand(client, proposal)
    _save(ctx, caller, unit, proposal.act, replace(client, suspended=False), **proposal.on_record())


def _must_stand(client: Client, proposal: Proposal) -> None:
    """Raises PROPOSAL_OUTDATED for a client that has got more since the second officer could see what it has."""
    if not set(thumbprints(client)) <= set(proposal.asked["keys"]):
        raise PROPOSAL_OUTDATED(what=InBoth("客户端的密钥", "the client's keys"))
    if not Grants.of(client).only_less_than(Grants.read(proposal.asked)):
        raise PROPOSAL_OUTDATED(what=InBoth("客户端的权限", "the client's grants"))


def _with_key(ctx: GatewayContext, client: Client, added: dict[str, str], overlap_hours: int | None) -> Client:
    if any(known["kid"] == added["kid"] or thumbprint(known) == thumbprint(added) for known in client.jwks):
        raise KEY_EXISTS(kid=added["kid"])
    now = ctx.clock.now()
    kept = client.live_keys(now.timestamp())
    if overlap_hours is not None:
        ends = str(int((now + timedelta(hours=overlap_hours)).timestamp()))
        kept = [known if "exp" in known else {**known, "exp": ends} for known in kept]
    return replace(client, jwks=(*kept, added))


def client_to_dict(client: Client) -> dict[str, Any]:
    """Returns a client as it is shown."""
    return {
        "client_id": client.client_id,
        "name": client.name,
        "org": client.org,
        "region": client.region,
        "responsible": client.responsible,
        "suspended": client.suspended,
        "keys": [dict(jwk) for jwk in listed_keys(client)],
        **Grants.of(client).to_dict(),
    }


def load(ctx: GatewayContext, client_id: str, unit: UnitOfWork | None = None) -> Client:
    """Reads a client, in the transaction of `unit` if there is one. Raises CLIENT_UNKNOWN.

    The services themselves are not administered here.
    """
    client = ctx.accounts.client(client_id, session_of(unit))
    if client is None or Role.SERVICE in client.roles:
        raise CLIENT_UNKNOWN(client_id=client_id)
    return client


def load_authorised(ctx: GatewayContext, client_id: str, unit: UnitOfWork | None = None) -> Client:
    """As `load`; the rule of the use case that is running judges the client as it was read."""
    return authorise(load(ctx, client_id, unit))


def _taken_away(
    ctx: GatewayContext, caller: Principal, client_id: str, act: Act, change: Callable[[Client], Client], **details: str
) -> dict[str, Any]:
    """Changes a client so that it can do less, and ends its tokens."""

    def work(unit: UnitOfWork) -> dict[str, Any]:
        client = change(load_authorised(ctx, client_id, unit))
        _save(ctx, caller, unit, act, client, **details)
        end_client_tokens(ctx, unit, client_id)
        unit.committed.append(ctx.revocations.refresh)
        return client_to_dict(client)

    return ctx.accounts.transact(work)


def _save(ctx: GatewayContext, caller: Principal, unit: UnitOfWork, act: Act, client: Client, **details: str) -> None:
    ctx.accounts.put_client(client, unit)
    named = {"client_id": client.client_id, **details}
    unit.record(ctx.audit.event(act, caller, details=named).encode())


def _parse_jwk(jwk: Mapping[str, Any]) -> dict[str, str]:
    try:
        parsed = usable_jwk(jwk)
    except (ValueError, TypeError) as e:
        told = [word for word in e.args if isinstance(word, InBoth)]
        raise CLIENT_INVALID(what=told[0] if told else _UNUSABLE_KEY) from None
    # It goes on record, where no name and no identity number may be.
    if not is_service_number(parsed["kid"]):
        raise CLIENT_INVALID(
            what=InBoth(
                "kid 须为 1 至 64 个字母、数字、_ . -，且不含身份号码",
                "kid must be 1 to 64 letters, digits, '_', '.', '-', and no identity number",
            )
        )
    return parsed
