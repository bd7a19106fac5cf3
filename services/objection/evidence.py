"""What may be attached to an objection: few files, not large, of a kind that is what it says it is. Pure."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from chengxin.canonical import digest
from chengxin.errors import FieldError, invalid

EVIDENCE_INVALID = invalid(
    "EVIDENCE_INVALID",
    "附件不符合要求，请按 errors 逐项修正（每次最多 5 个，每个不超过 5 MB，仅限 PDF、PNG、JPEG、纯文本）",
    "The attachments are not acceptable; see errors (at most 5 files of at most 5 MB: PDF, PNG, JPEG, plain text)",
)

MOST_FILES: Final = 5
MOST_BYTES: Final = 5 * 1024 * 1024
_LONGEST_NAME: Final = 200
_BAD_IN_NAME: Final = re.compile(r'[\x00-\x1f\x7f/\\:*?"<>|]')
# Printing characters and the white space of a text file.
_BAD_IN_TEXT: Final = re.compile(r"[\x00-\x08\x0b\x0e-\x1f\x7f]")

PDF: Final = "application/pdf"
PNG: Final = "image/png"
JPEG: Final = "image/jpeg"
TEXT: Final = "text/plain"

_MAGIC: Final = {PDF: b"%PDF-", PNG: b"\x89PNG\r\n\x1a\n", JPEG: b"\xff\xd8\xff"}
TYPES: Final = (*_MAGIC, TEXT)


@dataclass(frozen=True)
class Attachment:
    """A file as it is delivered."""

    name: str
    content_type: str
    data: bytes

    @property
    def sha256(self) -> str:
        """Digest of the content, lower-case hex."""
        return digest(self.data)


@dataclass(frozen=True)
class Evidence:
    """A kept file, without its content, which is under `key`."""

    number: int
    key: str
    name: str
    content_type: str
    size: int
    sha256: str
    added_at: datetime


def checked(attachments: Sequence[Attachment]) -> tuple[Attachment, ...]:
    """The attachments with their types in plain form. Raises EVIDENCE_INVALID, naming every fault."""
    faults = []
    if len(attachments) > MOST_FILES:
        faults.append(FieldError("evidence", "count", f"最多 {MOST_FILES} 个 / at most {MOST_FILES} files"))
    plain = []
    for n, attachment in enumerate(attachments[:MOST_FILES]):
        kind = attachment.content_type.split(";")[0].strip().lower()
        plain.append(Attachment(attachment.name, kind, attachment.data))
        faults += [FieldError(f"evidence.{n}.{field}", name, told) for field, name, told in _faults(plain[-1])]
    if faults:
        raise EVIDENCE_INVALID(fields=faults)
    return tuple(plain)


def numbered(attachments: Sequence[Attachment], keys: Sequence[str], before: int, at: datetime) -> tuple[Evidence, ...]:
    """What is known of the attachments, kept under `keys`, numbered after those that there are already."""
    return tuple(
        Evidence(before + n, key, a.name, a.content_type, len(a.data), a.sha256, at)
        for n, (key, a) in enumerate(zip(keys, attachments, strict=True), start=1)
    )


def _faults(attachment: Attachment) -> list[tuple[str, str, str]]:
    return [(field, name, told) for field, name, told, wrong in _RULES if wrong(attachment)]


def _looks_like(data: bytes) -> str:
    for kind, magic in _MAGIC.items():
        # Readers of PDF accept the header anywhere in the first kilobyte.
        if data.startswith(magic) or (kind == PDF and magic in data[:1024]):
            return kind
    return TEXT if _is_text(data) else ""


def _is_text(data: bytes) -> bool:
    for encoding in ("utf-8", "gb18030"):
        try:
            return not _BAD_IN_TEXT.search(data.decode(encoding))
        except UnicodeDecodeError:
            continue
    return False


def _mislabelled(attachment: Attachment) -> bool:
    return attachment.content_type in TYPES and _looks_like(attachment.data[:MOST_BYTES]) != attachment.content_type


_RULES: Final[tuple[tuple[str, str, str, Callable[[Attachment], bool]], ...]] = (
    ("name", "name.length", f"1 … {_LONGEST_NAME}", lambda a: not 1 <= len(a.name.strip()) <= _LONGEST_NAME),
    (
        "name",
        "name.characters",
        "文件名不得含路径或控制字符 / no path and no control characters",
        lambda a: bool(_BAD_IN_NAME.search(a.name)),
    ),
    ("content_type", "type.allowed", ", ".join(TYPES), lambda a: a.content_type not in TYPES),
    ("content", "size.empty", "文件为空 / the file is empty", lambda a: not a.data),
    ("content", "size.limit", "≤ 5 MB", lambda a: len(a.data) > MOST_BYTES),
    (
        "content",
        "type.mismatch",
        "文件内容与所声明的类型不符 / the content is not of the declared type",
        lambda a: bool(a.data) and _mislabelled(a),
    ),
)
