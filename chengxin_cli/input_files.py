"""Files that a user gives to a command, or that a suite left in its home: read, or refused by name.

Programs of Windows save text with a byte order mark, as UTF-16, with other ends of lines and blank lines at the end. Where
the bytes themselves are compared (a delivered file, a tile of the log) they are not read by this module.
"""

import codecs
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, TypeVar

import click
import msgspec

from chengxin.values import outside_json

T = TypeVar("T")
# Far more than a receipt, a key or a checkpoint has; a device would never end.
_MOST_BYTES: Final = 64 * 1024 * 1024
_CONTROL: Final = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_MARKS: Final = {codecs.BOM_UTF8: "utf-8-sig", codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}


class FileUnusable(click.ClickException):
    """A file does not hold what it should; the message names it."""

    def __init__(self, file: Path, reason: str) -> None:
        super().__init__(f"{file} cannot be used: {reason}")


class FilePath(click.Path):
    """The type of every option and argument that names a file or directory."""

    def __init__(self, **options: Any) -> None:
        super().__init__(path_type=Path, **options)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Returns the path. Fails for a name that would not fit on a line of a message or of a receipt."""
        if _CONTROL.search(str(value)):
            self.fail(f"the name {str(value)!r} has a line break or another control character; rename it", param, ctx)
        super().convert(value, param, ctx)
        path = Path(value)
        # A device never ends, a pipe may never begin.
        if path.exists() and not (path.is_file() or path.is_dir()):
            self.fail(f"{str(value)!r} is a device or a pipe, not a file; save it as a file", param, ctx)
        # A broken disk, or what is a file by its kind alone.
        if path.is_file():
            try:
                with path.open("rb") as content:
                    content.read(1)
            except OSError as e:
                self.fail(f"{str(value)!r} cannot be read ({e.strerror}); copy it to another place", param, ctx)
        return path


EXISTING_FILE: Final = FilePath(exists=True, dir_okay=False)
FILE: Final = FilePath(dir_okay=False)
EXISTING_DIRECTORY: Final = FilePath(exists=True, file_okay=False)
DIRECTORY: Final = FilePath(file_okay=False)


@contextmanager
def naming(file: Path) -> Iterator[None]:
    """Names the file in an error that came while it was read or written; the system does not."""
    try:
        yield
    except OSError as e:
        raise OSError(e.errno, e.strerror, str(file)) from None


def read_text(file: Path) -> str:
    """The text of a file in UTF-8, or in UTF-16 with its mark; without the mark, lines end with a line feed.

    Raises `FileUnusable` for what is no such text, also when it is empty, and `OSError`.
    """
    with naming(file), file.open("rb") as content:
        data = content.read(_MOST_BYTES + 1)
    if len(data) > _MOST_BYTES:
        raise FileUnusable(file, f"it has more than {_MOST_BYTES} bytes")
    encoding = next((name for mark, name in _MARKS.items() if data.startswith(mark)), "utf-8")
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as e:
        raise FileUnusable(file, f"byte {e.start} is not {encoding.upper()}; save it as UTF-8") from None
    if not text.strip():
        raise FileUnusable(file, "it is empty")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def read_note(file: Path) -> str:
    """The signed note in a file: text that ends with one line feed, whatever was added at its end.

    Raises as `read_text` does.
    """
    return read_text(file).rstrip() + "\n"


def read_word(file: Path, what: str) -> str:
    """The one word that a file holds: a token, a secret. Raises as `read_text` does, also for more than one word."""
    words = read_text(file).split()
    if len(words) != 1 or not words[0].isascii() or not words[0].isprintable():
        raise FileUnusable(file, f"it is not {what}: one line of ASCII without spaces is one")
    return words[0]


def read_json(file: Path, kind: type[T]) -> T:
    """The JSON value in a file, of the form `kind`. Raises as `read_text` does, also for another form."""
    try:
        return msgspec.convert(outside_json.read_json(read_text(file).encode()), type=kind)
    except (ValueError, msgspec.ValidationError) as e:
        raise FileUnusable(file, str(e)) from None
