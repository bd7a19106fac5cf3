"""Every client of a store or of a service has a deadline: a walk over all that the tree makes and calls (decision 39)."""

import ast
import re
from collections.abc import Iterator
from typing import Final

import pytest
from google.protobuf.descriptor import MethodDescriptor

from chengxin_api.audit.v1 import audit_pb2
from chengxin_api.catalog.v1 import catalog_pb2
from chengxin_api.disclosure.v1 import disclosure_pb2
from chengxin_api.ingest.v1 import ingest_pb2
from chengxin_api.objection.v1 import objection_pb2
from tests.tools.loading import ROOT

PACKAGES: Final = ("chengxin", "services", "gateway", "chengxin_cli", "deploy", "demo")
# What makes a client, and the word by which it gets its deadline.
CLIENTS: Final = {
    "MongoClient": "timeoutMS",
    "PoolManager": "timeout",
    "pool": "timeout",
    "create_connection": "timeout",
    "HTTPConnection": "timeout",
    # A file that another process may hold.
    "sqlite3.connect": "timeout",
}
# They would be a second way of doing it, with no deadline unless each call names one.
UNUSED: Final = {"requests", "httpx", "aiohttp", "urllib.request", "ftplib", "telnetlib"}
ELSEWHERE: Final = {
    ("chengxin/auth/tls.py", "PoolManager"): "`pool` passes on what its callers say",
    ("gateway/edge/upstream.py", "create_connection"): "the second argument, by place",
    ("deploy/health.py", "create_connection"): "the second argument, by place",
    ("chengxin_cli/suite/supervision.py", "HTTPConnection"): "its socket has one: a Unix socket of our own supervisor",
}
# Who asks by a method that is found by its name says how long at that place, in the same words.
METHODS: Final[dict[str, MethodDescriptor]] = {
    method.name: method
    for file in (audit_pb2, catalog_pb2, disclosure_pb2, ingest_pb2, objection_pb2)
    for service in file.DESCRIPTOR.services_by_name.values()
    for method in service.methods
}
# Calls of the health service that gRPC brings.
SINGLE_ANSWERS: Final = {name for name, method in METHODS.items() if not method.server_streaming} | {"Check"}


# Files without such a word need not be parsed, which takes seconds.
WORDS: Final = re.compile("|".join([*map(re.escape, (*CLIENTS, *UNUSED)), "stub"]))


def faults(file: str, source: str) -> Iterator[str]:
    """Clients and calls of a file that have no deadline."""
    if not WORDS.search(source):
        return
    tree = ast.parse(source)
    called = {id(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}
    for node in ast.walk(tree):
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            names = {alias.name for alias in node.names} | {getattr(node, "module", None) or ""}
            yield from (f"{file}:{node.lineno}: {name} is not used" for name in sorted(names & UNUSED))
        if isinstance(node, ast.Call):
            said = {keyword.arg for keyword in node.keywords}
            name = _name_of(node.func)
            words = CLIENTS.get(name) or CLIENTS.get(name.rpartition(".")[2])
            if words and words not in said and (file, name.rpartition(".")[2]) not in ELSEWHERE:
                yield f"{file}:{node.lineno}: {name} without {words}"
            if _is_stub_method(node.func) and "timeout" not in said:
                yield f"{file}:{node.lineno}: {name} without timeout"
            # `getattr(stub, name)(request)`
            if isinstance(node.func, ast.Call) and _name_of(node.func.func) == "getattr" and "timeout" not in said:
                yield f"{file}:{node.lineno}: a method found by its name without timeout"
        elif _is_stub_method(node) and id(node) not in called:
            yield f"{file}:{node.lineno}: {ast.unparse(node)} is handed on, so that its callers may forget a timeout"


def _is_stub_method(node: ast.AST) -> bool:
    return isinstance(node, ast.Attribute) and node.attr in SINGLE_ANSWERS and "stub" in ast.unparse(node.value).lower()


def _name_of(node: ast.AST) -> str:
    return ast.unparse(node) if isinstance(node, (ast.Attribute, ast.Name)) else ""


def sources() -> Iterator[tuple[str, str]]:
    for package in PACKAGES:
        for path in (ROOT / package).rglob("*.py"):
            yield str(path.relative_to(ROOT)), path.read_text()


def test_every_client_has_a_deadline() -> None:
    assert [fault for file, source in sources() for fault in faults(file, source)] == []


def test_the_reasons_are_of_places_that_are_there() -> None:
    there = dict(sources())
    assert [place for place in ELSEWHERE if place[1] not in there.get(place[0], "")] == []


@pytest.mark.parametrize(
    "planted",
    [
        "pymongo.MongoClient(uri)",
        "urllib3.PoolManager(retries=False)",
        "pool(trust, maxsize=4)",
        "socket.create_connection(address)",
        "sqlite3.connect(path)",
        "import requests",
        "from urllib.request import urlopen",
        "self._stub.Append(request, metadata=metadata)",
        "stub.GetRecordHead(request)",
        "ask = stub.GetRecordHead",
        "getattr(stub, name)(request)",
    ],
)
def test_one_without_is_found(planted: str) -> None:
    assert list(faults("somewhere.py", planted))


def test_a_feed_that_is_watched_has_no_end() -> None:
    assert not list(faults("somewhere.py", "stub.Watch(request, metadata=metadata)"))
