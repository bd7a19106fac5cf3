"""Whether ingest's memory stays flat: a million records streamed, and a file of 200 MB uploaded."""

import csv
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import psutil
import urllib3

from bench.figures import figure
from bench.records import rows
from chengxin.values.ids import new_id
from chengxin_api.ingest.v1 import ingest_pb2
from tests.city import City
from tests.support import until

BATCH = 1000
STREAMED = 1_000_000
FILE_BYTES = 200_000_000


def streaming(city: City) -> Iterator[Any]:
    """Greatest resident memory of ingest above what it held before, in MiB."""
    seconds, above = watched(city, lambda: stream(city, STREAMED))
    yield figure("ingest.stream", [STREAMED / seconds], "records/s")
    yield figure("memory.stream", [above], "MiB above idle")
    with tempfile.TemporaryDirectory() as directory:
        file = Path(directory) / "licences.csv"
        count = write(city, file)
        seconds, above = watched(city, lambda: upload(city, file))
    yield figure("ingest.upload", [count / seconds], "records/s")
    yield figure("memory.upload", [above], "MiB above idle")


def watched(city: City, act: Callable[[], None]) -> tuple[float, float]:
    """How long it takes, and the greatest resident memory of the service's worker meanwhile, in MiB above before."""
    keeper = psutil.Process(city.pids()["ingest"])
    [worker] = keeper.children()
    before = greatest = worker.memory_info().rss
    done = threading.Event()

    def look() -> None:
        nonlocal greatest
        while not done.wait(0.2):
            greatest = max(greatest, worker.memory_info().rss)

    looking = threading.Thread(target=look)
    looking.start()
    began = time.perf_counter()
    try:
        act()
    finally:
        done.set()
        looking.join()
    return time.perf_counter() - began, (greatest - before) / 1024**2


def stream(city: City, count: int) -> None:
    """One submission. Raises `AssertionError` unless every record is new."""

    def parts() -> Iterator[Any]:
        header = ingest_pb2.SubmissionHeader(submission_id=new_id("bench"), entry_code="XZXK", record_count=count)
        yield ingest_pb2.SubmitRequest(header=header)
        source = rows(city, count, "stream")
        for number in range(1, count // BATCH + 1):
            records = [ingest_pb2.Record(row=n, items=items) for n, items in enumerate(islice(source, BATCH), 1)]
            yield ingest_pb2.SubmitRequest(batch=ingest_pb2.RecordBatch(number=number, records=records))

    receipt = city.market_regulator.rpc("IngestService/Submit", parts(), timeout=3600)
    if receipt.counts.accepted != count:
        raise AssertionError(f"{receipt.counts.accepted} of {count} accepted")


def write(city: City, file: Path) -> int:
    """A CSV file of about 200 MB; how many records it has."""
    count = 0
    with file.open("w", encoding="utf-8", newline="") as out:
        source = rows(city, 10_000_000, "upload")
        first = next(source)
        writer = csv.DictWriter(out, list(first))
        writer.writeheader()
        for items in source:
            writer.writerow(items)
            count += 1
            if count % 1000 == 0 and out.tell() > FILE_BYTES:
                break
    return count


def upload(city: City, file: Path) -> None:
    """Through the web, until the receipt is there."""
    caller = city.market_regulator
    body, content_type = urllib3.encode_multipart_formdata({"catalog": "XZXK", "file": (file.name, file.read_bytes())})
    answer = caller.call("POST", "/v1/submissions", body=body, headers={"Content-Type": content_type}, timeout=300)
    if answer.status not in (201, 202):
        raise AssertionError(answer.body)
    path = f"/v1/submissions/{answer.body['submission_id']}"
    until(lambda: caller.get(path).get("receipt"), "the receipt", 3600)
