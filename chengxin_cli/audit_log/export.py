"""Reads a log over HTTP, and copies it into a directory as C2SP tlog-tiles lays it out."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

import urllib3

from chengxin.auth.tls import Trust, pool
from chengxin.tlog import merkle
from chengxin.tlog.signed_note import Checkpoint, split_note
from chengxin_cli.input_files import naming

CHECKPOINT: Final = "checkpoint"
KEY: Final = "key"
# Requests at once: few enough for a log to serve beside its work.
_REQUESTS_AT_ONCE: Final = 4

Fetch = Callable[[str], bytes]


class FetchError(Exception):
    """The log did not give what was asked for."""


def fetcher(http: str, token: str = "") -> Fetch:
    """Returns a function that reads paths under `<http>/tlog/`; that function raises `FetchError`."""
    retries = urllib3.Retry(3, backoff_factor=0.2)
    timeout = urllib3.Timeout(connect=3, read=30)
    log = pool(Trust.of_environment(), maxsize=_REQUESTS_AT_ONCE, retries=retries, timeout=timeout)
    headers = {"Authorization": f"Bearer {token}"} if token else {}

    def fetch(path: str) -> bytes:
        url = f"{http.rstrip('/')}/tlog/{path}"
        try:
            response = log.request("GET", url, headers=headers)
        except urllib3.exceptions.HTTPError as e:
            raise FetchError(f"{url}: {e}") from None
        if response.status != 200:
            raise FetchError(f"{url} answers {response.status}: {response.data[:300].decode('utf-8', 'replace')}")
        return response.data

    return fetch


def export_log(http: str, directory: Path, token: str) -> int:
    """Copies the log of a suite, as it is at its latest checkpoint, into `directory`; returns the number of events.

    `token` is a supervisor's: events are for supervisors only. Raises `FetchError`.
    """
    fetch = fetcher(http, token)
    note = fetch(CHECKPOINT)
    size = Checkpoint.parse(split_note(note.decode())[0]).size
    _write(directory / KEY, fetch(KEY))

    def copy(path: str) -> None:
        _write(directory / path, fetch(path))

    with ThreadPoolExecutor(_REQUESTS_AT_ONCE) as threads:
        for _ in threads.map(copy, paths(size)):
            pass
    # The checkpoint comes last, so that a directory with a checkpoint is a whole copy.
    _write(directory / CHECKPOINT, note)
    return size


def paths(size: int) -> Iterator[str]:
    """Every file of a log of `size` entries but its checkpoint."""
    for level in merkle.levels(size):
        for tile in merkle.tiles_of_level(size, level):
            yield tile.path
            if level == 0:
                yield tile.entries_path


def _write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with naming(path):
        path.write_bytes(data)
