"""Rejects as a file of the kind that was delivered, to be mended and delivered again."""

import os
import tempfile
from collections.abc import Iterable, Iterator
from typing import IO, Final
from urllib.parse import quote

from flask import Response

from chengxin import context
from chengxin.tabular.rejects import Rejected, rejects_csv, rejects_jsonl, write_rejects_xlsx
from services.ingest.reading import RejectRow
from services.ingest.room import Ingest
from services.ingest.store import Plain

_TYPES: Final = {
    "csv": "text/csv; charset=utf-8",
    "jsonl": "application/jsonl; charset=utf-8",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}
_PIECE: Final = 1 << 16


def answer(ingest: Ingest, found: Plain, rows: Iterable[RejectRow], kind: str) -> Response:
    """The file of a submission's rejects; of the kind that was delivered unless one is named, CSV when none was."""
    kind = kind or found.get("file_kind") or "csv"
    language = context.current().language
    columns = [(label, code) for label, code in found.get("columns") or ()]
    if not columns:
        entry = ingest.directory.version(found["entry_code"], found["entry_version"])
        columns = [(item.name.zh or item.code, item.code) for item in entry.items]
    rejected = ((row.row, row.items, [v.message(language) for v in row.violations]) for row in rows)
    # Whole before its first byte is sent: what breaks meanwhile is told, and the length is announced, so that an answer
    # that breaks off cannot pass for a whole one.
    file = tempfile.TemporaryFile()  # noqa: SIM115 - closed by who reads it
    _write(file, kind, columns, rejected)
    length = file.tell()
    file.seek(0)
    name = quote(f"{found['submission_id']}.rejects.{kind}")
    headers = {"Content-Disposition": f"attachment; filename*=UTF-8''{name}", "Content-Length": str(length)}
    return Response(_pieces(file), content_type=_TYPES[kind], headers=headers)


def _write(file: IO[bytes], kind: str, columns: list[tuple[str, str]], rejected: Iterable[Rejected]) -> None:
    if kind == "xlsx":
        write_rejects_xlsx(file, columns, rejected)
        file.seek(0, os.SEEK_END)
        return
    if kind == "csv":
        # Spreadsheets know UTF-8 by its mark.
        file.write(b"\xef\xbb\xbf")
    lines = rejects_csv(columns, rejected) if kind == "csv" else rejects_jsonl(columns, rejected)
    file.writelines(line.encode() for line in lines)


def _pieces(file: IO[bytes]) -> Iterator[bytes]:
    with file:
        while piece := file.read(_PIECE):
            yield piece
