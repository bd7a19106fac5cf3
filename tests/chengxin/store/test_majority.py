"""What is told to others survives a failover: reads and writes of a store are of a majority, whoever makes them."""

import re
from collections.abc import Iterator
from typing import Any

import pymongo.monitoring
import pytest

from chengxin.store.database import Store, UnitOfWork
from chengxin.store.leases import Holder
from tests.chengxin.store.test_database import add
from tests.tools.loading import ROOT

READS = {"find", "aggregate", "distinct", "count"}
WRITES = {"insert", "update", "delete", "findAndModify"}
COMMIT = "commitTransaction"
# Each chooses what a read sees or a write waits for, for one call or one collection.
CHOICES = re.compile(r"\b(ReadConcern|WriteConcern|ReadPreference|with_options|read_concern|write_concern)\b")


class Commands(pymongo.monitoring.CommandListener):
    """The commands that this process sends to stores, while a test looks."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, dict[str, Any]]] = []
        self.looking = False

    def started(self, event: pymongo.monitoring.CommandStartedEvent) -> None:
        if self.looking:
            self.seen.append((event.command_name, dict(event.command)))

    def succeeded(self, event: pymongo.monitoring.CommandSucceededEvent) -> None:
        """Nothing is to be done."""

    def failed(self, event: pymongo.monitoring.CommandFailedEvent) -> None:
        """Nothing is to be done."""


COMMANDS = Commands()
# Stores that are opened from now on tell it.
pymongo.monitoring.register(COMMANDS)


@pytest.fixture
def commands() -> Iterator[Commands]:
    COMMANDS.looking = True
    yield COMMANDS
    COMMANDS.looking = False
    COMMANDS.seen.clear()


def levels(commands: Commands) -> set[str]:
    """What the reads see."""
    asked = [c.get("readConcern") for name, c in commands.seen if name in READS and _says(c)]
    return {(concern or {}).get("level", "none") for concern in asked}


def waits(commands: Commands) -> set[tuple[Any, Any]]:
    """What the writes wait for, alone or with their transaction."""
    asked = [
        c.get("writeConcern") or {} for name, c in commands.seen if name == COMMIT or (name in WRITES and _says(c))
    ]
    return {(concern.get("w"), concern.get("j")) for concern in asked}


def _says(command: dict[str, Any]) -> bool:
    """Whether it says for itself what it sees: within a transaction the first command says so for all."""
    return "autocommit" not in command or ("startTransaction" in command and "find" in command)


def use_all(store: Store) -> None:
    """Whatever the store tells others, and whatever a repository reads or writes beside it."""
    add(store, "one")
    store.once("her", "k", b"same", lambda unit: {}, dict)
    store.rows(0)
    store.head(0, "all", lambda row: True)
    next(iter(store.follow(0, lambda: True)))
    store.set_position("feed", 1)
    store.position("feed")
    store.end_transactions()
    store.ping()
    holder = Holder(store)
    holder.beat()
    holder.take("lease")
    store.transact(lambda unit: holder.confirm("lease", unit))
    holder.leave()
    things = store.db["things"]
    things.count_documents({})
    list(things.find({}))
    list(things.aggregate([{"$match": {}}]))


def test_reads_and_writes_are_of_a_majority(commands: Commands, store: Store) -> None:
    use_all(store)
    assert levels(commands) == {"majority", "snapshot"}
    assert waits(commands) == {("majority", True)}
    kinds = {name for name, _ in commands.seen}
    assert kinds >= {"find", "aggregate", "insert", "update", "delete", "findAndModify", COMMIT}


def test_a_transaction_sees_a_snapshot_of_what_a_majority_has(commands: Commands, store: Store) -> None:
    def work(unit: UnitOfWork) -> None:
        store.db["things"].find_one({}, session=unit.session)
        unit.publish("thing")

    store.transact(lambda unit: None)
    commands.seen.clear()
    store.transact(work)
    assert levels(commands) == {"snapshot"}
    assert waits(commands) == {("majority", True)}


def test_it_is_chosen_in_one_place() -> None:
    packages = ("chengxin", "services", "gateway", "chengxin_cli", "deploy", "demo")
    files = [file for package in packages for file in (ROOT / package).rglob("*.py")]
    choosing = [str(file.relative_to(ROOT)) for file in files if CHOICES.search(file.read_text())]
    assert choosing == ["chengxin/store/database.py"]
