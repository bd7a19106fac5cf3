"""`chengxin audit repair`: what is derived is made again on request and on record, what is not is told by name."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from werkzeug.serving import make_server

from chengxin_cli import main
from tests.audit.conftest import RunningAudit, an_event
from tests.support import free_port, until


@pytest.fixture
def repair(audit: RunningAudit, tmp_path: Path) -> Iterator[Callable[..., Result]]:
    """Runs the command as an officer of the centre, on the service's HTTP face."""
    server = make_server("127.0.0.1", port := free_port(), audit.app, threaded=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    token = audit.issuer.token("centre", sub="officer:centre")
    sessions = {"": {"username": "centre"}, "centre": {"token": token, "until": time.time() + 600}}
    (tmp_path / "officer-sessions.json").write_text(json.dumps(sessions))

    def run(*arguments: str, **options: Any) -> Result:
        address = ["--home", str(tmp_path), "--url", f"http://127.0.0.1:{port}"]
        return CliRunner().invoke(main, ["audit", "repair", *address, *arguments], **options)

    yield run
    server.shutdown()
    server.server_close()


def altered(audit: RunningAudit, name: str, key: Any, field: str, value: Any) -> None:
    """Alters a row, and returns when that is noticed."""
    audit.ctx.store.store.db[name].update_one({"_id": key}, {"$set": {field: value}})
    until(lambda: audit.get("/readyz").status_code == 503, f"{name} {key} is altered")


def acts(audit: RunningAudit) -> set[str]:
    return {event["event"]["act"] for event in audit.supervisor("/v1/audit/events?page_size=40")["events"]}


def test_what_is_derived_is_made_again_on_request_and_on_record(
    audit: RunningAudit, repair: Callable[..., Result]
) -> None:
    audit.append([an_event(details={"n": n}) for n in range(300)])
    audit.published(300)
    assert "nothing is altered" in repair().output
    tiles = audit.ctx.store.store.db["tiles"]
    before = tiles.find_one({"_id": "0/0"})
    altered(audit, "tiles", "0/0", "root", bytes(32))
    refused = repair(input="n\n")
    assert refused.exit_code == 1
    assert "tiles 0/0 differs (root): will be made again" in refused.output
    assert tiles.find_one({"_id": "0/0"}) != before
    done = repair("--yes")
    assert done.exit_code == 0, done.output
    assert tiles.find_one({"_id": "0/0"}) == before
    assert audit.get("/readyz").status_code == 200
    assert {"log.alteration_found", "log.condition_read", "log.repair_asked", "log.rows_mended"} <= acts(audit)


def test_originals_are_named_and_nothing_is_made_from_them(audit: RunningAudit, repair: Callable[..., Result]) -> None:
    audit.append([an_event()])
    audit.published(1)
    altered(audit, "checkpoints", "latest", "at", "2020-01-01T00:00:00Z")
    done = repair("--yes")
    assert done.exit_code == 1
    assert "checkpoints latest differs (at or seal): cannot be made again: restore a backup" in done.output
    assert "LOG_NOT_REPAIRABLE" in done.output
