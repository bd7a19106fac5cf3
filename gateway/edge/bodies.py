"""Reads the bodies of requests before anything is held for them: small ones into memory, large ones onto disk.

A client has a time to send its body. A read from granian ends when the bytes are there or the connection is over, so it
is the front that ends the connection of a client that is too slow (`gateway/edge/front.py`).
"""

import math
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import IO, Any, Final

from chengxin.bounds import Bound, bound
from chengxin.concurrency.shares import Claimant, Shares
from chengxin.errors import TOO_LARGE, UNAUTHENTICATED, InBoth
from gateway.domain.edge_refusals import BODY_BROKEN_OFF, EDGE_BUSY
from gateway.edge.concurrency_limits import EdgeShares
from gateway.edge.front import CONNECTION, HEAD, Connection
from gateway.edge.request_framing import RequestHead

Environ = dict[str, Any]

# Under this WSGI key stands whether a body was announced that nobody has read to its end.
UNREAD: Final = "chengxin.unread_body"
# Bodies up to this size are in memory.
IN_MEMORY_BYTES: Final = 256 * 1024
_PIECE_BYTES: Final = 64 * 1024
# So many bytes a second are expected of a client, after the time that each has.
_BYTES_A_SECOND: Final = 32 * 1024
# Disk is taken in steps of this size for a body of unknown length.
_STEP_BYTES: Final = 1024 * 1024
_RETRY_SECONDS: Final = 5
_SMALL: Final = f"{IN_MEMORY_BYTES // 1024} KiB"


UPLOADS: Final = bound(
    __name__,
    "TemporaryFile",
    resource="Bytes of bodies on disk",
    total=1024 * 1024 * 1024,
    share=512 * 1024 * 1024,
    strangers=0,
    seconds=120.0,
    why="CHENGXIN_UPLOAD_BYTES; a caller gets half. A body of more than 256 KiB takes a token. Until the service has "
    "answered",
    test="tests/gateway/test_slow_bodies.py::test_disk_for_bodies_is_shared",
)


def announces_body(environ: Environ) -> bool:
    """Returns whether a body follows the head of a request."""
    return "HTTP_TRANSFER_ENCODING" in environ or environ.get("CONTENT_LENGTH", "0") != "0"


class UploadedFile:
    """A body on disk, in a file without a name; iterating gives it in pieces, once."""

    def __init__(self, file: IO[bytes], length: int) -> None:
        self._file = file
        # In bytes.
        self.length = length

    def __iter__(self) -> Iterator[bytes]:
        self._file.seek(0)
        while piece := self._file.read(_PIECE_BYTES):
            yield piece


Body = bytes | UploadedFile | None


def uploads_bound(total: int) -> Bound:
    """Returns the bound of the disk for bodies, with `total` bytes."""
    return replace(UPLOADS, total=total, share=total // 2)


class Bodies:
    """Reads bodies within the bounds of threads that read, of disk and of time."""

    def __init__(self, reading: Shares, disk: Shares, seconds: float) -> None:
        """`seconds` are a caller's for the first 32 KiB."""
        self._reading = EdgeShares(reading)
        self._disk = disk
        self._seconds = seconds

    @contextmanager
    def whole(self, environ: Environ, limit: int, claimant: Claimant) -> Iterator[Body]:
        """Reads a request's body of at most `limit` bytes; a large one is on disk until the block ends.

        None for a request that has none. Once all of it is read, `environ[UNREAD]` is False. Raises TOO_LARGE,
        UNAUTHENTICATED for a large body of a stranger, EDGE_BUSY when there is no place or no disk, and BODY_BROKEN_OFF.
        """
        length = environ.get("CONTENT_LENGTH")
        announced = None if length is None else int(length)
        if announced is not None and announced > limit:
            raise TOO_LARGE(limit=_format_size(limit))
        if not environ[UNREAD]:
            # Nothing is waited for.
            yield None if length is None else b""
            return
        with ExitStack() as kept:
            with self._reading.take(claimant):
                pieces = _read_pieces(environ, announced, limit, self._seconds)
                if announced is not None and announced <= IN_MEMORY_BYTES:
                    body: Body = b"".join(pieces)
                else:
                    body = self._to_disk(pieces, announced, claimant, kept)
            environ[UNREAD] = False
            yield body

    def _to_disk(self, pieces: Iterator[bytes], announced: int | None, claimant: Claimant, kept: ExitStack) -> Body:
        """Writes a body to a file. A body of unknown length stays in memory while it is small."""
        start, taken, length = [], 0, 0
        file: IO[bytes] | None = None
        try:
            if announced is not None:
                self._take_disk(claimant, announced, kept)
                taken = announced
            for piece in pieces:
                length += len(piece)
                if file is None and announced is None and length <= IN_MEMORY_BYTES:
                    start.append(piece)
                    continue
                if length > taken:
                    self._take_disk(claimant, _STEP_BYTES, kept)
                    taken += _STEP_BYTES
                if file is None:
                    file = kept.enter_context(tempfile.TemporaryFile(prefix="chengxin-body-"))  # noqa: SIM115 - `kept` closes it
                    file.write(b"".join(start))
                file.write(piece)
            if file is None:
                return b"".join(start)
            file.flush()
        except OSError:
            # The disk is full, of whatever.
            raise EDGE_BUSY(retry_after=_RETRY_SECONDS) from None
        return UploadedFile(file, length)

    def _take_disk(self, claimant: Claimant, amount: int, kept: ExitStack) -> None:
        if not claimant.proven:
            raise UNAUTHENTICATED(
                reason=InBoth(f"超过 {_SMALL} 的请求内容须带令牌", f"a body of more than {_SMALL} takes one")
            )
        held = self._disk.take(claimant, amount)
        if held is None:
            raise EDGE_BUSY(retry_after=_RETRY_SECONDS)
        kept.enter_context(held)


def _read_pieces(environ: Environ, announced: int | None, limit: int, seconds: float) -> Iterator[bytes]:
    """Yields a body as it arrives. Raises TOO_LARGE, and BODY_BROKEN_OFF when not all of it comes."""
    source, connection, head = environ["wsgi.input"], environ[CONNECTION], environ[HEAD]
    assert isinstance(connection, Connection)
    assert isinstance(head, RequestHead)
    began, received = time.monotonic(), 0
    try:
        while announced is None or received < announced:
            connection.body_due = began + seconds + received / _BYTES_A_SECOND
            # A read waits for as much as it asks for.
            piece = source.read(_PIECE_BYTES if announced is None else min(_PIECE_BYTES, announced - received))
            if not piece:
                break
            received += len(piece)
            if received > limit:
                raise TOO_LARGE(limit=_format_size(limit))
            yield bytes(piece)
    finally:
        connection.body_due = math.inf
    # granian ends a body that breaks off, or whose chunks are malformed, like one that is whole.
    if received != announced and (announced is not None or not head.is_whole):
        raise BODY_BROKEN_OFF()


def _format_size(limit: int) -> str:
    return f"{limit // _STEP_BYTES} MiB" if limit >= _STEP_BYTES else f"{limit // 1024} KiB"
