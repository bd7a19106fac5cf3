"""Signing keys are rotated and revoked while the suite goes on."""

from collections.abc import Callable
from datetime import datetime
from typing import Any, cast

import pytest

from chengxin.errors import Problem
from chengxin.store.database import UnitOfWork
from chengxin.values.acts import Act
from chengxin.values.clock import SystemClock
from gateway.store.accounts import Accounts
from gateway.store.signing_keys import GATEWAY, SigningKeys
from tests.gateway.conftest import RunningGateway
from tests.gateway.verifying_service import as_a_service
from tests.support import until


def _kid(token: str) -> str:
    import jwt

    return str(jwt.get_unverified_header(token)["kid"])


@pytest.mark.long
def test_the_signing_key_is_rotated_and_nobody_notices(gate: RunningGateway) -> None:
    old = gate.token("market_regulator")
    rotated = gate.officer("first").call("POST", "/v1/identity/signing-keys")
    assert rotated.status == 201
    kid = rotated.body["kid"]
    # Published before it signs, so that every verifier can have it.
    assert (rotated.body["signs"], _kid(gate.token("market_regulator"))) == (False, _kid(old))
    assert kid in {k["kid"] for k in gate.edge.call("GET", "/.well-known/jwks.json").body["keys"]}
    verifier, _ = as_a_service(gate)

    def signs() -> bool:
        # Meanwhile every token is good.
        token = gate.token("market_regulator")
        assert verifier.verify(token).client_id == "market_regulator"
        assert gate.edge.call("GET", "/v1/me/records", token).status == 200
        return _kid(token) == kid

    until(signs, "the new key signs", 30)
    assert verifier.verify(old).client_id == "market_regulator"
    keys = gate.officer("watcher").get("/v1/identity/signing-keys")["signing_keys"]
    assert [k["signs"] for k in keys] == [True] + [False] * (len(keys) - 1)
    event = until(lambda: gate.grpc_upstream.acts("signing_key.created"))[-1]
    assert event["details"]["kid"] == kid
    assert event["actor"]["sub"] == "officer:first"


def test_what_a_revoked_key_signed_is_dead_and_the_suite_goes_on(gate: RunningGateway) -> None:
    verifier, revocations = as_a_service(gate)
    token = gate.token("market_regulator")
    verifier.verify(token)
    by = gate.officer("first")
    answer = by.call("POST", f"/v1/identity/signing-keys/{_kid(token)}/revoke")
    assert answer.status == 200, answer.body
    assert gate.edge.call("GET", "/v1/me/records", token).status == 401
    # The service's own token was signed by it: it obtains another and hears the rest.
    revocations.refresh()
    revocations.refresh()
    with pytest.raises(Problem, match="revoked"):
        verifier.verify(token)
    fresh = gate.token("market_regulator")
    assert gate.edge.call("GET", "/v1/me/records", fresh).status == 200
    assert gate.edge.call("GET", "/v1/public/subjects").status == 200
    # Officers whose tokens it signed sign in again.
    gate.signed_in.clear()


class KeyTable:
    """The signing keys of a store; once, something happens after they were read and before they are taken over."""

    def __init__(self) -> None:
        self.rows: list[tuple[str, bytes, datetime]] = []
        self.administration = self
        self.after_read: Callable[[], object] = lambda: None

    def signing_keys(self) -> list[tuple[bytes, datetime]]:
        found = [(pem, signs_from) for _, pem, signs_from in self.rows]
        happens, self.after_read = self.after_read, lambda: None
        happens()
        return found

    def add_signing_key(self, kid: str, pem: bytes, _created_at: datetime, signs_from: datetime, _unit: Any) -> None:
        self.rows.insert(0, (kid, pem, signs_from))

    def drop_signing_key(self, kid: str, _unit: Any) -> bool:
        before = len(self.rows)
        self.rows = [row for row in self.rows if row[0] != kid]
        return len(self.rows) < before

    def transact(self, work: Callable[[Any], Any]) -> Any:
        return work(UnitOfWork(cast(Any, None)))

    def revoke(self, *_: object) -> None: ...


@pytest.fixture
def table() -> KeyTable:
    return KeyTable()


@pytest.fixture
def keys(table: KeyTable) -> SigningKeys:
    found = SigningKeys(cast(Accounts, table), "https://gateway", "chengxin", SystemClock())
    found.load()
    return found


def _kids(keys: SigningKeys) -> list[str]:
    return [key.jwk["kid"] for key in keys.all()]


def test_a_key_that_is_dropped_while_the_keys_are_read_again_does_not_come_back(
    table: KeyTable, keys: SigningKeys
) -> None:
    old = keys.signing().jwk["kid"]
    new = keys.add(GATEWAY).jwk["kid"]
    table.after_read = lambda: keys.drop(GATEWAY, old, Act.SIGNING_KEY_REVOKED, revoked=True)
    keys.load()
    assert _kids(keys) == [new]


def test_a_key_that_is_added_while_the_keys_are_read_again_stays_published(table: KeyTable, keys: SigningKeys) -> None:
    [old] = _kids(keys)
    table.after_read = lambda: keys.add(GATEWAY)
    keys.load()
    assert len(_kids(keys)) == 2
    assert _kids(keys)[1] == old
    # One that is read before it is taken over by who added it is there once.
    assert len(keys.jwks()["keys"]) == len(table.rows)
