"""Ingestion over gRPC with validation, history, outbox and audit, against raw inserts and a peer on the same store."""

import contextlib
import json
import time
from collections.abc import Callable, Iterator
from datetime import date
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import psutil

from bench import peer_eve
from bench.apps import running
from bench.figures import figure, interleaved
from bench.load import Target
from bench.queries import eve_bulk
from bench.records import deliver, licences
from demo.records import deliveries
from services.ingest.domain.catalog_entry import read_entry
from services.ingest.domain.validator import Validator
from tests.city import City, running_city

BATCH = 1000
# Batches of a delivery; of a short one, where the first batch, which nothing is committed beside, counts for a fifth.
BATCHES = 20
SHORT = 5
# What is stored before the first round.
SIZES = (20_000, 300_000)
_ROUNDS = 4
_EVE_TOKEN = "bench"
_PENALTY = Path(__file__).parents[1] / "demo" / "catalog" / "XZCF.json"
_serial = count()


def ingestion(city: City) -> Iterator[Any]:
    """Records a second at each size, each in a city of its own that the rounds go to in turn, and validation alone."""
    with contextlib.ExitStack() as stack:
        measures: dict[str, Callable[[], float]] = {}
        for size, where in ((SIZES[0], city), (SIZES[1], stack.enter_context(running_city()))):
            deliver(where, licences(where, BATCH * SHORT, "warm"), BATCH)
            documents = list(where.store("ingest")["records"].find({"entry_code": "XZXK"}).limit(BATCH * SHORT))
            fill(where, documents, size)
            eve = stack.enter_context(_eve(where))
            measures |= {
                f"ingest.grpc{_at(size)}": partial(unfollowed, where, BATCHES),
                f"ingest.grpc.short{_at(size)}": partial(unfollowed, where, SHORT),
                f"ingest.grpc.followed{_at(size)}": partial(over_grpc, where),
                f"floor.insert_many{_at(size)}": partial(raw, where, documents),
                f"peer.eve_bulk{_at(size)}": partial(over_eve, where, eve),
            }
        rates = interleaved(measures, _ROUNDS)
    for against in ("floor.insert_many", "peer.eve_bulk"):
        for size in SIZES:
            beside = rates[against + _at(size)]
            for name in ("ingest.grpc", "ingest.grpc.short", "ingest.grpc.followed"):
                yield figure(name, rates[name + _at(size)], f"records/s{_at(size)}", against, beside)
            yield figure(against, beside, f"records/s{_at(size)}")
    floor = _growth(rates, "floor.insert_many")
    for name in ("ingest.grpc", "ingest.grpc.short", "ingest.grpc.followed"):
        yield figure(f"{name}.growth", _growth(rates, name), "of its own rate", "floor.insert_many.growth", floor)
    rates = interleaved({"validation.penalty": validated})
    yield figure("validation.penalty", rates["validation.penalty"], "records/s/core")


def _at(size: int) -> str:
    return f" at {size:,}"


def _growth(rates: dict[str, list[float]], name: str) -> list[float]:
    """What is left of a rate at the larger size, round by round."""
    smaller, larger = (rates[name + _at(size)] for size in SIZES)
    return [one / other for one, other in zip(larger, smaller, strict=True)]


def _eve(city: City) -> contextlib.AbstractContextManager[Target]:
    uri = city.store_uri("ingest")
    return running("bench.peer_eve", f"/{peer_eve.BULK}", uri, _EVE_TOKEN, token=_EVE_TOKEN)


def over_grpc(city: City) -> float:
    """A short delivery while disclosure takes in what comes, on the same processors; its rest is waited for, but
    not counted."""
    rate = _delivered(city, SHORT)
    city.await_disclosure(city.last_change("ingest"), 300)
    return rate


def unfollowed(city: City, batches: int) -> float:
    """A delivery with disclosure stopped meanwhile: what collection itself costs."""
    disclosure = psutil.Process(city.pids()["disclosure"])
    processes = [disclosure, *disclosure.children(recursive=True)]
    for process in processes:
        process.suspend()
    try:
        rate = _delivered(city, batches)
    finally:
        for process in processes:
            process.resume()
    city.await_disclosure(city.last_change("ingest"), 300)
    return rate


def _delivered(city: City, batches: int) -> float:
    records = licences(city, BATCH * batches, f"b{next(_serial)}")
    began = time.perf_counter()
    deliver(city, records, BATCH)
    return len(records) / (time.perf_counter() - began)


def raw(city: City, documents: list[Any]) -> float:
    """The same documents by insert_many, journalled, 1,000 at a time."""
    run = next(_serial)
    copies = [{**d, "_id": f"{d['_id']}-{run}"} for d in documents]
    collection = city.store("ingest")["bench_raw"]
    began = time.perf_counter()
    for start in range(0, len(copies), BATCH):
        collection.insert_many(copies[start : start + BATCH], ordered=True)
    return len(copies) / (time.perf_counter() - began)


def over_eve(city: City, eve: Any) -> float:
    """One bulk POST of 1,000."""
    documents = peer_eve.documents(city, BATCH, f"s{next(_serial)}")
    began = time.perf_counter()
    eve_bulk(eve, documents)
    return len(documents) / (time.perf_counter() - began)


def fill(city: City, documents: list[Any], size: int) -> None:
    """Brings records, and what the floor writes to, up to a size."""
    db = city.store("ingest")
    for name in ("records", "bench_raw"):
        missing = size - db[name].estimated_document_count()
        run = next(_serial)
        for start in range(0, max(missing, 0), BATCH):
            copies = [{**d, "_id": f"fill-{run}-{start + n}"} for n, d in enumerate(documents[:BATCH])]
            db[name].insert_many(copies)


def validated() -> float:
    """Penalty records a second, by one validator on one core."""
    entry = json.loads(_PENALTY.read_text())
    validator = Validator(read_entry({**entry, "version": 1, "effective_from": "2026-01-01", "effective_to": ""}))
    penalties = [items for d in deliveries(date(2026, 11, 24)) if d.entry_code == "XZCF" for items in d.records]
    records = [penalties[n % len(penalties)] | {"CF_WSH": f"演罚字〔2026〕{n}号"} for n in range(20_000)]
    began = time.perf_counter()
    for record in records:
        _, wrong = validator.check(record, date(2026, 11, 24))
        if wrong:
            raise AssertionError(wrong)
    return len(records) / (time.perf_counter() - began)
