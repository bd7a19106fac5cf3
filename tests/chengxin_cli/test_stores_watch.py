"""The watch of the embedded stores: which stores it restarts, and which it leaves alone."""

import itertools
import json
import signal
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from chengxin_cli.suite.home import Home
from chengxin_cli.suite.stores_watch import StoreAnswer, StoreProber, StoreWatch
from tests.support import StoreDaemon, until


class SteeredWatch:
    """A watch whose time, answers and pids a test controls."""

    def __init__(self) -> None:
        self.now, self.wall = 1000.0, 50_000.0
        self.answers = {"a": StoreAnswer.WORKS, "b": StoreAnswer.WORKS}
        self.pids = {"a": 1, "b": 2}
        self.asked = 0
        self.watch = StoreWatch(self, ["a", "b"], lambda: self.now, lambda: self.wall)

    def __call__(self, process: str) -> StoreAnswer:
        self.asked += 1
        return self.answers[process]

    def close(self) -> None:
        pass

    def rounds(self, seconds: float, step: float = 1.0) -> list[str]:
        """The stores that are restarted within so many seconds, with one look per step."""
        found: list[str] = []
        for _ in range(int(seconds / step)):
            self.now, self.wall = self.now + step, self.wall + step
            restarted = self.watch.round(lambda: self.pids)
            found += restarted
            for name in restarted:
                self.pids[name] += 100
        return found


@pytest.fixture
def watched() -> Iterator[SteeredWatch]:
    found = SteeredWatch()
    # Every store has answered once.
    assert found.rounds(5) == []
    yield found
    found.watch.close()


def test_who_works_is_left_alone_and_not_asked_all_the_time(watched: SteeredWatch) -> None:
    watched.asked = 0
    assert watched.rounds(60) == []
    assert 2 * 15 <= watched.asked <= 2 * 30


def test_a_store_is_started_again_after_two_missed_answers_in_a_row(watched: SteeredWatch) -> None:
    watched.answers["a"] = StoreAnswer.SILENT
    assert watched.rounds(2) == []
    watched.answers["a"] = StoreAnswer.WORKS
    assert watched.rounds(2) == []
    watched.answers["a"] = StoreAnswer.SILENT
    assert watched.rounds(2) == []
    assert watched.rounds(2) == ["a"]


def test_an_internal_error_is_enough_once(watched: SteeredWatch) -> None:
    watched.answers["b"] = StoreAnswer.BROKEN
    assert watched.rounds(2) == ["b"]


def test_a_store_whose_process_is_away_is_its_supervisors_matter(watched: SteeredWatch) -> None:
    watched.answers["a"] = StoreAnswer.AWAY
    assert watched.rounds(600) == []


def test_a_store_that_starts_is_given_time_and_then_longer_each_time(watched: SteeredWatch) -> None:
    watched.answers["a"] = StoreAnswer.SILENT
    restarted = []
    for second in range(3600):
        if watched.rounds(1):
            restarted.append(second)
    # The pause grows from half a minute to ten minutes.
    pauses = [after - before for before, after in itertools.pairwise(restarted)]
    assert pauses == sorted(pauses)
    assert 30 <= pauses[0] <= 40
    assert 600 <= pauses[-1] <= 610
    # Once it works, it is treated like any other store.
    watched.answers["a"] = StoreAnswer.WORKS
    assert watched.rounds(601) == []
    watched.answers["a"] = StoreAnswer.SILENT
    assert watched.rounds(4) == ["a"]


def test_a_store_that_its_supervisor_started_meanwhile_is_given_time_too(watched: SteeredWatch) -> None:
    watched.pids["a"], watched.answers["a"] = 77, StoreAnswer.SILENT
    assert watched.rounds(28) == []
    assert watched.rounds(8) == ["a"]


@pytest.mark.parametrize("clock", ["now", "wall"])
def test_a_machine_that_was_suspended_holds_nothing_against_anybody(watched: SteeredWatch, clock: str) -> None:
    watched.answers["a"] = StoreAnswer.SILENT
    assert watched.rounds(2) == []
    setattr(watched, clock, getattr(watched, clock) + 3600)
    assert watched.rounds(3) == []
    assert watched.rounds(3) == ["a"]


def test_what_real_stores_say(tmp_path: Path) -> None:
    daemon = StoreDaemon(tmp_path / "store")
    home = Home(tmp_path)
    (tmp_path / "keys").mkdir()
    (tmp_path / "keys" / "store-uris.json").write_text(json.dumps({"x": daemon.uri("x")}))
    with closing(StoreProber(home, 1)) as ask:
        assert ask.processes == ["x"]
        assert ask("x") is StoreAnswer.AWAY
        daemon.start()
        until(lambda: ask("x") is StoreAnswer.WORKS, "it answers")
        daemon.signal(signal.SIGSTOP)
        # On the connection that it has, and on new connections.
        assert [ask("x"), ask("x")] == [StoreAnswer.SILENT] * 2
        daemon.signal(signal.SIGCONT)
        until(lambda: ask("x") is StoreAnswer.WORKS, "it answers again")
        daemon.kill()
        until(lambda: ask("x") is StoreAnswer.AWAY, "it is away")
