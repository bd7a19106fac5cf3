"""Finds the media types of attachments by their content: each attachment comes after its length."""

import io
import re
from collections.abc import Iterator
from typing import Final

from chengxin.tabular import frames
from chengxin.tabular.frames import About, Writer
from chengxin.tabular.reader.encoding import detect_encoding
from chengxin.tabular.reader.fault import Fault
from chengxin.tabular.reader.given import as_bytes

_LENGTH: Final = 8
_MAGIC: Final = {
    "application/pdf": b"%PDF-",
    "image/png": b"\x89PNG\r\n\x1a\n",
    "image/jpeg": b"\xff\xd8\xff",
}
# All but printing characters and the white space of a text file.
_BAD_IN_TEXT: Final = re.compile(r"[\x00-\x08\x0b\x0e-\x1f\x7f]")


def read_attachments(out: Writer, most: int) -> None:
    """Writes the media type of each attachment, empty when it is not known."""
    out.put(frames.ABOUT, About(types=[_detect_type(content) for content in _read_contents()]))


def _read_contents() -> Iterator[bytes]:
    with as_bytes() as file:
        while length := file.read(_LENGTH):
            yield file.read(int.from_bytes(length, "big"))


def _detect_type(content: bytes) -> str:
    for kind, magic in _MAGIC.items():
        # From the first byte: what comes before the header of a PDF, which readers pass over, is another file's.
        if content.startswith(magic):
            return kind
    return "text/plain" if _is_text(content) else ""


def _is_text(content: bytes) -> bool:
    try:
        encoding = detect_encoding(io.BytesIO(content))
    except Fault:
        return False
    return not _BAD_IN_TEXT.search(content.decode(encoding))
