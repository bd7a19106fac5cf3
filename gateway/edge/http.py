"""The HTTP edge: it checks the token, stamps the request and forwards bytes. It never parses payloads.

It is a bare WSGI callable, because every request of the suite passes through it; behind it, a Flask app answers the
gateway's own addresses.
"""

import re
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from io import BytesIO
from typing import Any, Final
from urllib.parse import quote
from wsgiref.types import StartResponse, WSGIApplication

import structlog
from prometheus_client import Histogram
from werkzeug.wsgi import ClosingIterator

from chengxin.concurrency.shares import Claimant
from chengxin.errors import INTERNAL, NOT_FOUND, NOT_IMPLEMENTED, UNAUTHENTICATED, Problem
from chengxin.grpc.rpc import as_problem
from chengxin.http.problem_answers import answer_to, prefers_page
from chengxin.values.ids import new_id
from gateway.domain import browser_sessions
from gateway.domain.edge_refusals import (
    CONTENT_ENCODING_UNSUPPORTED,
    HEAD_UNREADABLE,
    HOST_INVALID,
    LENGTH_AMBIGUOUS,
    TARGET_INVALID,
    TRANSFER_CODING_UNSUPPORTED,
)
from gateway.edge.admission import EdgeAdmission
from gateway.edge.answer_headers import Asked, Headers, complete, passing
from gateway.edge.bodies import IN_MEMORY_BYTES, UNREAD, Bodies, Body, UploadedFile, announces_body
from gateway.edge.concurrency_limits import EdgeShares, ForwardingPermits, Permit
from gateway.edge.front import CERTIFICATE, HEAD
from gateway.edge.routes import PREFIXES, limit_of, prefix_of
from gateway.edge.trace_context import next_hop
from gateway.edge.upstream import Upstream, UpstreamAnswer

log = structlog.get_logger()

Environ = dict[str, Any]

# The gateway's own addresses take no larger body.
_OWN_BODY_BYTES: Final = 64 * 1024
# What is answered while everything else is taken.
_HEALTH_PATHS: Final = frozenset({"/healthz", "/readyz"})
# The addresses at which people and machines prove who they are.
_PROOF_PREFIXES: Final = ("/oauth/", "/v1/identity/", *(page.sign_in for page in browser_sessions.PAGES.values()))
# The gateway's own addresses that have a rule: the edge admits callers there as elsewhere.
_GUARDED_PREFIXES: Final = ("/v1/identity/", "/v1/operations/")
# Those of RFC 9110 and 5789, and QUERY, which OpenAPI knows. Which of them an address takes, whoever answers there says.
_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "QUERY"})
# What asks what the server as a whole can do (RFC 9110, 9.3.7), and the methods that some address here takes.
_WHOLE_SERVER: Final = ("OPTIONS", "*")
_ALLOW: Final = "DELETE, GET, HEAD, OPTIONS, POST, PUT"
# The coding of a body that is not coded (RFC 9110, 8.4.1).
_AS_IT_IS: Final = "identity"
# A host, with or without a port (RFC 9110, 7.2; RFC 3986, 3.2.2).
_HOST: Final = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._~%!$&'()*+;=-]+)(:[0-9]{0,5})?\Z")
# The transfer coding that granian decodes.
_CHUNKED: Final = "chunked"
_ENCODED_SLASH: Final = re.compile(rb"[^?]*%2[Ff]")
_HTTP_1_1: Final = "HTTP/1.1"

# Only these headers of a request pass.
_REQUEST_HEADERS: Final = (
    ("CONTENT_TYPE", "Content-Type"),
    ("HTTP_ACCEPT", "Accept"),
    ("HTTP_ACCEPT_LANGUAGE", "Accept-Language"),
    ("HTTP_IDEMPOTENCY_KEY", "Idempotency-Key"),
    ("HTTP_IF_MATCH", "If-Match"),
    ("HTTP_IF_MODIFIED_SINCE", "If-Modified-Since"),
    ("HTTP_IF_NONE_MATCH", "If-None-Match"),
)
_answer_seconds = Histogram(
    "chengxin_edge_http_seconds",
    "Requests at the HTTP edge, until the answer starts",
    ["route", "status"],
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10, 60),
)


@dataclass(frozen=True)
class EdgePlaces:
    """What requests hold at the HTTP edge while they are worked on."""

    bodies: Bodies
    forwarded: ForwardingPermits
    own: EdgeShares
    health: EdgeShares


class HttpEdge:
    """The WSGI application that granian runs."""

    def __init__(
        self,
        own: WSGIApplication,
        upstreams: Mapping[str, Upstream],
        admission: EdgeAdmission,
        anonymous: Callable[[], str],
        places: EdgePlaces,
        issuer: str = "",
    ) -> None:
        """`anonymous()` is a token of the public, for callers who have none."""
        self._issuer = issuer
        self._secure = issuer.startswith("https:")
        self._own_app = own
        self._upstreams = {prefix: upstreams[service] for prefix, service in PREFIXES.items()}
        self._admission = admission
        self._anonymous_token = anonymous
        self._places = places
        self._histograms: dict[tuple[str, int], Any] = {}

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        environ[UNREAD] = announces_body(environ)
        prefix = prefix_of(environ["PATH_INFO"])
        asked = self._asked(environ, prefix)

        def start_answer(status: str, headers: Headers, exc_info: Any = None, /) -> Callable[[bytes], object]:
            headers = complete(int(status[:3]), headers, asked)
            # granian hangs up when the rest of a body is still to come, and says so only when it knows in time.
            return start_response(status, [*headers, ("Connection", "close")] if environ[UNREAD] else headers)

        return self._answer(environ, prefix, start_answer, asked.request_id)

    def _asked(self, environ: Environ, prefix: str | None) -> Asked:
        token = "HTTP_AUTHORIZATION" in environ
        own = prefix is None or environ["PATH_INFO"] in browser_sessions.PAGES
        secure = self._secure or environ.get("wsgi.url_scheme") == "https"
        return Asked(new_id("req"), secure, token, token or own or "HTTP_COOKIE" in environ)

    def _answer(
        self, environ: Environ, prefix: str | None, start_response: StartResponse, request_id: str
    ) -> Iterable[bytes]:
        began = time.perf_counter()
        if prefix is None:
            return self._answer_own(environ, start_response, request_id, began)
        try:
            _must_be_understood(environ)
            status, headers, body = self._forward(environ, prefix, request_id)
        # Every error becomes a problem document here, because no code above does it.
        except Exception as e:
            status, headers, body = _make_problem_answer(e, environ, request_id)
        self._observe(prefix, status, began)
        start_response(f"{status} -", headers)
        return body

    def _forward(self, environ: Environ, prefix: str, request_id: str) -> tuple[int, Headers, Iterable[bytes]]:
        method = environ["REQUEST_METHOD"]
        page = browser_sessions.PAGES.get(environ["PATH_INFO"])
        # An empty field, or one that is no text, is no missing one.
        authorization = environ.get("HTTP_AUTHORIZATION")
        if authorization is None:
            authorization = self._authorize_by_session(environ, method) or None
        if authorization is not None:
            claimant = self._admit(authorization, environ, request_id)
        elif page and method == "GET" and prefers_page(environ):
            return (
                303,
                [("Location", browser_sessions.sign_in_address(environ["PATH_INFO"], environ["QUERY_STRING"]))],
                [],
            )
        else:
            claimant = self._admit_stranger(environ)
            authorization = f"Bearer {self._anonymous_token()}"
        request_headers = {
            "Authorization": authorization,
            "X-Request-Id": request_id,
            "traceparent": next_hop(environ.get("HTTP_TRACEPARENT", "")),
        }
        for key, name in _REQUEST_HEADERS:
            # An empty field is not a missing one.
            if (value := environ.get(key)) is not None:
                request_headers[name] = value
        # WSGI decodes the path (as latin-1); characters that must be encoded are encoded again.
        target = quote(environ["PATH_INFO"].encode("latin-1"), safe="/:@!$&'()*+,;=~")
        if query := environ["QUERY_STRING"]:
            target = f"{target}?{query}"
        with self._places.bodies.whole(environ, limit_of(prefix), claimant) as body:
            permit = self._places.forwarded.take(PREFIXES[prefix], claimant)
            return self._send(prefix, (method, target, request_headers, body), permit)

    def _send(
        self,
        prefix: str,
        request: tuple[str, str, dict[str, str], Body],
        permit: Permit,
    ) -> tuple[int, Headers, Iterable[bytes]]:
        """Sends a request to its service; the answer's body gives the permit back, or this does when it is small."""
        method, target, request_headers, body = request
        if isinstance(body, UploadedFile):
            request_headers["Content-Length"] = str(body.length)
        streaming = False
        try:
            answer = self._upstreams[prefix].send(method, target, request_headers, body)
            streaming = answer.length is None or answer.length > IN_MEMORY_BYTES
            content: Iterable[bytes] = _StreamedBody(answer, permit) if streaming else [answer.whole()]
        finally:
            if not streaming:
                permit.release()
        return answer.status, passing(answer.headers), content

    def _authorize_by_session(self, environ: Environ, method: str) -> str:
        """Returns the token of a browser's session as a client sends it; empty without a session that counts here.

        Raises FOREIGN_FORM, UNAUTHENTICATED.
        """
        sign_in_page = browser_sessions.sign_in_page_for(method, environ["PATH_INFO"])
        token = browser_sessions.token_of(environ.get("HTTP_COOKIE", ""), self._issuer) if sign_in_page else ""
        if sign_in_page is None or not token:
            return ""
        if method != "GET" and not _is_own_script(environ, token):
            raise browser_sessions.FOREIGN_FORM()
        try:
            caller = self._admission.verifier.verify(token)
        except Problem as problem:
            # An ended session does not count as an attempt: its owner signs in again. A script gets the error; a page
            # redirects to the sign-in.
            if problem.type is not UNAUTHENTICATED or environ["PATH_INFO"] not in browser_sessions.PAGES:
                raise
            return ""
        return f"Bearer {token}" if caller.roles & sign_in_page.roles else ""

    def _admit_stranger(self, environ: Environ) -> Claimant:
        """Counts a request without a token. Raises RATE_LIMITED."""
        self._admission.limits.by_address(environ["REMOTE_ADDR"])
        return Claimant(environ["REMOTE_ADDR"])

    def _admit(self, authorization: str, environ: Environ, request_id: str) -> Claimant:
        """Checks the token and the rate of its caller. Raises UNAUTHENTICATED, RATE_LIMITED, EDGE_BUSY."""
        certificate = environ.get(CERTIFICATE, "")
        return self._admission.admit(authorization, certificate, environ["REMOTE_ADDR"], "http", request_id)

    def _answer_own(
        self, environ: Environ, start_response: StartResponse, request_id: str, began: float
    ) -> Iterable[bytes]:
        environ["HTTP_X_REQUEST_ID"] = request_id
        try:
            _must_be_understood(environ)
            if environ["PATH_INFO"] == "*":
                self._admit_stranger(environ)
                self._observe("own", 204, began)
                start_response("204 -", [("Allow", _ALLOW)])
                return []
            with ExitStack() as held:
                self._prepare_own(environ, request_id, held)
                return self._run_own(environ, start_response, began)
        except Problem as e:
            refusal_status, headers, body = _make_problem_answer(e, environ, request_id)
            self._observe("own", refusal_status, began)
            start_response(f"{refusal_status} -", headers)
            return body

    def _prepare_own(self, environ: Environ, request_id: str, held: ExitStack) -> None:
        """Admits a request to an own address, takes its place, and reads its body. Raises what these three raise."""
        claimant = self._admit_own(environ, request_id)
        if environ["PATH_INFO"] in _HEALTH_PATHS:
            held.enter_context(self._places.health.take(claimant))
            body: Body = None
        else:
            with self._places.bodies.whole(environ, _OWN_BODY_BYTES, claimant) as body:
                held.enter_context(self._places.own.take(claimant))
        assert not isinstance(body, UploadedFile)
        # Flask finds the whole body, or none.
        environ["wsgi.input"] = BytesIO(body or b"")
        environ["CONTENT_LENGTH"] = str(len(body or b""))
        environ.pop("HTTP_TRANSFER_ENCODING", None)

    def _run_own(self, environ: Environ, start_response: StartResponse, began: float) -> Iterable[bytes]:
        def start_own_answer(status: str, headers: Headers, exc_info: Any = None, /) -> Callable[[bytes], object]:
            self._observe("own", int(status[:3]), began)
            return start_response(status, headers)

        answer = self._own_app(environ, start_own_answer)
        try:
            return list(answer)
        finally:
            if isinstance(answer, ClosingIterator):
                answer.close()

    def _admit_own(self, environ: Environ, request_id: str) -> Claimant:
        """Admits a request to the gateway's own addresses. Raises UNAUTHENTICATED, RATE_LIMITED."""
        path, authorization = environ["PATH_INFO"], environ.get("HTTP_AUTHORIZATION")
        guarded = path.startswith(_GUARDED_PREFIXES)
        if authorization is not None and guarded:
            certificate = environ.get(CERTIFICATE, "")
            return self._admission.admit_to_gateway(
                authorization, certificate, environ["REMOTE_ADDR"], "http", request_id
            )
        if guarded:
            # A caller without a token is the public here, too.
            environ["HTTP_AUTHORIZATION"] = f"Bearer {self._anonymous_token()}"
        if path.startswith((*_PROOF_PREFIXES, *_GUARDED_PREFIXES)):
            self._admission.limits.by_proof(environ["REMOTE_ADDR"])
            return Claimant(environ["REMOTE_ADDR"])
        if path in _HEALTH_PATHS:
            self._admission.limits.by_health(environ["REMOTE_ADDR"])
            return Claimant(environ["REMOTE_ADDR"])
        return self._admit_stranger(environ)

    def _observe(self, route: str, status: int, began: float) -> None:
        histogram = self._histograms.get((route, status))
        if histogram is None:
            histogram = self._histograms[route, status] = _answer_seconds.labels(route, str(status))
        histogram.observe(time.perf_counter() - began)


def _must_be_understood(environ: Environ) -> None:
    """Raises HEAD_UNREADABLE, LENGTH_AMBIGUOUS, TRANSFER_CODING_UNSUPPORTED, NOT_IMPLEMENTED, TARGET_INVALID, NOT_FOUND,
    HOST_INVALID or CONTENT_ENCODING_UNSUPPORTED for a request that is none of HTTP (RFC 9110, 9.1; RFC 9112, 3.2 and 6),
    or that nobody here understands.

    granian joins two fields by a comma. Of an address in absolute form it tells the host as if a field had.
    """
    method, path, head = environ["REQUEST_METHOD"], environ["PATH_INFO"], environ[HEAD]
    if head is None:
        # Nor is what follows on the connection.
        environ[UNREAD] = True
        raise HEAD_UNREADABLE()
    if head.is_ambiguous:
        raise LENGTH_AMBIGUOUS()
    if environ.get("HTTP_TRANSFER_ENCODING", _CHUNKED).lower() != _CHUNKED:
        raise TRANSFER_CODING_UNSUPPORTED()
    if method not in _METHODS:
        raise NOT_IMPLEMENTED()
    if not path.startswith("/") and (method, path) != _WHOLE_SERVER:
        raise TARGET_INVALID()
    if path.startswith("//") or _ENCODED_SLASH.match(head.target):
        # Flask takes all slashes at the beginning for one: that address would have other rates than its own. An encoded
        # slash is part of a name (RFC 3986, 2.2), and granian has decoded it.
        raise NOT_FOUND(what=path.encode("latin-1").decode("utf-8", "replace"))
    if environ[UNREAD] and environ.get("HTTP_CONTENT_ENCODING", _AS_IT_IS).lower() != _AS_IT_IS:
        raise CONTENT_ENCODING_UNSUPPORTED()
    host = environ.get("HTTP_HOST", "")
    if not _HOST.match(host) and (host or environ.get("SERVER_PROTOCOL") == _HTTP_1_1):
        raise HOST_INVALID()


def _is_own_script(environ: Environ, token: str) -> bool:
    """Returns whether a page of this site sends the request within this session."""
    origin_headers = [environ.get(f"HTTP_{name}", "") for name in ("ORIGIN", "SEC_FETCH_SITE", "HOST")]
    return browser_sessions.is_same_origin(*origin_headers) and browser_sessions.is_csrf_of(
        token, environ.get("HTTP_X_CSRF_TOKEN", "")
    )


class _StreamedBody:
    """An answer that is passed on as it arrives. However it ends, read or not, it releases its permit."""

    def __init__(self, answer: UpstreamAnswer, permit: Permit) -> None:
        self._content = answer.pieces()
        self._permit = permit

    def __iter__(self) -> "_StreamedBody":
        return self

    def __next__(self) -> bytes:
        try:
            return next(self._content)
        except OSError as e:
            # The status is already sent; only the early end of the body can show the error.
            log.warning("an answer broke off", reason=repr(e))
            raise

    def close(self) -> None:
        self._content.close()
        self._permit.release()

    __del__ = close


def _make_problem_answer(error: Exception, environ: Environ, request_id: str) -> tuple[int, Headers, Iterable[bytes]]:
    problem = as_problem(error)
    if problem is None:
        log.exception("unexpected error at the edge", request_id=request_id, error=repr(error))
        problem = INTERNAL()
    headers, body = answer_to(problem, environ, request_id)
    return problem.type.status, headers, [body]
