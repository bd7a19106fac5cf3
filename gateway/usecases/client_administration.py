"""Officers register organisations' systems, change their keys and suspend them (Art. 17). Grants are in `grants.py`."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, Final

from chengxin.auth.executor import command, query
from chengxin.auth.principal import Principal, Role
from chengxin.auth.regions import covers, outside
from chengxin.errors import Problem
from chengxin.store.database import UnitOfWork, session_of
from chengxin.store.on_record import authorise
from chengxin.values.acts import Act
from chengxin.values.canonical_json import canonical
from gateway.context import GatewayContext
from gateway.domain.clients_and_officers import Client, is_service_number
from gateway.domain.separation_of_duties import (
    CLIENT_EXISTS,
    CLIENT_INVALID,
    CLIENT_UNKNOWN,
    KEY_EXISTS,
    KEY_UNKNOWN,
    LAST_KEY,
    Grants,
    listed_keys,
)
from gateway.usecases.bootstrap import usable_jwk
from gateway.usecases.revocation import end_client_tokens

_REGISTRARS: Final = {Role.AUTHORITY, Role.CENTRE}
_READERS: Final = {Role.AUTHORITY, Role.CENTRE, Role.SUPERVISOR}
_ARTICLES: Final = ("14", "17")


@dataclass(frozen=True)
class ClientRegistration:
    """The data with which a client is registered."""

    client_id: str
    name: str
    org: str
    region: str
    responsible: str
    jwk: Mapping[str, Any]


def in_region(_ctx: GatewayContext, caller: Principal, client: Client) -> Problem | None:
    """the client's region lies within the officer's"""
    return outside(caller, client.region)


def region_is_own(ctx: GatewayContext, caller: Principal, asked: ClientRegistration, *_: object) -> Problem | None:
    """the new client's region lies within the officer's"""
    return outside(caller, asked.region)


@command(Act.CLIENT_REGISTERED, roles=_REGISTRARS, articles=_ARTICLES, when=(region_is_own,))
def register(ctx: GatewayContext, caller: Principal, asked: ClientRegistration, key: str = "") -> dict[str, Any]:
    """An officer registers a client with its first key. The client can do nothing until grants are approved.

    Raises CLIENT_EXISTS, CLIENT_INVALID.
    """
    if not is_service_number(asked.responsible):
        raise CLIENT_INVALID(what="responsible must be a service number: letters, digits, '_', '.', '-'")
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


@command(Act.CLIENT_KEY_ADDED, roles=_REGISTRARS, articles=_ARTICLES, may=in_region)
def add_key(
    ctx: GatewayContext,
    caller: Principal,
    client_id: str,
    jwk: Mapping[str, Any],
    overlap_hours: int | None = None,
    key: str = "",
) -> dict[str, Any]:
    """An officer adds a key; with an overlap, the earlier keys retire at its end. Raises CLIENT_UNKNOWN, KEY_EXISTS."""
    added = _parse_jwk(jwk)

    def change(client: Client) -> Client:
        if any(known["kid"] == added["kid"] for known in client.jwks):
            raise KEY_EXISTS(kid=added["kid"])
        now = ctx.clock.now()
        kept = client.live_keys(now.timestamp())
        if overlap_hours is not None:
            ends = str(int((now + timedelta(hours=overlap_hours)).timestamp()))
            kept = [known if "exp" in known else {**known, "exp": ends} for known in kept]
        return replace(client, jwks=(*kept, added))

    asked = [Act.CLIENT_KEY_ADDED, client_id, added, overlap_hours]
    return _changed(ctx, caller, client_id, Act.CLIENT_KEY_ADDED, change, asked, key, kid=added["kid"])


@command(Act.CLIENT_KEY_RETIRED, roles=_REGISTRARS, articles=_ARTICLES, may=in_region)
def retire_key(ctx: GatewayContext, caller: Principal, client_id: str, kid: str) -> dict[str, Any]:
    """An officer retires a key at once. Raises CLIENT_UNKNOWN, KEY_UNKNOWN, LAST_KEY."""

    def change(client: Client) -> Client:
        kept = tuple(known for known in client.jwks if known["kid"] != kid)
        if len(kept) == len(client.jwks):
            raise KEY_UNKNOWN(kid=kid)
        left = replace(client, jwks=kept)
        if not left.live_keys(ctx.clock.now().timestamp()):
            raise LAST_KEY()
        return left

    return _changed(ctx, caller, client_id, Act.CLIENT_KEY_RETIRED, change, [], "", kid=kid)


@command(Act.CLIENT_SUSPENDED, roles=_READERS, articles=("17", "31"), may=in_region)
def suspend(ctx: GatewayContext, caller: Principal, client_id: str) -> dict[str, Any]:
    """One officer suspends a client: it gets no tokens, and those that it has end within a minute.

    Raises CLIENT_UNKNOWN.
    """
    found = _changed(
        ctx, caller, client_id, Act.CLIENT_SUSPENDED, lambda c: replace(c, suspended=True), [], "", ends_tokens=True
    )
    ctx.revocations.refresh()
    return found


@command(Act.CLIENT_RESUMED, roles={Role.AUTHORITY}, articles=("17", "31"), may=in_region)
def resume(ctx: GatewayContext, caller: Principal, client_id: str) -> dict[str, Any]:
    """An officer lets a suspended client work again. Raises CLIENT_UNKNOWN."""
    return _changed(ctx, caller, client_id, Act.CLIENT_RESUMED, lambda c: replace(c, suspended=False), [], "")


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


def _changed(
    ctx: GatewayContext,
    caller: Principal,
    client_id: str,
    act: Act,
    change: Callable[[Client], Client],
    asked: list[Any],
    key: str,
    ends_tokens: bool = False,
    **details: str,
) -> dict[str, Any]:
    def work(unit: UnitOfWork, found: Client) -> dict[str, Any]:
        client = change(found)
        _save(ctx, caller, unit, act, client, **details)
        if ends_tokens:
            end_client_tokens(ctx, unit, client_id)
        return client_to_dict(client)

    return ctx.store.once_on(
        lambda unit: load_authorised(ctx, client_id, unit), caller.sub, key, canonical(asked), work, dict
    ).answer


def _save(ctx: GatewayContext, caller: Principal, unit: UnitOfWork, act: Act, client: Client, **details: str) -> None:
    ctx.accounts.put_client(client, unit)
    named = {"client_id": client.client_id, **details}
    unit.record(ctx.audit.event(act, caller, details=named).encode())


def _parse_jwk(jwk: Mapping[str, Any]) -> dict[str, str]:
    try:
        return usable_jwk(jwk)
    except (ValueError, TypeError) as e:
        raise CLIENT_INVALID(what=str(e)) from None
