"""The demonstration world is waited for as long as a feed progresses."""

from pathlib import Path
from typing import Any

import pytest

from chengxin_cli.gateway_client import Edge
from chengxin_cli.suite import waiting
from demo import load
from demo.access import DemoAccess
from demo.load import LoadFailed


class FollowingEdge(Edge):
    """A gateway whose feed is behind by the next of these numbers each time, and then by the last."""

    def __init__(self, behind: list[int]) -> None:
        self.behind = behind

    def call(self, *_: Any, **__: Any) -> Any:
        changes = self.behind.pop(0) if len(self.behind) > 1 else self.behind[0]
        lag = {"consumers": {"feed.ingest": {"changes": changes, "seconds": 1.0}}}
        return type("Answer", (), {"body": {"disclosure": {"store": True, "lag": lag}}})


def wait(tmp_path: Path, behind: list[int], monkeypatch: pytest.MonkeyPatch) -> int:
    """Waits until the feed has caught up; gives up when nothing has progressed for 0.35 s. Looks come each 0.1 s."""
    monkeypatch.setattr(load, "wait_for", lambda look, stop: waiting.wait_for(look, stop, 0.35))
    edge = FollowingEdge(behind)
    access = DemoAccess(tmp_path / "demo", {}, edge)
    load._wait_until(access, lambda: edge.behind == [0], "the records are public")
    return len(behind)


def test_a_feed_that_comes_nearer_is_waited_for_and_one_that_stands_still_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wait(tmp_path, [9, 8, 7, 6, 5, 4, 3, 2, 1, 0], monkeypatch)
    with pytest.raises(
        LoadFailed, match=r"(?s)nothing has progressed.*the records are public.*3 changes of feed.ingest"
    ):
        wait(tmp_path, [4, 3], monkeypatch)
