"""Ingest's values as messages of its contract, and back."""

from collections.abc import Iterable
from datetime import datetime
from functools import lru_cache

from google.protobuf.timestamp_pb2 import Timestamp

from chengxin.bounds import own
from chengxin.proposals.proposal import Proposal
from chengxin.values.page_tokens import encode_page_token
from chengxin_api.ingest.v1 import ingest_pb2 as pb
from services.ingest.domain.lawful_change import LawfulChange
from services.ingest.domain.published_version import PublishedVersion
from services.ingest.domain.submission import DeliveredRecord, Header, OutcomeKind, Receipt, RecordOutcome
from services.ingest.domain.submission_view import SubmissionView
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

own(
    __name__,
    "lru_cache",
    resource="Times in the form of gRPC",
    total=16,
    why="The least recently used is forgotten",
)


def header(message: pb.SubmissionHeader) -> Header:
    """The header in a message."""
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


def changed(became: RecordOutcome | Proposal, language: str) -> pb.RecordOutcome:
    """What became of a record that somebody asked to change."""
    if isinstance(became, RecordOutcome):
        return outcome(became, language)
    return pb.RecordOutcome(
        outcome=pb.OUTCOME_PROPOSED,
        record_id=became.target,
        version=became.asked["based_on_version"],
        proposal_id=became.proposal_id,
    )


def violation(found: Violation, language: str) -> pb.Violation:
    """What is wrong with a record."""
    return pb.Violation(item=found.item, rule=found.rule, message=found.message(language), value=found.value)


def submission(found: SubmissionView) -> pb.Submission:
    """A submission with its receipt."""
    message = pb.Submission(
        submission_id=found.submission_id,
        entry_code=found.entry_code,
        entry_version=found.entry_version,
        provider_uscc=found.provider,
        state=pb.SUBMISSION_STATE_CLOSED if found.receipt else pb.SUBMISSION_STATE_OPEN,
        batches_committed=found.batches_committed,
        counts=pb.Counts(**found.counts),
        file_name=found.file_name,
        file_sha256=found.file_sha256,
        receipt=receipt(found.receipt) if found.receipt else None,
        record_count=found.record_count,
    )
    message.create_time.FromDatetime(found.created_at)
    return message


def reject(found: read_submissions.RejectRow, language: str) -> pb.Reject:
    """A rejected record."""
    return pb.Reject(row=found.row, items=found.items, violations=[violation(v, language) for v in found.violations])


def change(part: read_submissions.FeedBatchPart) -> pb.Change:
    """Some record versions of one transaction."""
    message = pb.Change(position=part.position, records=map(record_version, part.records), last=part.last)
    message.committed_at.FromDatetime(part.at)
    return message


def record_version(record: PublishedVersion) -> pb.RecordVersion:
    """One version of a record."""
    subject = record.subject
    return pb.RecordVersion(
        record_id=record.record_id,
        version=record.version,
        entry_code=record.entry_code,
        entry_version=record.entry_version,
        provider_uscc=record.provider,
        provider_name=record.provider_name,
        subject=pb.SubjectIdentity(
            subject_ref=subject.ref,
            kind=subject.kind,
            name=subject.name,
            scheme=subject.scheme,
            uscc=subject.uscc,
        ),
        items=record.items,
        revoked=record.revoked,
        objection_no=record.objection_no,
        reason=record.reason,
        recorded_at=_timestamp(record.recorded_at),
    )


def head(found: read_submissions.ComparedRecord) -> pb.RecordHead:
    """The subject and the provider of a record, and what changed in it."""
    record = found.version
    return pb.RecordHead(
        record_id=record.record_id,
        version=record.version,
        entry_code=record.entry_code,
        entry_version=record.entry_version,
        provider_uscc=record.provider,
        provider_name=record.provider_name,
        subject_ref=record.subject.ref,
        revoked=record.revoked,
        changed_items=found.changed_items,
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
    # Cached, because all records of a batch have the same one; the message that gets it must copy it.
    message = Timestamp()
    message.FromDatetime(at)
    return message
