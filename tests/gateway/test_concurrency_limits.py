"""Forwarding never takes every thread, one service never takes every slot, and one caller takes a share."""

import contextlib
import json
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from chengxin.auth.access_tokens import Verifier
from chengxin.auth.policy_table import placeholder
from chengxin.bounds import FACE_THREADS, Bound
from chengxin.concurrency.shares import Claimant, Shares
from chengxin.errors import Problem
from chengxin.process.operations import Operations
from gateway.context import GatewayContext
from gateway.edge.admission import EdgeAdmission
from gateway.edge.bodies import Bodies
from gateway.edge.concurrency_limits import FORWARDED, OF_A_SERVICE, EdgeShares, ForwardingPermits
from gateway.edge.concurrency_limits import permits as of_this_process
from gateway.edge.front import CONNECTION, HEAD, Connection
from gateway.edge.http import EdgePlaces, HttpEdge
from gateway.edge.rate_limits import Limiter, RateLimits
from gateway.edge.request_framing import RequestHead
from gateway.edge.routes import PREFIXES, SERVICES
from gateway.edge.upstream import Upstream
from gateway.http.gateway import make_own_app
from gateway.usecases.oidc_relying_party import IdentityProvider
from gateway.usecases.verify_identity import IdentityVerifier
from tests.support import until

BANK, COURT, STRANGER = Claimant("bank", proven=True), Claimant("court", proven=True), Claimant("192.0.2.1")


class CostlyService:
    """A service with so many threads, some of whose answers take until all is `calculated`."""

    def __init__(self, threads: int) -> None:
        self.health, self.calculated = threading.Event(), threading.Event()
        health, calculated = self.health, self.calculated
        pool = ThreadPoolExecutor(threads)

        class CostlyAnswers(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                if self.path == "/healthz":
                    health.set()
                if self.path == "/costly":
                    calculated.wait(60)
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                pass

        class Server(ThreadingHTTPServer):
            request_queue_size = 128

            def process_request(self, request: Any, client_address: Any) -> None:
                pool.submit(self.process_request_thread, request, client_address)

        self._server, self._pool = Server(("127.0.0.1", 0), CostlyAnswers), pool
        self.address = f"127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self.calculated.set()
        self._pool.shutdown()


def addresses() -> list[tuple[str, str]]:
    """Each address of the edge with a method: the gateway's own, and one below each prefix that is forwarded."""
    app = make_own_app(
        *(placeholder(GatewayContext), placeholder(IdentityVerifier), dict, lambda own: own),  # type: ignore[type-abstract]
        provider=placeholder(IdentityProvider),
        operations=placeholder(Operations),
        grpc_edge_serves=bool,
    )
    own = [(min((rule.methods or set()) - {"HEAD", "OPTIONS"}), rule.rule) for rule in app.url_map.iter_rules()]
    return [*own, *((method, prefix) for prefix in PREFIXES for method in ("GET", "POST")), ("GET", "/nowhere")]


class UnansweredEdge:
    """The HTTP edge, and nothing that answers behind it."""

    def __init__(self, rate: float, places: Bound) -> None:
        limits = RateLimits(*(Limiter(rate, 1) for _ in range(4)))
        of_all, shares = EdgeShares(Shares(places)), Shares(places)
        forwarded = ForwardingPermits(shares, dict.fromkeys(SERVICES, shares))
        self._edge = HttpEdge(
            lambda _environ, start: [(start("200 -", []) and b"") or b""],
            {service: Upstream("127.0.0.1:1") for service in SERVICES},
            EdgeAdmission(placeholder(Verifier), limits, of_all, lambda *_: None),
            lambda: "token",
            EdgePlaces(Bodies(shares, shares, 1.0), forwarded, of_all, of_all),
        )

    def ask(self, method: str, path: str) -> str:
        """The code of the refusal that an address from nowhere gets; empty without one."""
        environ = {
            "REQUEST_METHOD": method,
            "PATH_INFO": path,
            "QUERY_STRING": "",
            "REMOTE_ADDR": "192.0.2.1",
            CONNECTION: Connection("192.0.2.1"),
            HEAD: RequestHead(path.encode(), False),
        }
        answer = b"".join(self._edge(environ, lambda *_: lambda _: None))
        return str(json.loads(answer)["code"]) if answer else ""


ANY = replace(FORWARDED, total=1000, share=1000, strangers=1000)


def test_each_address_falls_under_a_bound_and_a_rate() -> None:
    free, taken = UnansweredEdge(0, ANY), UnansweredEdge(0, replace(ANY, total=0))
    tried = addresses()
    assert len(tried) > 80
    for method, path in tried:
        limited = UnansweredEdge(1e-9, ANY)
        assert limited.ask(method, path) != "RATE_LIMITED", path
        assert limited.ask(method, path) == "RATE_LIMITED", path
        assert free.ask(method, path) != "EDGE_BUSY", path
        assert taken.ask(method, path) == "EDGE_BUSY", path


def permits(total: int, each: int, share: int, strangers: int) -> ForwardingPermits:
    return ForwardingPermits(
        Shares(replace(FORWARDED, total=total, share=share, strangers=strangers)),
        {service: Shares(replace(OF_A_SERVICE, total=each, share=each)) for service in SERVICES},
    )


def test_one_room_that_hangs_leaves_slots_to_the_others() -> None:
    slots = permits(total=3, each=2, share=3, strangers=3)
    hanging = [slots.take("objection", BANK), slots.take("objection", BANK)]
    with pytest.raises(Problem, match="EDGE_BUSY"):
        slots.take("objection", COURT)
    other = slots.take("disclosure", BANK)
    with pytest.raises(Problem, match="EDGE_BUSY"):
        slots.take("audit", COURT)
    other.release()
    assert slots.take("audit", COURT)
    hanging[0].release()
    assert slots.take("objection", COURT)


def test_one_caller_leaves_places_to_the_others() -> None:
    slots = permits(total=4, each=4, share=2, strangers=2)
    held = [slots.take("audit", BANK), slots.take("disclosure", BANK)]
    with pytest.raises(Problem, match="EDGE_BUSY"):
        slots.take("audit", BANK)
    assert slots.take("audit", STRANGER)
    assert slots.take("audit", COURT)
    held[0].release()
    assert slots.take("disclosure", BANK)


def test_a_refused_caller_holds_nothing_of_the_service() -> None:
    slots = permits(total=1, each=2, share=1, strangers=1)
    held = slots.take("audit", BANK)
    for _ in range(3):
        with pytest.raises(Problem, match="EDGE_BUSY"):
            slots.take("audit", COURT)
    held.release()
    assert slots.take("audit", COURT)


def test_a_slot_is_given_back_once() -> None:
    slots = permits(total=1, each=1, share=1, strangers=1)
    slot = slots.take("audit", BANK)
    slot.release()
    slot.release()
    taken = slots.take("audit", BANK)
    with pytest.raises(Problem):
        slots.take("audit", BANK)
    taken.release()


def test_a_service_has_threads_for_others_than_strangers_and_more_than_the_gateway_sends_to_it() -> None:
    assert OF_A_SERVICE.strangers is not None
    assert OF_A_SERVICE.strangers + 8 <= OF_A_SERVICE.total <= FACE_THREADS - 4


def test_costly_reads_of_strangers_leave_a_service_its_health() -> None:
    """64 anonymous loops took all threads of a service; its health waited behind them, and it counted as away."""
    with contextlib.closing(CostlyService(FACE_THREADS)) as service, ThreadPoolExecutor(64) as loops:
        slots, upstream = of_this_process(), Upstream(service.address)

        def read(caller: Claimant, path: str) -> str:
            try:
                with slots.take("disclosure", caller):
                    return str(upstream.send("GET", path, {}, None).status)
            except Problem as refusal:
                return refusal.code

        costly = [loops.submit(read, Claimant(f"192.0.2.{n}"), "/costly") for n in range(64)]
        # The gateway asks a service for its health that has not answered for 3 s.
        until(lambda: service.health.is_set() or all(one.done() for one in costly), "a read is answered for")
        assert read(BANK, "/") == "200"
        service.calculated.set()
        assert Counter(one.result() for one in costly) == {"200": 24, "EDGE_BUSY": 40}
        upstream.close()
