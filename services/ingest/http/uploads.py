"""Uploaded files are files without a name: the system removes them when they are closed or the process ends."""

import os
import tempfile
from io import BufferedReader
from typing import IO, Any, cast

from chengxin.bounds import FACE_THREADS, bound
from chengxin.http.request_checks import CheckedRequest

bound(
    __name__,
    "TemporaryFile",
    resource="Uploaded files on disk",
    total=FACE_THREADS,
    share="a thread of the HTTP face",
    seconds=60.0,
    why="A file has no name, so the system removes it when its request ends. For those that are taken without their "
    "request see `services.ingest.workers.upload_executor`",
    test="tests/ingest/test_hostile_files.py::test_a_full_temporary_directory_is_told",
)


class UploadRequest(CheckedRequest):
    """A request that keeps its uploads in files without a name."""

    def _get_file_stream(self, *_: Any, **__: Any) -> IO[bytes]:
        return cast(IO[bytes], tempfile.TemporaryFile(prefix="chengxin-upload-"))


def kept(upload: Any) -> BufferedReader:
    """The file of an upload; it stays open after its request, until it is closed."""
    upload.stream.flush()
    return os.fdopen(os.dup(upload.stream.fileno()), "rb")
