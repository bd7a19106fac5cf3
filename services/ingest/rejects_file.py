"""Rejects as a file of the kind that was delivered, to be mended and delivered again."""

import tempfile
from collections.abc import Iterable, Iterator
from typing import IO, Any, Final
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
    name = quote(f"{found['submission_id']}.rejects.{kind}")
    headers = {"Content-Disposition": f"attachment; filename*=UTF-8''{name}"}
    return Response(_content(kind, columns, rejected), content_type=_TYPES[kind], headers=headers)


def _content(kind: str, columns: list[tuple[str, str]], rejected: Iterable[Rejected]) -> Iterator[bytes]:
    if kind == "xlsx":
        # A workbook is not whole before its last byte: what breaks meanwhile is told, not sent.
        book: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - closed by who reads it
        write_rejects_xlsx(book, columns, rejected)
        book.seek(0)
        return _pieces(book)
    if kind == "jsonl":
        return (line.encode() for line in rejects_jsonl(columns, rejected))
    return _marked(rejects_csv(columns, rejected))


def _marked(text: Iterable[str]) -> Iterator[bytes]:
    # With its mark, by which spreadsheets know UTF-8.
    yield b"\xef\xbb\xbf"
    for piece in text:
        yield piece.encode()


def _pieces(file: Any) -> Iterator[bytes]:
    with file:
        while piece := file.read(_PIECE):
            yield piece
