"""`chengxin audit` and `chengxin witness`: a flipped byte anywhere is found and located, rewritten history is refused."""

import json
import random
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from bson.binary import Binary
from click.testing import CliRunner
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from werkzeug.serving import make_server

from chengxin.tlog import merkle, signed_note
from chengxin.tlog.signed_note import Checkpoint, VerifierKey
from chengxin.values.ids import new_id
from chengxin_cli import main
from chengxin_cli.audit_log.export import export_log
from chengxin_cli.audit_log.verify import verify_directory
from tests.audit.conftest import Run, RunningAudit, an_event
from tests.support import free_port

SIZE = 700


@pytest.fixture
def http(audit: RunningAudit) -> Iterator[str]:
    """The service's HTTP face on a socket."""
    with _served(audit) as address:
        yield address


class _served:
    def __init__(self, audit: RunningAudit) -> None:
        self.port = free_port()
        self.server = make_server("127.0.0.1", self.port, audit.app, threaded=True)

    def __enter__(self) -> str:
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return f"http://127.0.0.1:{self.port}"

    def __exit__(self, *_: object) -> None:
        self.server.shutdown()
        self.server.server_close()


def fill(audit: RunningAudit, size: int = SIZE) -> list[bytes]:
    events = [an_event(details={"n": n}) for n in range(size)]
    for start in range(0, size, 100):
        audit.append(events[start : start + 100])
    audit.published(audit.ctx.appender.size())
    return events


def vkey(audit: RunningAudit) -> str:
    return str(audit.ctx.signer.vkey)


def token(audit: RunningAudit) -> str:
    return audit.issuer.token("supervisor", sub="officer:supervisor")


@pytest.fixture
def copy(audit: RunningAudit, http: str, tmp_path: Path) -> Path:
    """A log, exported."""
    fill(audit)
    assert export_log(http, tmp_path / "log", token(audit)) >= SIZE
    return tmp_path / "log"


def test_a_whole_log_verifies(audit: RunningAudit, copy: Path) -> None:
    findings = verify_directory(copy, vkey(audit))
    assert findings.ok, str(findings)
    assert findings.tree_size >= SIZE
    checkpoint = Checkpoint.open((copy / "checkpoint").read_text(), VerifierKey.parse(vkey(audit)))
    assert findings.root_hash == checkpoint.root.hex()


def test_one_flipped_byte_in_any_file_is_found_and_located(audit: RunningAudit, copy: Path) -> None:
    flips = random.Random(6962)
    files = sorted(p for p in copy.rglob("*") if p.is_file() and p.name != "key")
    assert len(files) >= 8
    for path in files:
        data = path.read_bytes()
        for _ in range(12):
            at = flips.randrange(len(data))
            flipped = data[at] ^ (1 << flips.randrange(8))
            path.write_bytes(data[:at] + bytes([flipped]) + data[at + 1 :])
            findings = verify_directory(copy, vkey(audit))
            assert not findings.ok, f"byte {at} of {path}"
            name = path.relative_to(copy).as_posix()
            assert any(name in str(p) for p in findings.problems), f"byte {at} of {name}: {findings}"
        path.write_bytes(data)
    assert verify_directory(copy, vkey(audit)).ok


def test_an_altered_event_is_told_from_an_altered_hash(audit: RunningAudit, copy: Path) -> None:
    bundle = copy / "tile/entries/001"
    entries = merkle.unpack_bundle(bundle.read_bytes())
    bundle.write_bytes(merkle.pack_bundle([*entries[:44], entries[44].replace(b"own", b"owm"), *entries[45:]]))
    [place] = verify_directory(copy, vkey(audit)).problems
    assert (place.index, place.path) == (300, "tile/entries/001")
    assert (place.expected, place.found) == (
        merkle.leaf_hash(entries[44]).hex(),
        merkle.leaf_hash(entries[44].replace(b"own", b"owm")).hex(),
    )
    assert "event was altered" in place.what
    bundle.write_bytes(merkle.pack_bundle(entries))
    for name, index, number in (("tile/0/001", 300, 44), (f"tile/0/002.p/{_rest(copy)}", 515, 3)):
        tile = copy / name
        hashes = merkle.split(tile.read_bytes())
        tile.write_bytes(b"".join([*hashes[:number], bytes(32), *hashes[number + 1 :]]))
        first = verify_directory(copy, vkey(audit)).problems[0]
        assert (first.index, first.path) == (index, name)
        assert "hash was altered" in first.what
        tile.write_bytes(b"".join(hashes))
    assert verify_directory(copy, vkey(audit)).ok


def _rest(copy: Path) -> int:
    return int((copy / "checkpoint").read_text().split("\n")[1]) % 256


def test_files_that_are_not_whole(audit: RunningAudit, copy: Path) -> None:
    path = copy / "tile/entries/000"
    data = path.read_bytes()
    entries = merkle.unpack_bundle(data)
    for wrong in (
        None,
        data[:-1],
        data + b"\x00",
        b"",
        merkle.pack_bundle(entries[:-1]),
        merkle.pack_bundle([*entries, entries[0]]),
        merkle.pack_bundle([entries[1], entries[0], *entries[2:]]),
    ):
        path.unlink() if wrong is None else path.write_bytes(wrong)
        findings = verify_directory(copy, vkey(audit))
        assert not findings.ok
        assert all(p.path == "tile/entries/000" for p in findings.problems)


def test_an_event_altered_in_the_store_is_found(audit: RunningAudit, http: str, tmp_path: Path) -> None:
    """Altered by a person with the store's password, while the service runs."""
    fill(audit)
    groups = audit.ctx.store.store.db["groups"]
    row = groups.find_one({"_id": 3})
    entries = [bytes(e) for e in row["entries"]]
    entries[17] = entries[17].replace(b'"ok"', b'"no"')
    groups.update_one({"_id": 3}, {"$set": {"entries": [Binary(e) for e in entries]}})
    export_log(http, tmp_path, token(audit))
    findings = verify_directory(tmp_path, vkey(audit))
    assert [p.index for p in findings.problems] == [217]
    # A search shows no event that is not as it was appended, and all others.
    refused = audit.get("/v1/audit/events?act=record.queried.own&page_size=500", "supervisor").json
    assert (refused["code"], refused["params"]["what"]) == ("LOG_ALTERED", "groups 3 differs (entry 217)")
    assert len(audit.supervisor("/v1/audit/events?act=record.queried.own&page_size=450")["events"]) == 450


def test_an_event_and_its_hash_altered_in_the_store_are_found(audit: RunningAudit, http: str, tmp_path: Path) -> None:
    fill(audit)
    db = audit.ctx.store.store.db
    row = db["groups"].find_one({"_id": 1})
    entries = [bytes(e) for e in row["entries"]]
    entries[5] = entries[5].replace(b'"ok"', b'"no"')
    tile = db["tiles"].find_one({"_id": "0/0"})
    hashes = merkle.split(bytes(tile["hashes"]))
    hashes[5] = merkle.leaf_hash(entries[5])
    leaves = Binary(b"".join(hashes[:100]))
    db["groups"].update_one({"_id": 1}, {"$set": {"entries": [Binary(e) for e in entries], "leaves": leaves}})
    db["tiles"].update_one({"_id": "0/0"}, {"$set": {"hashes": Binary(b"".join(hashes))}})
    export_log(http, tmp_path, token(audit))
    findings = verify_directory(tmp_path, vkey(audit))
    assert not findings.ok
    assert "tile/0/000" in str(findings)


def test_the_commands(audit: RunningAudit, http: str, tmp_path: Path) -> None:
    fill(audit, 300)
    (tmp_path / "token").write_text(token(audit))
    (tmp_path / "earlier").write_text(audit.get("/tlog/checkpoint").text)
    access = ["--http", http, "--token-file", str(tmp_path / "token")]
    fill(audit, 10)

    def run_command(*arguments: str) -> Any:
        return CliRunner().invoke(main, ["audit", *arguments])

    done = run_command("verify", *access, "--checkpoint", str(tmp_path / "earlier"))
    assert done.exit_code == 0, done.output
    assert "a continuation of the earlier checkpoint" in done.output
    copied = str(tmp_path / "log")
    assert run_command("export", copied, *access).exit_code == 0
    assert run_command("verify", "--directory", copied).exit_code == 0
    path = tmp_path / "log/tile/entries/000"
    path.write_bytes(path.read_bytes().replace(b'"ok"', b'"no"', 1))
    done = run_command("verify", "--directory", copied, "--json")
    assert done.exit_code == 1
    assert json.loads(done.output)["problems"][0]["index"] == 0
    for wrong, told in (("nonsense", "401"), ("令牌", "not an access token"), (audit.issuer.token("centre"), "403")):
        (tmp_path / "token").write_text(wrong)
        done = run_command("export", copied, *access)
        assert done.exit_code == 1
        assert told in done.output


def test_another_log_is_no_continuation(audit: RunningAudit, copy: Path) -> None:
    root = merkle.leaf_hash(b"rewritten")
    signer = audit.ctx.signer
    past = verify_directory(copy, vkey(audit), signer.sign(600, root)).problems
    assert "history was rewritten" in past[0].what
    shrunk = verify_directory(copy, vkey(audit), signer.sign(10_000, root)).problems
    assert "shrunk" in shrunk[0].what
    forged = signed_note.sign(Checkpoint(signer.name, 600, root).text, signer.name, Ed25519PrivateKey.generate())
    assert not verify_directory(copy, vkey(audit), forged).ok


def test_a_witness_cosigns_growth_and_refuses_rewriting(
    audit: RunningAudit, http: str, stores: Callable[[str], str], run: Run, tmp_path: Path
) -> None:
    def witness(address: str) -> Any:
        return CliRunner().invoke(
            main, ["witness", "--http", address, "--directory", str(tmp_path), "--name", "witness.example/w1", "--once"]
        )

    cosigned = tmp_path / "checkpoint"

    def seen() -> int:
        key = VerifierKey.parse((tmp_path / "witness.vkey").read_text())
        return Checkpoint.parse(key.verify(cosigned.read_text())).size

    events = fill(audit, 300)
    assert witness(http).exit_code == 0
    assert seen() == 300
    fill(audit, 400)
    assert witness(http).exit_code == 0, witness(http).output
    assert seen() == 700
    assert witness(http).exit_code == 0
    before = cosigned.read_bytes()
    # The same key signs another history: an event is missing, everything else consistent.
    audit.close()
    other = run(stores(new_id("audit")))
    other.append(events[:299])
    with _served(other) as address:
        other.published(299)
        done = witness(address)
        assert done.exit_code == 1
        assert "shrunk" in done.output
        fill(other, 600)
        other.published(899)
        done = witness(address)
        assert done.exit_code == 1
        assert "history was rewritten" in done.output
        assert "not those cosigned" in done.output
    assert cosigned.read_bytes() == before
    done = witness(f"http://127.0.0.1:{free_port()}")
    assert done.exit_code == 1
