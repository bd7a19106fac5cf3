"""One suite runs in a home; that other commands look there keeps none from starting."""

import threading
from pathlib import Path

import click
import pytest

from chengxin_cli.suite.home import Home, lock_home, write_private


def test_a_second_suite_is_refused_and_told_which_one_runs(tmp_path: Path) -> None:
    home = Home(tmp_path)
    write_private(home.suite, b'{"http": "http://x", "grpc": "x"}')
    with lock_home(home):
        assert home.running() == {"http": "http://x", "grpc": "x"}
        with pytest.raises(click.ClickException, match=r"a suite already runs in .* \(pid \d+\)"), lock_home(home):
            pass
    assert home.addresses() == {}


def test_a_command_that_looks_for_a_suite_does_not_keep_one_from_starting(tmp_path: Path) -> None:
    home = Home(tmp_path)
    write_private(home.suite, b'{"http": "http://x", "grpc": "x"}')
    with lock_home(home):
        pass
    enough, looks = threading.Event(), [0, 0]

    def look(number: int) -> None:
        while not enough.is_set():
            home.addresses()
            looks[number] += 1

    others = [threading.Thread(target=look, args=(number,)) for number in range(2)]
    for other in others:
        other.start()
    started = 0
    try:
        for _ in range(200):
            with lock_home(home):
                started += 1
    finally:
        enough.set()
        for other in others:
            other.join()
    assert started == 200
    assert all(looks)
