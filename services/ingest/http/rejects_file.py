"""Rejects as a file of the kind that was delivered, to be mended and delivered again."""

import os
import tempfile
from collections.abc import Iterable, Iterator
from typing import IO, Final
from urllib.parse import quote

from flask import Response

from chengxin.auth import request_context
from chengxin.tabular.rejects import write_rejects
from chengxin.values.document import RawDocument
from services.ingest.context import IngestContext
from services.ingest.usecases.read_submissions import RejectRow

_TYPES: Final = {
    "csv": "text/csv; charset={charset}",
    "jsonl": "application/jsonl; charset={charset}",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}
_PIECE: Final = 1 << 16


def answer(ctx: IngestContext, found: RawDocument, rows: Iterable[RejectRow], kind: str) -> Response:
    """The file of a submission's rejects, of this kind in UTF-8; in the kind and encoding that were delivered if none is
    named, CSV when no file was."""
    encoding = "utf-8" if kind else found.get("file_encoding") or "utf-8"
    kind = kind or found.get("file_kind") or "csv"
    language = request_context.current().language
    columns = [(label, code) for label, code in found.get("columns") or ()]
    if not columns:
        entry = ctx.directory.version(found["entry_code"], found["entry_version"])
        columns = [(item.name.zh or item.code, item.code) for item in entry.items]
    rejected = ((row.row, row.items, [v.message(language) for v in row.violations]) for row in rows)
    # Whole before its first byte is sent: what breaks meanwhile is told, and the length is announced, so that an answer
    # that breaks off cannot pass for a whole one.
    file = tempfile.TemporaryFile()  # noqa: SIM115 - closed by who reads it
    write_rejects(file, kind, encoding, columns, rejected)
    length = file.seek(0, os.SEEK_END)
    file.seek(0)
    name = quote(f"{found['submission_id']}.rejects.{kind}")
    content_type = _TYPES[kind].format(charset=encoding.removesuffix("-sig"))
    headers = {"Content-Disposition": f"attachment; filename*=UTF-8''{name}", "Content-Length": str(length)}
    return Response(_pieces(file), content_type=content_type, headers=headers)


def _pieces(file: IO[bytes]) -> Iterator[bytes]:
    with file:
        while piece := file.read(_PIECE):
            yield piece
