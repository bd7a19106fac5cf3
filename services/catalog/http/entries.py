"""The views of published entries. They decide nothing."""

from typing import ClassVar, Final

from flask import Response
from flask_openapi3.models.tag import Tag
from flask_openapi3.openapi import OpenAPI
from pydantic import BaseModel, Field

from chengxin.auth.policy import serves
from chengxin.auth.request_context import caller
from chengxin.http.description import tagged, unchanged
from chengxin.http.inputs import DAY_OR_EMPTY
from chengxin.http.web import KeptCopyRequest, PageQuery, answer
from chengxin.values.page_tokens import number_after
from services.catalog.context import CatalogContext
from services.catalog.domain.entry import Entry
from services.catalog.domain.record_schema import DIALECT_REVISION, record_schema
from services.catalog.http import schemas
from services.catalog.http.responses import FOR_EVER, EntryPath, VersionQuery, page
from services.catalog.usecases import read_catalog
from services.catalog.usecases.paging import entries_page

_ENTRIES: Final = Tag(name="catalog", description="What may be collected, from whom, and under which rules")


class EntriesQuery(PageQuery):
    """The entries that are asked for."""

    beyond_schema: ClassVar[str] = "as_of is a day of the calendar"

    as_of: str = Field(
        "",
        max_length=10,
        description="Shanghai date YYYY-MM-DD; empty: today",
        json_schema_extra={"pattern": DAY_OR_EMPTY},
    )


class EntryVersionPath(EntryPath):
    """A version of an entry."""

    version: int = Field(ge=1, le=1_000_000)


class BetweenQuery(BaseModel):
    """Two versions."""

    before: int = Field(alias="from", ge=1, le=1_000_000)
    after: int = Field(0, alias="to", ge=0, le=1_000_000, description="0: the version in force today")


def add_entries(app: OpenAPI, ctx: CatalogContext) -> None:
    """Adds the views of published entries."""
    _add_reading(app, ctx)
    _add_comparing(app, ctx)
    _add_schemas(app, ctx)


def _add_reading(app: OpenAPI, ctx: CatalogContext) -> None:
    @app.get(
        "/v1/catalog/entries",
        tags=[_ENTRIES],
        summary="Entries in force on a day",
        responses={200: schemas.EntriesAnswer},
    )
    @serves(read_catalog.entries)
    def entries(query: EntriesQuery) -> Response:
        """Each entry has one version here; they are ordered by code."""
        found = entries_page(ctx, caller(), query.as_of, query.page_token, query.page_size)
        return answer({"entries": [e.to_dict() for e in found.entries], "next_page_token": found.next_page_token})

    @app.get(
        "/v1/catalog/entries/<code>",
        tags=[_ENTRIES],
        summary="One version of an entry",
        responses={200: schemas.EntryAnswer},
    )
    @serves(read_catalog.entry)
    def entry(path: EntryPath, query: VersionQuery) -> Response:
        """It is the version in force today, unless a version is named."""
        return answer(read_catalog.entry(ctx, caller(), path.code, query.version).to_dict())

    @app.get(
        "/v1/catalog/entries/<code>/versions",
        tags=[_ENTRIES],
        summary="Every version of an entry",
        responses={200: schemas.EntriesAnswer},
    )
    @serves(read_catalog.versions)
    def versions(path: EntryPath, query: PageQuery) -> Response:
        """Past, present and coming versions are listed, the oldest first."""
        after = number_after(query.page_token)
        found = read_catalog.versions(ctx, caller(), path.code, after, query.page_size)
        return page("entries", found, query.page_size, lambda entry: [entry.version])


def _add_comparing(app: OpenAPI, ctx: CatalogContext) -> None:
    @app.get(
        "/v1/catalog/entries/<code>/diff",
        tags=[_ENTRIES],
        summary="What differs between two versions of an entry",
        responses={200: schemas.EntryDifferenceAnswer},
    )
    @serves(read_catalog.difference)
    def difference(path: EntryPath, query: BetweenQuery) -> Response:
        """The changes are told in words, with their effect on records and on who may see them."""
        before, after, found = read_catalog.difference(ctx, caller(), path.code, query.before, query.after)
        return answer({"code": path.code, "from": before, "to": after} | found.to_dict())


def _add_schemas(app: OpenAPI, ctx: CatalogContext) -> None:
    @app.get(
        "/v1/catalog/entries/<code>/schema",
        tags=[_ENTRIES],
        summary="JSON Schema of a record of an entry",
        responses={200: tagged(schemas.JsonSchemaAnswer), 304: unchanged()},
    )
    @serves(read_catalog.entry)
    def schema(path: EntryPath, query: VersionQuery, header: KeptCopyRequest) -> Response:
        """It is JSON Schema 2020-12. The address with the version in its path has a schema that never changes."""
        return _schema(read_catalog.entry(ctx, caller(), path.code, query.version), header)

    @app.get(
        "/v1/catalog/entries/<code>/versions/<int:version>/schema",
        tags=[_ENTRIES],
        summary="JSON Schema of a record of one version, for ever",
        responses={200: tagged(schemas.JsonSchemaAnswer), 304: unchanged()},
    )
    @serves(read_catalog.entry)
    def version_schema(path: EntryVersionPath, header: KeptCopyRequest) -> Response:
        """The answer never changes and may be cached for ever."""
        found = _schema(read_catalog.entry(ctx, caller(), path.code, path.version), header)
        found.headers["Cache-Control"] = FOR_EVER
        return found


def _schema(entry: Entry, kept: KeptCopyRequest) -> Response:
    etag = f"{entry.content.code}-{entry.version}-{DIALECT_REVISION}"
    found = Response(status=304) if kept.has(etag) else answer(record_schema(entry))
    found.set_etag(etag)
    return found
