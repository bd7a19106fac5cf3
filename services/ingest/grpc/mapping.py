"""Ingest's values as messages of its contract."""

from collections.abc import Iterable
from datetime import datetime
from functools import lru_cache

from google.protobuf.timestamp_pb2 import Timestamp

from chengxin.values.document import RawDocument
from chengxin.values.page_tokens import encode_page_token
from chengxin_api.ingest.v1 import ingest_pb2 as pb
from services.ingest.domain.receipt import receipt_of
from services.ingest.domain.submission import DeliveredRecord, Header, LawfulChange, OutcomeKind, Receipt, RecordOutcome
from services.ingest.domain.validator import Violation
from services.ingest.usecases import read_submissions
from services.ingest.usecases.record_history import HistoricVersion, RecordHistory

_OUTCOMES = {
    OutcomeKind.ACCEPTED: pb.OUTCOME_ACCEPTED,
    OutcomeKind.AMENDED: pb.OUTCOME_AMENDED,
    OutcomeKind.UNCHANGED: pb.OUTCOME_UNCHANGED,
    OutcomeKind.REJECTED: pb.OUTCOME_REJECTED,
    OutcomeKind.REVOKED: pb.OUTCOME_REVOKED,
}


def header(message: pb.SubmissionHeader) -> Header:
    """What the message says of a delivery."""
    return Header(
        message.submission_id,
        message.entry_code,
        message.entry_version,
        message.file_name,
        message.file_sha256,
        message.record_count,
        message.signature,
    )


def delivered(records: Iterable[pb.Record]) -> list[DeliveredRecord]:
    """The records of a batch."""
    return [DeliveredRecord(record.row, dict(record.items)) for record in records]


def amendment(message: pb.AmendRequest) -> LawfulChange:
    """The change that the message asks for."""
    return LawfulChange(
        message.record_id,
        message.reason,
        message.document_number,
        message.effective_date,
        message.objection_no,
        message.request_id,
        dict(message.items),
        message.based_on_version,
        message.signature,
    )


def revocation(message: pb.RevokeRequest) -> LawfulChange:
    """The change that the message asks for."""
    return LawfulChange(
        message.record_id,
        message.reason,
        message.document_number,
        message.effective_date,
        message.objection_no,
        message.request_id,
        based_on_version=message.based_on_version,
        signature=message.signature,
    )


def receipt(found: Receipt) -> pb.Receipt:
    """A receipt."""
    message = pb.Receipt(
        submission_id=found.submission_id,
        counts=pb.Counts(**found.counts),
        content_sha256=found.content_sha256,
        jws=found.jws,
    )
    message.close_time.FromDatetime(found.closed_at)
    return message


def outcome(became: RecordOutcome, language: str) -> pb.RecordOutcome:
    """What became of a record."""
    return pb.RecordOutcome(
        row=became.row,
        outcome=_OUTCOMES[became.outcome],
        record_id=became.record_id,
        version=became.version,
        violations=[violation(v, language) for v in became.violations],
        late_working_days=became.late_working_days or 0,
        late_undetermined=became.late_working_days is None,
        receipt=became.receipt,
    )


def violation(found: Violation, language: str) -> pb.Violation:
    """What is wrong with a record."""
    return pb.Violation(item=found.item, rule=found.rule, message=found.message(language), value=found.value)


def submission(found: RawDocument) -> pb.Submission:
    """A submission with its receipt."""
    closed = receipt_of(found)
    message = pb.Submission(
        submission_id=found["submission_id"],
        entry_code=found["entry_code"],
        entry_version=found["entry_version"],
        provider_uscc=found["provider"],
        state=pb.SUBMISSION_STATE_CLOSED if closed else pb.SUBMISSION_STATE_OPEN,
        batches_committed=found["batches_committed"],
        counts=pb.Counts(**found["counts"]),
        file_name=found.get("file_name", ""),
        file_sha256=found.get("file_sha256", ""),
        receipt=receipt(closed) if closed else None,
        record_count=found.get("record_count") or 0,
    )
    message.create_time.FromDatetime(found["created_at"])
    return message


def reject(found: read_submissions.RejectRow, language: str) -> pb.Reject:
    """A rejected record."""
    return pb.Reject(row=found.row, items=found.items, violations=[violation(v, language) for v in found.violations])


def change(part: read_submissions.FeedBatchPart) -> pb.Change:
    """Some record versions of one transaction."""
    message = pb.Change(position=part.position, records=map(_version, part.records), last=part.last)
    message.committed_at.FromDatetime(part.at)
    return message


def head(record: RawDocument) -> pb.RecordHead:
    """Whose a record is and who answers for it."""
    return pb.RecordHead(
        record_id=record["_id"],
        version=record["version"],
        entry_code=record["entry_code"],
        entry_version=record["entry_version"],
        provider_uscc=record["provider"],
        provider_name=record["provider_name"],
        subject_ref=record["subject"]["ref"],
    )


def history(found: RecordHistory) -> pb.RecordHistory:
    """A record with a page of its versions."""
    return pb.RecordHistory(
        record_id=found.record_id,
        entry_code=found.entry_code,
        provider_uscc=found.provider_uscc,
        provider_name=found.provider_name,
        versions=map(_delivered_version, found.versions),
        next_page_token=encode_page_token([found.following] if found.following else None),
    )


def _delivered_version(found: HistoricVersion) -> pb.DeliveredVersion:
    message = pb.DeliveredVersion(
        version=found.version,
        entry_version=found.entry_version,
        items=found.items,
        raw=found.raw,
        withheld=found.withheld,
        revoked=found.revoked,
        submission_id=found.submission_id,
        row=found.row,
        reason=found.reason,
        document_number=found.document_number,
        effective_date=found.effective_date,
        objection_no=found.objection_no,
        late_working_days=found.late_working_days or 0,
        late_undetermined=found.late_working_days is None,
        receipt=found.receipt,
        signed_by=found.signed_by,
    )
    message.recorded_at.FromDatetime(found.recorded_at)
    return message


@lru_cache(16)
def _timestamp(at: datetime) -> Timestamp:
    # Only for a message that takes a copy. All records of a batch have the same one.
    message = Timestamp()
    message.FromDatetime(at)
    return message


def _version(record: RawDocument) -> pb.RecordVersion:
    subject = record["subject"]
    return pb.RecordVersion(
        record_id=record["_id"],
        version=record["version"],
        entry_code=record["entry_code"],
        entry_version=record["entry_version"],
        provider_uscc=record["provider"],
        provider_name=record["provider_name"],
        subject=pb.SubjectIdentity(
            subject_ref=subject["ref"],
            kind=subject["kind"],
            name=subject["name"],
            scheme=subject["scheme"],
            uscc=subject["uscc"],
        ),
        items=record["items"],
        revoked=bool(record.get("revoked")),
        objection_no=record.get("objection_no") or "",
        reason=record.get("reason") or "",
        recorded_at=_timestamp(record["recorded_at"]),
    )
