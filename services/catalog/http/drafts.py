"""The views of drafts: writing, comments, review, publication. They decide nothing."""

from typing import Final

from flask import Response
from flask_openapi3.models.tag import Tag
from flask_openapi3.openapi import OpenAPI
from pydantic import BaseModel, Field

from chengxin.auth.policy import serves
from chengxin.auth.request_context import caller
from chengxin.http.description import ProblemDocument, made, made_without_address, tagged
from chengxin.http.web import ConditionalRequest, PageQuery, RepeatableRequest, answer, at_address
from chengxin.values.page_tokens import text_after
from services.catalog.context import CatalogContext
from services.catalog.domain.draft import Draft
from services.catalog.domain.entry_versions import InForcePeriod
from services.catalog.http import schemas
from services.catalog.http.responses import EntryPath, page
from services.catalog.usecases import drafts, publish, review
from services.catalog.usecases.review import Opinion, Verdict

_DRAFTS: Final = Tag(
    name="catalog drafts", description="Entries in preparation: written, commented, reviewed, published"
)


class DraftPath(BaseModel):
    """A draft."""

    draft_id: str = Field(max_length=64)


def add_drafts(app: OpenAPI, ctx: CatalogContext) -> None:
    """Adds the views of drafts."""
    _add_writing(app, ctx)
    _add_comments(app, ctx)
    _add_review(app, ctx)
    _add_publication(app, ctx)


def draft_answer(draft: Draft, status: int = 200) -> Response:
    """Returns the answer with a draft, and its revision as ETag."""
    found = answer(draft.to_dict(), status)
    found.set_etag(str(draft.revision))
    return found


def begun(draft: Draft) -> Response:
    """Returns the answer to who began a draft, with the draft's address."""
    return at_address(draft_answer(draft, 201), "/v1/catalog/drafts/{}", draft.draft_id)


def _add_writing(app: OpenAPI, ctx: CatalogContext) -> None:
    @app.post(
        "/v1/catalog/drafts",
        tags=[_DRAFTS],
        summary="Begin a draft of an entry",
        responses={201: made(tagged(schemas.DraftAnswer))},
    )
    @serves(drafts.create)
    def create_draft(body: schemas.EntryBody, header: RepeatableRequest) -> Response:
        """The draft is of a new entry, or of the next version of one."""
        return begun(drafts.create(ctx, caller(), body.content(), header.idempotency_key))

    @app.get("/v1/catalog/drafts", tags=[_DRAFTS], summary="Drafts", responses={200: schemas.DraftsAnswer})
    @serves(drafts.listed)
    def list_drafts(query: PageQuery) -> Response:
        """The oldest come first, and published ones are included; a provider gets those that name it."""
        after = text_after(query.page_token)
        found = drafts.listed(ctx, caller(), after, query.page_size)
        return page("drafts", found, query.page_size, lambda draft: [draft.draft_id])

    @app.get(
        "/v1/catalog/drafts/<draft_id>", tags=[_DRAFTS], summary="A draft", responses={200: tagged(schemas.DraftAnswer)}
    )
    @serves(drafts.read)
    def read_draft(path: DraftPath) -> Response:
        """The ETag is the revision of the draft."""
        return draft_answer(drafts.read(ctx, caller(), path.draft_id))

    @app.put(
        "/v1/catalog/drafts/<draft_id>",
        tags=[_DRAFTS],
        summary="Replace the content of a draft",
        responses={200: tagged(schemas.DraftAnswer), 428: ProblemDocument},
    )
    @serves(drafts.edit)
    def edit_draft(path: DraftPath, body: schemas.EntryBody, header: ConditionalRequest) -> Response:
        """With If-Match, only the revision that you read is replaced; who edits what others wrote names it (428). The draft
        must be reviewed anew."""
        seen, key = header.seen, header.idempotency_key
        return draft_answer(drafts.edit(ctx, caller(), path.draft_id, body.content(), seen, key))

    @app.get(
        "/v1/catalog/drafts/<draft_id>/diff",
        tags=[_DRAFTS],
        summary="What a draft would change",
        responses={200: schemas.EntryDifferenceAnswer},
    )
    @serves(drafts.difference)
    def draft_difference(path: DraftPath) -> Response:
        """The draft is compared with the newest version of its entry; a new entry has `from` 0 and no changes."""
        version, draft, found = drafts.difference(ctx, caller(), path.draft_id)
        return answer({"code": draft.content.code, "from": version, "revision": draft.revision} | found.to_dict())


def _add_comments(app: OpenAPI, ctx: CatalogContext) -> None:
    @app.post(
        "/v1/catalog/drafts/<draft_id>/comments",
        tags=[_DRAFTS],
        summary="Comment on a draft",
        responses={201: made_without_address(schemas.CommentAnswer, "comments are read as a list")},
    )
    @serves(review.comment)
    def add_comment(path: DraftPath, body: schemas.CommentBody, header: RepeatableRequest) -> Response:
        """The providers that the draft names, the centre and the authority may comment."""
        opinion = Opinion(body.stance, body.text, body.where)
        return answer(review.comment(ctx, caller(), path.draft_id, opinion, header.idempotency_key).to_dict(), 201)

    @app.get(
        "/v1/catalog/drafts/<draft_id>/comments",
        tags=[_DRAFTS],
        summary="Comments on a draft",
        responses={200: schemas.CommentsAnswer},
    )
    @serves(review.comments)
    def list_comments(path: DraftPath, query: PageQuery) -> Response:
        """The oldest come first."""
        after = text_after(query.page_token)
        found = review.comments(ctx, caller(), path.draft_id, after, query.page_size)
        return page("comments", found, query.page_size, lambda comment: [comment.comment_id])


def _add_review(app: OpenAPI, ctx: CatalogContext) -> None:
    @app.post(
        "/v1/catalog/drafts/<draft_id>/submit",
        tags=[_DRAFTS],
        summary="Submit a draft for review",
        responses={200: tagged(schemas.DraftAnswer)},
    )
    @serves(review.submit)
    def submit_draft(path: DraftPath, body: schemas.SubmissionBody, header: RepeatableRequest) -> Response:
        """The officer who submits a draft cannot review it."""
        return draft_answer(review.submit(ctx, caller(), path.draft_id, body.revision, header.idempotency_key))

    @app.post(
        "/v1/catalog/drafts/<draft_id>/review",
        tags=[_DRAFTS],
        summary="Approve or return a submitted draft",
        responses={200: tagged(schemas.DraftAnswer)},
    )
    @serves(review.review)
    def review_draft(path: DraftPath, body: schemas.ReviewBody, header: RepeatableRequest) -> Response:
        """The reviewer is an officer of the authority or the centre who did not write the draft."""
        verdict = Verdict(body.decision, body.opinion, body.revision)
        return draft_answer(review.review(ctx, caller(), path.draft_id, verdict, header.idempotency_key))


def _add_publication(app: OpenAPI, ctx: CatalogContext) -> None:
    @app.post(
        "/v1/catalog/drafts/<draft_id>/publish",
        tags=[_DRAFTS],
        summary="Publish a draft as the next version of its entry",
        responses={200: schemas.EntryAnswer},
    )
    @serves(publish.publish_draft)
    def publish_draft(path: DraftPath, body: schemas.PeriodBody, header: RepeatableRequest) -> Response:
        """Only the revision that you read is published. The version before it ends on the day before the new one begins."""
        period, document = InForcePeriod(body.effective_from, body.effective_to or None), body.publication_document
        key = header.idempotency_key
        return answer(
            publish.publish_draft(ctx, caller(), path.draft_id, body.revision, period, document, key).to_dict()
        )

    @app.post(
        "/v1/catalog/entries/<code>/retire",
        tags=[_DRAFTS],
        summary="Retire an entry",
        responses={200: schemas.EntryAnswer},
    )
    @serves(publish.retire_entry)
    def retire_entry(path: EntryPath, body: schemas.RetirementBody, header: RepeatableRequest) -> Response:
        """Its newest version gets a last day; records delivered under it are kept and disclosed by its rules."""
        retired = publish.retire_entry(ctx, caller(), path.code, body.effective_to, body.basis, header.idempotency_key)
        return answer(retired.to_dict())
