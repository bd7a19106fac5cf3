"""A delivery: its header, batches and records, the outcome of each record, and the receipt (Art. 9, 10, 12)."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from chengxin.errors import INPUT_INVALID, FieldError, conflict, forbidden, invalid, not_found, precondition
from chengxin.tabular.bounds import LONGEST_RECORD, MOST_BYTES_OF_BATCH, MOST_ITEMS, bytes_of, is_bounded, length_of
from chengxin.values.clock import rfc3339
from chengxin.values.file_names import kept_file_name
from chengxin.values.personal_numbers import holds_personal_number
from chengxin.values.provider_statement import batch_bytes
from chengxin.values.written_texts import hidden_faults
from services.ingest.domain.validator import Violation

# The most records in one batch: it is one transaction, and stays well under the 16 MB of messages and documents.
BATCH_LIMIT: Final = 1000
# The most batches of one submission, because its closing reads each of them once more.
MOST_BATCHES: Final = 10_000

# `/v1/submissions/findings` and `/v1/submissions/nothing-to-report` are addresses of their own.
_SUBMISSION_ID: Final = re.compile(r"(?!(?:findings|nothing-to-report)\Z)[A-Za-z0-9_-]{8,64}\Z")
# Submission ids that would collide with other addresses.
_RESERVED_IDS: Final = frozenset({"agreements", "findings", "mappings", "nothing-to-report"})
_SHA256: Final = re.compile(r"[0-9a-f]{64}\Z")

DELIVERY_ENTRY_UNKNOWN = not_found(
    "DELIVERY_ENTRY_UNKNOWN",
    "目录中没有已发布的条目 {entry}，请核对条目代码",
    "The catalog has no published entry {entry}; check the code",
)
DELIVERY_ENTRY_NOT_IN_FORCE = precondition(
    "DELIVERY_ENTRY_NOT_IN_FORCE",
    "目录条目 {entry} 第 {version} 版今日不在有效期内，现行版本：{current}",
    "Version {version} of entry {entry} is not in force today; in force: {current}",
)
NOT_A_PROVIDER = forbidden(
    "NOT_A_PROVIDER",
    "贵单位（{org}）不是目录条目 {entry} 的信息提供单位",
    "Your organisation ({org}) is not a provider of entry {entry}",
)
BATCH_TOO_LARGE = invalid(
    "BATCH_TOO_LARGE",
    "一批最多 {limit} 条记录、{most} 字节，本批 {actual} 条、{bytes} 字节，请分批报送",
    "A batch has at most {limit} records and {most} bytes, this one has {actual} and {bytes}; split it",
)
TOO_MANY_BATCHES = invalid(
    "TOO_MANY_BATCHES",
    "一次报送最多 {limit} 批，请加大每批记录数，或者分几次报送",
    "A submission has at most {limit} batches; put more records into each, or deliver in several submissions",
)
RECORD_TOO_LARGE = invalid(
    "RECORD_TOO_LARGE",
    "第 {row} 行的记录有 {items} 个信息项、{characters} 个字符，最多 {most} 项、{longest} 个字符；请只报送目录条目中的信息项",
    "The record in row {row} has {items} items of {characters} characters, the limits are {most} and {longest}; send only"
    " items of the catalog entry",
)
BATCH_OUT_OF_ORDER = precondition(
    "BATCH_OUT_OF_ORDER",
    "批次号应为 {expected}，收到 {actual}，请从第 {expected} 批续传",
    "Batch {expected} is expected, got {actual}; continue from batch {expected}",
)
BATCH_CONFLICT = conflict(
    "BATCH_CONFLICT",
    "第 {number} 批已报送且内容不同；新内容请使用新的报送编号",
    "Batch {number} was delivered with other content; use a new submission id for new content",
)
SUBMISSION_CLOSED = precondition(
    "SUBMISSION_CLOSED",
    "报送 {submission_id} 已办结并出具回执，不能再追加批次",
    "Submission {submission_id} is closed with its receipt; it takes no more batches",
)
SUBMISSION_EMPTY = invalid(
    "SUBMISSION_EMPTY",
    "本次报送没有任何记录",
    "The submission has no records",
)
DELIVERY_BROKEN_OFF = precondition(
    "DELIVERY_BROKEN_OFF",
    "传输中断，已提交 {committed} 批、共 {records} 条，请从下一批续传；如果全部记录就是这 {records} 条，请用同一报送编号再次提交"
    " header，写明 record_count 为 {records}，不带批次，即可办结",
    "The delivery broke off after {committed} committed batches of {records} records in all; continue from the next. If"
    " these are all, send the header with the same id and a record_count of {records} again, without batches, to end it",
)
DELIVERY_OVER_COUNT = precondition(
    "DELIVERY_OVER_COUNT",
    "header 中写明共 {told} 条，加上第 {number} 批将达到 {reached} 条，该批未入库；请核对条数，多出的记录请用新的报送编号报送",
    "The header tells {told} records, with batch {number} there would be {reached}; the batch is not recorded. Check the"
    " count, and deliver what is beyond it under a new submission id",
)
DELIVERY_END_MISSING = precondition(
    "DELIVERY_END_MISSING",
    "无法确认报送是否完整，已提交 {committed} 批：请在 header 中写明 record_count，或在最后发送 end",
    "It is not clear that the delivery is whole, {committed} batches are committed: tell record_count in the header, or"
    " send end at last",
)
FEED_NOT_FOR_YOU = forbidden(
    "FEED_NOT_FOR_YOU",
    "变更流只供信息披露和异议处理服务使用",
    "The feed of records is for the disclosure and objection services only",
)


class OutcomeKind(StrEnum):
    """What became of a delivered record."""

    ACCEPTED = "accepted"
    AMENDED = "amended"
    UNCHANGED = "unchanged"
    REJECTED = "rejected"
    REVOKED = "revoked"


@dataclass(frozen=True)
class Header:
    """The provider's description of a delivery, sent before its batches."""

    submission_id: str
    entry_code: str
    entry_version: int = 0
    file_name: str = ""
    file_sha256: str = ""
    # The number of records that follow in all; 0 if the sender does not state it. If stated, the submission closes only
    # when all records have come; if not, the sender must mark the end of the delivery.
    record_count: int = 0
    # The provider's signed statement on the delivery (`chengxin.values.provider_statement`); empty without one.
    signature: str = ""

    def checked(self) -> "Header":
        """Returns the header with the name of the file as it is kept. Raises INPUT_INVALID, which names each wrong field."""
        faults = []
        if (
            not _SUBMISSION_ID.match(self.submission_id)
            or holds_personal_number(self.submission_id)
            or self.submission_id in _RESERVED_IDS
        ):
            faults.append(format_fault("submission_id", "8 到 64 位字母、数字、_ 或 -", "8 to 64 of A-Z a-z 0-9 _ -"))
        if not self.entry_code:
            faults.append(format_fault("entry_code", "请填写目录条目代码", "give the code of the catalog entry"))
        if self.entry_version < 0:
            faults.append(format_fault("entry_version", "不能为负数", "must not be negative"))
        if self.record_count < 0:
            faults.append(format_fault("record_count", "不能为负数", "must not be negative"))
        if len(self.file_name) > 255:
            faults.append(format_fault("file_name", "不能超过 255 个字符", "at most 255 characters"))
        faults += hidden_faults({"file_name": self.file_name})
        if self.file_sha256 and not _SHA256.match(self.file_sha256):
            faults.append(format_fault("file_sha256", "64 位小写十六进制", "64 lower-case hexadecimal digits"))
        if faults:
            raise INPUT_INVALID(fields=faults)
        return replace(self, file_name=kept_file_name(self.file_name))


@dataclass(frozen=True)
class DeliveredRecord:
    """One record as delivered: its row in the source, and its values by item code."""

    row: int
    items: Mapping[str, str]


@dataclass(frozen=True)
class Batch:
    """Some records of a delivery."""

    number: int
    records: Sequence[DeliveredRecord]

    def encoded(self) -> bytes:
        """Returns the JSON of `[[row, items], …]`, with items by code, which is stored as delivered (Art. 12).

        Its SHA-256 is the digest of the batch.
        """
        return batch_bytes((r.row, r.items) for r in self.records)

    def checked(self) -> "Batch":
        """Returns the batch itself. Raises BATCH_TOO_LARGE, TOO_MANY_BATCHES, RECORD_TOO_LARGE or INPUT_INVALID."""
        if self.number > MOST_BATCHES:
            raise TOO_MANY_BATCHES(limit=MOST_BATCHES)
        if not self.records:
            raise INPUT_INVALID(fields=[format_fault("records", "批次不能为空", "a batch must not be empty")])
        for record in self.records:
            if not is_bounded(record.items):
                raise RECORD_TOO_LARGE(
                    row=record.row,
                    items=len(record.items),
                    characters=length_of(record.items),
                    most=MOST_ITEMS,
                    longest=LONGEST_RECORD,
                )
        count, size = len(self.records), sum(bytes_of(record.items) for record in self.records)
        if count > BATCH_LIMIT or (count > 1 and size > MOST_BYTES_OF_BATCH):
            raise BATCH_TOO_LARGE(limit=BATCH_LIMIT, most=MOST_BYTES_OF_BATCH, actual=count, bytes=size)
        return self


@dataclass(frozen=True)
class Receipt:
    """The system's signed statement on a closed submission (Art. 12)."""

    submission_id: str
    counts: Mapping[str, int]
    content_sha256: str
    closed_at: datetime
    jws: str

    def to_dict(self) -> dict[str, Any]:
        """Returns the fields for answers."""
        return {
            "submission_id": self.submission_id,
            "counts": dict(self.counts),
            "content_sha256": self.content_sha256,
            "closed_at": rfc3339(self.closed_at),
            "jws": self.jws,
        }


@dataclass(frozen=True)
class Counts:
    """The number of records with each outcome."""

    accepted: int = 0
    amended: int = 0
    unchanged: int = 0
    rejected: int = 0

    @property
    def total(self) -> int:
        """All records delivered."""
        return self.accepted + self.amended + self.unchanged + self.rejected

    @classmethod
    def of(cls, outcomes: Iterable[OutcomeKind]) -> "Counts":
        """Counts these outcomes."""
        counts = dict.fromkeys(("accepted", "amended", "unchanged", "rejected"), 0)
        for outcome in outcomes:
            counts[outcome.value] += 1
        return cls(**counts)

    def to_dict(self) -> dict[str, int]:
        """Returns the fields for documents, receipts and answers."""
        return {
            "total": self.total,
            "accepted": self.accepted,
            "amended": self.amended,
            "unchanged": self.unchanged,
            "rejected": self.rejected,
        }


@dataclass(frozen=True)
class RecordOutcome:
    """The outcome of one delivered record, with the reasons for a rejection."""

    row: int
    outcome: OutcomeKind
    record_id: str = ""
    version: int = 0
    violations: Sequence[Violation] = ()
    # The working days by which a change was reported after its reporting limit (Art. 11): 0 if it was in time or stated
    # no date; None when a year's calendar is missing.
    late_working_days: int | None = 0
    # The system's signed statement on a changed record (Art. 12).
    receipt: str = ""


def submission_key(provider: str, submission_id: str) -> str:
    """Returns the key of a submission; it includes the provider, because each provider chooses its own ids."""
    return f"{provider}/{submission_id}"


def format_fault(name: str, zh: str, en: str) -> FieldError:
    """Returns what is wrong with the form of a field, in both languages."""
    return FieldError(name, "format", f"{zh} / {en}")
