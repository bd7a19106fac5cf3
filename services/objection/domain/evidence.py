"""The rules for files that are attached to an objection: their number, size, and type, which the content must match."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from chengxin.errors import FieldError, invalid
from chengxin.values.canonical_json import digest
from chengxin.values.file_names import file_name_faults, kept_file_name, offered_file_name

EVIDENCE_INVALID = invalid(
    "EVIDENCE_INVALID",
    "附件不符合要求，请按 errors 逐项修正（每次最多 5 个，每个不超过 5 MB，仅限 PDF、PNG、JPEG、纯文本）",
    "The attachments are not acceptable; see errors (at most 5 files of at most 5 MB: PDF, PNG, JPEG, plain text)",
)

MOST_FILES: Final = 5
MOST_BYTES: Final = 5 * 1024 * 1024
LONGEST_NAME: Final = 200

# The media types, each with the ends of its files' names.
TYPES: Final = {
    "application/pdf": (".pdf",),
    "image/png": (".png",),
    "image/jpeg": (".jpg", ".jpeg"),
    "text/plain": (".txt",),
}

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

    @property
    def offered_name(self) -> str:
        """The name under which a browser saves it."""
        return offered_file_name(self.name, TYPES[self.content_type])


def checked(attachments: Sequence[Attachment], detect: Types) -> tuple[Attachment, ...]:
    """Returns the attachments with normalised media types and names as they are kept. Raises EVIDENCE_INVALID, which names
    every fault."""
    faults = []
    if len(attachments) > MOST_FILES:
        faults.append(FieldError("evidence", "count", f"最多 {MOST_FILES} 个 / at most {MOST_FILES} files"))
    normalised = [
        # Of a name that is too long the rest is not looked at.
        Attachment(kept_file_name(a.name[: LONGEST_NAME + 1]), a.content_type.split(";")[0].strip().lower(), a.data)
        for a in attachments[:MOST_FILES]
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
    named = file_name_faults("name", attachment.name, LONGEST_NAME)
    return [*((fault.field, fault.rule, fault.message) for fault in named), *faults]


_MISMATCH: Final = (
    "文件内容与所声明的类型不符；纯文本须为完整的 UTF-8 或 GB18030，请另存为 UTF-8 / the content is not of the declared"
    " type; plain text has to be whole UTF-8 or GB18030: save it as UTF-8"
)
_RULES: Final[tuple[tuple[str, str, str, Callable[[Attachment], bool]], ...]] = (
    ("content_type", "type.allowed", ", ".join(TYPES), lambda a: a.content_type not in TYPES),
    ("content", "size.empty", "文件为空 / the file is empty", lambda a: not a.data),
    ("content", "size.limit", "≤ 5 MB", lambda a: len(a.data) > MOST_BYTES),
)
