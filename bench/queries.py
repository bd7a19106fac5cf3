"""Queries through the whole suite, against apps that only read, or read and insert, on disclosure's own store."""

import contextlib
import json
import time
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlsplit

import psutil
import urllib3

from bench import floors, peer_eve
from bench.apps import running
from bench.figures import ROUNDS, figure, interleaved
from bench.load import Target, calls_per_second, percentiles, requests_per_second
from chengxin.auth.access_tokens import Verifier, fetch_jwks
from chengxin_api.disclosure.v1 import disclosure_pb2
from tests.city import City

RECORDS = 10
_EVE_TOKEN = "bench"
# Gateway and service each verify; the audit service verifies a service's token for a whole group.
_VERIFICATIONS = 2
_MEASURED = ("query.own", "query.shared.http", "query.shared.grpc")
_PROCESSES = ("gateway", "disclosure", "disclosure-store", "audit", "audit-store")


def queries(city: City) -> Iterator[Any]:
    """Own, shared and public queries by sixteen callers, how long they take, what they cost each process, and what
    verifying a token costs of one."""
    seen = city.li_na.get("/v1/me/records")
    subject, records = seen["subject"]["subject_ref"], seen["records"][:RECORDS]
    edge = urlsplit(city.edge.http)
    host, port = str(edge.hostname), int(edge.port or 0)
    company = city.people["licence"]["XK_XDR_SHXYM"]
    public = city.anybody.get(f"/v1/public/subjects?q={company}")["subjects"][0]["subject_ref"]
    number = city.people["citizens"]["li_na"]["identity_number"]
    asked = json.dumps({"subject": {"identity_number": number}}).encode()
    with apps(city, subject, records) as (find, naive, eve):
        targets = {
            "query.own": Target(host, port, "/v1/me/records", city.li_na.token()),
            "query.shared.http": Target(host, port, "/v1/shared/queries", city.housing_bureau.token(), asked),
            "search.public": Target(host, port, f"/v1/public/subjects?q={company}"),
            "subject.public": Target(host, port, f"/v1/public/subjects/{public}"),
            "floor.flask_find": find,
            "floor.naive_audited": naive,
            "peer.eve_lookup": eve,
        }
        measures = {name: lambda t=target: requests_per_second(t) for name, target in targets.items()}
        measures["query.shared.grpc"] = lambda: shared(city, number)
        measures["tokens.verify"] = lambda: verifications(city)
        rates = interleaved(measures)
        taken = [percentiles([targets["query.own"]], (50, 99)) for _ in range(ROUNDS)]
        spent = {name: processor_time(city, measures[name]) for name in _MEASURED}
    for name in (*_MEASURED, "search.public", "subject.public"):
        yield figure(name, rates[name], "1/s", "floor.flask_find", rates["floor.flask_find"])
    for name in _MEASURED:
        for against in ("floor.naive_audited", "peer.eve_lookup"):
            yield figure(name, rates[name], "1/s", against, rates[against])
    median, slowest = zip(*taken, strict=True)
    yield figure("query.own.p99", [1000 * s for s in slowest], "ms", "query.own.p50", [1000 * s for s in median])
    for name, processes in spent.items():
        for process, microseconds in processes.items():
            yield figure(f"{name}.{process}", [microseconds], "µs of processor time a query")
    # The share of a query's time that its verifications take.
    per_query = [_VERIFICATIONS * 1e6 / rate for rate in rates["tokens.verify"]]
    yield figure("tokens.verify", per_query, "µs a query", "query.own", [1e6 / rate for rate in rates["query.own"]])
    for name in ("floor.flask_find", "floor.naive_audited", "peer.eve_lookup"):
        yield figure(name, rates[name], "1/s")


@contextlib.contextmanager
def apps(city: City, subject: str, records: list[Any]) -> Iterator[list[Target]]:
    """Both floors and the peer, with the same records to find."""
    db = city.store("disclosure")
    db[floors.COLLECTION].create_index("subject_ref")
    db[floors.COLLECTION].insert_many([{"subject_ref": subject, "record": record} for record in records])
    db[peer_eve.LOOKUP].create_index("subject_ref")
    db[peer_eve.LOOKUP].insert_many(peer_eve.documents(city, len(records), subject))
    uri = city.store_uri("disclosure")
    with contextlib.ExitStack() as stack:
        yield [
            stack.enter_context(running("bench.floors", "/", "flask_find", uri, subject)),
            stack.enter_context(running("bench.floors", "/", "naive_audited", uri, subject)),
            stack.enter_context(
                running(
                    "bench.peer_eve",
                    f"/{peer_eve.LOOKUP}?where=%7B%22subject_ref%22:%22{subject}%22%7D",
                    uri,
                    _EVE_TOKEN,
                    token=_EVE_TOKEN,
                )
            ),
        ]


def shared(city: City, number: str) -> float:
    """Shared queries a second over gRPC."""
    query = disclosure_pb2.QueryRequest(subject=disclosure_pb2.SubjectSelector(identity_number=number))
    method = "/chengxin.disclosure.v1.DisclosureService/Query"
    return calls_per_second(city.edge.grpc, method, query.SerializeToString(), city.housing_bureau.token())


def processor_time(city: City, measure: Callable[[], float], seconds: float = 3.0) -> dict[str, float]:
    """What one query costs each process, in microseconds: unlike rates, hardly another one on a busy machine."""
    pids = {name: pid for name, pid in city.pids().items() if name in _PROCESSES}
    before = {name: _microseconds(pid) for name, pid in pids.items()}
    queries = measure() * seconds
    return {name: (_microseconds(pids[name]) - before[name]) / queries for name in _PROCESSES}


def _microseconds(pid: int) -> float:
    """Of a process and its worker."""
    process = psutil.Process(pid)
    times = [p.cpu_times() for p in (process, *process.children())]
    return sum(t.user + t.system for t in times) * 1e6


def verifications(city: City) -> float:
    """Verifications a second of a token that was seen before, as services do it."""
    jwks = fetch_jwks(f"{city.edge.http}/.well-known/jwks.json")
    verifier = Verifier(city.edge.issuer, "chengxin", jwks, demo=True)
    token = city.li_na.token()
    verifier.verify(token)
    began = time.perf_counter()
    for _ in range(20_000):
        verifier.verify(token)
    return 20_000 / (time.perf_counter() - began)


def eve_bulk(target: Target, documents: list[Any]) -> None:
    """One bulk POST to Eve. Raises `AssertionError` unless it takes them."""
    answer = urllib3.PoolManager().request(
        "POST",
        f"http://{target.host}:{target.port}{target.path}",
        json=documents,
        headers={"Authorization": f"Bearer {target.token}"},
        timeout=300,
    )
    if answer.status != 201:
        raise AssertionError(f"Eve answers {answer.status}: {answer.data[:300]!r}")
