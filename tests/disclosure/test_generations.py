"""A generation's data is dropped once another one is in use, despite interruptions, and without holding up the store."""

from collections.abc import Iterator
from typing import Any

import pymongo
import pytest
from pymongo.monitoring import CommandListener, CommandStartedEvent

from chengxin.store.database import UnitOfWork
from chengxin.store.documents import collection_name
from services.disclosure.store.documents import DERIVED, GenerationRow
from services.disclosure.store.generations import DONE, FAILED, UNNUMBERED, Generations
from tests.disclosure.running_disclosure import RunningDisclosure

ROWS = 450


@pytest.fixture
def generations(city: RunningDisclosure) -> Generations:
    """The first generation is in use; it was filled beside the data of the previous version."""
    db = city.ctx.store.store.db
    db["subjects"].insert_many([{"_id": f"s_{n}", "page": 0, "slots": 0} for n in range(ROWS)])
    db["positions"].insert_one({"_id": "feed.ingest", "position": 7})
    found = Generations(city.ctx.store.store)
    found.prepare()
    found.filled()
    return found


def switched(generations: Generations, before: int, after: int) -> None:
    """Another generation is in use."""
    generations.store.db[f"subjects.{after}"].insert_many(
        [{"_id": f"s_{n}", "page": 0, "slots": 0} for n in range(ROWS)]
    )
    for number in (before, after):
        generations.store.db["positions"].replace_one({"_id": f"feed.ingest.{number}"}, {"position": 1}, upsert=True)

    def work(unit: UnitOfWork) -> None:
        generations.switch(unit, before, after, {})

    generations.store.transact(work)


def requested(generations: Generations) -> dict[str, Any]:
    """A rebuild that is requested now, or was before and is under way."""
    at = "2026-11-29T00:00:00Z"
    return generations.store.transact(lambda unit: generations.request_rebuild(unit, "officer", at))


def numbers(generations: Generations) -> set[int]:
    """The generations that have data."""
    bases = {collection_name(document) for document in DERIVED}
    found: set[int] = set()
    for name in generations.store.db.list_collection_names():
        base, _, number = name.rpartition(".")
        found |= {UNNUMBERED} if name in bases - {"consents"} else {int(number)} if base in bases else set()
    return found


def test_the_first_generation_looks_up_in_what_was_before_it(generations: Generations) -> None:
    generations.drop_unused()
    assert numbers(generations) == {UNNUMBERED, 2}
    assert generations.store.db["subjects"].count_documents({}) == ROWS


def test_all_but_the_one_in_use_are_dropped_after_a_switch(generations: Generations) -> None:
    switched(generations, 2, 3)
    generations.drop_unused()
    assert numbers(generations) == {3}
    assert {row["_id"] for row in generations.store.db["positions"].find()} == {"feed.ingest.3"}
    assert generations.store.db["subjects.3"].count_documents({}) == ROWS


def test_what_an_interruption_left_is_dropped_later(generations: Generations, monkeypatch: pytest.MonkeyPatch) -> None:
    """Once it was forgotten: a deadline that passed in a large collection left it there for good."""
    switched(generations, 2, 3)

    def silent(*_: object) -> None:
        raise pymongo.errors.NetworkTimeout("no answer")

    with monkeypatch.context() as patched:
        patched.setattr(Generations, "_drop", silent)
        with pytest.raises(pymongo.errors.NetworkTimeout):
            generations.drop_unused()
    assert UNNUMBERED in numbers(generations)
    generations.drop_unused()
    assert numbers(generations) == {3}


def test_one_that_is_being_filled_is_left_alone(generations: Generations) -> None:
    switched(generations, 2, 3)
    asked = requested(generations)
    generations.store.db[f"subjects.{asked['number']}"].insert_one({"_id": "s_new"})
    generations.drop_unused()
    assert numbers(generations) == {3, asked["number"]}
    generations.report_progress(state=DONE)
    generations.drop_unused()
    assert numbers(generations) == {3}


@pytest.mark.parametrize("rebuilding", [False, True])
def test_what_is_of_another_form_is_made_again_from_the_feeds(generations: Generations, rebuilding: bool) -> None:
    """A home of the version before: nothing is answered from what it has, nor from what a rebuild had begun."""
    rows = generations.store.collection(GenerationRow)
    generations.prepare()
    assert generations.current()["number"] == 2
    rows.update_one({"_id": "current"}, {"$unset": {"form": ""}})
    if rebuilding:
        requested(generations)
    generations.prepare()
    begun = generations.current()
    assert (begun["number"], begun["previous"], begun["filling"]) == (4 if rebuilding else 3, 2, True)
    assert (generations.rebuild() or {}).get("state") == (FAILED if rebuilding else None)
    generations.prepare()
    assert generations.current() == begun
    # A start that was interrupted before it had everything, by software of yet another form.
    rows.update_one({"_id": "current"}, {"$set": {"form": -1}})
    generations.prepare()
    assert (generations.current()["number"], generations.current()["previous"]) == (begun["number"] + 1, 2)


class Heard(CommandListener):
    """What is dropped, and what was in it then."""

    def __init__(self) -> None:
        self.dropped: list[str] = []
        self.deleted: list[int] = []

    def started(self, event: CommandStartedEvent) -> None:
        if event.command_name == "drop":
            self.dropped.append(event.command["drop"])
        if event.command_name == "delete":
            self.deleted.append(len(event.command["deletes"]))

    def succeeded(self, event: object) -> None: ...
    def failed(self, event: object) -> None: ...


@pytest.fixture
def heard() -> Iterator[Heard]:
    """Listens to the clients that are made from now on."""
    found = Heard()
    pymongo.monitoring.register(found)
    yield found
    pymongo.monitoring._LISTENERS.command_listeners.remove(found)


def test_a_collection_is_emptied_in_small_transactions_before_it_is_dropped(
    heard: Heard, generations: Generations
) -> None:
    """While the embedded store drops a collection it does not answer: a millisecond for each document."""
    switched(generations, 2, 3)
    heard.deleted.clear()
    generations.drop_unused()
    assert "subjects" in heard.dropped
    assert sum(heard.deleted) >= ROWS
    assert max(heard.deleted) <= 200
