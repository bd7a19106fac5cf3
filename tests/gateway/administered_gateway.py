"""A gateway in the process of its tests, and the same store as another gateway's process has it."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from chengxin.audit.event import AuditEvent
from chengxin.audit.trail import AuditTrail
from chengxin.auth.principal import Principal, Role
from chengxin.auth.revocation import Revocations
from chengxin.concurrency.shares import Shares
from chengxin.store import on_record
from chengxin.store.database import Store
from chengxin.store.field_encryption import KeyRing
from chengxin.values.clock import SystemClock
from chengxin.values.ids import SubjectKey, new_id
from chengxin.values.jwk import public_jwk
from gateway.context import GatewayContext
from gateway.domain.clients_and_officers import Client, Officer
from gateway.domain.separation_of_duties import Grants
from gateway.store.accounts import Accounts
from gateway.store.passwords import HASHES, Passwords
from gateway.store.signing_keys import SigningKeys

CITY, COUNTY, ELSEWHERE = "441700", "441702", "441800"
PROVIDER = Grants(frozenset({Role.PROVIDER}))


class ListedEvents(AuditTrail):
    """An audit trail that keeps what it is given."""

    def __init__(self) -> None:
        super().__init__("gateway", None, tuple, SystemClock())  # type: ignore[arg-type]
        self.events: list[AuditEvent] = []

    def record(self, event: AuditEvent) -> AuditEvent:
        self.events.append(event)
        on_record.enter(1)
        return event


@dataclass
class AdministeredGateway:
    """A gateway, and the same store as another gateway's process has it."""

    ctx: GatewayContext
    other: GatewayContext
    audit: ListedEvents

    def committed(self, act: str) -> list[dict[str, Any]]:
        """The events of an act that were committed with what they are about."""
        events = [json.loads(event) for row in self.ctx.store.rows(0) for event in row.events]
        return [event for event in events if event["act"] == act]

    def client(self) -> Client:
        """A new client of the county, with one key."""
        key = public_jwk(Ed25519PrivateKey.generate())
        client = Client(new_id("c"), "某单位", "org", COUNTY, (key,), frozenset())
        self.ctx.accounts.transact(lambda unit: self.ctx.accounts.put_client(client, unit))
        return client

    def officer(self) -> Officer:
        """A new officer of the county."""
        officer = Officer(new_id("o"), frozenset({Role.CENTRE}), "org", COUNTY, "hash", "A" * 32)
        self.ctx.accounts.transact(lambda unit: self.ctx.accounts.put_officer(officer, unit, "王某"))
        return officer

    def move(self, holder: Client | Officer) -> None:
        """Another gateway's process writes that a client or officer belongs to another region."""
        moved, accounts = replace(holder, region=ELSEWHERE), self.other.accounts
        if isinstance(moved, Client):
            accounts.transact(lambda unit: accounts.put_client(moved, unit))
        else:
            accounts.transact(lambda unit: accounts.put_officer(moved, unit))


def named(name: str) -> Principal:
    return Principal(f"officer:{name}", frozenset({Role.AUTHORITY}), region=CITY)


def context(store: Store, audit: AuditTrail, ring: KeyRing) -> GatewayContext:
    clock, accounts = SystemClock(), Accounts(store, ring)
    keys = SigningKeys(accounts, "https://gateway", "chengxin", clock)
    revocations = Revocations(lambda: accounts.administration.revocations(clock.now()))
    key = SubjectKey(b"k" * 32)
    return GatewayContext(
        "https://gateway",
        accounts,
        keys,
        audit,
        clock,
        key,
        Passwords(Shares(HASHES)),
        revocations,
        lambda code, grantee: None,
        lambda uscc: None,
    )  # type: ignore[arg-type, return-value]


@pytest.fixture(scope="module")
def contexts(stores: Callable[[str], str]) -> Iterator[tuple[GatewayContext, GatewayContext]]:
    uri, ring = stores("administered"), KeyRing({1: b"r" * 32})
    own, other = Store(uri, "gateway", SystemClock()), Store(uri, "gateway-elsewhere", SystemClock())
    found = context(own, ListedEvents(), ring), context(other, ListedEvents(), ring)
    found[0].accounts.create_indexes()
    yield found
    other.close()
    own.close()


@pytest.fixture
def gateway(contexts: tuple[GatewayContext, GatewayContext]) -> AdministeredGateway:
    audit = ListedEvents()
    return AdministeredGateway(replace(contexts[0], audit=audit), contexts[1], audit)
