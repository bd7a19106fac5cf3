"""Bytes that are no message are the caller's fault, and are told as that: by all methods of all services."""

import importlib
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import grpc
import pytest
from google.protobuf import descriptor_pool
from grpc_status import rpc_status

from chengxin.auth.admission import Admission
from chengxin.auth.policy import rule_of
from chengxin.auth.policy_table import placeholder
from chengxin.errors import Problem
from chengxin.grpc.rpc import CALLS, STREAMS, make_channel, make_server
from chengxin.store.silent_store import StoreSilence
from chengxin_cli.suite.home import SERVICES
from tests.routes import Refused
from tests.support import Issuer, free_port

# A field of a length beyond the end; a first field that is a text with a byte that is no UTF-8.
BROKEN = (b"\xff", b"\x0a\x05a", b"\x0a\x01\xff")


class AllServices:
    """The methods of all services behind one address, which know their callers and have nothing to answer from."""

    def __init__(self, issuer: Issuer) -> None:
        self.issuer = issuer
        self.refused = Refused()
        self.address = f"127.0.0.1:{free_port()}"
        self._admission = Admission(issuer.verifier, self.refused, StoreSilence(int))
        # By method, what answers there.
        self.behaviours: dict[str, Any] = {}
        servicers = []
        for service in SERVICES:
            anything: Any = placeholder(object)
            faces = importlib.import_module(f"services.{service}.__main__").faces
            for add, servicer, name in faces(anything, self._admission, dict)[1]:
                servicers.append((add, servicer, name))
                for method in descriptor_pool.Default().FindServiceByName(name).methods:
                    self.behaviours[f"/{name}/{method.name}"] = getattr(servicer, method.name)
        bounds = replace(CALLS, total=4), replace(STREAMS, total=3, share=3, strangers=3)
        self.server = make_server(self.address, self._admission, servicers, *bounds)

    def roles(self, method: str) -> list[str]:
        return sorted(rule_of(self.behaviours[method]).roles)

    def refusal(self, channel: grpc.Channel, method: str, message: bytes, role: str) -> tuple[grpc.StatusCode, Problem]:
        """With what a method refuses a message. To gRPC one message is a stream of one."""
        metadata = (
            [("authorization", self.issuer.bearer(role, org="114417000073450000")["Authorization"])] if role else []
        )
        with pytest.raises(grpc.RpcError) as refused:
            list(channel.stream_stream(method)(iter([message]), metadata=metadata, timeout=30))
        assert rpc_status.from_call(refused.value) is not None, f"{method}: {refused.value}"
        return refused.value.code(), Problem.from_rpc(refused.value)


@pytest.fixture(scope="module")
def services() -> Iterator[AllServices]:
    services = AllServices(Issuer())
    services.server.start()
    yield services
    services.server.stop(None)


def test_every_method_says_that_its_caller_sent_no_message(services: AllServices) -> None:
    assert len(services.behaviours) > 20
    faults = []
    with make_channel(services.address) as channel:
        for method in services.behaviours:
            for message in BROKEN[:2]:
                code, problem = services.refusal(channel, method, message, services.roles(method)[0])
                if (code, problem.code) != (grpc.StatusCode.INVALID_ARGUMENT, "INPUT_INVALID"):
                    faults.append(f"{method}: {code}, {problem}")
                assert [field.rule for field in problem.fields] == ["protobuf"]
    assert faults == []


def test_a_text_that_is_no_utf_8_is_no_message(services: AllServices) -> None:
    with make_channel(services.address) as channel:
        method = "/chengxin.ingest.v1.IngestService/GetRecordHead"
        _, problem = services.refusal(channel, method, BROKEN[2], services.roles(method)[0])
    assert problem.code == "INPUT_INVALID"
    assert problem.fields[0].rule == "protobuf"


def test_a_caller_who_may_not_is_told_that_first_and_put_on_record(services: AllServices) -> None:
    with make_channel(services.address) as channel:
        for method in services.behaviours:
            assert services.refusal(channel, method, BROKEN[0], "")[1].code == "UNAUTHENTICATED"
            told = len(services.refused.problems)
            role = next(r for r in ("public", "witness", "subject", "provider") if r not in services.roles(method))
            assert services.refusal(channel, method, BROKEN[0], role)[1].code == "ROLE_NOT_ALLOWED"
            assert len(services.refused.problems) == told + 1
