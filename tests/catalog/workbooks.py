"""The workbook of an entry, edited by hand and imported; the codes of all demonstration entries."""

import io
from functools import cache
from typing import Any

import openpyxl
from werkzeug.test import TestResponse

from services.catalog.domain.entry_workbook import write_entry
from tests.catalog.conftest import DEMO, RunningCatalog
from tests.catalog.licensing_entry import CONTENT

CODES = sorted(path.stem for path in (DEMO / "catalog").glob("*.json"))


def imports(catalog: RunningCatalog, file: bytes, language: str = "zh-CN") -> TestResponse:
    caller = catalog.caller("authority", sub="officer:authority", language=language)
    data = {"file": (io.BytesIO(file), "entry.xlsx")}
    answer: TestResponse = caller.client.post("/v1/catalog/drafts/import", data=data, headers=caller.headers)
    return answer


@cache
def licensing_workbook() -> bytes:
    return write_entry(CONTENT)


def edited(change: Any) -> bytes:
    """The licensing workbook after a change by hand."""
    book = openpyxl.load_workbook(io.BytesIO(licensing_workbook()))
    change(book)
    file = io.BytesIO()
    book.save(file)
    return file.getvalue()
