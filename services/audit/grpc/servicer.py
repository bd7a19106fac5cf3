"""gRPC face: message to use case to message. No decisions here."""

from datetime import UTC
from typing import Final

import grpc
from google.protobuf.timestamp_pb2 import Timestamp

from chengxin.auth.policy import serves
from chengxin.auth.request_context import caller
from chengxin.errors import INPUT_INVALID, FieldError
from chengxin.grpc.named_things import must_name_what_can_be
from chengxin.tlog.signed_note import Checkpoint, split_note
from chengxin.values.clock import rfc3339
from chengxin.values.page_tokens import encode_page_token, number_after
from chengxin_api.audit.v1 import audit_pb2 as pb
from chengxin_api.audit.v1 import audit_pb2_grpc
from services.audit.context import AuditContext
from services.audit.usecases import append_events, proofs, read_events
from services.audit.usecases.search_params import search

NAME: Final = "chengxin.audit.v1.AuditService"
_DEFAULT_SIZE: Final = 100
_GREATEST_SIZE: Final = 500


class AuditServicer(audit_pb2_grpc.AuditServiceServicer):
    """chengxin.audit.v1.AuditService."""

    def __init__(self, ctx: AuditContext) -> None:
        self._ctx = ctx

    @serves(append_events.append)
    def Append(self, request: pb.AppendRequest, context: grpc.ServicerContext) -> pb.AppendResponse:
        """Appends events to the log, unless their service has given them up: then it has refused its own caller."""
        if not context.is_active():
            return pb.AppendResponse()
        appended = append_events.append(self._ctx, caller(), request.entries, request.positions, context.is_active)
        return pb.AppendResponse(first_index=appended.first, appended=appended.count)

    @serves(proofs.checkpoint)
    def GetCheckpoint(self, request: pb.GetCheckpointRequest, context: grpc.ServicerContext) -> pb.Checkpoint:
        """The latest checkpoint."""
        published = proofs.checkpoint(self._ctx, caller())
        root = Checkpoint.parse(split_note(published.note)[0]).root
        message = pb.Checkpoint(note=published.note, tree_size=published.size, root_hash=root)
        message.published_at.FromJsonString(published.at)
        return message

    @serves(proofs.inclusion)
    def GetInclusionProof(
        self, request: pb.GetInclusionProofRequest, context: grpc.ServicerContext
    ) -> pb.InclusionProof:
        """Proof that an entry is in the log."""
        must_name_what_can_be(request)
        index = request.index if request.WhichOneof("leaf") == "index" else None
        proof = proofs.inclusion(self._ctx, caller(), index, request.event_id, request.tree_size)
        return pb.InclusionProof(
            index=proof.index,
            tree_size=proof.tree_size,
            leaf_hash=proof.leaf_hash,
            path=proof.path,
            root_hash=proof.root_hash,
        )

    @serves(proofs.consistency)
    def GetConsistencyProof(
        self, request: pb.GetConsistencyProofRequest, context: grpc.ServicerContext
    ) -> pb.ConsistencyProof:
        """Proof that the log only grew."""
        proof = proofs.consistency(self._ctx, caller(), request.first_size, request.second_size)
        return pb.ConsistencyProof(first_size=proof.first_size, second_size=proof.second_size, path=proof.path)

    @serves(read_events.events)
    def ListEvents(self, request: pb.ListEventsRequest, context: grpc.ServicerContext) -> pb.ListEventsResponse:
        """Events, newest first."""
        must_name_what_can_be(request)
        size = request.page_size or _DEFAULT_SIZE
        if not 1 <= size <= _GREATEST_SIZE:
            raise INPUT_INVALID(fields=[FieldError("page_size", "range", f"1 … {_GREATEST_SIZE}")])
        wanted = search(
            subject_ref=request.subject_ref,
            actor=request.actor,
            act=request.act,
            event_id=request.event_id,
            request_id=request.request_id,
            # `from` is a keyword of Python.
            since=_instant(request, "from"),
            until=_instant(request, "until"),
        )
        page = read_events.events(self._ctx, caller(), wanted, number_after(request.page_token), size)
        found = [pb.Event(index=logged.index, entry=logged.entry) for logged in page.events]
        return pb.ListEventsResponse(events=found, next_page_token=encode_page_token(page.below))


def _instant(request: pb.ListEventsRequest, field: str) -> str:
    if not request.HasField(field):  # type: ignore[arg-type]
        return ""
    found: Timestamp = getattr(request, field)
    try:
        return rfc3339(found.ToDatetime(UTC))
    except (ValueError, OverflowError):
        raise INPUT_INVALID(fields=[FieldError(field, "instant", "超出范围 / out of range")]) from None
