"""Uploaded files as named files, which readers can open, and which stay until they are closed."""

import os
import tempfile
from pathlib import Path
from typing import IO, Any, cast

from flask import Request


class UploadRequest(Request):
    """A request whose files go to named files."""

    def _get_file_stream(self, *_: Any, **__: Any) -> IO[bytes]:
        return cast(IO[bytes], tempfile.NamedTemporaryFile(prefix="chengxin-upload-"))


class Upload:
    """An upload that stays when its request has ended, until it is closed."""

    def __init__(self, upload: Any) -> None:
        upload.stream.flush()
        self.name = f"{upload.stream.name}-taken"
        # A second name of the same bytes: the first goes with the request.
        os.link(upload.stream.name, self.name)

    def close(self) -> None:
        """Forgets the file."""
        Path(self.name).unlink(missing_ok=True)
