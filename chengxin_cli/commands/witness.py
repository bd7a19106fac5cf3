"""`chengxin witness`: an independent process that cosigns the audit log as long as it only grows."""

import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import click
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from chengxin.auth.access_tokens import load_private_key
from chengxin.tlog import merkle, signed_note
from chengxin.tlog.signed_note import Checkpoint, NoteError, VerifierKey
from chengxin_cli.audit_log.export import CHECKPOINT, KEY, Fetch, FetchError, fetcher
from chengxin_cli.input_files import DIRECTORY, read_note, read_text
from chengxin_cli.option_types import HTTP_ADDRESS, LOG_KEY
from chengxin_cli.output import print_lines
from chengxin_cli.suite.home import make_private_key, write_private

_LOG_KEY: Final = "log.vkey"
_OWN_KEY: Final = "witness.pem"
_OWN_VKEY: Final = "witness.vkey"
_SEEN: Final = "checkpoint"


class LogRewritten(Exception):
    """The log is not a continuation of what this witness cosigned before."""


@dataclass
class Witness:
    """A witness with its directory: its key, the log's key, the checkpoint that it cosigned last."""

    directory: Path
    name: str
    key: Ed25519PrivateKey
    log_key: VerifierKey

    @classmethod
    def open(cls, directory: Path, name: str, given_key: VerifierKey | None, fetch: Fetch) -> "Witness":
        """Opens a directory, or makes one. The log's key is the one given, or the first key that the witness saw.

        Raises `NoteError` when the directory holds another key than that given, and `FetchError`.
        """
        own_key_file, log_key_file = directory / _OWN_KEY, directory / _LOG_KEY
        make_private_key(own_key_file)
        if not log_key_file.exists():
            log_key = given_key or VerifierKey.parse(fetch(KEY).decode())
            write_private(log_key_file, f"{log_key}\n".encode())
        log_key = VerifierKey.parse(read_text(log_key_file))
        if given_key is not None and given_key != log_key:
            raise NoteError(
                f"{log_key_file} holds another log's key; a witness serves one log, use another --directory"
            )
        witness = cls(directory, name, load_private_key(own_key_file), log_key)
        write_private(directory / _OWN_VKEY, f"{VerifierKey.of_witness(name, witness.key)}\n".encode())
        return witness

    @property
    def seen(self) -> Checkpoint | None:
        """The checkpoint that was cosigned last."""
        path = self.directory / _SEEN
        return Checkpoint.open(read_note(path), self.log_key) if path.exists() else None

    def witness(self, fetch: Fetch, now: int) -> Checkpoint:
        """Cosigns the latest checkpoint (`now` in seconds since 1970) when the log only grew. Raises `LogRewritten`,
        `NoteError` for a checkpoint that the log did not sign, `FetchError`."""
        note = fetch(CHECKPOINT).decode()
        latest, seen = Checkpoint.open(note, self.log_key), self.seen
        if seen is not None and (seen.size, seen.root) == (latest.size, latest.root):
            return latest
        if seen is not None:
            _require_continuation(seen, latest, fetch)
        _, signatures = signed_note.split_note(note)
        if any(name == self.name for name, _ in signatures):
            raise NoteError(f"the checkpoint has a signature of {self.name} already")
        write_private(self.directory / _SEEN, signed_note.cosign(note, self.name, self.key, now).encode())
        return latest


def _require_continuation(seen: Checkpoint, latest: Checkpoint, fetch: Fetch) -> None:
    if latest.size < seen.size:
        raise LogRewritten(f"the log has shrunk from {seen.size} to {latest.size} entries")
    if latest.size == seen.size:
        raise LogRewritten(f"two signed checkpoints of {seen.size} entries: {seen.root.hex()} and {latest.root.hex()}")
    tree = merkle.TileTree(latest.size, lambda tile: fetch(tile.path))
    try:
        root = tree.root()
        path = tree.consistency(seen.size) if seen.size else []
    except ValueError as e:
        raise LogRewritten(f"the tiles are not those of a log of {latest.size} entries: {e}") from None
    if root != latest.root:
        raise LogRewritten(f"the tiles give the root {root.hex()}, the checkpoint says {latest.root.hex()}")
    if seen.size and not merkle.verify_consistency(seen.size, latest.size, seen.root, latest.root, path):
        raise LogRewritten(
            f"the first {seen.size} entries are not those cosigned: their root was {seen.root.hex()}, "
            f"the tiles give {tree.root(seen.size).hex()}"
        )


@click.command("witness")
@click.option("--http", required=True, type=HTTP_ADDRESS, help="HTTP address of the gateway of the log.")
@click.option("--directory", required=True, type=DIRECTORY, help="The witness's own directory.")
@click.option("--name", default="witness", show_default=True, help="Name of the witness in its cosignatures.")
@click.option("--vkey", type=LOG_KEY, help="Key of the log [the first one seen, kept in the directory].")
@click.option("--once", is_flag=True, help="Once, and end.")
@click.option(
    "--interval",
    type=click.IntRange(1, 86_400),
    default=10,
    show_default=True,
    help="Seconds between looks at the log.",
)
def command(http: str, directory: Path, name: str, vkey: VerifierKey | None, once: bool, interval: int) -> None:
    """Cosign the audit log's checkpoints while it only grows; refuse, and exit 1, when its history was rewritten.

    The cosigned checkpoint (C2SP tlog-cosignature) is kept in the directory; give it to `chengxin audit verify
    --checkpoint`.
    """
    fetch = fetcher(http)
    pause = threading.Event()
    while True:
        try:
            witness = Witness.open(directory, name, vkey, fetch)
            latest = witness.witness(fetch, int(time.time()))
            print_lines(f"✓ {latest.size} entries, root {latest.root.hex()}")
        except LogRewritten as e:
            raise click.ClickException(f"history was rewritten, not cosigned: {e}") from None
        except (NoteError, UnicodeDecodeError) as e:
            raise click.ClickException(f"not cosigned: {e}") from None
        except FetchError as e:
            if once:
                raise click.ClickException(f"not cosigned: {e}") from None
            print_lines(f"✗ not cosigned: {e}", err=True)
        if once:
            return
        pause.wait(interval)
