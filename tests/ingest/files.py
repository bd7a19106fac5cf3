"""Files as providers upload them, and how one is refused."""

import csv
import io
import threading
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import openpyxl
from werkzeug.test import TestResponse

from chengxin.concurrency.shares import Claimant
from demo.identifiers import demo_uscc
from services.ingest.workers.upload_executor import UploadExecutor
from tests.ingest.running_ingest import RunningIngest


def registration(number: int = 1, **changes: str) -> dict[str, str]:
    """A company registration, in the columns of a registrar's file."""
    return {
        "统一社会信用代码": demo_uscc("91", number, "MA"),
        "主体名称": f"阳江演示{number}有限公司",
        "主体类型": "有限责任公司（自然人投资或控股）",
        "登记机关": "阳江市市场监督管理局",
        "登记状态": "存续",
        "成立日期": "2019-07-31",
        "核准日期": "2019-07-31",
        "营业期限自": "2019-07-31",
        "营业期限至": "2099-12-31",
        "注册资本（元）": "5000000.0",
        "币种": "人民币",
        "经营范围": "文化创意活动的策划;\n展览展示服务,“会务”服务",
    } | changes


def table(rows: list[dict[str, str]], encoding: str = "utf-8", delimiter: str = ",") -> bytes:
    """Rows as a CSV file."""
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, rows[0].keys(), delimiter=delimiter, lineterminator="\r\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode(encoding)


def workbook(rows: list[list[Any]], touch: Any = lambda sheet: None) -> bytes:
    """Rows as an Excel file; `touch` may change the sheet."""
    book = openpyxl.Workbook()
    sheet = book.active
    for row in rows:
        sheet.append(row)
    touch(sheet)
    file = io.BytesIO()
    book.save(file)
    return file.getvalue()


def rewritten(book: bytes, change: Callable[[bytes], bytes]) -> bytes:
    """An Excel file whose parts were changed by hand."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(book)) as parts, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as changed:
        for part in parts.infolist():
            changed.writestr(part.filename, change(parts.read(part)))
    return out.getvalue()


def as_sheet(rows: list[dict[str, str]]) -> list[list[Any]]:
    return [[*rows[0]], *([*row.values()] for row in rows)]


def refusal(answer: TestResponse, ingest: RunningIngest) -> dict[str, Any]:
    """The problem document of a refused file, of which nothing is stored."""
    assert answer.status_code >= 400, answer.json
    for collection in ("records", "submissions", "batches", "rejects", "originals"):
        assert getattr(ingest.ctx.store, collection).count_documents({}) == 0, collection
    return dict(answer.json)


def violations(ingest: RunningIngest, content: bytes, name: str, catalog: str = "QYDJ") -> list[dict[str, str]]:
    """What is wrong with the only record of a file."""
    told = ingest.regulator.uploads(content, name, catalog).json
    [reject] = ingest.regulator.get(f"/v1/submissions/{told['submission_id']}/rejects").json["rejects"]
    return list(reject["violations"])


@contextmanager
def all_threads_taken(desk: UploadExecutor) -> Iterator[None]:
    """Meanwhile each thread that takes files has one of somebody else, which takes long."""
    ends = threading.Event()
    patience, desk.patience = desk.patience, 0
    for n in range(4):
        assert desk.take(Claimant(str(n)), lambda: ends.wait(60)) is None
    desk.patience = patience
    try:
        yield
    finally:
        ends.set()
