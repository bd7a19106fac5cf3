"""Callers at the same time are served together, each gets its own answer, and none waits for ever."""

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest

from chengxin.auth.request_context import RequestContext, current, serving
from chengxin.concurrency.coalescing import Coalescer, Unanswered
from tests.support import until


class Work:
    """Doubles numbers, one group at a time; a test can hold it up."""

    def __init__(self) -> None:
        self.groups: list[list[int]] = []
        self.free = threading.Event()
        self.free.set()
        self.meanwhile: Callable[[], object] = lambda: None

    def __call__(self, group: Sequence[int], seconds: float) -> list[int]:
        self.groups.append(list(group))
        assert self.free.wait(10)
        self.meanwhile()
        return [2 * n for n in group]


@pytest.fixture
def work() -> Work:
    return Work()


def held_up(work: Work, together: Coalescer[int, int], pool: ThreadPoolExecutor, first: int) -> None:
    """Later callers find a group at work."""
    work.free.clear()
    pool.submit(together.ask, first, 10)
    until(lambda: [first] in work.groups, "one is at work")


def test_whoever_is_alone_does_its_own_work_at_once(work: Work) -> None:
    together: Coalescer[int, int] = Coalescer(work, 10, company=5)
    began = time.monotonic()
    assert [together.ask(n, 1) for n in range(3)] == [0, 2, 4]
    assert work.groups == [[0], [1], [2]]
    assert time.monotonic() - began < 1


def test_those_who_come_meanwhile_make_one_group_and_each_has_its_answer(work: Work) -> None:
    together: Coalescer[int, int] = Coalescer(work, 10, company=0)
    with ThreadPoolExecutor(8) as pool:
        held_up(work, together, pool, 0)
        asked = [pool.submit(together.ask, n, 10) for n in range(1, 6)]
        until(lambda: len(together._waiting) == 5, "five wait")
        work.free.set()
        assert [found.result(10) for found in asked] == [2, 4, 6, 8, 10]
    assert [sorted(group) for group in work.groups] == [[0], [1, 2, 3, 4, 5]]


def test_a_group_is_never_greater_than_it_may_be(work: Work) -> None:
    together: Coalescer[int, int] = Coalescer(work, 3, company=0)
    with ThreadPoolExecutor(9) as pool:
        held_up(work, together, pool, 0)
        asked = [pool.submit(together.ask, n, 10) for n in range(1, 8)]
        until(lambda: len(together._waiting) == 7, "seven wait")
        work.free.set()
        assert [found.result(10) for found in asked] == [2 * n for n in range(1, 8)]
    assert [len(group) for group in work.groups] == [1, 3, 3, 1]


def test_after_a_group_of_several_as_many_are_waited_for_and_no_more(work: Work) -> None:
    together: Coalescer[int, int] = Coalescer(work, 10, company=30)
    with ThreadPoolExecutor(8) as pool:
        held_up(work, together, pool, 0)
        several = [pool.submit(together.ask, n, 10) for n in (1, 2, 3)]
        until(lambda: len(together._waiting) == 3, "three wait")
        work.free.set()
        assert sorted(found.result(10) for found in several) == [2, 4, 6]
        # Two of them return, and the third a moment later: they form one group, long before thirty seconds are over.
        two = [pool.submit(together.ask, n, 60) for n in (4, 5)]
        until(lambda: len(together._waiting) == 2, "two wait for the third")
        assert together.ask(6, 10) == 12
        assert [found.result(10) for found in two] == [8, 10]
    assert sorted(work.groups[-1]) == [4, 5, 6]


def test_company_that_does_not_come_is_not_waited_for_long(work: Work) -> None:
    together: Coalescer[int, int] = Coalescer(work, 10, company=0.3)
    with ThreadPoolExecutor(8) as pool:
        held_up(work, together, pool, 0)
        several = [pool.submit(together.ask, n, 10) for n in (1, 2, 3)]
        until(lambda: len(together._waiting) == 3, "three wait")
        work.free.set()
        assert sorted(found.result(10) for found in several) == [2, 4, 6]
    began = time.monotonic()
    assert together.ask(4, 10) == 8
    assert time.monotonic() - began >= 0.3
    began = time.monotonic()
    # That group had one caller: the next group starts at once.
    assert together.ask(5, 10) == 10
    assert time.monotonic() - began < 0.3


def test_what_goes_wrong_goes_wrong_for_the_whole_group_and_for_no_other(work: Work) -> None:
    together: Coalescer[int, int] = Coalescer(work, 10, company=0)
    troubles = iter([ValueError("away")])

    def meanwhile() -> None:
        if len(work.groups) == 2:
            raise next(troubles)

    with ThreadPoolExecutor(8) as pool:
        held_up(work, together, pool, 0)
        work.meanwhile = meanwhile
        asked = [pool.submit(together.ask, n, 10) for n in (1, 2)]
        until(lambda: len(together._waiting) == 2, "two wait")
        work.free.set()
        assert [type(found.exception(10)) for found in asked] == [ValueError, ValueError]
    assert together.ask(3, 1) == 6


def test_whoever_is_left_without_an_answer_is_not_taken_for_answered(work: Work) -> None:
    """An audit event counts as durable unless an error says otherwise."""
    together: Coalescer[int, int] = Coalescer(work, 10, company=0)
    with ThreadPoolExecutor(8) as pool:
        held_up(work, together, pool, 0)

        def meanwhile() -> None:
            if len(work.groups) == 2:
                raise SystemExit

        work.meanwhile = meanwhile
        asked = [pool.submit(together.ask, n, 10) for n in (1, 2, 3)]
        until(lambda: len(together._waiting) == 3, "three wait")
        work.free.set()
        ends = sorted(type(found.exception(10)).__name__ for found in asked)
    assert ends == ["RuntimeError", "RuntimeError", "SystemExit"]
    assert together.ask(4, 1) == 8


def test_an_answer_too_few_is_nobodys_answer() -> None:
    together: Coalescer[int, int] = Coalescer(lambda group, seconds: [], 10, company=0)
    with pytest.raises(ValueError, match="shorter"):
        together.ask(1, 1)


def test_whoever_has_waited_long_enough_gives_up_and_the_others_go_on(work: Work) -> None:
    together: Coalescer[int, int] = Coalescer(work, 10, company=0)
    with ThreadPoolExecutor(8) as pool:
        held_up(work, together, pool, 0)
        patient = pool.submit(together.ask, 1, 10)
        until(lambda: len(together._waiting) == 1, "one waits")
        # The newest caller would lead the next group, but has left by then.
        with pytest.raises(TimeoutError):
            together.ask(2, 0.05)
        work.free.set()
        assert patient.result(10) == 2
    assert work.groups == [[0], [1]]
    assert together.ask(3, 1) == 6


def test_what_was_given_up_before_it_was_begun_is_not_done_even_by_who_leads_next(work: Work) -> None:
    together: Coalescer[int, int] = Coalescer(work, 10, company=0)
    with ThreadPoolExecutor(8) as pool:
        held_up(work, together, pool, 0)
        late = [pool.submit(together.ask, n, 0.05) for n in (1, 2, 3)]
        ends = [found.exception(10) for found in late]
        work.free.set()
    assert [type(end) for end in ends] == [TimeoutError] * 3
    assert together.ask(4, 1) == 8
    assert work.groups == [[0], [4]]


def test_who_gives_up_what_was_begun_is_told_so(work: Work) -> None:
    together: Coalescer[int, int] = Coalescer(work, 10, company=0)
    with ThreadPoolExecutor(8) as pool:
        held_up(work, together, pool, 0)
        patient, other = pool.submit(together.ask, 1, 10), pool.submit(together.ask, 2, 0.3)
        until(lambda: len(together._waiting) == 2, "two wait")
        began = threading.Event()

        def meanwhile() -> None:
            if len(work.groups) == 2:
                assert isinstance(other.exception(10), Unanswered)
                began.set()

        work.meanwhile = meanwhile
        work.free.set()
        assert patient.result(10) == 2
    assert began.is_set()


def test_no_more_wait_than_may(work: Work) -> None:
    together: Coalescer[int, int] = Coalescer(work, 10, company=0, most_waiting=2)
    with ThreadPoolExecutor(8) as pool:
        held_up(work, together, pool, 0)
        waiting = [pool.submit(together.ask, n, 10) for n in (1, 2)]
        until(lambda: len(together._waiting) == 2, "two wait")
        with pytest.raises(TimeoutError):
            together.ask(3, 10)
        work.free.set()
        assert [found.result(10) for found in waiting] == [2, 4]
    assert sorted(n for group in work.groups for n in group) == [0, 1, 2]


def test_the_one_who_leads_has_the_most_time_left() -> None:
    left: list[float] = []
    free = threading.Event()

    def work(group: Sequence[int], seconds: float) -> Sequence[int]:
        left.append(seconds)
        assert free.wait(10)
        return group

    together: Coalescer[int, int] = Coalescer(work, 10, company=0)
    with ThreadPoolExecutor(4) as pool:
        pool.submit(together.ask, 0, 10)
        until(lambda: len(left) == 1, "one is at work")
        pool.submit(together.ask, 1, 40)
        until(lambda: len(together._waiting) == 1, "one waits")
        # The newest caller is not the one that left.
        pool.submit(together.ask, 2, 20)
        until(lambda: len(together._waiting) == 2, "two wait")
        free.set()
    assert 30 < left[1] <= 40


def test_whoever_has_no_time_left_does_not_have_all_the_time_there_is() -> None:
    together: Coalescer[int, float] = Coalescer(lambda group, seconds: [seconds] * len(group), 10, company=0)
    assert 0 < together.ask(1, 0) < 0.1
    assert 0 < together.ask(1, -1) < 0.1


def test_the_work_belongs_to_no_request() -> None:
    seen: list[str] = []

    def work(group: Sequence[int], seconds: float) -> Sequence[int]:
        seen.append(current().request_id)
        return group

    with serving(RequestContext("req_mine")):
        assert Coalescer(work, 10, company=0).ask(1, 1) == 1
        assert current().request_id == "req_mine"
    assert seen != ["req_mine"]


def test_many_callers_lose_nothing(work: Work) -> None:
    together: Coalescer[int, int] = Coalescer(work, 7, company=0.001)
    with ThreadPoolExecutor(24) as pool:
        assert list(pool.map(lambda n: together.ask(n, 30), range(3000))) == [2 * n for n in range(3000)]
    assert sorted(n for group in work.groups for n in group) == list(range(3000))
