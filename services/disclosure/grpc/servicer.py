"""gRPC face: message to use case to message. No decisions here."""

from collections.abc import Iterator
from datetime import datetime
from typing import Final

import grpc

from chengxin.auth.policy import serves
from chengxin.auth.request_context import caller
from chengxin.errors import INPUT_INVALID, FieldError
from chengxin.grpc.named_things import must_name_what_can_be
from chengxin.values.page_tokens import encode_page_token, text_after
from chengxin_api.disclosure.v1 import disclosure_pb2 as pb
from chengxin_api.disclosure.v1 import disclosure_pb2_grpc
from services.disclosure.context import DisclosureContext
from services.disclosure.domain.record_views import RecordView
from services.disclosure.usecases import consents as consent
from services.disclosure.usecases import public_feed, subject_identity
from services.disclosure.usecases import query_records as query
from services.disclosure.usecases.query_records import SubjectIdentifier
from services.disclosure.usecases.view_reader import DEFAULT_SIZE, GREATEST_SIZE, RecordsQuery

NAME: Final = "chengxin.disclosure.v1.DisclosureService"


class DisclosureServicer(disclosure_pb2_grpc.DisclosureServiceServicer):
    """chengxin.disclosure.v1.DisclosureService."""

    def __init__(self, ctx: DisclosureContext) -> None:
        self._ctx = ctx

    @serves(query.by_role)
    def Query(self, request: pb.QueryRequest, context: grpc.ServicerContext) -> pb.QueryResponse:
        """Records of one subject in the view that the token's role gives."""
        identifier = SubjectIdentifier(**{f.name: v for f, v in request.subject.ListFields()})
        answered = query.by_role(self._ctx, caller(), identifier, _ask(request))
        subject = answered.subject
        return pb.QueryResponse(
            subject=pb.Subject(
                subject_ref=subject.subject_ref, kind=subject.kind, name=subject.name, uscc=subject.uscc
            ),
            records=[_record(seen.shown) for seen in answered.records],
            next_page_token=encode_page_token(answered.following),
            audit_event_id=answered.event_id,
        )

    @serves(consent.resolve)
    def ResolveConsent(
        self, request: pb.ResolveConsentRequest, context: grpc.ServicerContext
    ) -> pb.ResolveConsentResponse:
        """What a consent code stands for."""
        found = consent.resolve(self._ctx, caller(), request.code, request.grantee)
        return pb.ResolveConsentResponse(consent_id=found.consent_id, purpose=found.purpose)

    @serves(subject_identity.list_references)
    def ListReferences(
        self, request: pb.ListReferencesRequest, context: grpc.ServicerContext
    ) -> pb.ListReferencesResponse:
        """All references of a subject."""
        must_name_what_can_be(request)
        return pb.ListReferencesResponse(
            subject_refs=subject_identity.list_references(self._ctx, caller(), request.subject_ref)
        )

    @serves(public_feed.follow)
    def WatchPublic(
        self, request: pb.WatchPublicRequest, context: grpc.ServicerContext
    ) -> Iterator[pb.WatchPublicResponse]:
        """Changes of what the public sees."""
        must_name_what_can_be(request)
        if request.after < 0:
            raise INPUT_INVALID(fields=[FieldError("after", "range", "≥ 0")])
        asked = public_feed.FeedRequest(request.after, request.provider_uscc)
        for part in public_feed.follow(self._ctx, caller(), asked, context.is_active):
            changes = map(_change, part.changes)
            yield pb.WatchPublicResponse(changes=changes, position=part.position, audit_event_id=part.event_id)


def _change(change: public_feed.RecordChange) -> pb.PublicChange:
    return pb.PublicChange(
        position=change.position,
        record_id=change.record_id,
        provider_uscc=change.provider_uscc,
        entry_code=change.entry_code,
        subject_ref=change.subject_ref,
        etag=change.etag,
        record=_record(change.record.shown) if change.record else None,
    )


def _ask(request: pb.QueryRequest) -> RecordsQuery:
    size = request.page_size or DEFAULT_SIZE
    if not 1 <= size <= GREATEST_SIZE:
        raise INPUT_INVALID(fields=[FieldError("page_size", "range", f"1 … {GREATEST_SIZE}")])
    return RecordsQuery(size, text_after(request.page_token), frozenset(request.entries))


def _record(shown: RecordView) -> pb.RecordView:
    return pb.RecordView(
        record_id=shown.record_id,
        version=shown.version,
        entry_code=shown.entry_code,
        entry_name=shown.entry_name,
        information_class=shown.information_class,
        provider_uscc=shown.provider_uscc,
        provider_name=shown.provider_name,
        items=shown.items,
        disclosed_until=shown.disclosed_until,
        under_objection=shown.under_objection,
        # The stubs do not know that a moment may be given so.
        recorded_at=datetime.fromisoformat(shown.recorded_at),  # type: ignore[arg-type]
    )
