"""Has a reader find the media types of attachments: `application/pdf`, `image/png`, `image/jpeg` or `text/plain`."""

import tempfile
from collections.abc import Sequence
from contextlib import closing
from typing import Final

from chengxin.tabular.reading import READERS

_LENGTH: Final = 8


def detect_media_types(contents: Sequence[bytes]) -> list[str]:
    """The media type of each attachment, empty when it is not known. Raises what `Readers.read` raises."""
    if not contents:
        return []
    with tempfile.TemporaryFile(prefix="chengxin-upload-") as file:
        for content in contents:
            file.write(len(content).to_bytes(_LENGTH, "big"))
            file.write(content)
        file.flush()
        with closing(READERS.read(file, "attachments")) as result:
            types = result.about().types
    # The reader writes one for each.
    assert len(types) == len(contents)
    return types
