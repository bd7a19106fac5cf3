"""An officer is authorised on what the transaction read: what another officer does in between does not slip through."""

import json
from collections.abc import Callable, Iterator
from contextvars import Context
from dataclasses import dataclass, replace
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from chengxin.audit.trail import AuditEvent, AuditTrail
from chengxin.auth.principal import Principal, Role
from chengxin.auth.revocation import Revocations
from chengxin.errors import Problem
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
from gateway.store.passwords import Passwords
from gateway.store.signing_keys import SigningKeys
from gateway.usecases import client_administration, grants, officer_administration

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
        "https://gateway", accounts, keys, audit, clock, key, Passwords(), revocations, lambda code, grantee: None
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


@pytest.fixture
def meanwhile(monkeypatch: pytest.MonkeyPatch) -> Callable[[Any, str, Callable[[], object]], None]:
    """Has something happen once, right after the next time that a method of a store read."""

    def interrupt(reader: Any, method: str, happens: Callable[[], object]) -> None:
        read, left = getattr(reader, method), [happens]

        def reading(*args: Any) -> Any:
            found = read(*args)
            if left:
                # Another process: it has no account of the use case that is running here.
                Context().run(left.pop())
            return found

        monkeypatch.setattr(reader, method, reading)

    return interrupt


def refused(gateway: AdministeredGateway, act: Callable[[], object]) -> tuple[str, list[dict[str, Any]]]:
    """The code of a refusal, and what went on record of it."""
    with pytest.raises(Problem) as problem:
        act()
    return problem.value.code, [event.details for event in gateway.audit.events if event.outcome == "refused"]


def test_a_client_that_moves_to_another_region_in_between_is_not_suspended(
    gateway: AdministeredGateway, meanwhile: Any
) -> None:
    client = gateway.client()
    meanwhile(gateway.ctx.accounts, "client", lambda: gateway.move(client))
    found = refused(gateway, lambda: client_administration.suspend(gateway.ctx, named("li"), client.client_id))
    assert found == ("OUTSIDE_REGION", [{"code": "OUTSIDE_REGION"}])
    stored = gateway.ctx.accounts.client(client.client_id)
    assert stored == replace(client, region=ELSEWHERE)


def test_an_officer_who_moves_to_another_region_in_between_is_not_reset(
    gateway: AdministeredGateway, meanwhile: Any
) -> None:
    officer = gateway.officer()
    meanwhile(gateway.ctx.accounts, "officer", lambda: gateway.move(officer))
    found = refused(gateway, lambda: officer_administration.reset(gateway.ctx, named("li"), officer.username))
    assert found == ("OUTSIDE_REGION", [{"code": "OUTSIDE_REGION"}])
    assert gateway.ctx.accounts.officer(officer.username) == replace(officer, region=ELSEWHERE)


def test_a_repeat_is_authorised_on_what_is_stored_now(gateway: AdministeredGateway) -> None:
    client = gateway.client()
    added = public_jwk(Ed25519PrivateKey.generate())

    def add() -> dict[str, Any]:
        return client_administration.add_key(gateway.ctx, named("li"), client.client_id, added, key="once")

    assert add() == add()
    gateway.move(client)
    assert refused(gateway, add)[0] == "OUTSIDE_REGION"


@pytest.mark.parametrize(
    ("decide", "officer", "approvers"), [(grants.approve, "zhao", ["officer:zhao"]), (grants.reject, "li", [])]
)
def test_a_proposal_that_is_decided_in_between_is_not_approved(
    gateway: AdministeredGateway, meanwhile: Any, decide: Any, officer: str, approvers: list[str]
) -> None:
    client = gateway.client()
    proposal_id = grants.propose_for_client(gateway.ctx, named("li"), client.client_id, PROVIDER)["proposal_id"]
    meanwhile(gateway.ctx.administration, "proposal", lambda: decide(gateway.other, named(officer), proposal_id))
    assert refused(gateway, lambda: grants.approve(gateway.ctx, named("sun"), proposal_id))[0] == "PROPOSAL_DECIDED"
    approvals = [e for e in gateway.committed("grant.approved") if e["details"]["proposal_id"] == proposal_id]
    assert [event["actor"]["sub"] for event in approvals] == approvers
    stored = gateway.ctx.accounts.client(client.client_id)
    assert stored is not None
    assert stored.roles == (PROVIDER.roles if approvers else frozenset())


@pytest.mark.parametrize(
    ("approver", "changed", "code"),
    [
        ("sun", {"region": ELSEWHERE}, "OUTSIDE_REGION"),
        ("sun", {"proposed_by": "officer:sun"}, "FOUR_EYES"),
        ("sun", {"grants": Grants(frozenset({Role.SUPERVISOR}))}, "SUPERVISOR_MUST_APPROVE"),
    ],
)
def test_a_proposal_that_changes_in_between_is_judged_as_it_is(
    gateway: AdministeredGateway, meanwhile: Any, approver: str, changed: dict[str, Any], code: str
) -> None:
    officer = gateway.officer()
    wanted = Grants(frozenset({Role.CENTRE, Role.AUTHORITY}))
    proposal_id = grants.propose_for_officer(gateway.ctx, named("li"), officer.username, wanted)["proposal_id"]
    proposal = gateway.other.administration.proposal(proposal_id)
    assert proposal is not None

    def change() -> None:
        administration = gateway.other.administration
        gateway.other.accounts.transact(lambda unit: administration.save_proposal(replace(proposal, **changed), unit))

    meanwhile(gateway.ctx.administration, "proposal", change)
    found = refused(gateway, lambda: grants.approve(gateway.ctx, named(approver), proposal_id))
    assert found == (code, [{"code": code}])
    assert gateway.ctx.accounts.officer(officer.username) == officer
