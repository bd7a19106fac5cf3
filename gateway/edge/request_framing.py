"""Reads of a client's bytes what granian tells nobody: whether a body was whole, how a request was framed, and its target
as it was sent.

granian ends a body whose chunks are malformed or break off as if it were whole, takes a `Content-Length` beside
`Transfer-Encoding` away, and decodes addresses (2.8.7). The front reads each piece before it passes it on, so the edge
finds here what it needs. What cannot be read as RFC 9112 says counts as nothing: the edge refuses it (decision 48).
"""

import re
from collections import deque
from collections.abc import Callable
from typing import Final

from chengxin.bounds import bound

_LINE_END: Final = b"\r\n"
_HEAD_END: Final = b"\r\n\r\n"
# The longest head; and the extensions and trailers of a chunked body, of which granian takes 16 KiB.
_HEAD_BYTES: Final = 32 * 1024
_EXTRA_BYTES: Final = 8 * 1024
# Each chunk costs the front's thread 2.5 µs, so a body has no more small ones than this.
_SMALL_BYTES: Final = 64
_SMALL_CHUNKS: Final = 4096
# In small letters: without them one search takes 20 times as long.
_LENGTHS: Final = re.compile(rb"\r\n(transfer-encoding|content-length)[ \t]*:[ \t]*([^\r\n]*)")
# The size of a chunk, and its extensions (RFC 9112, 7.1).
_SIZE: Final = re.compile(rb"([0-9A-Fa-f]{1,15})([ \t]*(?:;[^\r\n]*)?)\Z")

AHEAD: Final = bound(
    __name__,
    "deque",
    resource="Requests that a connection has sent ahead",
    total=100,
    share="of each connection to the HTTP edge",
    seconds="as long as the connection",
    why="Those that granian has not read yet, each with its target. Beyond them the rest of a connection is refused",
    test="tests/gateway/test_request_framing.py::test_requests_that_are_sent_far_ahead_are_not_read",
)


class RequestHead:
    """One request as it was sent."""

    __slots__ = ("is_ambiguous", "is_whole", "target")

    def __init__(self, target: bytes, is_ambiguous: bool) -> None:
        # With its escapes, and with what follows the path.
        self.target = target
        # Two fields tell two lengths (RFC 9112, 6.3).
        self.is_ambiguous = is_ambiguous
        # The end of its chunked body has come.
        self.is_whole = False


class RequestFraming:
    """Reads what a client sends on one connection. The front's thread reads, the edge's takes the heads in their order."""

    def __init__(self) -> None:
        self._heads: deque[RequestHead] = deque()
        # The one whose body comes.
        self._sending: RequestHead | None = None
        # What is read next, up to its end; None when nothing can be read any more.
        self._read: Callable[[bytes], None] | None = self._read_head
        self._end = _HEAD_END
        # What has come of it; and how many bytes of a body come first.
        self._begun = b""
        self._body_bytes = 0
        # What of the chunked body may still be extensions and trailers, or small chunks.
        self._extra_bytes = self._small_chunks = 0

    def take_head(self) -> RequestHead | None:
        """Returns the request that granian has read next; None when it could not be read here."""
        return self._heads.popleft() if self._heads else None

    def read(self, piece: memoryview) -> None:
        """Reads the next piece, before granian has it."""
        if self._read is None:
            return
        if self._body_bytes >= len(piece):
            self._body_bytes -= len(piece)
            return
        data, place = self._begun + bytes(piece[self._body_bytes :]), 0
        self._begun, self._body_bytes = b"", 0
        while self._read is not None:
            end = data.find(self._end, place)
            if end < 0:
                self._begun = data[place:]
                break
            part, place = data[place:end], end + len(self._end)
            self._read(part)
            if self._body_bytes > len(data) - place:
                self._body_bytes -= len(data) - place
                return
            place, self._body_bytes = place + self._body_bytes, 0
        if len(self._begun) > _HEAD_BYTES:
            self._give_up()

    def _read_head(self, head: bytes) -> None:
        # Empty lines before a request are none of it (RFC 9112, 2.2).
        head = head.lstrip(_LINE_END)
        if not head:
            return
        words = head.partition(_LINE_END)[0].split(b" ")
        lines = head.count(_LINE_END)
        if (
            len(words) != 3
            or head.count(b"\n") != lines
            or head.count(b"\r") != lines
            or len(self._heads) >= AHEAD.total
        ):
            self._give_up()
            return
        lengths, codings = set(), []
        for name, value in _LENGTHS.findall(head.lower()):
            if name == b"content-length":
                lengths.add(value.strip())
            else:
                codings.append(value)
        self._sending = RequestHead(words[1], bool(lengths and codings))
        self._heads.append(self._sending)
        if codings:
            self._extra_bytes, self._small_chunks = _EXTRA_BYTES, _SMALL_CHUNKS
            self._next(self._read_size, _LINE_END)
        elif len(lengths) == 1 and (length := lengths.pop()).isdigit():
            self._body_bytes = int(length)
        elif lengths:
            self._give_up()

    def _read_size(self, line: bytes) -> None:
        size = _SIZE.match(line)
        length = int(size[1], 16) if size else 0
        self._small_chunks -= length < _SMALL_BYTES
        if size is None or not self._has_room(len(size[2])) or self._small_chunks < 0:
            self._give_up()
        elif length:
            self._body_bytes = length
            self._next(self._read_chunk_end, _LINE_END)
        else:
            self._next(self._read_trailer, _LINE_END)

    def _read_chunk_end(self, rest: bytes) -> None:
        if rest:
            self._give_up()
        else:
            self._next(self._read_size, _LINE_END)

    def _read_trailer(self, line: bytes) -> None:
        if not line:
            assert self._sending is not None
            self._sending.is_whole = True
            self._next(self._read_head, _HEAD_END)
        elif not self._has_room(len(line)):
            self._give_up()

    def _has_room(self, length: int) -> bool:
        self._extra_bytes -= length
        return self._extra_bytes >= 0

    def _next(self, read: Callable[[bytes], None], end: bytes) -> None:
        self._read, self._end = read, end

    def _give_up(self) -> None:
        self._read, self._begun, self._body_bytes = None, b"", 0
