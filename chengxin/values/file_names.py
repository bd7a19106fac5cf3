"""The names of files that people hand in: what they are kept under, and under which name a file goes out again. Pure."""

import re
from collections.abc import Iterator, Sequence
from typing import Final

from chengxin.errors import FieldError
from chengxin.values.personal_numbers import personal_numbers_in
from chengxin.values.written_texts import hidden_fault

_PATH: Final = re.compile(r'[\t\n\r/\\:*?"<>|]')
# Windows opens a device by such a name, whatever follows the first dot.
_DEVICE: Final = re.compile(
    r"(?:CON|PRN|AUX|NUL|CONIN\$|CONOUT\$|(?:COM|LPT)[0-9\u00b9\u00b2\u00b3])\s*(?:\.|\Z)", re.IGNORECASE
)
# Instead of each character of a number, because a file may be called so on every system.
_BLANK: Final = "x"


def kept_file_name(name: str) -> str:
    """The name as it is kept: lists, headers and logs show it, so numbers of persons are crossed out."""
    kept = [*name]
    for start, end in personal_numbers_in(name):
        kept[start:end] = _BLANK * (end - start)
    return "".join(kept)


def file_name_faults(field: str, name: str, longest: int) -> Iterator[FieldError]:
    """Yields what is wrong with the name of a file that somebody else will save."""
    if not 1 <= len(name.strip()) <= longest:
        yield FieldError(field, "name.length", f"1 … {longest}")
    if _PATH.search(name) or name.strip() in (".", ".."):
        yield FieldError(
            field, "name.characters", "文件名不得含路径、换行或制表符 / no path, no line breaks and no tabs"
        )
    elif name.strip() and name != name.strip().rstrip("."):
        ends = "文件名首尾不得有空格，末尾不得有句点 / no spaces at its ends, and no dot at its end"
        yield FieldError(field, "name.characters", ends)
    if _DEVICE.match(name):
        device = "文件名是 Windows 的设备名（如 CON、NUL），请改名 / a name of a Windows device (such as CON, NUL): rename it"
        yield FieldError(field, "name.device", device)
    if hidden := hidden_fault(field, name):
        yield hidden


def offered_file_name(name: str, suffixes: Sequence[str]) -> str:
    """The name under which a file is given to somebody to save: with one of the suffixes of what it holds, so that opening
    it runs no program and shows no page, and as it is kept, also if it was handed in before that was asked for."""
    plain = kept_file_name(_PATH.sub("_", name)).strip().rstrip(".")
    if _DEVICE.match(plain) or not plain:
        plain = f"_{plain}"
    return plain if plain.lower().endswith(tuple(suffixes)) else plain + suffixes[0]
