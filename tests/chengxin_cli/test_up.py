"""`chengxin up` waits for a suite that starts, but not for one with long work to do before it answers queries."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from chengxin_cli.commands import up
from chengxin_cli.suite import waiting
from chengxin_cli.suite.home import Home

READY = {"gateway": {"store": True}, "disclosure": {"store": True, "views": True, "search": True, "quarantine": True}}


class Supervised:
    """A supervisor with nothing to report."""

    def reports(self) -> list[str]:
        return []

    def states(self) -> list[dict[str, Any]]:
        return [{"name": name, "statename": "RUNNING", "pid": 0} for name in ("gateway", "disclosure-store")]


@pytest.fixture
def told() -> Iterator[dict[str, Any]]:
    """A gateway that answers what the test writes here, and where it is."""
    state: dict[str, Any] = {"body": READY, "status": 200}

    class ReadinessServer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(state["status"])
            self.end_headers()
            self.wfile.write(json.dumps(state["body"]).encode())

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), ReadinessServer)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    state["base"] = f"http://127.0.0.1:{server.server_port}"
    yield state
    server.shutdown()
    server.server_close()


def missing(state: dict[str, Any], home: Path) -> Any:
    return up._wait_ready(Home(home), state["base"], Supervised(), threading.Event())  # type: ignore[arg-type]


def test_a_suite_that_is_ready_lacks_nothing(told: dict[str, Any], tmp_path: Path) -> None:
    assert missing(told, tmp_path) == set()


def test_views_that_are_still_made_from_the_feeds_are_not_waited_for(told: dict[str, Any], tmp_path: Path) -> None:
    """Filling a home of the previous version takes longer than a start may take; such a suite once never started."""
    disclosure = READY["disclosure"] | {"views": False, "search": False, "quarantine": False}
    told |= {"body": READY | {"disclosure": disclosure}, "status": 503}
    assert missing(told, tmp_path) == {("disclosure", "views"), ("disclosure", "search")}


def test_anything_else_that_is_missing_is_waited_for_and_named_with_its_log(
    told: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(up, "wait_for", lambda look, stop: waiting.wait_for(look, stop, 0.2))
    told |= {"body": READY | {"disclosure": {"store": False, "views": False}}, "status": 503}
    with pytest.raises(waiting.Standstill) as store:
        missing(told, tmp_path)
    assert "disclosure-store (RUNNING): disclosure: store" in store.value.message
    assert str(Home(tmp_path).log("disclosure-store")) in store.value.message
    assert "views" not in store.value.message
    with pytest.raises(waiting.Standstill, match=r"gateway \(RUNNING\): gateway: answer"):
        missing(told | {"base": "http://127.0.0.1:9"}, tmp_path)


def test_an_altered_audit_log_that_takes_events_is_no_reason_to_give_up(told: dict[str, Any], tmp_path: Path) -> None:
    audit = {"log": True, "sound": False, "altered": ["tiles 0/3 differs (root)"]}
    told |= {"body": READY | {"audit": audit}, "status": 503}
    assert missing(told, tmp_path) == {("audit", "sound")}
