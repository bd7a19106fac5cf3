"""The rules for files that are attached to an objection: their number, size, and type, which the content must match."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from chengxin.errors import FieldError, invalid
from chengxin.values.canonical_json import digest
from chengxin.values.written_texts import hidden_fault

EVIDENCE_INVALID = invalid(
    "EVIDENCE_INVALID",
    "附件不符合要求，请按 errors 逐项修正（每次最多 5 个，每个不超过 5 MB，仅限 PDF、PNG、JPEG、纯文本）",
    "The attachments are not acceptable; see errors (at most 5 files of at most 5 MB: PDF, PNG, JPEG, plain text)",
)

MOST_FILES: Final = 5
MOST_BYTES: Final = 5 * 1024 * 1024
_LONGEST_NAME: Final = 200
_BAD_IN_NAME: Final = re.compile(r'[\t\n\r/\\:*?"<>|]')

TYPES: Final = ("application/pdf", "image/png", "image/jpeg", "text/plain")

# Detects the media types of file contents.
Types = Callable[[Sequence[bytes]], Sequence[str]]


@dataclass(frozen=True)
class Attachment:
    """A file as the caller delivers it."""

    name: str
    content_type: str
    data: bytes

    @property
    def sha256(self) -> str:
        """The SHA-256 digest of the content, in lower-case hexadecimal digits."""
        return digest(self.data)


@dataclass(frozen=True)
class Evidence:
    """A stored file without its content, which is stored under `key`."""

    number: int
    key: str
    name: str
    content_type: str
    size: int
    sha256: str
    added_at: datetime


def checked(attachments: Sequence[Attachment], detect: Types) -> tuple[Attachment, ...]:
    """Returns the attachments with normalised media types. Raises EVIDENCE_INVALID, which names every fault."""
    faults = []
    if len(attachments) > MOST_FILES:
        faults.append(FieldError("evidence", "count", f"最多 {MOST_FILES} 个 / at most {MOST_FILES} files"))
    normalised = [
        Attachment(a.name, a.content_type.split(";")[0].strip().lower(), a.data) for a in attachments[:MOST_FILES]
    ]
    for n, attachment in enumerate(normalised):
        faults += [
            FieldError(f"evidence.{n}.{field}", name, message) for field, name, message in _find_faults(attachment)
        ]
    typed = [n for n, a in enumerate(normalised) if a.data and a.content_type in TYPES]
    types = detect([normalised[n].data[:MOST_BYTES] for n in typed])
    for n, detected in zip(typed, types, strict=True):
        if detected != normalised[n].content_type:
            faults.append(FieldError(f"evidence.{n}.content", "type.mismatch", _MISMATCH))
    if faults:
        raise EVIDENCE_INVALID(fields=faults)
    return tuple(normalised)


def numbered(attachments: Sequence[Attachment], keys: Sequence[str], before: int, at: datetime) -> tuple[Evidence, ...]:
    """Returns the evidence for attachments that are stored under `keys`, numbered after the `before` existing ones."""
    return tuple(
        Evidence(before + n, key, a.name, a.content_type, len(a.data), a.sha256, at)
        for n, (key, a) in enumerate(zip(keys, attachments, strict=True), start=1)
    )


def _find_faults(attachment: Attachment) -> list[tuple[str, str, str]]:
    faults = [(field, name, message) for field, name, message, is_wrong in _RULES if is_wrong(attachment)]
    # A form has it as the name of a file, which no body reads.
    if hidden := hidden_fault("name", attachment.name):
        faults.append((hidden.field, hidden.rule, hidden.message))
    return faults


_MISMATCH: Final = (
    "文件内容与所声明的类型不符；纯文本须为完整的 UTF-8 或 GB18030，请另存为 UTF-8 / the content is not of the declared"
    " type; plain text has to be whole UTF-8 or GB18030: save it as UTF-8"
)
_RULES: Final[tuple[tuple[str, str, str, Callable[[Attachment], bool]], ...]] = (
    ("name", "name.length", f"1 … {_LONGEST_NAME}", lambda a: not 1 <= len(a.name.strip()) <= _LONGEST_NAME),
    (
        "name",
        "name.characters",
        "文件名不得含路径、换行或制表符 / no path, no line breaks and no tabs",
        lambda a: bool(_BAD_IN_NAME.search(a.name)) or a.name.strip() in (".", ".."),
    ),
    ("content_type", "type.allowed", ", ".join(TYPES), lambda a: a.content_type not in TYPES),
    ("content", "size.empty", "文件为空 / the file is empty", lambda a: not a.data),
    ("content", "size.limit", "≤ 5 MB", lambda a: len(a.data) > MOST_BYTES),
)
