"""Uploaded files without a name: they are gone when they are closed, and with the process, however it ends."""

import os
import tempfile
from io import BufferedReader
from typing import IO, Any, cast

from flask import Request


class UploadRequest(Request):
    """A request whose files go to files without a name."""

    def _get_file_stream(self, *_: Any, **__: Any) -> IO[bytes]:
        return cast(IO[bytes], tempfile.TemporaryFile(prefix="chengxin-upload-"))


def kept(upload: Any) -> BufferedReader:
    """The file of an upload, open beyond its request, until it is closed."""
    upload.stream.flush()
    return os.fdopen(os.dup(upload.stream.fileno()), "rb")
