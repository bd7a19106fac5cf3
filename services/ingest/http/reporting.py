"""The HTTP face of direct reporting: agreements, column mappings and previews. It decides nothing."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any, ClassVar, Final

from flask import Response
from flask_openapi3.models.tag import Tag
from flask_openapi3.openapi import OpenAPI
from pydantic import BaseModel, Field

from chengxin.auth import request_context
from chengxin.auth.policy import serves
from chengxin.auth.request_context import caller
from chengxin.http.inputs import Body, FormBody
from chengxin.http.proposals import ProposalAnswer, proposed
from chengxin.http.web import UploadedFile, answer
from chengxin.proposals.proposal import Proposal
from chengxin.tabular.columns import ItemName
from chengxin.values.clock import rfc3339
from services.ingest.context import IngestContext
from services.ingest.domain.provider_terms import ProviderTerms
from services.ingest.domain.submission import Header
from services.ingest.http.uploads import kept
from services.ingest.usecases import agreements, column_mappings, preview_file
from services.ingest.usecases.agreements import AgreementTerms

_REPORTING: Final = Tag(name="reporting", description="How providers report: agreements, mappings, previews (Art. 10)")


class ProviderPath(BaseModel):
    """A provider."""

    beyond_schema: ClassVar[str] = "A credit code with a right check digit"

    provider: str = Field(max_length=18, description="Unified social credit code")


class AgreementBody(Body):
    """What was agreed."""

    signature_required: bool = Field(description="Whether every delivery must be signed by the provider's key")
    document: str = Field(min_length=1, max_length=200, description="The agreement, for example its number")


class AgreementAnswer(AgreementBody):
    """What was agreed with a provider."""

    provider_uscc: str
    changed_at: str


class MappedEntryPath(BaseModel):
    """An entry."""

    entry: str = Field(max_length=64, description="Code of the catalog entry, for example XZXK")


class MappingBody(Body):
    """Which item each column holds."""

    beyond_schema: ClassVar[str] = "Items of the entry, each at most once"

    columns: dict[str, str] = Field(
        description="Text of a header to the code of an item; to an empty text for a column that is not read"
    )


class MappingAnswer(MappingBody):
    """Which item each of the provider's columns holds."""

    entry_code: str


class PreviewForm(FormBody):
    """A file to look at."""

    beyond_schema: ClassVar[str] = "A file that can be read, of an entry in force"

    catalog: str = Field(max_length=64, description="Code of the catalog entry, for example XZXK")
    file: UploadedFile = Field(description="CSV (UTF-8, UTF-16, GB18030), XLSX or JSON Lines")


class ItemAnswer(BaseModel):
    """An item of the entry."""

    item: str
    name: str


class ColumnAnswer(BaseModel):
    """A column of the file."""

    label: str
    item: str = Field(description="Code of the item; empty when the column is not read or unknown")
    found_by: str = Field(description="mapping, code, name, not_read, unknown")
    suggestions: list[ItemAnswer] = Field(description="For an unknown column: items that may be meant")


class SeenViolation(BaseModel):
    """One thing wrong with a row."""

    item: str
    rule: str
    message: str


class RowAnswer(BaseModel):
    """A row as it would be recorded."""

    row: int
    items: dict[str, str] = Field(description="Standard values")
    raw: dict[str, str] = Field(description="Values as delivered where the standard form is another")
    violations: list[SeenViolation] = Field(description="Empty when the row would be taken")


class PreviewAnswer(BaseModel):
    """What a file looks like; nothing of it is stored."""

    entry_code: str
    entry_version: int
    kind: str
    encoding: str
    sheets_not_read: list[str] = Field(
        description="Further sheets that hold something, hidden ones too: only the first visible one is read"
    )
    columns: list[ColumnAnswer]
    missing: list[ItemAnswer] = Field(description="Required items without a column")
    rows: list[RowAnswer]


def add_agreements(app: OpenAPI, ctx: IngestContext) -> None:
    """Adds the addresses of agreements."""

    @app.put(
        "/v1/submissions/agreements/<provider>",
        tags=[_REPORTING],
        summary="Put down what was agreed with a provider",
        responses={200: AgreementAnswer, 202: ProposalAnswer},
    )
    @serves(agreements.agree)
    def agree(path: ProviderPath, body: AgreementBody) -> Response:
        """It holds from the next delivery. That no signature is needed any more takes a second officer."""
        wanted = AgreementTerms(body.signature_required, body.document)
        found = agreements.agree(ctx, caller(), path.provider, wanted)
        return proposed(found.to_dict()) if isinstance(found, Proposal) else answer(_agreement(found))

    @app.get(
        "/v1/submissions/agreements/<provider>",
        tags=[_REPORTING],
        summary="What was agreed with a provider",
        responses={200: AgreementAnswer},
    )
    @serves(agreements.agreed)
    def agreed(path: ProviderPath) -> Response:
        """A provider sees its own."""
        return answer(_agreement(agreements.agreed(ctx, caller(), path.provider)))


def add_mappings(app: OpenAPI, ctx: IngestContext) -> None:
    """Adds the addresses of column mappings."""

    @app.get(
        "/v1/submissions/mappings/<entry>",
        tags=[_REPORTING],
        summary="Which item each of one's columns holds",
        responses={200: MappingAnswer},
    )
    @serves(column_mappings.mapping)
    def mapping(path: MappedEntryPath) -> Response:
        """Empty when nothing was put down: columns are found by code and name."""
        return answer({"entry_code": path.entry, "columns": column_mappings.mapping(ctx, caller(), path.entry)})

    @app.put(
        "/v1/submissions/mappings/<entry>",
        tags=[_REPORTING],
        summary="Put down which item each of one's columns holds",
        responses={200: MappingAnswer},
    )
    @serves(column_mappings.remember)
    def remember(path: MappedEntryPath, body: MappingBody) -> Response:
        """In place of the mapping before; uploads and `chengxin submit` follow it. Doing it again changes nothing."""
        kept = column_mappings.remember(ctx, caller(), path.entry, body.columns)
        return answer({"entry_code": path.entry, "columns": kept})


def add_preview(app: OpenAPI, ctx: IngestContext) -> None:
    """Adds the address of previews."""

    @app.post(
        "/v1/submissions/preview",
        tags=[_REPORTING],
        summary="Look at a file before it is delivered",
        responses={200: PreviewAnswer},
    )
    @serves(preview_file.preview)
    def look(form: PreviewForm) -> Response:
        """Its columns, and the first 20 rows as they would be recorded. Nothing is stored."""
        header = Header("", form.catalog, file_name=Path(form.file.filename or "").name)
        with kept(form.file) as upload:
            seen = preview_file.preview(ctx, caller(), header, upload)
        return answer(_preview(seen))


def _agreement(terms: ProviderTerms) -> dict[str, Any]:
    return {
        "provider_uscc": terms.provider,
        "signature_required": terms.signature_required,
        "document": terms.document,
        "changed_at": rfc3339(terms.changed_at),
    }


def _preview(seen: preview_file.Preview) -> dict[str, Any]:
    language = request_context.language()
    return {
        "entry_code": seen.entry_code,
        "entry_version": seen.entry_version,
        "kind": seen.kind,
        "encoding": seen.encoding,
        "sheets_not_read": list(seen.unread),
        "columns": [
            {"label": c.label, "item": c.item, "found_by": c.found_by, "suggestions": _items(c.suggestions, language)}
            for c in seen.columns
        ],
        "missing": _items(seen.missing, language),
        "rows": [
            {
                "row": row.row,
                "items": row.items,
                "raw": row.raw,
                "violations": [
                    {"item": v.item, "rule": v.rule, "message": v.message(language)} for v in row.violations
                ],
            }
            for row in seen.rows
        ],
    }


def _items(items: Iterable[ItemName], language: str) -> list[dict[str, str]]:
    return [{"item": i.code, "name": (i.en if language == "en" else i.zh) or i.code} for i in items]
