"""What putting an event on record costs: events a second that are durable in the running audit service."""

import threading
import time
from collections.abc import Iterator
from typing import Any

from bench.figures import figure, interleaved
from chengxin.audit.trail import AuditTrail
from chengxin.auth.principal import Principal, Role
from chengxin.grpc.rpc import make_channel
from chengxin.values.clock import SystemClock
from chengxin_api.audit.v1 import audit_pb2_grpc
from tests.city import City

CALLERS = 16
SECONDS = 3.0
_WHO = Principal("catalog", frozenset({Role.SERVICE}), client_id="catalog")


def auditing(city: City) -> Iterator[Any]:
    """Sixteen callers that wait for each of their events, against as many that insert a row for each."""
    service = city.service("catalog")
    stub = audit_pb2_grpc.AuditServiceStub(make_channel(city.suite["inner"]["audit"]))
    trail = AuditTrail("catalog", stub, service.metadata, SystemClock())
    rows = city.store("audit")["bench_rows"]

    def append() -> None:
        trail.record(trail.event("entry.read", _WHO, entries=["XZXK"]))

    def insert() -> None:
        rows.insert_one({"who": "catalog", "what": "entry.read", "entries": ["XZXK"], "at": SystemClock().now()})

    rates = interleaved({"audit.append": lambda: per_second(append), "floor.insert_one": lambda: per_second(insert)})
    yield figure("audit.append", rates["audit.append"], "events/s", "floor.insert_one", rates["floor.insert_one"])
    yield figure("floor.insert_one", rates["floor.insert_one"], "rows/s")


def per_second(act: Any) -> float:
    """How often it is done by sixteen threads."""
    counts = [0] * CALLERS
    end = time.perf_counter() + SECONDS

    def caller(number: int) -> None:
        while time.perf_counter() < end:
            act()
            counts[number] += 1

    threads = [threading.Thread(target=caller, args=(n,)) for n in range(CALLERS)]
    began = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(counts) / (time.perf_counter() - began)
