"""`make bench`: prints the figures and writes `build/bench.json`, a list of {name, value, unit, against, ratio}.

Every ratio is of medians over interleaved rounds in this one run, on this machine, with both sides on the same store.
"""

import contextlib
import json
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pymongo
from rich.console import Console
from rich.table import Table

from bench import floors
from bench.load import Target, requests_per_second
from bench.records import deliver, licences
from tests.city import City, running_city
from tests.support import free_port, until

ROUNDS = 6
RECORDS = 10
BATCH = 1000
BATCHES = 5


def main() -> None:
    """Runs the suite, measures, prints and writes."""
    with running_city() as city:
        figures = [*queries(city), *ingestion(city)]
    Path("build").mkdir(exist_ok=True)
    Path("build/bench.json").write_text(json.dumps(figures, indent=1))
    table = Table("name", "value", "unit", "against", "ratio")
    for f in figures:
        ratio = "" if f["ratio"] is None else f"{f['ratio']:.2f}"
        table.add_row(f["name"], f"{f['value']:,.0f}", f["unit"], f["against"] or "", ratio)
    Console().print(table)


def figure(name: str, values: list[float], unit: str, against: str = "", floor: list[float] | None = None) -> Any:
    """One line: the median, and its ratio to the median of what it is measured against."""
    value = statistics.median(values)
    ratio = round(value / statistics.median(floor), 3) if floor else None
    return {"name": name, "value": round(value, 1), "unit": unit, "against": against or None, "ratio": ratio}


def queries(city: City) -> Iterator[Any]:
    """Own, shared and public queries through the whole suite, against apps that only read, or read and insert."""
    li_na = city.li_na
    seen = li_na.get("/v1/me/records")
    subject, records = seen["subject"]["subject_ref"], seen["records"][:RECORDS]
    edge = urlsplit(city.edge.http)
    with floor_apps(city, subject, records) as (find, naive):
        company = city.people["licence"]
        public = city.anybody.get(f"/v1/public/subjects?q={company['XK_XDR_SHXYM']}")["subjects"][0]["subject_ref"]
        targets = {
            "query.own": Target(str(edge.hostname), int(edge.port or 0), "/v1/me/records", li_na.token()),
            "search.public": Target(str(edge.hostname), int(edge.port or 0), f"/v1/public/subjects/{public}"),
            "floor.flask_find": find,
            "floor.naive_audited": naive,
        }
        rates = interleaved({name: lambda t=target: requests_per_second(t) for name, target in targets.items()})
    yield figure("query.own", rates["query.own"], "1/s", "floor.flask_find", rates["floor.flask_find"])
    yield figure("query.own", rates["query.own"], "1/s", "floor.naive_audited", rates["floor.naive_audited"])
    yield figure("search.public", rates["search.public"], "1/s", "floor.flask_find", rates["floor.flask_find"])
    yield figure("floor.flask_find", rates["floor.flask_find"], "1/s")
    yield figure("floor.naive_audited", rates["floor.naive_audited"], "1/s")


def ingestion(city: City) -> Iterator[Any]:
    """Records a second over gRPC with validation, history, outbox and audit, against `insert_many` of the result."""
    db = store(city, "ingest")
    serial = iter(range(1_000_000))

    def over_grpc() -> float:
        records = licences(city, BATCH * BATCHES, f"b{next(serial)}")
        began = time.perf_counter()
        deliver(city, records, BATCH)
        return len(records) / (time.perf_counter() - began)

    over_grpc()
    documents = list(db["records"].find({"entry_code": "XZXK"}).limit(BATCH * BATCHES))

    def raw() -> float:
        run = next(serial)
        copies = [{**d, "_id": f"{d['_id']}-{run}"} for d in documents]
        began = time.perf_counter()
        for start in range(0, len(copies), BATCH):
            db["bench_raw"].insert_many(copies[start : start + BATCH], ordered=True)
        return len(copies) / (time.perf_counter() - began)

    rates = interleaved({"ingest.grpc": over_grpc, "floor.insert_many": raw})
    yield figure("ingest.grpc", rates["ingest.grpc"], "records/s", "floor.insert_many", rates["floor.insert_many"])
    yield figure("floor.insert_many", rates["floor.insert_many"], "records/s")


def interleaved(measures: dict[str, Callable[[], float]]) -> dict[str, list[float]]:
    """Each measure once a round, so that whatever else the machine does falls on all of them."""
    for measure in measures.values():
        measure()
    rates: dict[str, list[float]] = {name: [] for name in measures}
    for _ in range(ROUNDS):
        for name, measure in measures.items():
            rates[name].append(measure())
    return rates


def store(city: City, service: str) -> Any:
    """The database of a service, with majority and journalled writes, as its own."""
    client: Any = pymongo.MongoClient(store_uri(city, service), w="majority", journal=True)
    return client.get_default_database()


def store_uri(city: City, service: str) -> str:
    """The URI of a service's store."""
    return str(json.loads((city.home / "keys" / "store-uris.json").read_text())[service])


@contextlib.contextmanager
def floor_apps(city: City, subject: str, records: list[Any]) -> Iterator[list[Target]]:
    """The two floors, each a granian process over disclosure's own store."""
    collection = store(city, "disclosure")[floors.COLLECTION]
    collection.create_index("subject_ref")
    collection.insert_many([{"subject_ref": subject, "record": record} for record in records])
    uri = store_uri(city, "disclosure")
    with contextlib.ExitStack() as running, tempfile.TemporaryFile() as log:
        targets = []
        for name in ("flask_find", "naive_audited"):
            port = free_port()
            line = [sys.executable, "-m", "bench.floors", name, str(port), uri, subject]
            process = subprocess.Popen(line, stdout=log, stderr=log)
            running.callback(process.wait)
            running.callback(process.terminate)
            target = Target("127.0.0.1", port, "/")
            until(lambda t=target: _answers(t), f"{name} answers")
            targets.append(target)
        yield targets


def _answers(target: Target) -> bool:
    with contextlib.suppress(OSError), socket.create_connection((target.host, target.port), timeout=1):
        return True
    return False


if __name__ == "__main__":
    main()
