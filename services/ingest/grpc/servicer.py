"""The gRPC face: it maps messages to use cases and their results to messages, and decides nothing."""

from collections.abc import Iterator

import grpc

from chengxin.auth import request_context
from chengxin.auth.policy import serves
from chengxin.auth.request_context import caller
from chengxin.errors import INPUT_INVALID, FieldError
from chengxin.grpc.named_things import must_name_what_can_be
from chengxin.values.page_tokens import encode_page_token, number_after
from chengxin_api.ingest.v1 import ingest_pb2 as pb
from chengxin_api.ingest.v1 import ingest_pb2_grpc
from services.ingest.context import IngestContext
from services.ingest.domain.submission import Batch, Header
from services.ingest.grpc import mapping
from services.ingest.usecases import amend_record, read_submissions, record_history, submit
from services.ingest.usecases.paging import reject_position
from services.ingest.usecases.submit import Sender

NAME = "chengxin.ingest.v1.IngestService"
_DEFAULT_SIZE = 200
_GREATEST_SIZE = 1000


class IngestServicer(ingest_pb2_grpc.IngestServiceServicer):
    """chengxin.ingest.v1.IngestService."""

    def __init__(self, ctx: IngestContext) -> None:
        self._ctx = ctx

    @serves(submit.submit)
    def Submit(self, request_iterator: Iterator[pb.SubmitRequest], context: grpc.ServicerContext) -> pb.Receipt:
        """A delivery in batches."""
        header = _header(request_iterator)
        batches = _Batches(request_iterator)
        sender = Sender(context.is_active, lambda: batches.ended)
        return mapping.receipt(submit.submit(self._ctx, caller(), header, batches, sender))

    @serves(submit.submit_batch)
    def SubmitBatch(self, request: pb.SubmitBatchRequest, context: grpc.ServicerContext) -> pb.SubmitBatchResponse:
        """A small delivery in one call."""
        header, records = mapping.header(request.header), mapping.delivered(request.records)
        receipt, outcomes = submit.submit_batch(self._ctx, caller(), header, records)
        told = [mapping.outcome(became, _language()) for became in outcomes]
        return pb.SubmitBatchResponse(receipt=mapping.receipt(receipt), outcomes=told)

    @serves(amend_record.amend)
    def Amend(self, request: pb.AmendRequest, context: grpc.ServicerContext) -> pb.RecordOutcome:
        """A new version of one record."""
        became = amend_record.amend(self._ctx, caller(), mapping.amendment(request))
        return mapping.changed(became, _language())

    @serves(amend_record.revoke)
    def Revoke(self, request: pb.RevokeRequest, context: grpc.ServicerContext) -> pb.RecordOutcome:
        """The end of one record."""
        became = amend_record.revoke(self._ctx, caller(), mapping.revocation(request))
        return mapping.changed(became, _language())

    @serves(read_submissions.submission)
    def GetSubmission(self, request: pb.GetSubmissionRequest, context: grpc.ServicerContext) -> pb.Submission:
        """How far a submission is, or its receipt."""
        must_name_what_can_be(request)
        provider, submission_id = request.provider_uscc, request.submission_id
        return mapping.submission(read_submissions.submission(self._ctx, caller(), provider, submission_id))

    @serves(read_submissions.rejects)
    def ListRejects(self, request: pb.ListRejectsRequest, context: grpc.ServicerContext) -> pb.ListRejectsResponse:
        """Rejected records with their reasons."""
        size = _size(request.page_size)
        after = reject_position(request.page_token)
        page, following = read_submissions.rejects(self._ctx, caller(), request.submission_id, after, size)
        told = [mapping.reject(found, _language()) for found in page]
        token = encode_page_token(following)
        return pb.ListRejectsResponse(rejects=told, next_page_token=token)

    @serves(record_history.record)
    def GetRecord(self, request: pb.GetRecordRequest, context: grpc.ServicerContext) -> pb.RecordHistory:
        """What was made of a delivered record."""
        after, size = number_after(request.page_token), _size(request.page_size)
        return mapping.history(record_history.record(self._ctx, caller(), request.record_id, after, size))

    @serves(read_submissions.changes)
    def Watch(self, request: pb.WatchRequest, context: grpc.ServicerContext) -> Iterator[pb.Change]:
        """Committed record versions."""
        for part in read_submissions.changes(self._ctx, caller(), request.after, context.is_active):
            yield mapping.change(part)

    @serves(read_submissions.corrections)
    def WatchCorrections(self, request: pb.WatchRequest, context: grpc.ServicerContext) -> Iterator[pb.Change]:
        """Committed later versions of records."""
        for part in read_submissions.corrections(self._ctx, caller(), request.after, context.is_active):
            yield mapping.change(part)

    @serves(read_submissions.head)
    def GetRecordHead(self, request: pb.GetRecordHeadRequest, context: grpc.ServicerContext) -> pb.RecordHead:
        """The subject and the provider of a record, and what changed in it."""
        return mapping.head(read_submissions.head(self._ctx, caller(), request.record_id, request.since_version))


def _size(asked: int) -> int:
    size = asked or _DEFAULT_SIZE
    if not 1 <= size <= _GREATEST_SIZE:
        raise INPUT_INVALID(fields=[FieldError("page_size", "range", f"1 … {_GREATEST_SIZE}")])
    return size


def _header(parts: Iterator[pb.SubmitRequest]) -> Header:
    first = next(parts, None)
    if first is None or first.WhichOneof("part") != "header":
        told = "首条消息应为 header / the first message must be the header"
        raise INPUT_INVALID(fields=[FieldError("header", "required", told)])
    return mapping.header(first.header)


class _Batches:
    """The batches that follow a header, and whether they were followed by `end`."""

    def __init__(self, parts: Iterator[pb.SubmitRequest]) -> None:
        self._parts = parts
        self.ended = False

    def __iter__(self) -> Iterator[Batch]:
        for part in self._parts:
            match part.WhichOneof("part"):
                case "batch" if not self.ended:
                    yield Batch(part.batch.number, mapping.delivered(part.batch.records))
                case "end" if not self.ended:
                    self.ended = True
                case _:
                    told = "header 之后依次为 batch、end / after the header come batches, then end"
                    raise INPUT_INVALID(fields=[FieldError("batch", "required", told)])


def _language() -> str:
    return request_context.language()
