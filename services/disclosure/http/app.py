"""HTTP face: the JSON API and the portal's pages. No decisions here."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from flask import Response, request
from flask_openapi3.models.tag import Tag
from flask_openapi3.openapi import OpenAPI

from chengxin.auth.admission import Admission
from chengxin.auth.policy import serves
from chengxin.auth.request_context import caller
from chengxin.errors import Problem
from chengxin.http.pages import page, page_language
from chengxin.http.web import PageQuery, answer, idempotency_key, make_app, told_when
from chengxin.values.page_tokens import encode_page_token, number_after, text_after
from services.disclosure.context import DisclosureContext
from services.disclosure.domain.consents import Consent
from services.disclosure.http import schemas as bodies
from services.disclosure.http.pages import PageRenderer
from services.disclosure.http.public_feed import add_feed
from services.disclosure.http.rebuild import add_rebuild
from services.disclosure.http.subjects import add_subjects, selector_of, told_conflicts
from services.disclosure.projections.name_index import FoundSubject
from services.disclosure.usecases import consents as consent
from services.disclosure.usecases import query_records as query
from services.disclosure.usecases.query_records import QueryResult
from services.disclosure.usecases.view_reader import RecordsQuery

# A report of differences names 5,000 records.
_MAX_BODY: Final = 512 * 1024
_PUBLIC: Final = Tag(name="public", description="Everybody: search and subject pages (Art. 14, 15)")
_OWN: Final = Tag(name="own", description="The verified subject: everything about oneself (Art. 16)")
_QUERIES: Final = Tag(name="queries", description="Queries under agreement, law and consent (Art. 16, 17)")


def make_disclosure_app(
    ctx: DisclosureContext, admission: Admission | None, ready: Callable[[], dict[str, bool]]
) -> OpenAPI:
    """The app."""
    app = make_app("disclosure", admission, ready)
    app.config["MAX_CONTENT_LENGTH"] = _MAX_BODY
    app.static_folder = str(Path(__file__).parents[1] / "static")
    _add_public(app, ctx)
    _add_own(app, ctx)
    _add_queries(app, ctx)
    _add_consents(app, ctx)
    add_subjects(app, ctx)
    add_feed(app, ctx)
    add_rebuild(app, ctx)
    _add_pages(app, ctx)
    return app


def _add_public(app: OpenAPI, ctx: DisclosureContext) -> None:
    @app.get(
        "/v1/public/subjects",
        tags=[_PUBLIC],
        summary="Search subjects by name or code",
        responses={200: bodies.SubjectsAnswer},
    )
    @serves(query.search)
    def search(query: bodies.SearchQuery) -> Response:
        """Only subjects with something public today; persons under the name that their public records show."""
        found, total, following = _search(ctx, query.q, query.page_token, query.page_size)
        today = ctx.clock.today().isoformat()
        return answer({"subjects": [_listed(s, today) for s in found], "total": total, "next_page_token": following})

    @app.get(
        "/v1/public/subjects/<subject_ref>",
        tags=[_PUBLIC],
        summary="What is public about a subject",
        responses={200: bodies.RecordsAnswer},
    )
    @serves(query.public)
    def subject(path: bodies.RefPath, query: bodies.RecordsParameters) -> Response:
        """Newest records first."""
        return _records(_public(ctx, path.subject_ref, query))


def _add_own(app: OpenAPI, ctx: DisclosureContext) -> None:
    @app.get("/v1/me/records", tags=[_OWN], summary="All about oneself", responses={200: bodies.OwnRecordsAnswer})
    @serves(query.own)
    def own(query: bodies.RecordsParameters) -> Response:
        """In full; archived records are marked."""
        answered = _own(ctx, query)
        return _records(answered, conflicts=told_conflicts(answered.conflicts))


def _add_queries(app: OpenAPI, ctx: DisclosureContext) -> None:
    @app.post("/v1/shared/queries", tags=[_QUERIES], summary="Shared view", responses={200: bodies.RecordsAnswer})
    @serves(query.shared)
    def shared(body: bodies.QueryBody) -> Response:
        """For the purpose of the token."""
        return _records(query.shared(ctx, caller(), selector_of(body.subject), _ask_of(body)))

    @app.post(
        "/v1/statutory/queries", tags=[_QUERIES], summary="Full view by law", responses={200: bodies.RecordsAnswer}
    )
    @serves(query.statutory)
    def statutory(body: bodies.QueryBody) -> Response:
        """Under the legal basis and case of the token."""
        return _records(query.statutory(ctx, caller(), selector_of(body.subject), _ask_of(body)))

    @app.post(
        "/v1/authorized/queries", tags=[_QUERIES], summary="View by consent", responses={200: bodies.RecordsAnswer}
    )
    @serves(query.authorized)
    def authorized(body: bodies.QueryBody) -> Response:
        """What the consent of the token names."""
        return _records(query.authorized(ctx, caller(), selector_of(body.subject), _ask_of(body)))


def _add_consents(app: OpenAPI, ctx: DisclosureContext) -> None:
    @app.post("/v1/me/consents", tags=[_OWN], summary="Give a consent", responses={201: bodies.GivenConsentAnswer})
    @serves(consent.give)
    def give(body: bodies.ConsentBody) -> Response:
        """To one organisation, for one purpose, for a time; with the code to hand over to it."""
        begins = body.valid_from or ctx.clock.today()
        entries = frozenset(body.entries)
        terms = consent.ConsentTerms(body.grantee, body.purpose, entries, begins, body.valid_to, body.uses)
        return _with_code(*consent.give(ctx, caller(), terms, idempotency_key()), 201)

    @app.get("/v1/me/consents", tags=[_OWN], summary="One's own consents", responses={200: bodies.ConsentsAnswer})
    @serves(consent.list_own)
    def consents(query: PageQuery) -> Response:
        """Newest first, withdrawn and used ones among them."""
        found = consent.list_own(ctx, caller(), text_after(query.page_token), query.page_size)
        page = found[: query.page_size]
        following = encode_page_token(page[-1].consent_id if len(found) > len(page) else None)
        return answer({"consents": [c.to_dict() for c in page], "next_page_token": following})

    @app.post(
        "/v1/me/consents/<consent_id>/code",
        tags=[_OWN],
        summary="Another code for a consent",
        responses={200: bodies.GivenConsentAnswer},
    )
    @serves(consent.renew_code)
    def renew(path: bodies.ConsentPath) -> Response:
        """The one before is dead."""
        return _with_code(*consent.renew_code(ctx, caller(), path.consent_id), 200)

    @app.delete(
        "/v1/me/consents/<consent_id>",
        tags=[_OWN],
        summary="Take a consent back",
        responses={200: bodies.ConsentAnswer},
    )
    @serves(consent.withdraw)
    def withdraw(path: bodies.ConsentPath) -> Response:
        """It ends at once, also for tokens already issued."""
        return answer(consent.withdraw(ctx, caller(), path.consent_id).to_dict())


def _with_code(given: Consent, code: str, status: int) -> Response:
    found = answer(given.to_dict() | {"code": code}, status)
    found.headers["Cache-Control"] = "no-store"
    return found


def _add_pages(app: OpenAPI, ctx: DisclosureContext) -> None:
    pages = PageRenderer(ctx)

    def shown(render: Callable[[str], tuple[str, int]]) -> Response:
        language = page_language()
        try:
            html, status = render(language)
        except Problem as e:
            return told_when(e, page(pages.problem(e, language), language, e.type.status))
        return page(html, language, status)

    @app.route("/")
    @serves(query.search)
    def portal() -> Response:
        asked, start = request.args.get("q", "")[:200].strip(), request.args.get("from", "")
        return shown(lambda language: (pages.portal(asked, number_after(start), language), 200))

    @app.route("/me")
    @serves(query.own)
    def own_page() -> Response:
        after = request.args.get("page", "")
        return shown(lambda language: (pages.own(RecordsQuery(after=text_after(after)), language), 200))

    @app.route("/subjects/<subject_ref>")
    @serves(query.public)
    def subject_page(subject_ref: str) -> Response:
        after = request.args.get("page", "")
        return shown(
            lambda language: (pages.subject(subject_ref, RecordsQuery(after=text_after(after)), language), 200)
        )


def _public(ctx: DisclosureContext, ref: str, asked: bodies.RecordsParameters) -> QueryResult:
    return query.public(ctx, caller(), ref, _ask(asked))


def _own(ctx: DisclosureContext, asked: bodies.RecordsParameters) -> QueryResult:
    return query.own(ctx, caller(), _ask(asked))


def _search(ctx: DisclosureContext, q: str, token: str, size: int) -> tuple[list[FoundSubject], int, str]:
    start = number_after(token)
    found, total = query.search(ctx, caller(), q, start, size)
    following = encode_page_token(start + size if total > start + size else None)
    return found, total, following


def _ask(asked: bodies.RecordsParameters) -> RecordsQuery:
    entries = frozenset({asked.entry} if asked.entry else ())
    return RecordsQuery(asked.page_size, text_after(asked.page_token), entries)


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
