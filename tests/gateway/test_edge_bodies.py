"""The HTTP edge passes bodies as they are, within limits, and reuses connections."""

import hashlib
import http.client
import socket
from collections.abc import Iterator

import pytest
import urllib3

from chengxin.errors import Problem
from tests.gateway.conftest import RunningGateway
from tests.support import until


def _connected(gate: RunningGateway) -> socket.socket:
    host, _, port = gate.edge.http.removeprefix("http://").rpartition(":")
    return socket.create_connection((host, int(port)), timeout=10)


def _raw(gate: RunningGateway, request: bytes) -> bytes:
    """What the edge answers to exactly these bytes, until it closes."""
    with _connected(gate) as connection:
        connection.sendall(request)
        answer = b""
        while piece := connection.recv(65536):
            answer += piece
        return answer


def test_head_has_no_body_but_its_length(gate: RunningGateway) -> None:
    answer = urllib3.PoolManager().request("HEAD", f"{gate.edge.http}/v1/public/headers")
    assert (answer.status, answer.data, answer.headers["Content-Length"]) == (200, b"", "2")


def test_a_large_body_passes_in_pieces(gate: RunningGateway) -> None:
    body = b"0123456789abcdef" * (3 * 1024 * 1024 // 16)
    token = gate.token("market_regulator")
    answer = gate.edge.call("POST", "/v1/submissions", token, body=body)
    assert (answer.body["length"], answer.body["sha256"]) == (len(body), hashlib.sha256(body).hexdigest())
    assert answer.body["headers"]["content-length"] == str(len(body))


def test_a_body_of_unknown_length_passes_in_pieces(gate: RunningGateway) -> None:
    pieces = [bytes([n]) * 10_000 for n in range(100)]
    pool = urllib3.PoolManager()
    headers = {"Authorization": f"Bearer {gate.token('market_regulator')}"}
    url = f"{gate.edge.http}/v1/submissions"
    answer = pool.request("POST", url, body=iter(pieces), headers=headers).json()
    assert answer["length"] == 1_000_000
    assert answer["sha256"] == hashlib.sha256(b"".join(pieces)).hexdigest()


def test_a_body_beyond_the_limit_is_refused_before_it_is_sent(gate: RunningGateway) -> None:
    head = b"POST /v1/objections HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\nConnection: close\r\n\r\n"
    answer = _raw(gate, head % (64 * 1024 * 1024 + 1))
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b'"TOO_LARGE"' in answer
    assert b"64 MiB" in answer
    head = head.replace(b"/v1/objections", b"/v1/submissions")
    assert b"256 MiB" in _raw(gate, head % (256 * 1024 * 1024 + 1))


def test_a_body_that_grows_beyond_the_limit_is_refused(gate: RunningGateway) -> None:
    def endless() -> Iterator[bytes]:
        for _ in range(66):
            yield bytes(1024 * 1024)

    pool = urllib3.PoolManager(retries=False)
    headers = {"Authorization": f"Bearer {gate.token('market_regulator')}"}
    before = list(gate.http_upstream.lengths)
    try:
        answer = pool.request("POST", f"{gate.edge.http}/v1/objections", body=endless(), headers=headers)
        assert answer.status == 413
    except urllib3.exceptions.ProtocolError:
        pass  # the edge hung up while the client was still sending
    # The service never saw the request: its body was not whole.
    assert gate.http_upstream.lengths == before


def test_a_body_that_breaks_off_reaches_no_service(gate: RunningGateway) -> None:
    before = list(gate.http_upstream.lengths)
    head = f"POST /v1/submissions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {gate.token('market_regulator')}\r\n"
    for framing in ("Content-Length: 10\r\n\r\n01234", "Transfer-Encoding: chunked\r\n\r\n5\r\n01234\r\n"):
        with _connected(gate) as connection:
            connection.sendall((head + framing).encode())
    # A request after those is answered; they were not passed on.
    assert gate.edge.call("POST", "/v1/public/records", body=b"123").status == 200
    assert gate.http_upstream.lengths == [*before, 3]


WAYS_IN = ("/v1/submissions", "/v1/public/records", "/oauth/token", "/v1/identity/counter/token", "/sign-in")


@pytest.mark.parametrize("path", WAYS_IN)
@pytest.mark.parametrize(
    "body", [b"5\r\n01234\r\nzz\r\n", b"5\r\n012345\r\n0\r\n\r\n", b"zz\r\n", b"5\r\n01234\r\n0\n\n"], ids=range(4)
)
def test_a_body_whose_chunks_are_malformed_is_not_acted_upon(gate: RunningGateway, path: str, body: bytes) -> None:
    before = gate.http_upstream.requests
    head = f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
    answer = _raw(gate, head.encode() + body)
    assert answer.startswith(b"HTTP/1.1 400 "), answer
    assert b'"BODY_BROKEN_OFF"' in answer
    assert gate.http_upstream.requests == before


@pytest.mark.parametrize("path", WAYS_IN)
@pytest.mark.parametrize(
    ("framing", "status", "code"),
    [
        ("Content-Length: 10\r\nTransfer-Encoding: chunked", 400, "LENGTH_AMBIGUOUS"),
        ("Transfer-Encoding: chunked\r\nContent-Length: 10", 400, "LENGTH_AMBIGUOUS"),
        ("Transfer-Encoding: gzip, chunked", 501, "TRANSFER_CODING_UNSUPPORTED"),
        ("Transfer-Encoding: identity\r\nTransfer-Encoding: chunked", 501, "TRANSFER_CODING_UNSUPPORTED"),
        ("Transfer-Encoding: CHUNKED", 0, ""),
    ],
)
def test_a_body_has_one_length_and_no_coding_but_chunks(
    gate: RunningGateway, path: str, framing: str, status: int, code: str
) -> None:
    head = f"POST {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{framing}\r\n\r\n5\r\n01234\r\n0\r\n\r\n"
    answer = _raw(gate, head.encode())
    assert answer.startswith(f"HTTP/1.1 {status or ''}".encode())
    assert (b"LENGTH_AMBIGUOUS" in answer or b"TRANSFER_CODING" in answer) == bool(code)
    assert code.encode() in answer


def test_a_large_body_takes_a_token(gate: RunningGateway) -> None:
    head = b"POST /v1/objections HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\nConnection: close\r\n\r\n"
    assert _raw(gate, head).startswith(b"HTTP/1.1 401 ")


def test_a_streamed_answer_arrives_whole(gate: RunningGateway) -> None:
    answer = gate.edge.call("GET", "/v1/public/feed")
    assert len(answer.body) == 2_000_000
    assert answer.body[:1] == b"\x00"
    assert answer.body[-1:] == bytes([199])


def test_an_answer_that_breaks_off_is_not_passed_off_as_whole(gate: RunningGateway) -> None:
    with pytest.raises((urllib3.exceptions.HTTPError, http.client.HTTPException, Problem)):
        gate.edge.call("GET", "/v1/public/broken")
    assert gate.edge.call("GET", "/v1/public/records").status == 200


def test_readers_who_hang_up_leave_nothing_behind(gate: RunningGateway) -> None:
    for _ in range(250):
        with _connected(gate) as connection:
            connection.sendall(b"GET /v1/public/feed HTTP/1.1\r\nHost: x\r\n\r\n")
            assert connection.recv(100).startswith(b"HTTP/1.1 200")
    # More than may be on their way at once: each gave its slot back.
    until(lambda: gate.edge.call("GET", "/v1/public/records").status == 200)


def test_an_idle_connection_that_was_closed_is_replaced_for_reads(gate: RunningGateway) -> None:
    for _ in range(6):
        assert gate.edge.call("GET", "/v1/public/stale").status == 200


def test_connections_to_a_room_are_used_again(gate: RunningGateway) -> None:
    gate.edge.call("GET", "/v1/public/records")
    before = gate.http_upstream.connections
    for _ in range(20):
        gate.edge.call("GET", "/v1/public/records")
    assert gate.http_upstream.connections <= before + 1


@pytest.mark.parametrize(
    "framing",
    [
        b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /v1/audit HTTP/1.1\r\nHost: x\r\n\r\n",
        b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nabcdef",
        b"Content-Length: -1\r\n\r\n",
        b"Content-Length: 1e3\r\n\r\n",
        b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    ],
)
def test_no_second_request_is_smuggled_past_the_edge(gate: RunningGateway, framing: bytes) -> None:
    before = gate.http_upstream.requests
    answer = _raw(gate, b"POST /v1/public/records HTTP/1.1\r\nHost: x\r\nConnection: close\r\n" + framing)
    assert answer.count(b"HTTP/1.1 ") <= 1
    assert gate.http_upstream.requests <= before + 1
