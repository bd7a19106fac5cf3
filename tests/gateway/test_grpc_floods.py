"""Whoever opens calls and says nothing holds a share of the gRPC edge for a while, and nobody else up."""

import contextlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from chengxin_cli.gateway_client import Edge
from gateway.edge.grpc import STREAMS
from gateway.edge.grpc_open_calls import HEALTH_CALLS, OPEN_CALLS
from tests.gateway.conftest import RunningGateway
from tests.gateway.flooded import BOTNET, impatient
from tests.support import until

QUERY = "/chengxin.disclosure.v1.DisclosureService/Query"
SUBMIT = "/chengxin.ingest.v1.IngestService/Submit"
# Methods that the gateway's protos do not have.
SUBMIT_SLOWLY = "/chengxin.ingest.v1.IngestService/SubmitSlowly"
CONVERSE = "/chengxin.disclosure.v1.DisclosureService/Converse"
REFLECTION = "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"
CHECK = "/grpc.health.v1.Health/Check"
WATCH = "/grpc.health.v1.Health/Watch"
OTHER = "203.0.113.9"


@dataclass
class Flood:
    """Calls to one edge that send nothing after their headers."""

    edge: Edge
    calls: list[Any] = field(default_factory=list)
    ended: threading.Event = field(default_factory=threading.Event)

    def open(self, method: str, number: int, origin: str, token: str = "") -> list[Any]:
        """Opens calls. `origin` is what a proxy would say."""
        begun = [self._open(method, origin, token) for _ in range(number)]
        self.calls += begun
        return begun

    def _open(self, method: str, origin: str, token: str) -> Any:
        def nothing() -> Iterator[bytes]:
            self.ended.wait(60)
            yield from ()

        metadata = [("x-forwarded-for", origin), *([("authorization", f"Bearer {token}")] if token else [])]
        return self.edge.channel.stream_stream(method)(nothing(), metadata=metadata)

    def end(self) -> None:
        self.ended.set()
        for call in self.calls:
            call.cancel()


@contextlib.contextmanager
def flood(edge: Edge) -> Iterator[Flood]:
    running = Flood(edge)
    try:
        yield running
    finally:
        running.end()


def refused(calls: list[Any]) -> list[Any]:
    """Those that are over, and not because of us."""
    return [call for call in calls if call.done() and call.code() is not grpc.StatusCode.CANCELLED]


@pytest.fixture(scope="module")
def patient(gate: RunningGateway) -> Iterator[Edge]:
    """Here a silent call lasts as long as the tests."""
    with impatient(gate, CHENGXIN_CALL_SECONDS="600") as edge:
        yield edge


@pytest.fixture(scope="module")
def hasty(gate: RunningGateway) -> Iterator[Edge]:
    with impatient(gate, CHENGXIN_CALL_SECONDS="3") as edge:
        yield edge


def serves(edge: Edge, token: str) -> bool:
    call = edge.channel.unary_unary(QUERY)
    return bool(call(b"", metadata=[("authorization", f"Bearer {token}")], timeout=5))


def is_healthy(edge: Edge, origin: str) -> bool:
    answer = health_pb2_grpc.HealthStub(edge.channel).Check(
        health_pb2.HealthCheckRequest(), metadata=[("x-forwarded-for", origin)], timeout=5
    )
    return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)


def test_reflection_without_a_word_holds_a_share_for_a_while(patient: Edge, gate: RunningGateway) -> None:
    share = OPEN_CALLS.share
    assert isinstance(share, int)
    with flood(patient) as silent:
        for method in (REFLECTION, WATCH):
            calls = silent.open(method, 40, f"198.51.100.{len(method)}")
            until(lambda calls=calls: len(refused(calls)) == 40 - share, "all but its share are refused")  # type: ignore[misc]
            assert {call.code() for call in refused(calls)} == {grpc.StatusCode.UNAVAILABLE}
        assert serves(patient, gate.token("market_regulator"))
        assert is_healthy(patient, OTHER)
        assert patient.call("GET", "/healthz").status == 200


def test_calls_without_a_token_are_refused_before_they_say_anything(patient: Edge) -> None:
    with flood(patient) as silent:
        calls = silent.open(QUERY, 40, "198.51.100.1") + silent.open(SUBMIT, 40, "198.51.100.2")
        until(lambda: len(refused(calls)) == 80, "all are refused")
        # Some find the others being put on record.
        assert {call.code() for call in calls} <= {grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.UNAVAILABLE}


def test_calls_without_their_message_stop_nobody_else(hasty: Edge, gate: RunningGateway) -> None:
    with flood(hasty) as silent:
        calls = silent.open(QUERY, 60, OTHER, gate.token("market_regulator"))
        assert serves(hasty, gate.token("housing_bureau", scope="provider"))
        until(lambda: all(call.done() for call in calls), "their time is over")
        assert serves(hasty, gate.token("market_regulator"))


def test_silent_streams_of_one_client_stop_nobody_else(patient: Edge, gate: RunningGateway) -> None:
    share = STREAMS.share
    assert isinstance(share, int)
    with flood(patient) as silent:
        calls = silent.open(SUBMIT, 50, OTHER, gate.token("market_regulator"))
        until(lambda: len(refused(calls)) == 50 - share, "all but its share are refused")
        other = [("authorization", f"Bearer {gate.token('housing_bureau', scope='provider')}")]
        submit = patient.channel.stream_unary(SUBMIT)
        assert submit(iter([b"one", b"two"]), metadata=other, timeout=5)
        assert serves(patient, gate.token("market_regulator"))


def test_a_stream_that_falls_silent_ends_and_its_place_is_free(hasty: Edge, gate: RunningGateway) -> None:
    metadata = [("authorization", f"Bearer {gate.token('market_regulator')}")]
    silence = threading.Event()
    calls = [hasty.channel.stream_unary(SUBMIT).future(one_word_and(silence), metadata=metadata) for _ in range(16)]
    try:
        until(lambda: all(call.done() for call in calls), "they are ended")
        submit = hasty.channel.stream_unary(SUBMIT)
        assert submit(iter([b"one", b"two"]), metadata=metadata, timeout=5)
    finally:
        silence.set()


def test_whoever_has_said_all_may_wait_for_the_answer(hasty: Edge, gate: RunningGateway) -> None:
    metadata = [("authorization", f"Bearer {gate.token('market_regulator')}")]
    call = hasty.channel.stream_unary(SUBMIT_SLOWLY).future(iter([b"one"]), metadata=metadata)
    with flood(hasty) as silent:
        # Those that begin to be silent after it are over before it has its answer.
        others = [silent.open(SUBMIT, 4, OTHER, gate.token("market_regulator")) for _ in range(2)]
        until(lambda: all(other.done() for some in others for other in some), "silent ones are ended")
        spoken = hasty.channel.stream_stream(CONVERSE)(one_word_and(silent.ended), metadata=metadata)
        assert next(spoken) == b"heard one"
        until(spoken.done, "who has said something and falls silent is ended")
    assert not call.done()
    gate.grpc_upstream.answers_slowly.set()
    assert call.result(10) == b"slowly"


def one_word_and(silence: threading.Event) -> Iterator[bytes]:
    yield b"one"
    silence.wait(60)


def test_whoever_waits_for_news_waits_as_long_as_there_are_none(hasty: Edge, gate: RunningGateway) -> None:
    metadata = [("authorization", f"Bearer {gate.token('market_regulator')}")]
    watch = hasty.channel.unary_stream("/chengxin.disclosure.v1.DisclosureService/WatchQuietly")
    call = watch(b"", metadata=metadata)
    with flood(hasty) as silent:
        # The time of those is over when all of them have ended; the watcher began before.
        others = silent.open(REFLECTION, 4, "198.51.100.40")
        until(lambda: all(other.done() for other in others), "silent ones are ended")
    assert not call.done()
    call.cancel()


def test_health_answers_while_everything_else_is_taken(patient: Edge, gate: RunningGateway) -> None:
    with flood(patient) as silent:
        for origin in BOTNET:
            silent.open(REFLECTION, 4, origin)
        silent.open(SUBMIT, 20, OTHER, gate.token("market_regulator"))
        checks = [call for origin in BOTNET for call in silent.open(CHECK, 2, origin)]
        left = HEALTH_CALLS.strangers or 0
        until(lambda: len(refused(checks)) >= len(checks) - left, "health is taken, too, but for its own reserve")
        # What asks for the gRPC edge's health from inside is answered.
        assert patient.call("GET", "/healthz").status == 200


def test_bad_tokens_hold_a_share_while_the_log_is_slow(patient: Edge, gate: RunningGateway) -> None:
    token = gate.token("market_regulator")
    assert serves(patient, token)
    gate.grpc_upstream.audit_waits.clear()
    try:
        with flood(patient) as silent:
            calls = silent.open(QUERY, 40, "198.51.100.30", "nonsense")
            until(lambda: len(refused(calls)) == 36, "all but its share are refused")
            assert {call.code() for call in refused(calls)} == {grpc.StatusCode.UNAVAILABLE}
            assert serves(patient, token)
            gate.grpc_upstream.audit_waits.set()
            until(lambda: len(refused(calls)) == 40, "those are refused when that is on record")
    finally:
        gate.grpc_upstream.audit_waits.set()
