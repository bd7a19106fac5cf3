"""What callers type into any field of any face is nowhere on record when it stands for a person, and each refusal is on
record once (Art. 31)."""

import json
from collections import defaultdict
from collections.abc import Iterator
from itertools import cycle
from typing import Any
from urllib.parse import quote

import grpc
import pytest
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message_factory import GetMessageClass
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from chengxin.auth.principal import Role
from chengxin.errors import Problem
from chengxin_cli.gateway_client import Caller
from gateway.edge.routes import prefix_of
from tests.chengxin.auth.use_cases import USE_CASES
from tests.city import City
from tests.e2e.policy_world import PolicyWorld
from tests.support import until

# A valid number that nobody in the demonstration has, as people write it.
NUMBER = "441702195206180014"
WRITTEN = {
    "plain": NUMBER,
    "full-width": NUMBER.translate(str.maketrans("0123456789", "０１２３４５６７８９")),
    "spaced": " ".join(NUMBER),
    "with what shows nothing": "\u200b".join(NUMBER),
}
# Their answer is that there is nothing: on record as an answer, with the subject who was asked for.
NOTHING_IS_AN_ANSWER = (
    "GET /v1/public/subjects/<subject_ref>",
    "GET /subjects/<subject_ref>",
    "GET /v1/operations/disclosure/rebuild",
)
UNRECORDED = {u.rule.act for u in USE_CASES if u.rule.unrecorded}


@pytest.fixture(scope="module")
def table(city: City) -> list[dict[str, Any]]:
    """The faces that are reached from outside, with what `chengxin policy` says of them."""
    rows = json.loads(city.chengxin("policy", "--json").stdout)
    return [row for row in rows if "act" in row and _is_reached(row)]


@pytest.fixture(scope="module")
def world(city: City) -> PolicyWorld:
    """Things with owners."""
    return PolicyWorld(city)


@pytest.fixture(scope="module")
def described(city: City) -> dict[str, Any]:
    """The description of all HTTP faces."""
    return dict(city.anybody.get("/openapi.json"))


def test_a_number_of_a_person_is_nowhere_on_record_whatever_it_is_typed_into(
    city: City, table: list[dict[str, Any]], world: PolicyWorld, described: dict[str, Any]
) -> None:
    # With the grounds of a client as an earlier version might have registered it, and with good ones.
    ways = cycle([(text, is_old) for text in WRITTEN.values() for is_old in (False, True)])
    asked, failed = 0, []
    for row in table:
        for role in row.get("roles") or ["public"]:
            asked += 1
            text, is_old = next(ways)
            grounds = ("purpose", "case_no", "legal_basis", "officer", "acr", "sub") if is_old else ()
            caller = world.caller(Role(role), world.owner, **dict.fromkeys(grounds, text))
            if (status := _typed(city, described, row, caller, text)) >= 500 and status not in (501, 503):
                failed.append(f"{row['face']} as {role}: {status}")
    assert not failed, "\n".join(failed)
    assert asked > 300
    stored = b"".join(_on_record(city))
    logged = b"".join(log.read_bytes() for log in (city.home / "logs").glob("*.log"))
    for way, text in WRITTEN.items():
        for form in (text, json.dumps(text)[1:-1], repr(text)[1:-1]):
            assert form.encode() not in stored, f"{way}: on record"
            assert form.encode() not in logged, f"{way}: in the running log"


def test_each_refusal_is_on_record_once(city: City, table: list[dict[str, Any]], world: PolicyWorld) -> None:
    refused: dict[str, tuple[str, str]] = {}
    for row in table:
        if "open_to_all" in row:
            continue
        for role in Role:
            caller = world.caller(role, world.other)
            status, code, request_id = _refusal(city, row, caller)
            if status in (401, 403) or (status == 404 and row["act"] not in UNRECORDED):
                refused[request_id] = (f"{row['face']} as {role}: {code}", code)
    assert len(refused) > 500
    assert all("on_record" in state for name, state in city.edge.call("GET", "/readyz").body.items() if name != "audit")
    until(lambda: _delivered(city), "all events are on the log", 60)
    found: dict[str, list[str]] = defaultdict(list)
    for event in map(json.loads, _entries(city)):
        if event.get("request_id") in refused:
            found[event["request_id"]].append(f"{event['outcome']} {event.get('details', {}).get('code')}")
    wrong = [
        f"{face}: {found[request_id]}"
        for request_id, (face, code) in refused.items()
        if found[request_id] != [f"refused {code}"]
        and not (face.startswith(NOTHING_IS_AN_ANSWER) and found[request_id] == ["ok None"])
    ]
    assert not wrong, "\n".join(wrong)


def _is_reached(row: dict[str, Any]) -> bool:
    _, space, path = row["face"].partition(" ")
    return not space or row["service"] == "gateway" or prefix_of(path) is not None


def _typed(city: City, described: dict[str, Any], row: dict[str, Any], caller: Caller, text: str) -> int:
    """Asks with the text in each field of a face; returns the HTTP status."""
    method, space, path = row["face"].partition(" ")
    if not space:
        return _call(city, row["face"], caller, _filled(city.method(row["face"]).input_type, text))[0]
    parts = path.replace("<", "{").replace(">", "}").replace("{int:", "{").split("/")
    shape = "/".join(parts)
    operation = described["paths"].get(shape, {}).get(method.lower(), {})
    named = "/".join(quote(text, safe="") if part.startswith("{") else part for part in parts)
    query = "&".join(f"{p['name']}={quote(text)}" for p in operation.get("parameters", ()) if p["in"] == "query")
    contents = operation.get("requestBody", {}).get("content", {})
    options: dict[str, Any] = {}
    if "application/json" in contents:
        options = {"json": _from_schema(described, contents["application/json"]["schema"], text)}
    elif contents:
        options = {"fields": {"catalog": text, "file": (text, text, "text/csv"), "submission_id": text}}
    elif method != "GET":
        options = {"json": {}}
    # Alone and beside valid input: a fault found first hides what comes after it.
    caller.call(method, world_path(path, text), **options)
    return caller.call(method, f"{named}?{query}", **options).status


def world_path(path: str, text: str) -> str:
    """The path with numbers, and the text in the filters that lists have."""
    plain = "/".join("1" if part.startswith("<") else part for part in path.split("/"))
    return f"{plain}?" + "&".join(
        f"{name}={quote(text)}" for name in ("provider", "entry", "region", "subject", "uscc")
    )


def _from_schema(described: dict[str, Any], schema: dict[str, Any], text: str, depth: int = 0) -> Any:
    if "$ref" in schema:
        schema = described["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    if "const" in schema or "enum" in schema:
        return schema.get("const", (schema.get("enum") or [""])[0])
    for many in ("anyOf", "oneOf", "allOf"):
        if many in schema:
            return _from_schema(described, schema[many][0], text, depth)
    kind = schema.get("type")
    if kind == "object" or "properties" in schema:
        properties = schema.get("properties", {}) if depth < 5 else {}
        return {name: _from_schema(described, each, text, depth + 1) for name, each in properties.items()} or {
            text: text
        }
    if kind == "array":
        return [_from_schema(described, schema.get("items", {}), text, depth + 1)]
    return {"integer": 1, "number": 1, "boolean": True, "null": None}.get(kind or "", text)


def _filled(kind: Any, text: str, depth: int = 0) -> Any:
    """A message of a kind with the text in each field that takes one."""
    message = GetMessageClass(kind)()
    for field in kind.fields:
        repeated = field.is_repeated
        if field.type == FieldDescriptor.TYPE_STRING:
            if repeated:
                getattr(message, field.name).append(text)
            else:
                setattr(message, field.name, text)
        elif field.type == FieldDescriptor.TYPE_MESSAGE and depth < 4 and not field.message_type.GetOptions().map_entry:
            inner = _filled(field.message_type, text, depth + 1)
            if repeated:
                getattr(message, field.name).append(inner)
            elif field.message_type.full_name.startswith("chengxin"):
                getattr(message, field.name).CopyFrom(inner)
    return message


def _refusal(city: City, row: dict[str, Any], caller: Caller) -> tuple[int, str, str]:
    """What a face answers a caller who asks for what there is not: HTTP status, code, number of the request."""
    method, space, path = row["face"].partition(" ")
    if not space:
        return _call(city, row["face"], caller, GetMessageClass(city.method(row["face"]).input_type)())
    # No log of a test has so many tiles.
    plain = "/".join("1" if part.startswith("<") else part for part in path.replace("<path:number>", "999").split("/"))
    answer = caller.call(method, plain, **({} if method in ("GET", "DELETE") else {"json": {}}))
    code = answer.body.get("code", "") if isinstance(answer.body, dict) else ""
    return answer.status, code, answer.request_id


def _call(city: City, method: str, caller: Caller, message: Any) -> tuple[int, str, str]:
    described = city.method(method)
    kinds: dict[tuple[bool, bool], Any] = {
        (False, False): city.edge.channel.unary_unary,
        (False, True): city.edge.channel.unary_stream,
        (True, False): city.edge.channel.stream_unary,
        (True, True): city.edge.channel.stream_stream,
    }
    sent = message.SerializeToString()
    call = kinds[described.client_streaming, described.server_streaming](f"/{method}")
    try:
        answer = call(iter([sent]) if described.client_streaming else sent, metadata=caller.metadata(), timeout=2)
        if described.server_streaming:
            next(answer, None)
            answer.cancel()
    except grpc.RpcError as e:
        problem = Problem.from_rpc(e)
        request = error_details_pb2.RequestInfo()
        status = rpc_status.from_call(e)
        any(detail.Unpack(request) for detail in (status.details if status else ()))
        waited = e.code() is grpc.StatusCode.DEADLINE_EXCEEDED
        return 200 if waited else problem.type.status, problem.code, request.request_id
    return 200, "", ""


def _entries(city: City) -> Iterator[bytes]:
    for group in city.store("audit")["groups"].find({}, {"entries": 1}):
        yield from (bytes(entry) for entry in group["entries"])


def _on_record(city: City) -> Iterator[bytes]:
    """All that is on the log, and what is on its way there."""
    yield from _entries(city)
    for service in ("gateway", "catalog", "ingest", "disclosure", "objection"):
        for row in city.store(service)["outbox"].find({}, {"events": 1}):
            yield from (bytes(event) for event in row.get("events", ()))


def _delivered(city: City) -> bool:
    ready = city.edge.call("GET", "/readyz").body
    lags = [service["lag"]["consumers"]["relay.audit"] for service in ready.values() if "lag" in service]
    return all(lag["changes"] == 0 for lag in lags)
