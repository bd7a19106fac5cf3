"""One suite runs in a home; that other commands look there keeps none from starting."""

import threading
from pathlib import Path

import click
import pytest

from chengxin_cli.suite.home import Home, lock_home, write_private


def test_a_second_suite_is_refused_and_told_which_one_runs(tmp_path: Path) -> None:
    home = Home(tmp_path)
    write_private(home.suite, b'{"http": "http://x"}')
    with lock_home(home):
        assert home.running() == {"http": "http://x"}
        with pytest.raises(click.ClickException, match=r"a suite already runs in .* \(pid \d+\)"), lock_home(home):
            pass
    assert home.addresses() == {}


def test_a_command_that_looks_for_a_suite_does_not_keep_one_from_starting(tmp_path: Path) -> None:
    home = Home(tmp_path)
    write_private(home.suite, b"{}")
    with lock_home(home):
        pass
    enough = threading.Event()

    def look() -> None:
        while not enough.is_set():
            home.addresses()

    others = [threading.Thread(target=look) for _ in range(2)]
    for other in others:
        other.start()
    try:
        for _ in range(200):
            with lock_home(home):
                pass
    finally:
        enough.set()
        for other in others:
            other.join()
