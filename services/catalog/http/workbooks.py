"""The views of the catalog as files: workbooks, templates, the government resource catalog. They decide nothing."""

from typing import Any, ClassVar, Final

from flask import Response
from flask_openapi3.models.tag import Tag
from flask_openapi3.openapi import OpenAPI
from pydantic import BaseModel, Field

from chengxin.auth.policy import serves
from chengxin.auth.request_context import caller
from chengxin.http.description import ProblemDocument, file_of, made, tagged, tagged_file_of, unchanged
from chengxin.http.inputs import FormBody
from chengxin.http.web import KeptCopyRequest, PageQuery, RepeatableRequest, UploadedFile, answer
from services.catalog.context import CatalogContext
from services.catalog.domain.delivery_template import template_book, template_csv
from services.catalog.domain.entry_workbook import write_entry
from services.catalog.domain.resource_catalog import resource, resource_book
from services.catalog.domain.workbook import XLSX
from services.catalog.http import schemas
from services.catalog.http.derived_files import DerivedFiles, attachment
from services.catalog.http.drafts import DraftPath, begun
from services.catalog.http.responses import EntryPath, VersionQuery
from services.catalog.usecases import drafts, read_catalog
from services.catalog.usecases.paging import entries_page
from services.catalog.usecases.read_entry_workbook import read_entry_sheet

_FORMS: Final = Tag(
    name="catalog forms", description="The catalog as workbooks, templates and resource catalog (Art. 6)"
)
_CSV: Final = "text/csv; charset=utf-8"
_KEPT_BOOK: Final[dict[Any, Any]] = {200: tagged_file_of(XLSX), 304: unchanged()}


class SheetForm(FormBody):
    """A workbook of an entry."""

    beyond_schema: ClassVar[str] = "A workbook of an entry that obeys the rules of the catalog"

    file: UploadedFile


class TemplateQuery(VersionQuery):
    """The template that is asked for."""

    example: bool = Field(False, description="Whether a filled example row follows the heading")


class ResourceAnswer(BaseModel):
    """An entry version as an information resource; texts are those of the national form."""

    resource_code: str
    name: str
    provider: str
    provider_code: str
    abstract: str
    format_class: str
    format_type: str
    sharing_type: str
    sharing_condition: str
    sharing_channel: str
    open: str
    open_condition: str
    update_cycle: str
    published_on: str
    entry_code: str
    entry_version: str
    items: list[dict[str, str]]


class ResourcesAnswer(BaseModel):
    """Information resources."""

    resources: list[ResourceAnswer]
    next_page_token: str


def add_workbooks(app: OpenAPI, ctx: CatalogContext) -> None:
    """Adds the views of workbooks, templates and resources."""
    files = DerivedFiles()
    _add_sheets(app, ctx, files)
    _add_templates(app, ctx, files)
    _add_resources(app, ctx, files)


def _add_sheets(app: OpenAPI, ctx: CatalogContext, files: DerivedFiles) -> None:
    @app.get(
        "/v1/catalog/entries/<code>/entry.xlsx", tags=[_FORMS], summary="An entry as a workbook", responses=_KEPT_BOOK
    )
    @serves(read_catalog.entry)
    def entry_sheet(path: EntryPath, query: VersionQuery, header: KeptCopyRequest) -> Response:
        """Catalogs are circulated in this form, and an entry compiled in it can be imported."""
        entry = read_catalog.entry(ctx, caller(), path.code, query.version)
        name = f"{path.code}-{entry.version}.xlsx"
        return files.answer(name, XLSX, [entry.version_name], lambda: write_entry(entry.content), header)

    @app.get(
        "/v1/catalog/drafts/<draft_id>/entry.xlsx",
        tags=[_FORMS],
        summary="A draft as a workbook",
        responses={200: file_of(XLSX)},
    )
    @serves(drafts.read)
    def draft_sheet(path: DraftPath) -> Response:
        """It can be circulated among the providers."""
        draft = drafts.read(ctx, caller(), path.draft_id)
        return attachment(write_entry(draft.content), XLSX, f"{draft.content.code}-draft-{draft.revision}.xlsx")

    @app.post(
        "/v1/catalog/drafts/import",
        tags=[_FORMS],
        summary="Begin a draft from a workbook",
        responses={201: made(tagged(schemas.DraftAnswer))},
    )
    @serves(drafts.create)
    def import_sheet(form: SheetForm, header: RepeatableRequest) -> Response:
        """It has the same effect as beginning a draft from JSON."""
        content = read_entry_sheet(form.file.read(), caller().claimant)
        return begun(drafts.create(ctx, caller(), content, header.idempotency_key))


def _add_templates(app: OpenAPI, ctx: CatalogContext, files: DerivedFiles) -> None:
    @app.get(
        "/v1/catalog/entries/<code>/template.xlsx",
        tags=[_FORMS],
        summary="Template for direct reporting as a workbook",
        responses=_KEPT_BOOK,
    )
    @serves(read_catalog.entry)
    def template(path: EntryPath, query: VersionQuery, header: KeptCopyRequest) -> Response:
        """Its cells offer the values of code lists; an example and notes are on sheets of their own."""
        entry = read_catalog.entry(ctx, caller(), path.code, query.version)
        name = f"{path.code}-{entry.version}-template.xlsx"
        return files.answer(name, XLSX, [entry.version_name], lambda: template_book(entry), header)

    @app.get(
        "/v1/catalog/entries/<code>/template.csv",
        tags=[_FORMS],
        summary="Template for direct reporting as CSV",
        responses={200: file_of("text/csv")},
    )
    @serves(read_catalog.entry)
    def csv_template(path: EntryPath, query: TemplateQuery) -> Response:
        """It has the heading, and with `example=true` a row that obeys the rules and concerns no real subject."""
        entry = read_catalog.entry(ctx, caller(), path.code, query.version)
        name = f"{path.code}-{entry.version}-template.csv"
        return attachment(template_csv(entry, query.example), _CSV, name)


def _add_resources(app: OpenAPI, ctx: CatalogContext, files: DerivedFiles) -> None:
    @app.get(
        "/v1/catalog/entries/<code>/resource",
        tags=[_FORMS],
        summary="An entry in the form of the government resource catalog",
        responses={200: ResourceAnswer},
    )
    @serves(read_catalog.entry)
    def entry_resource(path: EntryPath, query: VersionQuery) -> Response:
        """It is the version in force today, unless a version is named."""
        return answer(resource(read_catalog.entry(ctx, caller(), path.code, query.version)))

    @app.get(
        "/v1/catalog/resources",
        tags=[_FORMS],
        summary="Entries in force in the form of the government resource catalog",
        responses={200: ResourcesAnswer},
    )
    @serves(read_catalog.entries)
    def resources(query: PageQuery) -> Response:
        """Each entry has one version here; they are ordered by code."""
        found = entries_page(ctx, caller(), "", query.page_token, query.page_size)
        return answer({"resources": list(map(resource, found.entries)), "next_page_token": found.next_page_token})

    @app.get(
        "/v1/catalog/resources.xlsx",
        tags=[_FORMS],
        summary="The government resource catalog as a workbook",
        responses=_KEPT_BOOK | {409: ProblemDocument},
    )
    @serves(read_catalog.entries_in_force)
    def resources_book(header: KeptCopyRequest) -> Response:
        """It has every entry in force today."""
        versions = read_catalog.versions_in_force(ctx, caller())

        def make() -> bytes:
            return resource_book(read_catalog.entries_in_force(ctx, caller()))

        return files.answer("resources.xlsx", XLSX, versions, make, header)
