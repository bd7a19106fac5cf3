"""Records that the benchmark delivers."""

from collections.abc import Iterator
from typing import Any

from chengxin.values.ids import new_id
from chengxin_api.ingest.v1 import ingest_pb2
from demo.identifiers import demo_uscc
from tests.city import City

# So many companies are licensed, again and again.
COMPANIES = 2_000


def rows(city: City, count: int, run: str) -> Iterator[dict[str, str]]:
    """Valid licensing records of many companies, with document numbers of their own."""
    items = city.people["licence"]
    codes = [demo_uscc("91", 500_000 + n, "MC") for n in range(COMPANIES)]
    mark = new_id(run)
    for row in range(1, count + 1):
        company = row % COMPANIES
        yield {
            **items,
            "XK_XDR_SHXYM": codes[company],
            "XK_XDR_MC": f"阳江演示第{company}号食品有限公司",
            "XK_WSH": f"演许字〔2026〕{mark}-{row}号",
        }


def licences(city: City, count: int, run: str) -> list[Any]:
    """The same as messages."""
    return [ingest_pb2.Record(row=row, items=items) for row, items in enumerate(rows(city, count, run), 1)]


def deliver(city: City, records: list[Any], batch: int) -> Any:
    """One submission over gRPC; returns its receipt. Raises `AssertionError` unless every record is new."""
    receipt = city.market_regulator.rpc("IngestService/Submit", parts(records, batch), timeout=300)
    if receipt.counts.accepted != len(records):
        raise AssertionError(f"{receipt.counts.accepted} of {len(records)} accepted")
    return receipt


def parts(records: list[Any], batch: int) -> Iterator[Any]:
    """The messages of a submission."""
    header = ingest_pb2.SubmissionHeader(submission_id=new_id("bench"), entry_code="XZXK", record_count=len(records))
    yield ingest_pb2.SubmitRequest(header=header)
    for number, start in enumerate(range(0, len(records), batch), 1):
        chunk = ingest_pb2.RecordBatch(number=number, records=records[start : start + batch])
        yield ingest_pb2.SubmitRequest(batch=chunk)
