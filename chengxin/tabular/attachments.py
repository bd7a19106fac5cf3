"""Has a reader find the media types of attachments: `application/pdf`, `image/png`, `image/jpeg` or `text/plain`."""

import tempfile
from collections.abc import Sequence
from contextlib import closing
from typing import Final

from chengxin.bounds import FACE_THREADS, bound
from chengxin.concurrency.shares import Claimant
from chengxin.tabular.reading import READERS

_LENGTH: Final = 8

bound(
    __name__,
    "TemporaryFile",
    resource="Copies of evidence",
    total=FACE_THREADS,
    share="a thread of the HTTP face",
    seconds=60.0,
    why="One for each request whose file is read, or waits for it; it has no name, so the system removes it",
    test="tests/chengxin/tabular/test_reading.py::test_one_too_many_is_told_to_try_again",
)


def detect_media_types(contents: Sequence[bytes], caller: Claimant) -> list[str]:
    """The media type of each attachment, empty when it is not known. Raises what `Readers.read` raises."""
    if not contents:
        return []
    with tempfile.TemporaryFile(prefix="chengxin-upload-") as file:
        for content in contents:
            file.write(len(content).to_bytes(_LENGTH, "big"))
            file.write(content)
        file.flush()
        with closing(READERS.read(file, "attachments", caller)) as result:
            types = result.about().types
    # The reader writes one for each.
    assert len(types) == len(contents)
    return types
