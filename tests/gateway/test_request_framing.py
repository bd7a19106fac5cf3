"""What the front reads of requests on their way: the same wherever the network cuts them, and nothing of what is not sound."""

import pytest

from gateway.edge.request_framing import AHEAD, RequestFraming

POST = b"POST /v1/a%2Fb?c HTTP/1.1\r\nHost: a\r\n"
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n"
GET = b"GET /x HTTP/1.1\r\nHost: a\r\n\r\n"
# What comes on a connection, and of each request that is read: whether its chunked body has come whole.
SOUND = [
    (GET + GET, [False, False]),
    (b"\r\n" + GET + b"\r\n\r\n" + GET, [False, False]),
    (POST + b"Content-Length: 5\r\n\r\n\r\n\r\n0" + GET, [False, False]),
    (POST + b"content-length:0\r\n\r\n" + GET, [False, False]),
    (CHUNKED + b"5\r\n01234\r\n0\r\n\r\n" + GET, [True, False]),
    (
        CHUNKED + b"5;a=b;c\r\n01\r\n4\r\n1 ;x\r\n5\r\n00\r\nX: y\r\n\r\n" + CHUNKED + b"A\r\n0\r\n\r\n0\r\n\r\n\r\n",
        [True, False],
    ),
    (CHUNKED + b"00\r\n\r\n", [True]),
    (CHUNKED + b"1\r\n0\r\n" * 1000 + (b"40\r\n" + b"0" * 64 + b"\r\n") * 5000 + b"0\r\n\r\n" + GET, [True, False]),
]
BROKEN = [
    b"5\r\n01234\r\nzz\r\n0\r\n\r\n",
    b"5\r\n01234\r\n-1\r\n0\r\n\r\n",
    b"5\r\n012345\r\n0\r\n\r\n",
    b"5\r\n0123\r\n0\r\n\r\n",
    b"5\r\n01234\r\n\r\n0\r\n\r\n",
    b"5\r\n01234\n0\n\n",
    b"5\r\n01234\r\n0\r\n",
    b"5\r\n01234\r\n0\r\nX: y\r\n",
    b"5\r\n01234\r\n",
    b"5\r\n012",
    b"5",
    b"",
    b"\r\n0\r\n\r\n",
    b"0x5\r\n01234\r\n0\r\n\r\n",
    b" 5\r\n01234\r\n0\r\n\r\n",
    b"1000000000000000\r\n",
    b"1;" + b"x" * 8192 + b"\r\n0\r\n0\r\n\r\n",
    b"1;xxxxxxxxx\r\n0\r\n" * 1000 + b"0\r\n\r\n",
    b"1\r\n0\r\n" * 5000 + b"0\r\n\r\n",
    b"0\r\n" + b"X: yyyyyyyy\r\n" * 1000 + b"\r\n",
]


def read(sent: bytes, size: int) -> list[bool]:
    """Whether each request that is read was whole, when the network cuts what is sent into pieces of this size."""
    framing = RequestFraming()
    for place in range(0, len(sent), size):
        framing.read(memoryview(sent)[place : place + size])
    heads = []
    while head := framing.take_head():
        heads.append(head.is_whole)
    return heads


@pytest.mark.parametrize(("sent", "whole"), SOUND)
def test_sound_requests_are_read_however_they_are_cut(sent: bytes, whole: list[bool]) -> None:
    for size in (*range(1, 40), len(sent)) if len(sent) < 1000 else (1000, len(sent)):
        assert read(sent, size) == whole, size


@pytest.mark.parametrize("body", BROKEN, ids=range(len(BROKEN)))
def test_a_body_that_is_broken_is_never_whole_and_nothing_follows_it(body: bytes) -> None:
    for size in (*range(1, 40, 3), len(body) + 1):
        assert not any(read(CHUNKED + body, size)), size
    assert not any(read(CHUNKED + body + CHUNKED + b"0\r\n\r\n", 1000)[1:])


@pytest.mark.parametrize(
    "head",
    [
        b"GET /x HTTP/1.1\nHost: a\n\n",
        b"GET /x HTTP/1.1\r\nHost: a\nTransfer-Encoding: chunked\r\n\r\n",
        b"GET /x HTTP/1.1\r\nHost: a\rContent-Length: 5\r\n\r\n",
        b"GET /x\r\n\r\n",
        b"GET /x y HTTP/1.1\r\n\r\n",
        b"GET /" + b"x" * 40_000 + b" HTTP/1.1\r\nHost: a\r\n",
    ],
    ids=range(6),
)
def test_a_head_that_is_none_of_http_is_not_read(head: bytes) -> None:
    assert read(head + GET, 1000) == []


def test_what_was_sent_is_told_as_it_was_sent() -> None:
    framing = RequestFraming()
    framing.read(memoryview(POST + b"Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"))
    head = framing.take_head()
    assert head is not None
    assert (head.target, head.is_ambiguous, head.is_whole) == (b"/v1/a%2Fb?c", True, True)
    assert framing.take_head() is None


def test_requests_that_are_sent_far_ahead_are_not_read() -> None:
    framing = RequestFraming()
    for _ in range(AHEAD.total + 5):
        framing.read(memoryview(GET))
    heads = [framing.take_head() for _ in range(AHEAD.total + 5)]
    assert heads[AHEAD.total :] == [None] * 5
    assert None not in heads[: AHEAD.total]
