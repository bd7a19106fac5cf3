"""What attachments are, told by a reader: `application/pdf`, `image/png`, `image/jpeg`, `text/plain`, or nothing known."""

import tempfile
from collections.abc import Sequence
from contextlib import closing
from typing import Final

from chengxin.tabular.reading import READERS

_LENGTH: Final = 8


def told_types(contents: Sequence[bytes]) -> list[str]:
    """The media type of each, empty for one that is not known. Raises that they could not be read."""
    if not contents:
        return []
    with tempfile.TemporaryFile(prefix="chengxin-upload-") as file:
        for content in contents:
            file.write(len(content).to_bytes(_LENGTH, "big"))
            file.write(content)
        file.flush()
        with closing(READERS.read(file, "attachments")) as read:
            types = read.about().types
    # As its reader has seen to.
    assert len(types) == len(contents)
    return types
