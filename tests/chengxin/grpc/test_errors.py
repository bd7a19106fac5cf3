"""An error is the same in Python, over gRPC, and as a problem document."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
import pytest
from grpc_status import rpc_status
from hypothesis import given
from hypothesis import strategies as st

from chengxin import errors
from chengxin.errors import FieldError, Problem, ProblemType, known_problems
from chengxin.grpc.rpc import make_channel
from chengxin_api.catalog.v1 import catalog_pb2, catalog_pb2_grpc
from tests.support import free_port


class Refusing(catalog_pb2_grpc.CatalogServiceServicer):
    """Answers every call with one error."""

    problem: Problem | None = None

    def GetEntry(self, request: Any, context: grpc.ServicerContext) -> Any:
        if self.problem is None:
            context.abort(grpc.StatusCode.INTERNAL, "not one of ours")
        context.abort_with_status(rpc_status.to_status(self.problem.to_rpc("zh-CN", "req_1")))


@pytest.fixture(scope="module")
def refusing() -> Iterator[tuple[Refusing, Any]]:
    servicer, port = Refusing(), free_port()
    server = grpc.server(ThreadPoolExecutor(2))
    catalog_pb2_grpc.add_CatalogServiceServicer_to_server(servicer, server)
    server.add_insecure_port(f"127.0.0.1:{port}")
    server.start()
    yield servicer, catalog_pb2_grpc.CatalogServiceStub(make_channel(f"127.0.0.1:{port}"))
    server.stop(None)


def crossed(refusing: tuple[Refusing, Any], problem: Problem | None) -> Problem:
    servicer, stub = refusing
    servicer.problem = problem
    with pytest.raises(grpc.RpcError) as raised:
        stub.GetEntry(catalog_pb2.GetEntryRequest())
    return Problem.from_rpc(raised.value)


@pytest.mark.parametrize("kind", known_problems(), ids=lambda k: k.code)
def test_every_error_crosses_grpc_intact(refusing: Any, kind: ProblemType) -> None:
    params = {"what": "{x} 100%", "reason": "因为 {y}", "roles": "a", "required": "b", "key": "k", "limit": "9"}
    fields = [FieldError("items.0", "rule.x", "第一项 / first {item}")]
    sent = kind(fields=fields, retry_after=1.5, **params)
    got = crossed(refusing, sent)
    for language in errors.LANGUAGES:
        assert got.to_dict(language, "req_2") == sent.to_dict(language, "req_2")
    assert got.type.grpc_code is kind.grpc_code


def test_what_is_not_ours_is_told_as_such(refusing: Any) -> None:
    assert crossed(refusing, None).code == "INTERNAL"
    stub = catalog_pb2_grpc.CatalogServiceStub(make_channel(f"127.0.0.1:{free_port()}"))
    with pytest.raises(grpc.RpcError) as raised:
        stub.GetEntry(catalog_pb2.GetEntryRequest())
    assert Problem.from_rpc(raised.value).code == "UPSTREAM_UNAVAILABLE"


# Longer words are shortened (test_long_problems).
@given(st.dictionaries(st.sampled_from(["what", "other"]), st.text(max_size=200)))
def test_words_in_braces_are_only_those_of_the_template(params: dict[str, str]) -> None:
    problem = errors.NOT_FOUND(**params)
    assert problem.text("en") == f"Not found: {params.get('what', '{what}')}"


def test_a_code_is_defined_once() -> None:
    with pytest.raises(ValueError, match="defined twice"):
        errors.invalid("INPUT_INVALID", "x", "x")
