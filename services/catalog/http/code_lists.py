"""The views of code lists. They decide nothing."""

from datetime import date
from typing import ClassVar, Final

from flask import Response
from flask_openapi3.models.tag import Tag
from flask_openapi3.openapi import OpenAPI
from pydantic import BaseModel, Field

from chengxin.auth.policy import serves
from chengxin.auth.request_context import caller
from chengxin.http.description import ProblemDocument, made, tagged
from chengxin.http.inputs import Day
from chengxin.http.web import ConditionalRequest, PageQuery, RepeatableRequest, answer, at_address
from chengxin.values.page_tokens import text_after
from services.catalog.context import CatalogContext
from services.catalog.domain.code_list import CodeListContent, CodeListDraft
from services.catalog.domain.entry import CodeValue, LocalText
from services.catalog.http.responses import VersionQuery, page
from services.catalog.http.schemas import Strict
from services.catalog.usecases import code_lists as lists

_LISTS: Final = Tag(name="catalog code lists", description="Permitted values, versioned, that items refer to")


class ListPath(BaseModel):
    """A code list."""

    name: str = Field(max_length=64)


class ListDraftPath(BaseModel):
    """A draft of a code list."""

    draft_id: str = Field(max_length=64)


class CodeListBody(Strict):
    """A code list as its draft has it."""

    beyond_schema: ClassVar[str] = "A name in small letters, values with codes that come once, and texts in Chinese"

    output_only = frozenset({"version", "effective_from", "published_at"})
    name: str = Field(description="Small letters, digits and underscores, for example penalty_category")
    title: LocalText
    values: tuple[CodeValue, ...]
    standard: str = Field("", description="Where the values come from, for example GB/T 2260")

    def content(self) -> CodeListContent:
        """Returns the content in the form that the use cases take."""
        return CodeListContent(self.name, self.title, self.values, self.standard)


class CodeListAnswer(CodeListBody):
    """One published version of a code list."""

    version: int
    effective_from: date
    published_at: str


class CodeListSummaryAnswer(BaseModel):
    """One published version of a code list, without its values."""

    name: str
    title: LocalText
    standard: str
    version: int
    effective_from: date
    published_at: str
    value_count: int


class CodeListsAnswer(BaseModel):
    """Code lists, one version each."""

    code_lists: list[CodeListSummaryAnswer]
    next_page_token: str


class ListDraftAnswer(BaseModel):
    """A draft of a code list."""

    draft_id: str
    version: int = Field(description="The version it was published as; 0 before")
    revision: int = Field(description="Counts edits; sent as If-Match of an edit, and with the publication")
    authors: list[str] = Field(description="Who wrote it")
    code_list: CodeListBody


class ListDraftsAnswer(BaseModel):
    """Drafts of code lists."""

    drafts: list[ListDraftAnswer]
    next_page_token: str


class FirstDayBody(Strict):
    """The day from which a revision of a draft is in force."""

    beyond_schema: ClassVar[str] = "effective_from lies from today to two years ahead"

    revision: int = Field(lt=10**9, description="The revision that was read, and is published")
    effective_from: Day = Field(
        description="Shanghai date, from today to two years ahead; the first version of a list: any past day too"
    )


def add_code_lists(app: OpenAPI, ctx: CatalogContext) -> None:
    """Adds the views of code lists."""
    _add_reading(app, ctx)
    _add_drafts(app, ctx)


def _draft_answer(draft: CodeListDraft, status: int = 200) -> Response:
    found = answer(draft.to_dict(), status)
    found.set_etag(str(draft.revision))
    return found


def _add_reading(app: OpenAPI, ctx: CatalogContext) -> None:
    @app.get(
        "/v1/catalog/code-lists", tags=[_LISTS], summary="Code lists in force today", responses={200: CodeListsAnswer}
    )
    @serves(lists.listed)
    def code_lists(query: PageQuery) -> Response:
        """Each list has one version here, without its values; they are ordered by name."""
        after = text_after(query.page_token)
        found = lists.listed(ctx, caller(), after, query.page_size)
        return page("code_lists", found, query.page_size, lambda codes: [codes.name])

    @app.get("/v1/catalog/code-lists/<name>", tags=[_LISTS], summary="A code list", responses={200: CodeListAnswer})
    @serves(lists.read)
    def code_list(path: ListPath, query: VersionQuery) -> Response:
        """It is the version in force today, unless a version is named."""
        return answer(lists.read(ctx, caller(), path.name, query.version).to_dict())


def _add_drafts(app: OpenAPI, ctx: CatalogContext) -> None:
    @app.post(
        "/v1/catalog/code-lists/drafts",
        tags=[_LISTS],
        summary="Begin a code list",
        responses={201: made(tagged(ListDraftAnswer))},
    )
    @serves(lists.draft)
    def begin_list(body: CodeListBody, header: RepeatableRequest) -> Response:
        """The draft is of a new list, or of the next version of one."""
        draft = lists.draft(ctx, caller(), body.content(), header.idempotency_key)
        return at_address(_draft_answer(draft, 201), "/v1/catalog/code-lists/drafts/{}", draft.draft_id)

    @app.get(
        "/v1/catalog/code-lists/drafts",
        tags=[_LISTS],
        summary="Code lists in preparation",
        responses={200: ListDraftsAnswer},
    )
    @serves(lists.drafts)
    def code_list_drafts(query: PageQuery) -> Response:
        """The oldest come first, and published ones are included."""
        after = text_after(query.page_token)
        found = lists.drafts(ctx, caller(), after, query.page_size)
        return page("drafts", found, query.page_size, lambda draft: [draft.draft_id])

    @app.get(
        "/v1/catalog/code-lists/drafts/<draft_id>",
        tags=[_LISTS],
        summary="A draft of a code list",
        responses={200: tagged(ListDraftAnswer)},
    )
    @serves(lists.read_draft)
    def read_list_draft(path: ListDraftPath) -> Response:
        """The draft has the content of its last edit; the ETag is its revision."""
        return _draft_answer(lists.read_draft(ctx, caller(), path.draft_id))

    @app.put(
        "/v1/catalog/code-lists/drafts/<draft_id>",
        tags=[_LISTS],
        summary="Replace a draft",
        responses={200: tagged(ListDraftAnswer), 428: ProblemDocument},
    )
    @serves(lists.edit)
    def edit_list(path: ListDraftPath, body: CodeListBody, header: ConditionalRequest) -> Response:
        """With If-Match, only the revision that you read is replaced; who edits what others wrote names it (428). A
        published draft can no longer be replaced."""
        seen, key = header.seen, header.idempotency_key
        return _draft_answer(lists.edit(ctx, caller(), path.draft_id, body.content(), seen, key))

    @app.post(
        "/v1/catalog/code-lists/drafts/<draft_id>/publish",
        tags=[_LISTS],
        summary="Publish a draft as the next version of its list",
        responses={200: CodeListAnswer},
    )
    @serves(lists.publish)
    def publish_list(path: ListDraftPath, body: FirstDayBody, header: RepeatableRequest) -> Response:
        """Only the revision that you read is published. Published entries keep the values that they were published
        with."""
        key = header.idempotency_key
        return answer(lists.publish(ctx, caller(), path.draft_id, body.revision, body.effective_from, key).to_dict())
