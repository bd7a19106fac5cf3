"""Records that the benchmark delivers."""

from typing import Any

from chengxin.ids import new_id
from chengxin.ingest.v1 import ingest_pb2
from tests.city import City


def licences(city: City, count: int, run: str) -> list[Any]:
    """Valid licensing records with document numbers of their own."""
    items = city.people["licence"]
    mark = new_id(run)
    return [
        ingest_pb2.Record(row=row, items={**items, "XK_WSH": f"演许字〔2026〕{mark}-{row}号"})
        for row in range(1, count + 1)
    ]


def deliver(city: City, records: list[Any], batch: int) -> Any:
    """One submission over gRPC; returns its receipt. Raises `AssertionError` unless every record is new."""
    header = ingest_pb2.SubmissionHeader(submission_id=new_id("bench"), entry_code="XZXK", record_count=len(records))
    parts = [ingest_pb2.SubmitRequest(header=header)]
    for number, start in enumerate(range(0, len(records), batch), 1):
        chunk = ingest_pb2.RecordBatch(number=number, records=records[start : start + batch])
        parts.append(ingest_pb2.SubmitRequest(batch=chunk))
    receipt = city.market_regulator.rpc("IngestService/Submit", iter(parts), timeout=120)
    if receipt.counts.accepted != len(records):
        raise AssertionError(f"{receipt.counts.accepted} of {len(records)} accepted")
    return receipt
