"""Files that a command leaves to its user. A file that is there already, mended by hand or of another run, stays."""

import itertools
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any, Final

# The part of a workbook that holds the time of writing.
_WRITTEN: Final = "docProps/core.xml"


def save_without_loss(wanted: Path, write: Callable[[IO[bytes]], object]) -> Path:
    """Writes a file that only its owner can read, whole or not at all, and returns its path.

    The path is `wanted` (`a.receipt.json`); where a file of other content is, the next free number is added
    (`a.receipt.2.json`).
    """
    wanted.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with tempfile.NamedTemporaryFile(dir=wanted.parent, prefix=f".{wanted.name}.", delete=False) as file:
        temporary = Path(file.name)
        try:
            write(file)
        except BaseException:
            temporary.unlink()
            raise
    content = _read_content(temporary)
    numbered = (wanted.with_name(f"{wanted.stem}.{number}{wanted.suffix}") for number in itertools.count(2))
    target = next(
        path for path in itertools.chain([wanted], numbered) if not path.exists() or _read_content(path) == content
    )
    return temporary.replace(target)


def _read_content(file: Path) -> Any:
    """What two files are compared by: their bytes, or all parts of a workbook but that with the time of writing."""
    if not zipfile.is_zipfile(file):
        return file.read_bytes()
    with zipfile.ZipFile(file) as parts:
        return {part.filename: (part.CRC, part.file_size) for part in parts.infolist() if part.filename != _WRITTEN}
