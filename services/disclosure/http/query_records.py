"""HTTP face of the public search and of the queries of records: public, own, shared, statutory, by consent. No decisions
here."""

from typing import Any, Final

from flask import Response
from flask_openapi3.models.tag import Tag
from flask_openapi3.openapi import OpenAPI

from chengxin.auth.policy import serves
from chengxin.auth.request_context import caller
from chengxin.http.web import answer
from chengxin.values.page_tokens import encode_page_token, number_after, text_after
from services.disclosure.context import DisclosureContext
from services.disclosure.http import schemas as bodies
from services.disclosure.http.subjects import selector_of, told_conflicts
from services.disclosure.projections.name_index import FoundSubject
from services.disclosure.usecases import query_records
from services.disclosure.usecases.query_records import QueryResult
from services.disclosure.usecases.view_reader import RecordsQuery

_PUBLIC: Final = Tag(name="public", description="Everybody: search and subject pages (Art. 14, 15)")
_QUERIES: Final = Tag(name="queries", description="Queries under agreement, law and consent (Art. 16, 17)")


def add_query_records(app: OpenAPI, ctx: DisclosureContext) -> None:
    """Adds the routes."""
    _add_public(app, ctx)
    _add_own(app, ctx)
    _add_queries(app, ctx)


def _add_public(app: OpenAPI, ctx: DisclosureContext) -> None:
    @app.get(
        "/v1/public/subjects",
        tags=[_PUBLIC],
        summary="Search subjects by name or code",
        responses={200: bodies.SubjectsAnswer},
    )
    @serves(query_records.search)
    def search(query: bodies.SearchQuery) -> Response:
        """Only subjects with something public today. Persons are found by their full name with a number alone, and under
        their name as the strictest of their public records shows it."""
        start, size = number_after(query.page_token), query.page_size
        found, total = query_records.search(ctx, caller(), query.q, start, size)
        following = encode_page_token(start + size if total > start + size else None)
        today = ctx.clock.today().isoformat()
        return answer({"subjects": [_listed(s, today) for s in found], "total": total, "next_page_token": following})

    @app.get(
        "/v1/public/subjects/<subject_ref>",
        tags=[_PUBLIC],
        summary="What is public about a subject",
        responses={200: bodies.RecordsAnswer},
    )
    @serves(query_records.public)
    def subject(path: bodies.RefPath, query: bodies.RecordsParameters) -> Response:
        """Newest records first."""
        return _records(query_records.public(ctx, caller(), path.subject_ref, _ask(query)))


def _add_own(app: OpenAPI, ctx: DisclosureContext) -> None:
    @app.get("/v1/me/records", tags=[bodies.OWN], summary="All about oneself", responses={200: bodies.OwnRecordsAnswer})
    @serves(query_records.own)
    def own(query: bodies.RecordsParameters) -> Response:
        """In full; archived records are marked, revoked ones are not shown."""
        answered = query_records.own(ctx, caller(), _ask(query))
        return _records(answered, conflicts=told_conflicts(answered.conflicts))


def _add_queries(app: OpenAPI, ctx: DisclosureContext) -> None:
    @app.post("/v1/shared/queries", tags=[_QUERIES], summary="Shared view", responses={200: bodies.RecordsAnswer})
    @serves(query_records.shared)
    def shared(body: bodies.QueryBody) -> Response:
        """For the purpose of the token."""
        return _records(query_records.shared(ctx, caller(), selector_of(body.subject), _ask_of(body)))

    @app.post(
        "/v1/statutory/queries", tags=[_QUERIES], summary="Full view by law", responses={200: bodies.RecordsAnswer}
    )
    @serves(query_records.statutory)
    def statutory(body: bodies.QueryBody) -> Response:
        """Under the legal basis and case of the token."""
        return _records(query_records.statutory(ctx, caller(), selector_of(body.subject), _ask_of(body)))

    @app.post(
        "/v1/authorized/queries", tags=[_QUERIES], summary="View by consent", responses={200: bodies.RecordsAnswer}
    )
    @serves(query_records.authorized)
    def authorized(body: bodies.QueryBody) -> Response:
        """What the consent of the token names."""
        return _records(query_records.authorized(ctx, caller(), selector_of(body.subject), _ask_of(body)))


def _ask(asked: bodies.RecordsParameters) -> RecordsQuery:
    entries = frozenset({asked.entry} if asked.entry else ())
    return RecordsQuery(asked.page_size, text_after(asked.page_token), entries, "entry")


def _ask_of(body: bodies.QueryBody) -> RecordsQuery:
    return RecordsQuery(body.page_size, text_after(body.page_token), frozenset(body.entries))


def _records(answered: QueryResult, **more: Any) -> Response:
    return answer(
        {
            "subject": answered.subject,
            "records": [seen.to_dict() for seen in answered.records],
            "next_page_token": encode_page_token(answered.following),
            "audit_event_id": answered.event_id,
            **more,
        }
    )


def _listed(listed: FoundSubject, today: str) -> dict[str, Any]:
    return {
        "subject_ref": listed.ref,
        "kind": listed.kind,
        "name": listed.name(today),
        "uscc": listed.uscc,
        "former_names": listed.former(today),
    }
