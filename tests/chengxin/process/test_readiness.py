"""A need that cannot be asked counts as missing, and is asked again."""

import threading

import pytest

from chengxin.process.readiness import Readiness


def test_a_system_without_threads_makes_no_need_look_met(monkeypatch: pytest.MonkeyPatch) -> None:
    readiness = Readiness({"store": lambda: True})

    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as scarce:
        scarce.setattr(threading.Thread, "start", refuse)
        assert readiness() == {"store": False}
    assert readiness() == {"store": True}
