"""Queries through the whole suite, against apps that only read, or read and insert, on disclosure's own store."""

import contextlib
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import urllib3

from bench import floors, peer_eve
from bench.apps import running
from bench.figures import figure, interleaved
from bench.load import Target, requests_per_second
from chengxin.disclosure.v1 import disclosure_pb2
from chengxin.tokens import Verifier, fetch_jwks
from tests.city import City

RECORDS = 10
_EVE_TOKEN = "bench"
# Gateway and service each verify; the audit service verifies a service's token for a whole group.
_VERIFICATIONS = 2
_CALLS = 50


def queries(city: City) -> Iterator[Any]:
    """Own, shared and public queries, and what verifying a token costs of one."""
    seen = city.li_na.get("/v1/me/records")
    subject, records = seen["subject"]["subject_ref"], seen["records"][:RECORDS]
    edge = urlsplit(city.edge.http)
    host, port = str(edge.hostname), int(edge.port or 0)
    company = city.people["licence"]["XK_XDR_SHXYM"]
    public = city.anybody.get(f"/v1/public/subjects?q={company}")["subjects"][0]["subject_ref"]
    with apps(city, subject, records) as (find, naive, eve):
        targets = {
            "query.own": Target(host, port, "/v1/me/records", city.li_na.token()),
            "search.public": Target(host, port, f"/v1/public/subjects?q={company}"),
            "subject.public": Target(host, port, f"/v1/public/subjects/{public}"),
            "floor.flask_find": find,
            "floor.naive_audited": naive,
            "peer.eve_lookup": eve,
        }
        measures = {name: lambda t=target: requests_per_second(t) for name, target in targets.items()}
        measures["query.shared"] = lambda: shared(city)
        measures["tokens.verify"] = lambda: verifications(city)
        rates = interleaved(measures)
    for name in ("query.own", "search.public", "subject.public"):
        yield figure(name, rates[name], "1/s", "floor.flask_find", rates["floor.flask_find"])
    for against in ("floor.naive_audited", "peer.eve_lookup"):
        yield figure("query.own", rates["query.own"], "1/s", against, rates[against])
    yield figure("query.shared", rates["query.shared"], "1/s, one caller over gRPC")
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


def shared(city: City) -> float:
    """Shared queries a second by one caller, one after the other."""
    number = city.people["citizens"]["li_na"]["identity_number"]
    query = disclosure_pb2.QueryRequest(subject=disclosure_pb2.SubjectSelector(identity_number=number))
    began = time.perf_counter()
    for _ in range(_CALLS):
        city.housing_bureau.rpc("DisclosureService/Query", query)
    return _CALLS / (time.perf_counter() - began)


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
