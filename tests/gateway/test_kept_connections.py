"""A client keeps its connection: unless an answer says `Connection: close`, the next request on it is answered."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.client import HTTPConnection, HTTPResponse

import pytest

from tests.gateway.conftest import RunningGateway

BODY = b'{"username": "nobody"}'
# Answers for which no body is read.
UNREAD = {
    "a token that is not good": ("POST", "/v1/submissions", {"Authorization": "Bearer x"}, 401),
    "the same at an own address": ("POST", "/v1/identity/officers", {"Authorization": "Bearer x"}, 401),
    "a method that is none": ("BREW", "/v1/public/records", {}, 501),
    "a question for health": ("GET", "/healthz", {}, 200),
}
# Answers given when the body has been read.
READ = {
    "a service that is away": ("POST", "/v1/catalog/drafts", {}, 503),
    "a sign-in that lacks the password": (
        "POST",
        "/v1/identity/officers/sign-in",
        {"Content-Type": "application/json"},
        400,
    ),
}


@contextmanager
def asked_on(gate: RunningGateway, case: tuple[str, str, dict[str, str], int]) -> Iterator[HTTPConnection]:
    """A connection on which the head of a request was sent; most clients send its body after that."""
    method, path, headers, _ = case
    connection = HTTPConnection(gate.edge.http.removeprefix("http://"), timeout=10)
    with closing(connection):
        connection.putrequest(method, path)
        for name, value in (headers | {"Content-Length": str(len(BODY))}).items():
            connection.putheader(name, value)
        connection.endheaders()
        yield connection


def took(connection: HTTPConnection, status: int) -> HTTPResponse:
    """The answer, which has this status."""
    answer = connection.getresponse()
    answer.read()
    assert answer.status == status
    return answer


@pytest.mark.parametrize("case", UNREAD)
def test_an_answer_without_the_body_says_that_the_connection_ends(gate: RunningGateway, case: str) -> None:
    with asked_on(gate, UNREAD[case]) as connection:
        assert took(connection, UNREAD[case][-1]).headers["Connection"] == "close"


@pytest.mark.parametrize("case", READ)
def test_an_answer_to_the_whole_request_keeps_the_connection(gate: RunningGateway, case: str) -> None:
    with asked_on(gate, READ[case]) as connection:
        connection.send(BODY)
        assert took(connection, READ[case][-1]).headers["Connection"] is None
        kept = connection.sock
        connection.request("GET", "/v1/public/records")
        took(connection, 200)
        assert connection.sock is kept
