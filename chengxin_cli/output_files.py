"""Files that a command leaves to its user. A file that is there already, mended by hand or of another run, stays."""

import itertools
import os
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any, Final

from chengxin_cli.input_files import naming

# The part of a workbook that holds the time of writing.
_WRITTEN: Final = "docProps/core.xml"
# Bytes of a file's name on all common file systems, less the number that may be added.
_LONGEST_NAME: Final = 255 - len(".9999")


def save_without_loss(wanted: Path, write: Callable[[IO[bytes]], object]) -> Path:
    """Writes a file that only its owner can read, whole or not at all, and returns its path.

    The path is `wanted` (`a.receipt.json`), its name cut where it would be too long; where a file of other content is,
    the next free number is added (`a.receipt.2.json`). Raises `OSError`, with nothing left behind.
    """
    wanted = wanted.with_name(_cut(wanted.name))
    wanted.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with naming(wanted):
        descriptor, name = tempfile.mkstemp(dir=wanted.parent, prefix=".chengxin-")
    temporary = Path(name)
    try:
        with naming(wanted), os.fdopen(descriptor, "wb") as file:
            write(file)
        content = _read_content(temporary)
        numbered = (wanted.with_name(f"{wanted.stem}.{number}{wanted.suffix}") for number in itertools.count(2))
        target = next(
            path for path in itertools.chain([wanted], numbered) if not path.exists() or _read_content(path) == content
        )
        return temporary.replace(target)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def _cut(name: str) -> str:
    """The name, cut before its last two endings where it has too many bytes: `november….receipt.json`."""
    stem, *endings = name.rsplit(".", 2)
    ending = "".join(f".{part}" for part in endings)
    kept = os.fsencode(stem)[: max(1, _LONGEST_NAME - len(os.fsencode(ending)))]
    return kept.decode(errors="ignore") + ending


def _read_content(file: Path) -> Any:
    """What two files are compared by: their bytes, or all parts of a workbook but that with the time of writing."""
    if not zipfile.is_zipfile(file):
        return file.read_bytes()
    with zipfile.ZipFile(file) as parts:
        return {part.filename: (part.CRC, part.file_size) for part in parts.infolist() if part.filename != _WRITTEN}
