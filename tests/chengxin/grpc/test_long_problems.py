"""However long the caller's words, a problem is short enough to arrive: over HTTP, and in a gRPC client's metadata."""

import json
from concurrent.futures import ThreadPoolExecutor
from string import Formatter
from typing import Any

import grpc
import pytest
from grpc_status import rpc_status

from chengxin.errors import INPUT_INVALID, LANGUAGES, FieldError, Problem, ProblemType, known_problems
from chengxin_cli.suite.home import SERVICES
from tests.tools.loading import tool

LONG = ("x" * 100_000, "长" * 100_000, '"\\\n' * 30_000, "\ud800" * 100_000)


@pytest.fixture(scope="module")
def kinds() -> list[ProblemType]:
    """Every problem of the suite."""
    import_all = tool("generated_documents").import_all
    for package in ("chengxin", "gateway", *(f"services.{service}" for service in SERVICES)):
        import_all(package)
    return known_problems()


def long_one(kind: ProblemType, text: str) -> Problem:
    """A problem that repeats a text wherever it can."""
    words = {name: text for _, name, _, _ in Formatter().parse(kind.zh + kind.en) if name}
    return kind(**words, more=text)


def is_short(problem: Problem) -> bool:
    for language in LANGUAGES:
        document = json.dumps(problem.to_dict(language, "req_1"), ensure_ascii=False).encode()
        if len(document) > 512 * 1024 or _metadata_bytes(problem.to_rpc(language, "req_1")) > 8_000:
            return False
    return True


def test_every_problem_is_short_whatever_it_repeats(kinds: list[ProblemType]) -> None:
    assert len(kinds) > 150
    assert [kind.code for kind in kinds for text in LONG if not is_short(long_one(kind, text))] == []


@pytest.mark.parametrize("count", [1, 2, 101, 5_000])
def test_of_many_things_wrong_the_first_are_told(count: int) -> None:
    for text in LONG:
        assert is_short(INPUT_INVALID(fields=[FieldError(text, "extra_forbidden", text)] * count))


def _metadata_bytes(status: Any) -> int:
    found: Any = rpc_status.to_status(status)
    details = sum(len(value) * 4 // 3 for _, value in found.trailing_metadata)
    return details + len(found.details.encode()) * 3


def test_what_is_left_out_is_said() -> None:
    shown = INPUT_INVALID(fields=[FieldError(str(n), "missing", "必填") for n in range(250)]).to_dict("en", "req_1")[
        "errors"
    ]
    assert len(shown) == 100
    assert shown[-1]["message"] == "另有 151 处 / 151 more"


def test_one_that_passes_says_when_to_try_again(kinds: list[ProblemType]) -> None:
    busy = [kind for kind in kinds if kind.status in (429, 503)]
    assert busy
    assert all(kind().retry_after for kind in busy)


def test_the_longest_arrives_over_a_channel(kinds: list[ProblemType]) -> None:
    """With the limits that clients have by default."""
    longest = max(
        (long_one(kind, "长" * 100_000) for kind in kinds),
        key=lambda problem: _metadata_bytes(problem.to_rpc("zh-CN", "req_1")),
    )

    def refuse(_: Any, context: grpc.ServicerContext) -> Any:
        context.abort_with_status(rpc_status.to_status(longest.to_rpc("zh-CN", "req_1")))

    server = grpc.server(ThreadPoolExecutor(1))
    handler = grpc.unary_unary_rpc_method_handler(refuse)
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("t.S", {"Refuse": handler}),))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        with grpc.insecure_channel(f"127.0.0.1:{port}") as channel, pytest.raises(grpc.RpcError) as refused:
            channel.unary_unary("/t.S/Refuse")(b"", timeout=10)
        assert Problem.from_rpc(refused.value).code == longest.code
    finally:
        server.stop(None)
