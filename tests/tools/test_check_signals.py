"""`tools/check_signals.py` names every place outside of `stop_signals.py` that handles signals."""

import subprocess
from pathlib import Path

import pytest

from tests.tools.loading import ROOT, tool

check_signals = tool("check_signals")


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A repository with one file, `a.py`."""
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    return tmp_path


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("import signal\nsignal.signal(signal.SIGTERM, print)\n", "a.py:2 signal"),
        ("import signal\ninstall = signal.signal\n", "a.py:2 signal"),
        ("from signal import signal\n", "a.py:1 signal"),
        ("from signal import *\n", "a.py:1 *"),
        ("import signal as s\ns.signal(15, print)\n", "a.py:1 as s"),
        ("import signal\nsignal.set_wakeup_fd(3)\n", "a.py:2 set_wakeup_fd"),
        ("import signal\nsignal.sigwait({15})\n", "a.py:2 sigwait"),
        ("def f(loop):\n    loop.add_signal_handler(15, print)\n", "a.py:2 add_signal_handler"),
    ],
)
def test_whatever_handles_a_signal_is_named(tree: Path, source: str, found: str) -> None:
    (tree / "a.py").write_text(source)
    assert check_signals.find_handling(tree) == [found]


def test_sending_and_naming_signals_is_allowed(tree: Path) -> None:
    (tree / "a.py").write_text("import os, signal\nos.kill(1, signal.SIGTERM)\nprint(-signal.SIGKILL)\n")
    assert check_signals.find_handling(tree) == []


def test_in_this_tree_one_place_handles_them() -> None:
    assert check_signals.find_handling(ROOT) == []
