"""The HTTP edge keeps to RFC 9112 in what it takes: hosts, forms of addresses, versions."""

import socket

import pytest

from tests.gateway.conftest import RunningGateway


def answered(gate: RunningGateway, request: bytes) -> bytes:
    """What comes back on a connection of its own until that ends, or until one answer of known length is there."""
    host, _, port = gate.issuer.removeprefix("http://").partition(":")
    found = b""
    with socket.create_connection((host, int(port)), 10) as connection:
        connection.sendall(request)
        while piece := connection.recv(65536):
            found += piece
    return found


def get(target: str, version: str, *fields: str) -> bytes:
    return "\r\n".join([f"GET {target} HTTP/{version}", *fields, "Connection: close", "", ""]).encode("latin-1")


ADDRESSES = ("/v1/public/records", "/healthz", "/v1/nothing", "/oauth/token")


@pytest.mark.parametrize(
    "hosts",
    [
        [],
        ["Host:"],
        ["Host: a", "Host: b"],
        ["Host: a", "Host: a"],
        ["Host: a b"],
        ["Host: a/b"],
        ["Host: user@a"],
        ["Host: a:port"],
        ["Host: a:1:2"],
        ["Host: [::1"],
        ["Host: \xe9"],
        ["Host: a,b"],
    ],
    ids=str,
)
def test_a_request_without_one_valid_host_is_refused(gate: RunningGateway, hosts: list[str]) -> None:
    for address in ADDRESSES:
        found = answered(gate, get(address, "1.1", *hosts))
        assert found.startswith(b"HTTP/1.1 400 "), (address, found)
        assert b"HOST_INVALID" in found


@pytest.mark.parametrize("host", ["example.com", "example.com:8080", "127.0.0.1:1", "[2001:db8::7]:8080", "a_b", "a."])
def test_any_valid_host_is_good(gate: RunningGateway, host: str) -> None:
    assert answered(gate, get("/v1/public/records", "1.1", f"Host: {host}")).startswith(b"HTTP/1.1 200 ")


def test_http_1_0_needs_no_host(gate: RunningGateway) -> None:
    assert answered(gate, get("/v1/public/records", "1.0")).startswith(b"HTTP/1.0 200 ")
    assert answered(gate, get("/v1/public/records", "1.0", "Host: a, b")).startswith(b"HTTP/1.0 400 ")


def test_an_address_in_absolute_form_is_that_of_its_path(gate: RunningGateway) -> None:
    found = answered(gate, get("http://example.com/v1/public/records?a=1", "1.1", "Host: example.com"))
    assert b'"target": "/v1/public/records?a=1"' in found


def test_http_2_gets_no_answer_and_reaches_no_service(gate: RunningGateway) -> None:
    before = gate.http_upstream.requests
    preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00"
    assert answered(gate, preface) == b""
    # Whoever offers it beside HTTP/1.1 gets that (RFC 9110, 7.8).
    offered = get("/v1/public/records", "1.1", "Host: a", "Upgrade: h2c", "HTTP2-Settings: AAMAAABkAAQAAP__")
    assert answered(gate, offered).startswith(b"HTTP/1.1 200 ")
    assert gate.http_upstream.requests == before + 1


def test_what_the_whole_server_can_do_is_told(gate: RunningGateway) -> None:
    asked = get("*", "1.1", "Host: a").replace(b"GET", b"OPTIONS")
    found = answered(gate, asked)
    assert found.startswith(b"HTTP/1.1 204 ")
    assert b"allow: DELETE, GET, HEAD, OPTIONS, POST, PUT\r\n" in found
    assert b"HOST_INVALID" in answered(gate, asked.replace(b"Host: a\r\n", b""))


@pytest.mark.parametrize("target", ["*", "a", "example.com:80"])
def test_a_target_that_is_no_address_is_refused(gate: RunningGateway, target: str) -> None:
    found = answered(gate, get(target, "1.1", "Host: a"))
    assert found.startswith(b"HTTP/1.1 400 ")
    assert b"TARGET_INVALID" in found


@pytest.mark.parametrize("address", ["/v1/me/records", "/v1/identity/clients", "/v1/operations/gateway/quarantine"])
@pytest.mark.parametrize("second", ["Bearer b", "Basic b", ""])
def test_a_second_authorization_is_told_as_that(gate: RunningGateway, address: str, second: str) -> None:
    good = f"Authorization: Bearer {gate.token('market_regulator')}"
    fields = ("Accept-Language: en", good, f"Authorization: {second}")
    found = answered(gate, get(address, "1.1", "Host: a", *fields))
    assert found.startswith(b"HTTP/1.1 401 "), found
    assert b"one Authorization header field" in found


@pytest.mark.parametrize("address", ["/v1/shared/records", "/v1/identity/clients", "/oauth/token"])
def test_a_body_that_is_compressed_is_told_as_that(gate: RunningGateway, address: str) -> None:
    for coding, status in (("gzip", b"415"), ("identity, br", b"415"), ("Identity", b"")):
        fields = ("Accept-Language: en", f"Content-Encoding: {coding}", "Content-Length: 2")
        found = answered(gate, get(address, "1.1", "Host: a", *fields).replace(b"GET", b"POST") + b"{}")
        assert (b"CONTENT_ENCODING_UNSUPPORTED" in found) == bool(status), found
        assert found.split(b" ")[1] == status or not status


@pytest.mark.parametrize(
    "address",
    [
        *(
            "/v1%2Fpublic/subjects",
            "/v1%2fpublic%2Fsubjects",
            "/v1/public%2Frecords",
            "%2Fv1/public/records",
            "/%2Fv1/x",
        ),
        *("/v1%5Cpublic/records", "/v1/%2e%2e/v1/public/records", "/v1/./public/records", "/v1%252Fpublic/records"),
        *("/v1;a/public/records", "/v1//public/records", "/oauth%2Ftoken", "/.well-known%2fjwks.json", "/healthz%2F"),
        *("/healthz;x", "/healthz/%2e", "/sign-in%5C", "http://a/v1%2Fpublic/records"),
    ],
)
def test_an_address_is_what_it_is(gate: RunningGateway, address: str) -> None:
    before = gate.http_upstream.requests
    found = answered(gate, get(address, "1.1", "Host: a", "Accept: application/json"))
    assert found.startswith((b"HTTP/1.1 404 ", b"HTTP/1.1 400 ")), found
    assert gate.http_upstream.requests == before
    # What follows the path is not the address.
    assert b"?a=b%2Fc" in answered(gate, get("/v1/public/records?a=b%2Fc", "1.1", "Host: a"))


@pytest.mark.parametrize("head", ["GET {} HTTP/1.1\nHost: a\n\n", "GET {} HTTP/1.1\r\nHost: a\nX: y\r\n\r\n"])
def test_a_head_without_crlf_is_refused_and_ends_the_connection(gate: RunningGateway, head: str) -> None:
    for address in ADDRESSES:
        found = answered(gate, head.format(address).encode() + get(address, "1.1", "Host: a"))
        assert found.startswith(b"HTTP/1.1 400 "), found
        assert b"HEAD_UNREADABLE" in found
        assert found.count(b"HTTP/1.1 ") == 1


def test_requests_that_are_sent_ahead_are_answered_each_by_its_own_target(gate: RunningGateway) -> None:
    targets = ("/v1/public/a", "/v1%2Fpublic", "/v1/public/b")
    sent = b"".join(f"GET {target} HTTP/1.1\r\nHost: a\r\n\r\n".encode() for target in targets)
    found = answered(gate, sent + get("/v1/public/c", "1.1", "Host: a"))
    assert [piece[:3] for piece in found.split(b"HTTP/1.1 ")[1:]] == [b"200", b"404", b"200", b"200"]


def test_two_slashes_are_another_address_and_lead_nowhere(gate: RunningGateway) -> None:
    for address in ("/v1/identity//clients", "//v1/identity/clients", "/v1//identity/clients", "//evil.example/", "//"):
        found = answered(gate, get(address, "1.1", "Host: evil.example"))
        assert found.startswith(b"HTTP/1.1 404 "), address
        assert b"location:" not in found.lower()
