"""What disclosure takes in: how fast beside collecting, with long texts, on how many bytes of disk, how soon it is seen, and
what a subject with many records costs a reader."""

import json
import os
import time
from collections.abc import Iterator
from functools import partial
from itertools import count
from typing import Any

import psutil

from bench.figures import figure, interleaved
from bench.records import deliver, licences
from chengxin.errors import Problem
from chengxin_api.disclosure.v1 import disclosure_pb2
from chengxin_api.ingest.v1 import ingest_pb2
from demo.identifiers import demo_uscc
from tests.city import City

BATCH = 1_000
# Records of one round, and of one with long texts.
RECORDS = 10_000
LONG_RECORDS = 3_000
LONG_TEXT = 4_000
# So many of them are a batch that ingest takes.
LONG_BATCH = 150
# What is stored when the rate is measured again; 1_000_000 takes half an hour.
STORED = int(os.environ.get("CHENGXIN_BENCH_RECORDS", "100000"))
# Deliveries of one record each, whose way is timed.
_SINGLE = 100
# Records of the subjects that are read.
SMALL, LARGE = 10, 5_000
_ROUNDS = 3
_READS = 40
_serial = count()


def intake(city: City) -> Iterator[Any]:
    """Rates, bytes, times."""
    deliver(city, licences(city, BATCH, "warm"), BATCH)
    # How soon is told of an idle system.
    city.await_disclosure(city.last_change("ingest"), 100)
    yield from _soon(city)
    yield from _rates(city)
    yield from _bytes(city)
    yield from _subjects(city)
    yield from _growth(city)


def _rates(city: City) -> Iterator[Any]:
    collected, taken_in, long_texts = [], [], []
    for _ in range(_ROUNDS):
        one, other = _round(city, licences(city, RECORDS, f"i{next(_serial)}"))
        collected.append(one)
        taken_in.append(other)
        long_texts.append(_round(city, _with_long_texts(city, LONG_RECORDS), LONG_BATCH)[1])
    yield figure("disclosure.intake", taken_in, "records/s", "ingest.grpc", collected)
    yield figure("disclosure.intake.long", long_texts, "records/s, 4,000 characters", "disclosure.intake", taken_in)
    yield figure("ingest.grpc", collected, "records/s")


def _round(city: City, records: list[Any], batch: int = BATCH) -> tuple[float, float]:
    """Records a second of collecting alone, and of taking in alone."""
    disclosure = psutil.Process(city.pids()["disclosure"])
    processes = [disclosure, *disclosure.children(recursive=True)]
    for process in processes:
        process.suspend()
    try:
        began = time.perf_counter()
        deliver(city, records, batch)
        collecting = time.perf_counter() - began
        position = city.last_change("ingest")
    finally:
        began = time.perf_counter()
        for process in processes:
            process.resume()
    city.await_disclosure(position, 1_200)
    return len(records) / collecting, len(records) / (time.perf_counter() - began)


def _with_long_texts(city: City, number: int) -> list[Any]:
    records = licences(city, number, f"l{next(_serial)}")
    for record in records:
        record.items["XK_NR"] = ("许可内容" * LONG_TEXT)[:LONG_TEXT]
    return records


def _bytes(city: City) -> Iterator[Any]:
    """Bytes on disk a record, of what disclosure keeps, against the JSON of its items."""
    before = _disk(city)
    records = licences(city, 2 * RECORDS, f"d{next(_serial)}")
    deliver(city, records, BATCH)
    city.await_disclosure(city.last_change("ingest"), 600)
    # The store writes what it has in memory by a checkpoint, every 60 s, and does not tell when.
    time.sleep(65)
    kept = (_disk(city) - before) / len(records)
    size = len(json.dumps(dict(records[0].items), ensure_ascii=False).encode())
    yield figure("disclosure.disk", [kept], "bytes a record", "the JSON of its items", [float(size)])


def _disk(city: City) -> int:
    files = (city.home / "stores" / "disclosure").rglob("*.wt")
    return sum(file.stat().st_blocks * 512 for file in files)


def _soon(city: City) -> Iterator[Any]:
    """How long after its receipt a record is seen, and after its revocation not any more."""
    appeared, gone = [], []
    for _ in range(_SINGLE):
        code = demo_uscc("91", 610_000 + next(_serial), "ME")
        [record] = licences(city, 1, f"v{next(_serial)}")
        record.items["XK_XDR_SHXYM"] = code
        deliver(city, [record], 1)
        appeared.append(_until_seen(city, code, 1))
        query = disclosure_pb2.QueryRequest(subject=disclosure_pb2.SubjectSelector(uscc=code))
        [view] = city.housing_bureau.rpc("DisclosureService/Query", query).records
        request = ingest_pb2.RevokeRequest(record_id=view.record_id, reason="演示撤销")
        city.market_regulator.rpc("IngestService/Revoke", request)
        gone.append(_until_seen(city, code, 0))
    for name, values in (("disclosure.visible", appeared), ("disclosure.gone", gone)):
        for percent in (50, 99):
            yield figure(f"{name}.p{percent}", [sorted(values)[len(values) * percent // 100] * 1000], "ms")


def _until_seen(city: City, code: str, number: int) -> float:
    began = time.perf_counter()
    while _seen(city, code) != number:
        if time.perf_counter() - began > 60:
            raise AssertionError(f"{code} is not as it should be")
    return time.perf_counter() - began


def _seen(city: City, code: str) -> int:
    query = disclosure_pb2.QueryRequest(subject=disclosure_pb2.SubjectSelector(uscc=code))
    try:
        return len(city.housing_bureau.rpc("DisclosureService/Query", query).records)
    except Problem as e:
        if e.code == "SUBJECT_NOT_FOUND":
            return 0
        raise


def _subjects(city: City) -> Iterator[Any]:
    """The first page of a subject with few and one with many records."""
    codes = {number: demo_uscc("91", 620_000 + number, "MF") for number in (SMALL, LARGE)}
    for number, code in codes.items():
        records = licences(city, number, f"s{next(_serial)}")
        for record in records:
            record.items["XK_XDR_SHXYM"] = code
        deliver(city, records, BATCH)
    city.await_disclosure(city.last_change("ingest"), 600)
    measures = {str(number): partial(_first_page, city, code) for number, code in codes.items()}
    taken = interleaved(measures, _ROUNDS)
    yield figure(
        "query.shared.5000", taken[str(LARGE)], "ms, first page of 10", "a subject of 10 records", taken[str(SMALL)]
    )


def _first_page(city: City, code: str) -> float:
    query = disclosure_pb2.QueryRequest(subject=disclosure_pb2.SubjectSelector(uscc=code), page_size=SMALL)
    began = time.perf_counter()
    for _ in range(_READS):
        city.housing_bureau.rpc("DisclosureService/Query", query)
    return (time.perf_counter() - began) / _READS * 1000


def _growth(city: City) -> Iterator[Any]:
    """The rate when much is stored, of the rate when little was."""
    before = [_round(city, licences(city, RECORDS, f"g{next(_serial)}"))[1] for _ in range(_ROUNDS)]
    stored = city.store("disclosure")["records.2"].estimated_document_count()
    while stored < STORED:
        deliver(city, licences(city, 10 * RECORDS, f"f{next(_serial)}"), BATCH)
        city.await_disclosure(city.last_change("ingest"), 1_200)
        stored += 10 * RECORDS
    after = [_round(city, licences(city, RECORDS, f"h{next(_serial)}"))[1] for _ in range(_ROUNDS)]
    yield figure("disclosure.intake.growth", after, f"records/s at {stored:,}", "disclosure.intake at first", before)
