"""Expiry times that others judge by the wall clock, on a machine whose two clocks diverge."""

import time

import pytest

from chengxin.values.clock import Expiry


@pytest.mark.parametrize(
    ("wall", "steady", "has_come"),
    [
        (0, 0, False),
        (59, 59, False),
        (60, 60, True),
        # The machine slept, or its clock was set forward: the token has expired for everybody.
        (3600, 1, True),
        # It was set back: the token lasts no longer than it would have.
        (-3600, 1, True),
        (0, 60, True),
    ],
)
def test_an_expiry_has_come_by_whichever_clock_says_so(
    monkeypatch: pytest.MonkeyPatch, wall: float, steady: float, has_come: bool
) -> None:
    began, started = time.time(), time.monotonic()
    monkeypatch.setattr(time, "time", lambda: began)
    monkeypatch.setattr(time, "monotonic", lambda: started)
    expiry = Expiry(60)
    monkeypatch.setattr(time, "time", lambda: began + wall)
    monkeypatch.setattr(time, "monotonic", lambda: started + steady)
    assert expiry.has_come() == has_come
