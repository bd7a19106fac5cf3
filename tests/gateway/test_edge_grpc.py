"""The gRPC edge passes bytes in all four streaming kinds, and errors, metadata, deadlines and cancellation with them."""

import hashlib
import json
import os
import threading
from collections.abc import Iterator

import grpc
import pytest
from google.rpc import error_details_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from grpc_status import rpc_status

from chengxin.errors import Problem
from tests.gateway.conftest import RunningGateway
from tests.support import until

DISCLOSURE = "/chengxin.disclosure.v1.DisclosureService"
INGEST = "/chengxin.ingest.v1.IngestService"
OBJECTION = "/chengxin.objection.v1.ObjectionService"


@pytest.fixture(scope="module")
def metadata(gate: RunningGateway) -> tuple[tuple[str, str], ...]:
    """Of a caller with a good token."""
    return (("authorization", f"Bearer {gate.token('market_regulator')}"),)


def test_a_unary_call_passes_with_its_metadata_both_ways(
    gate: RunningGateway, metadata: tuple[tuple[str, str], ...]
) -> None:
    request = os.urandom(100_000)
    sent = (
        *metadata,
        ("accept-language", "en-GB"),
        ("x-request-id", "req_forged"),
        ("x-chengxin-role", "supervisor"),
    )
    answer, call = gate.edge.channel.unary_unary(f"{DISCLOSURE}/Query").with_call(request, metadata=sent, timeout=10)
    seen = json.loads(answer)
    assert seen["sha256"] == hashlib.sha256(request).hexdigest()
    assert seen["metadata"]["authorization"] == metadata[0][1]
    assert seen["metadata"]["accept-language"] == "en"
    assert seen["metadata"]["x-request-id"].startswith("req_")
    assert seen["metadata"]["x-request-id"] != "req_forged"
    assert "x-chengxin-role" not in seen["metadata"]
    assert ("x-first", "1") in call.initial_metadata()
    assert {("x-last", "2"), ("x-last-bin", b"\x00\xff")} <= set(call.trailing_metadata())


def test_a_stream_of_requests_passes(gate: RunningGateway, metadata: tuple[tuple[str, str], ...]) -> None:
    messages = [os.urandom(n) for n in range(0, 50_000, 1000)]
    answer = gate.edge.channel.stream_unary(f"{INGEST}/Submit")(iter(messages), metadata=metadata, timeout=10)
    assert json.loads(answer) == {"messages": 50, "bytes": sum(map(len, messages))}


def test_a_stream_of_answers_passes_in_order(gate: RunningGateway, metadata: tuple[tuple[str, str], ...]) -> None:
    call = gate.edge.channel.unary_stream(f"{INGEST}/Watch")(b"500", metadata=metadata, timeout=10)
    assert [int(m) for m in call] == list(range(500))
    assert ("x-last", "500") in call.trailing_metadata()


def test_a_stream_says_that_it_is_open_before_there_is_anything_to_tell(
    gate: RunningGateway, metadata: tuple[tuple[str, str], ...]
) -> None:
    call = gate.edge.channel.unary_stream(f"{INGEST}/Watch")(b"0", metadata=metadata, timeout=10)
    assert ("x-first", "1") in call.initial_metadata()
    call.cancel()


def test_a_conversation_passes_message_by_message(gate: RunningGateway, metadata: tuple[tuple[str, str], ...]) -> None:
    """And the method is one that the gateway's own protos do not have."""
    said: list[bytes] = []
    heard = threading.Semaphore(1)

    def questions() -> Iterator[bytes]:
        for n in range(5):
            heard.acquire(timeout=10)
            said.append(b"%d" % n)
            yield said[-1]

    answers = []
    for answer in gate.edge.channel.stream_stream(f"{DISCLOSURE}/Converse")(questions(), metadata=metadata, timeout=10):
        answers.append(answer)
        heard.release()
    assert answers == [b"heard " + word for word in said]
    assert len(answers) == 5


def test_a_rooms_refusal_arrives_intact(gate: RunningGateway, metadata: tuple[tuple[str, str], ...]) -> None:
    with pytest.raises(grpc.RpcError) as refused:
        gate.edge.channel.unary_unary(f"{OBJECTION}/GetTask")(b"", metadata=metadata, timeout=10)
    assert refused.value.code() is grpc.StatusCode.NOT_FOUND
    assert refused.value.details() == "没有这项任务"
    status = rpc_status.from_call(refused.value)
    info = error_details_pb2.ErrorInfo()
    status.details[0].Unpack(info)
    assert (info.reason, info.metadata["no"]) == ("TASK_UNKNOWN", "7")


def test_a_refusal_of_a_stream_that_is_still_being_sent_arrives_as_it_is(
    gate: RunningGateway, metadata: tuple[tuple[str, str], ...]
) -> None:
    """Every time: a failing write must not hide it."""

    def endless() -> Iterator[bytes]:
        yield b"refuse me"
        while True:
            yield bytes(10_000)

    for _ in range(40):
        with pytest.raises(grpc.RpcError) as refused:
            gate.edge.channel.stream_unary(f"{INGEST}/Submit")(endless(), metadata=metadata, timeout=10)
        assert (refused.value.code(), refused.value.details()) == (grpc.StatusCode.NOT_FOUND, "没有这项任务")


def test_without_a_token_nothing_is_forwarded(gate: RunningGateway) -> None:
    calls = [
        lambda: gate.edge.channel.unary_unary(f"{DISCLOSURE}/Query")(b"", timeout=5),
        lambda: list(gate.edge.channel.unary_stream(f"{INGEST}/Watch")(b"1", timeout=5)),
        lambda: gate.edge.channel.stream_unary(f"{INGEST}/Submit")(iter([b""]), timeout=5),
        lambda: list(gate.edge.channel.stream_stream(f"{DISCLOSURE}/Converse")(iter([b""]), timeout=5)),
    ]
    for call in calls:
        with pytest.raises(grpc.RpcError) as refused:
            call()
        problem = Problem.from_rpc(refused.value)
        assert (refused.value.code(), problem.code) == (grpc.StatusCode.UNAUTHENTICATED, "UNAUTHENTICATED")


def test_a_room_that_is_down_is_unavailable_with_a_time_to_try_again(
    gate: RunningGateway, metadata: tuple[tuple[str, str], ...]
) -> None:
    call = gate.edge.channel.unary_unary("/chengxin.catalog.v1.CatalogService/ListEntries")
    with pytest.raises(grpc.RpcError) as refused:
        call(b"", metadata=metadata, timeout=10)
    assert refused.value.code() is grpc.StatusCode.UNAVAILABLE
    problem = Problem.from_rpc(refused.value)
    assert (problem.code, problem.retry_after) == ("UPSTREAM_UNAVAILABLE", 1)


def test_a_method_that_no_room_has_is_unimplemented(
    gate: RunningGateway, metadata: tuple[tuple[str, str], ...]
) -> None:
    strange = (f"{DISCLOSURE}/Nothing", "/chengxin.gateway.v1.X/Y", "/grpc.other.v1.X/Y", "/chengxin.audit.v1X/Y")
    for method in strange * 20:
        with pytest.raises(grpc.RpcError) as refused:
            gate.edge.channel.unary_unary(method)(b"", metadata=metadata, timeout=10)
        assert refused.value.code() is grpc.StatusCode.UNIMPLEMENTED, method


def test_a_deadline_is_kept(gate: RunningGateway, metadata: tuple[tuple[str, str], ...]) -> None:
    gate.grpc_upstream.cancelled.clear()
    with pytest.raises(grpc.RpcError) as refused:
        gate.edge.channel.unary_unary(f"{OBJECTION}/ListTasks")(b"", metadata=metadata, timeout=0.3)
    assert refused.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    assert gate.grpc_upstream.cancelled.wait(5), "the service works on for nobody"


def test_a_caller_who_hangs_up_is_not_worked_for_any_more(
    gate: RunningGateway, metadata: tuple[tuple[str, str], ...]
) -> None:
    gate.grpc_upstream.cancelled.clear()
    call = gate.edge.channel.unary_unary(f"{OBJECTION}/ListTasks").future(b"", metadata=metadata, timeout=15)
    threading.Event().wait(0.2)
    call.cancel()
    assert gate.grpc_upstream.cancelled.wait(5)


def test_a_watcher_who_hangs_up_ends_the_rooms_stream(
    gate: RunningGateway, metadata: tuple[tuple[str, str], ...]
) -> None:
    gate.grpc_upstream.cancelled.clear()
    call = gate.edge.channel.unary_stream(f"{INGEST}/Watch")(b"0", metadata=metadata)
    assert next(call)
    call.cancel()
    assert gate.grpc_upstream.cancelled.wait(5)


def test_a_slow_watcher_slows_the_room_down(gate: RunningGateway, metadata: tuple[tuple[str, str], ...]) -> None:
    gate.grpc_upstream.taken = 0
    call = gate.edge.channel.unary_stream(f"{INGEST}/Watch")(b"0", metadata=metadata)
    next(call)
    before = -1

    def quiet() -> bool:
        nonlocal before
        taken, before = before, gate.grpc_upstream.taken
        threading.Event().wait(0.2)
        return taken == before

    until(quiet, "the service stops sending to somebody who does not read")
    # 64 kB each: what is on its way is bounded by the windows of two connections, not by the service's speed.
    assert gate.grpc_upstream.taken < 400
    call.cancel()


def test_many_callers_at_once_each_get_their_own_answer(
    gate: RunningGateway, metadata: tuple[tuple[str, str], ...]
) -> None:
    send = gate.edge.channel.unary_unary(f"{DISCLOSURE}/Query")
    requests = [f"request {n}".encode() for n in range(200)]
    calls = [send.future(r, metadata=metadata, timeout=20) for r in requests]
    assert [json.loads(c.result())["sha256"] for c in calls] == [hashlib.sha256(r).hexdigest() for r in requests]


def test_health_is_open_and_true(gate: RunningGateway) -> None:
    stub = health_pb2_grpc.HealthStub(gate.edge.channel)

    def status(service: str) -> int:
        return stub.Check(health_pb2.HealthCheckRequest(service=service), timeout=5).status

    until(lambda: status("") == health_pb2.HealthCheckResponse.SERVING)
    assert status("chengxin.disclosure.v1.DisclosureService") == health_pb2.HealthCheckResponse.SERVING
    assert status("chengxin.catalog.v1.CatalogService") == health_pb2.HealthCheckResponse.NOT_SERVING


def test_reflection_is_open_and_knows_all_five_services(gate: RunningGateway) -> None:
    stub = reflection_pb2_grpc.ServerReflectionStub(gate.edge.channel)
    asked = [
        reflection_pb2.ServerReflectionRequest(list_services=""),
        reflection_pb2.ServerReflectionRequest(file_containing_symbol="chengxin.ingest.v1.IngestService"),
    ]
    listed, described = stub.ServerReflectionInfo(iter(asked), timeout=5)
    names = {s.name for s in listed.list_services_response.service}
    services = ("catalog", "ingest", "disclosure", "objection", "audit")
    assert {f"chengxin.{r}.v1.{r.title()}Service" for r in services} <= names
    assert described.file_descriptor_response.file_descriptor_proto
