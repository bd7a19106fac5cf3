"""Files that a command leaves to its user: whatever is there already, mended by hand or of another run, is not lost."""

import itertools
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any, Final

# Where a workbook says when it was written.
_WRITTEN: Final = "docProps/core.xml"


def keep(wanted: Path, write: Callable[[IO[bytes]], object]) -> Path:
    """Writes a file that only its owner reads, whole or not at all, and tells where.

    At `wanted` (`a.receipt.json`); where a file of other content is, under the next free number (`a.receipt.2.json`).
    """
    wanted.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with tempfile.NamedTemporaryFile(dir=wanted.parent, prefix=f".{wanted.name}.", delete=False) as file:
        made = Path(file.name)
        try:
            write(file)
        except BaseException:
            made.unlink()
            raise
    content = _content(made)
    numbered = (wanted.with_name(f"{wanted.stem}.{number}{wanted.suffix}") for number in itertools.count(2))
    place = next(p for p in itertools.chain([wanted], numbered) if not p.exists() or _content(p) == content)
    return made.replace(place)


def _content(file: Path) -> Any:
    """What makes two files the same: their bytes; of workbooks, which tell the hour, the other parts."""
    if not zipfile.is_zipfile(file):
        return file.read_bytes()
    with zipfile.ZipFile(file) as parts:
        return {part.filename: (part.CRC, part.file_size) for part in parts.infolist() if part.filename != _WRITTEN}
