"""Answers rejects as a file of the kind that was delivered, which the provider corrects and delivers again."""

import os
import tempfile
from collections.abc import Iterable, Iterator
from typing import IO, Final
from urllib.parse import quote

from flask import Response

from chengxin.auth import request_context
from chengxin.bounds import FACE_THREADS, bound
from chengxin.tabular.rejects import write_rejects
from services.ingest.context import IngestContext
from services.ingest.domain.submission_view import SubmissionView
from services.ingest.usecases.read_submissions import RejectRow

_TYPES: Final = {
    "csv": "text/csv; charset={charset}",
    "jsonl": "application/jsonl; charset={charset}",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}
MEDIA_TYPES: Final = tuple(kind.partition(";")[0] for kind in _TYPES.values())
_PIECE: Final = 1 << 16

bound(
    __name__,
    "TemporaryFile",
    resource="Files of refused rows on disk",
    total=FACE_THREADS,
    share="a thread of the HTTP face",
    seconds="until the answer",
    why="A file has no name, so the system removes it when its request ends",
    test="tests/ingest/test_hostile_files.py::test_a_full_temporary_directory_is_told",
)


def answer(ctx: IngestContext, found: SubmissionView, rows: Iterable[RejectRow], kind: str) -> Response:
    """The file of a submission's rejects, of this kind in UTF-8. Without a kind it has the kind and encoding of the
    delivered file; it is CSV when no file was delivered."""
    encoding = "utf-8" if kind else found.form.encoding or "utf-8"
    kind = kind or found.form.kind or "csv"
    language = request_context.language()
    columns = found.form.columns
    if not columns:
        entry = ctx.directory.version(found.entry_code, found.entry_version)
        columns = [(item.name.zh or item.code, item.code) for item in entry.items]
    rejected = ((row.row, row.items, [v.message(language) for v in row.violations]) for row in rows)
    # It is written whole before its first byte is sent: a failure is answered as one, and the length is announced, so
    # that the caller notices an answer that breaks off.
    file = tempfile.TemporaryFile()  # noqa: SIM115 - `_pieces` closes it
    write_rejects(file, kind, encoding, columns, rejected)
    length = file.seek(0, os.SEEK_END)
    file.seek(0)
    name = quote(f"{found.submission_id}.rejects.{kind}")
    content_type = _TYPES[kind].format(charset=encoding.removesuffix("-sig"))
    headers = {"Content-Disposition": f"attachment; filename*=UTF-8''{name}", "Content-Length": str(length)}
    return Response(_pieces(file), content_type=content_type, headers=headers)


def _pieces(file: IO[bytes]) -> Iterator[bytes]:
    with file:
        while piece := file.read(_PIECE):
            yield piece
