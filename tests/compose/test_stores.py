"""The job that prepares a store works whatever state the store is in."""

import socket
from collections.abc import Iterator
from typing import Any

import pymongo
import pytest
from pymongo.errors import AutoReconnect, ConnectionFailure, ExecutionTimeout, OperationFailure

from deploy.stores import connect, prepare
from tests.support import store_daemon

PASSWORDS = {"root": "of-the-administrator", "account": "of-the-service"}


@pytest.fixture
def address() -> Iterator[str]:
    """A store that was never used."""
    with store_daemon() as uri_of:
        yield uri_of("x").partition("://")[2].partition("/")[0]


def test_a_store_without_authentication_that_knows_no_initiation_gets_its_accounts(address: str) -> None:
    said = prepare("audit", address, PASSWORDS)
    assert said == "a replica set already, without authentication"
    for account, password in (("audit", "of-the-service"), ("root", "of-the-administrator")):
        client: pymongo.MongoClient[dict[str, object]] = pymongo.MongoClient(
            f"mongodb://{account}:{password}@{address}/?directConnection=true&authSource=admin"
        )
        assert client.admin.command("ping")["ok"]


def test_a_store_that_is_ready_is_left_alone(address: str) -> None:
    prepare("audit", address, PASSWORDS)
    assert prepare("audit", address, PASSWORDS) == "ready already"


def test_an_account_with_another_password_is_given_the_right_one(address: str) -> None:
    prepare("audit", address, PASSWORDS | {"account": "an-older-one"})
    assert prepare("audit", address, PASSWORDS) == "a replica set already"
    assert prepare("audit", address, PASSWORDS) == "ready already"


def test_a_store_that_accepts_connections_and_says_nothing_is_asked_again_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("deploy.stores._COMMAND_SECONDS", 0.5)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        client = connect("127.0.0.1:{1}".format(*silent.getsockname()), None, None)
        # `prepare` begins again after such an error, for two minutes.
        with pytest.raises((ConnectionFailure, ExecutionTimeout)):
            client.admin.command("ping")


class Mongod:
    """A store as mongod starts one with `--replSet` and `--keyFile`, which no machine without a registry has."""

    def __init__(self) -> None:
        self.accounts = {"root": "of-the-administrator"}
        self.members: list[Any] = []
        self.hellos_until_primary = 2
        self.connections_to_lose = 1
        self.done: list[str] = []

    def connect(self, _address: str, user: str | None, password: str | None) -> Any:
        return Session(self, user, password)


class Session:
    """One connection; `admin` is itself."""

    def __init__(self, mongod: Mongod, user: str | None, password: str | None) -> None:
        self.mongod, self.user, self.password = mongod, user, password
        self.admin = self

    def command(self, name: str, value: Any = 1, **options: Any) -> dict[str, Any]:
        m = self.mongod
        if m.connections_to_lose:
            m.connections_to_lose -= 1
            raise AutoReconnect("the temporary mongod stops")
        if self.user is not None and m.accounts.get(self.user) != self.password:
            raise OperationFailure("Authentication failed.", 18)
        if self.user is None and name != "hello":
            raise OperationFailure(f"Command {name} requires authentication", 13)
        if name == "replSetInitiate":
            if m.members:
                raise OperationFailure("already initialized", 23)
            m.members = value["members"]
        if name == "hello" and m.members and m.hellos_until_primary:
            m.hellos_until_primary -= 1
        if name == "createUser":
            assert m.members, "accounts are written when the replica set has a primary"
            assert not m.hellos_until_primary, "accounts are written when the replica set has a primary"
            assert options["roles"] == [{"role": "readWrite", "db": value}, {"role": "dbAdmin", "db": value}]
            m.accounts[value] = options["pwd"]
        m.done.append(name)
        return {"ok": 1, "isWritablePrimary": bool(m.members) and not m.hellos_until_primary}


def test_a_new_mongod_becomes_a_replica_set_of_one_before_it_gets_the_account() -> None:
    mongod = Mongod()
    # While it is not primary yet everything is asked again, so the second time it is a replica set already.
    assert prepare("audit", "audit-store:27017", PASSWORDS, mongod.connect) == "a replica set already"
    assert mongod.members == [{"_id": 0, "host": "audit-store:27017"}]
    assert mongod.done.count("replSetInitiate") == mongod.done.count("createUser") == 1
    assert prepare("audit", "audit-store:27017", PASSWORDS, mongod.connect) == "ready already"


def test_a_mongod_with_another_administrator_is_reported_not_guessed_at() -> None:
    mongod = Mongod()
    mongod.accounts["root"] = "somebody else's"
    with pytest.raises(OperationFailure, match="requires authentication"):
        prepare("audit", "audit-store:27017", PASSWORDS, mongod.connect)
