"""A verifier that could not compare fails, and a checkpoint that a Windows program saved is read."""

from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from chengxin.tlog import merkle, signed_note
from chengxin.tlog.signed_note import Checkpoint, VerifierKey
from chengxin_cli import main

ENTRIES = [b"one", b"two", b"three"]
KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
NAME = "log.example/a"


def note(size: int, key: Ed25519PrivateKey = KEY) -> str:
    tree = merkle.Frontier()
    for entry in ENTRIES[:size]:
        tree.append(merkle.leaf_hash(entry))
    root = merkle.fold(merkle.split(tree.pack())) if size else merkle.EMPTY_ROOT
    return signed_note.sign(Checkpoint(NAME, size, root).text, NAME, key)


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """A log of three entries, as `chengxin audit export` copies one."""
    directory = tmp_path / "log"
    (directory / "tile/0").mkdir(parents=True)
    (directory / "tile/entries").mkdir()
    tile = merkle.Tile(0, 0, 3)
    for path, data in (
        (tile.path, b"".join(merkle.leaf_hash(entry) for entry in ENTRIES)),
        (tile.entries_path, merkle.pack_bundle(ENTRIES)),
        ("key", f"{VerifierKey.of(NAME, KEY)}\n".encode()),
        ("checkpoint", note(3).encode()),
    ):
        (directory / path).parent.mkdir(parents=True, exist_ok=True)
        (directory / path).write_bytes(data)
    return directory


def verify(log: Path, *options: object) -> Result:
    return CliRunner().invoke(main, ["audit", "verify", "--directory", str(log), *map(str, options)])


def test_a_kept_checkpoint_is_compared_however_it_was_saved(log: Path, tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    text = note(2)
    for content in (
        text.encode(),
        text.encode("utf-8-sig"),
        text.encode("utf-16"),
        text.replace("\n", "\r\n").encode() + b"\r\n \r\n",
        text.rstrip().encode(),
    ):
        kept.write_bytes(content)
        done = verify(log, "--checkpoint", kept)
        assert done.exit_code == 0, (content, done.output)
        assert "a continuation of the earlier checkpoint, of 2 events" in done.output
    assert '"continues": 2' in verify(log, "--checkpoint", kept, "--json").output


def test_a_checkpoint_that_cannot_be_compared_is_a_failure(log: Path, tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    for content in (b"", b"\r\n", b"\xef\xbb\xbf", b"nothing", bytes(range(128, 256)), note(2)[:40].encode()):
        kept.write_bytes(content)
        done = verify(log, "--checkpoint", kept)
        assert done.exit_code == 1, (content, done.output)
        assert "\u2713 a continuation" not in done.output
        # The log is not to be repaired for that.
        assert "audit repair" not in done.output
    kept.write_text(note(2, Ed25519PrivateKey.generate()))
    assert verify(log, "--checkpoint", kept).exit_code == 1


def test_without_a_kept_checkpoint_nothing_is_said_of_one(log: Path) -> None:
    done = verify(log)
    assert (done.exit_code, "continuation" in done.output) == (0, False)
    assert "the key came with the log" in done.output
    assert "came with the log" not in verify(log, "--vkey", (log / "key").read_text()).output
    assert '"continues": null' in verify(log, "--json").output


@pytest.mark.parametrize("name", ["key", "checkpoint", "tile/0/000.p/3", "tile/entries/000.p/3"])
def test_a_part_that_cannot_be_read_is_a_failure_that_names_it(log: Path, name: str) -> None:
    part = log / name
    for spoil in (lambda: part.write_bytes(b""), part.unlink, part.mkdir):
        spoil()
        done = verify(log)
        assert (done.exit_code, type(done.exception)) == (1, SystemExit), done.output
        assert name.rpartition("/")[2] in done.output


def test_an_empty_key_is_not_any_key(log: Path, tmp_path: Path) -> None:
    assert verify(log, "--vkey", "").exit_code == 2
    witness = ["witness", "--http", "http://127.0.0.1:1", "--directory", str(tmp_path / "w"), "--once", "--vkey", ""]
    done = CliRunner().invoke(main, witness)
    assert (done.exit_code, "not a verifier key" in done.output) == (2, True)
