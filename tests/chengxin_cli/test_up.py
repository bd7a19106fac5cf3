"""`chengxin up` waits for a suite that starts, but not for one with long work to do before it answers queries."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from chengxin_cli.commands import up

READY = {"gateway": {"store": True}, "disclosure": {"store": True, "views": True, "search": True, "quarantine": True}}


class Supervised:
    """A supervisor with nothing to report."""

    def reports(self) -> list[str]:
        return []


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Any]]:
    """A gateway that answers what the test writes here, and where it is."""
    state: dict[str, Any] = {"body": READY, "status": 200}

    class ReadinessServer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(state["status"])
            self.end_headers()
            self.wfile.write(json.dumps(state["body"]).encode())

        def log_message(self, *_: Any) -> None:
            pass

    monkeypatch.setattr(up, "_READY_SECONDS", 0.5)
    server = ThreadingHTTPServer(("127.0.0.1", 0), ReadinessServer)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    state["base"] = f"http://127.0.0.1:{server.server_port}"
    yield state
    server.shutdown()
    server.server_close()


def missing(state: dict[str, Any]) -> Any:
    return up._wait_ready(state["base"], Supervised(), threading.Event())  # type: ignore[arg-type]


def test_a_suite_that_is_ready_lacks_nothing(told: dict[str, Any]) -> None:
    assert missing(told) == set()


def test_views_that_are_still_made_from_the_feeds_are_no_reason_to_give_up(told: dict[str, Any]) -> None:
    """Filling a home of the previous version takes longer than a start may take; such a suite once never started."""
    disclosure = READY["disclosure"] | {"views": False, "search": False, "quarantine": False}
    told |= {"body": READY | {"disclosure": disclosure}, "status": 503}
    found = missing(told)
    assert found == {("disclosure", "views"), ("disclosure", "search")}
    assert found <= up._MADE_ANEW


def test_anything_else_that_is_missing_is(told: dict[str, Any]) -> None:
    told |= {"body": READY | {"disclosure": {"store": False, "views": False}}, "status": 503}
    assert not missing(told) <= up._MADE_ANEW
    told |= {"body": "?"}
    assert missing(told | {"base": "http://127.0.0.1:9"}) is None
