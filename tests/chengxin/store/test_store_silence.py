"""While a store is silent, only one caller at a time waits for it; while it answers, no caller is refused."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from pymongo.errors import NetworkTimeout

from chengxin.errors import Problem
from chengxin.store.silent_store import StoreSilence


class AskedStore:
    """A store's probe: it stays silent, or answers, once a test lets it."""

    def __init__(self, answers: bool = False) -> None:
        self.count = 0
        self.answers = answers
        self.begun, self.go_on = threading.Event(), threading.Event()

    def __call__(self) -> None:
        self.count += 1
        self.begun.set()
        assert self.go_on.wait(30)
        if not self.answers:
            raise NetworkTimeout("nothing")


def told(silence: StoreSilence) -> str:
    """The code that a caller gets; empty when the call is let through."""
    try:
        silence.must_be_over()
    except Problem as e:
        return e.code if e.retry_after else "not told when"
    return ""


def test_a_store_that_nobody_suspects_is_not_asked() -> None:
    asked = AskedStore()
    assert told(StoreSilence(asked)) == ""
    assert asked.count == 0


def test_where_silence_is_certain_one_asks_again_and_the_others_are_told_at_once() -> None:
    asked = AskedStore()
    silence = StoreSilence(asked)
    silence.suspect()
    asked.go_on.set()
    assert told(silence) == "STORE_UNAVAILABLE"
    asked.go_on.clear()
    asked.begun.clear()
    with ThreadPoolExecutor(1) as pool:
        one = pool.submit(told, silence)
        assert asked.begun.wait(30)
        # The first one still probes; these would wait for ever if they probed, too.
        assert [told(silence) for _ in range(100)] == ["STORE_UNAVAILABLE"] * 100
        asked.go_on.set()
        assert one.result(30) == "STORE_UNAVAILABLE"
    assert asked.count == 2


@pytest.mark.parametrize("answers", [True, False])
def test_at_first_the_others_wait_for_the_answer(answers: bool) -> None:
    asked = AskedStore(answers)
    silence = StoreSilence(asked)
    silence.suspect()
    with ThreadPoolExecutor(8) as pool:
        callers = [pool.submit(told, silence) for _ in range(8)]
        assert asked.begun.wait(30)
        asked.go_on.set()
        assert {caller.result(30) for caller in callers} == {"" if answers else "STORE_UNAVAILABLE"}


def test_when_it_answers_it_is_over() -> None:
    asked = AskedStore()
    silence = StoreSilence(asked)
    silence.suspect()
    asked.go_on.set()
    assert told(silence) == "STORE_UNAVAILABLE"
    asked.answers = True
    assert [told(silence), told(silence)] == ["", ""]
    assert asked.count == 2
