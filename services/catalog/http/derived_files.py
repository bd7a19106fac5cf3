"""Files that are made from published versions: anybody may ask for them, so each is made once and kept."""

import hashlib
import threading
from collections.abc import Callable, Sequence
from typing import Final

from cachetools import LRUCache
from flask import Response

from chengxin import __version__
from chengxin.bounds import own
from chengxin.http.web import KeptCopyRequest
from services.catalog.domain.entry import VersionName

# Bytes that are kept; the catalog of a city as a workbook has 1 or 2 MiB, a template some 10 KiB.
_MOST_BYTES: Final = 32 << 20

own(
    __name__,
    "LRUCache",
    resource="Bytes of workbooks and templates that are kept",
    total=_MOST_BYTES,
    why="The least recently asked for is forgotten; one is made at a time",
)


class DerivedFiles:
    """Answers with files that say the same as long as the versions are the same from which they are made."""

    def __init__(self, most_bytes: int = _MOST_BYTES) -> None:
        self._kept: LRUCache[str, bytes] = LRUCache(most_bytes, len)
        # Held while a file is made: whoever asks for it meanwhile gets the same one.
        self._making = threading.Lock()

    def answer(
        self,
        name: str,
        content_type: str,
        versions: Sequence[VersionName],
        make: Callable[[], bytes],
        kept: KeptCopyRequest,
    ) -> Response:
        """The file `name`, which `make` makes from these versions, or 304 for a caller that has it."""
        etag = hashlib.sha256(repr((__version__, name, versions)).encode()).hexdigest()[:32]
        found = Response(status=304) if kept.has(etag) else attachment(self._content(etag, make), content_type, name)
        found.set_etag(etag)
        return found

    def _content(self, etag: str, make: Callable[[], bytes]) -> bytes:
        with self._making:
            content = self._kept.get(etag)
            if content is None:
                content = make()
                if len(content) <= self._kept.maxsize:
                    self._kept[etag] = content
            return content


def attachment(content: bytes, content_type: str, name: str) -> Response:
    """A file to be saved under a name."""
    found = Response(content, content_type=content_type)
    found.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    found.headers["X-Content-Type-Options"] = "nosniff"
    return found
