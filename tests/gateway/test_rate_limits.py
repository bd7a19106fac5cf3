"""Token buckets, and which address a request is from. Pure."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chengxin.errors import Problem
from gateway.edge.origins import address_of
from gateway.edge.rate_limits import Limiter
from gateway.edge.trace_context import next_hop


class SteppedClock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def _takes(limiter: Limiter, name: str = "a") -> bool:
    try:
        limiter.take(name)
    except Problem:
        return False
    return True


@given(
    rate=st.floats(0.1, 1000),
    burst=st.floats(1, 100),
    pauses=st.lists(st.floats(0, 2), min_size=1, max_size=200),
)
def test_in_any_time_at_most_burst_and_rate_times_time_pass(rate: float, burst: float, pauses: list[float]) -> None:
    clock = SteppedClock()
    limiter = Limiter(rate, burst, clock)
    passed = 0
    for pause in pauses:
        clock.now += pause
        passed += _takes(limiter)
        assert passed <= burst + rate * clock.now + 1e-6 * len(pauses)


def test_who_waits_as_told_passes() -> None:
    clock = SteppedClock()
    limiter = Limiter(2, 1, clock)
    assert _takes(limiter)
    with pytest.raises(Problem) as refused:
        limiter.take("a")
    assert refused.value.retry_after == pytest.approx(0.5)
    assert _takes(limiter, "b")
    clock.now += 0.5
    assert _takes(limiter)


def test_no_rate_is_no_limit() -> None:
    limiter = Limiter(0, 0)
    assert all(_takes(limiter) for _ in range(1000))


@pytest.mark.parametrize(
    ("peer", "address"),
    [
        ("127.0.0.1", "127.0.0.1"),
        ("127.0.0.1:5000", "127.0.0.1"),
        ("ipv4:10.0.0.1:5000", "10.0.0.1"),
        ("ipv6:%5B2001:db8::1%5D:5000", "2001:db8::/64"),
        ("[2001:db8::ffff:2]:80", "2001:db8::/64"),
        ("2001:db8::3", "2001:db8::/64"),
        ("unix:", "unix"),
        ("", ""),
    ],
)
def test_an_address_is_read_from_what_the_transport_tells(peer: str, address: str) -> None:
    assert address_of(peer) == address


def test_a_trace_goes_on_and_a_forged_one_begins_anew() -> None:
    given_one = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    kept = next_hop(given_one)
    assert kept[:36] == given_one[:36]
    assert kept[36:52] != given_one[36:52]
    assert kept.endswith("-01")
    for bad in ("", "nonsense", f"00-{'0' * 32}-b7ad6b7169203331-01", given_one + "x", "ff" + given_one[2:]):
        assert next_hop(bad)[3:35] not in (given_one[3:35], "0" * 32)
