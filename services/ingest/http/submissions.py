"""The HTTP face of submissions: it takes files and JSON, answers with JSON and CSV, and decides nothing."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar, Final, Literal

from flask import Response
from flask_openapi3.models.tag import Tag
from flask_openapi3.openapi import OpenAPI
from pydantic import BaseModel, Field

from chengxin.auth import request_context
from chengxin.auth.admission import Admission
from chengxin.auth.policy import open_to_all, serves
from chengxin.auth.request_context import caller
from chengxin.http.description import json_or_file, made
from chengxin.http.inputs import MADE_HERE, FormBody
from chengxin.http.named_things import OrganisationName
from chengxin.http.proposals import add_proposals
from chengxin.http.web import PageQuery, UploadedFile, answer, at_address, make_app
from chengxin.values.clock import rfc3339
from chengxin.values.page_tokens import encode_page_token
from services.ingest.context import IngestContext
from services.ingest.domain.submission import Header
from services.ingest.domain.submission_view import SubmissionView
from services.ingest.http import rejects_file
from services.ingest.http.page_routes import add_pages
from services.ingest.http.reporting import add_agreements, add_mappings, add_preview
from services.ingest.http.uploads import UploadRequest, kept
from services.ingest.usecases import read_submissions, submit_file
from services.ingest.usecases.paging import reject_position, submission_position

_SUBMISSIONS: Final = Tag(name="submissions", description="What providers delivered, and what became of it")
_MAX_BODY: Final = 256 * 1024 * 1024
_NOT_READ: Final[Any] = Field(
    description="Further sheets of a workbook that hold something: only the first visible one is read"
)


class UploadForm(FormBody):
    """A delivered file."""

    may_hold_numbers = {
        "signature": MADE_HERE,
    }

    beyond_schema: ClassVar[str] = "A file that can be read, of an entry in force; a signature that is one"

    catalog: str = Field(max_length=64, description="Code of the catalog entry, for example XZXK")
    file: UploadedFile = Field(description="CSV (UTF-8, UTF-16, GB18030), XLSX or JSON Lines")
    submission_id: str = Field(
        "", max_length=64, description="Chosen by you; empty: from the entry and the file's digest"
    )
    signature: str = Field(
        "", max_length=4096, description="Your signed word on it: JWS, see docs/operations/submit.md"
    )


class OfProvider(BaseModel):
    """Whose."""

    beyond_schema: ClassVar[str] = "A provider's code with a right check digit"

    provider: OrganisationName = Field("", description="For organs: the provider's unified social credit code")


class SubmissionsQuery(PageQuery, OfProvider):
    """Which submissions."""


class RejectsQuery(PageQuery):
    """Which rejects, and in what form."""

    format: Literal["json", "csv", "xlsx", "jsonl", "file"] = Field(
        "json", description="Not json: all of them as a file to mend and deliver again; file: of the kind delivered"
    )


class SubmissionPath(BaseModel):
    """A submission."""

    submission_id: str = Field(max_length=64)


class CountsAnswer(BaseModel):
    """How many records became what."""

    total: int
    accepted: int
    amended: int
    unchanged: int
    rejected: int


class ReceiptAnswer(BaseModel):
    """The system's signed word on a submission; `jws` is verified with the keys at /v1/submissions/keys."""

    submission_id: str
    counts: CountsAnswer
    content_sha256: str
    closed_at: str
    jws: str


class SubmissionAnswer(BaseModel):
    """A submission."""

    submission_id: str
    provider_uscc: str
    entry_code: str
    entry_version: int
    state: str = Field(description="open, closed")
    batches_committed: int
    counts: CountsAnswer = Field(description="While it is open, `total` tells how many records are committed")
    record_count: int = Field(description="How many records were said to come; 0 when nobody said")
    file_name: str
    file_sha256: str
    sheets_not_read: list[str] = _NOT_READ
    created_at: str
    receipt: ReceiptAnswer | None = None


class TakenAnswer(BaseModel):
    """A file that was taken."""

    submission_id: str
    counts: CountsAnswer
    receipt: ReceiptAnswer
    delivered_before: bool = Field(description="The same delivery had this receipt before; nothing was added")
    sheets_not_read: list[str] = _NOT_READ


class TakingAnswer(BaseModel):
    """A file that is still being taken."""

    submission_id: str
    state: str = Field(description="open: ask GET /v1/submissions/<id>, or deliver the same file again")
    sheets_not_read: list[str] = _NOT_READ


class SubmissionsAnswer(BaseModel):
    """A page of submissions."""

    submissions: list[SubmissionAnswer]
    next_page_token: str


class ViolationAnswer(BaseModel):
    """One thing wrong with a record."""

    item: str
    rule: str
    message: str
    value: str = Field(description="As delivered; empty for personal identifiers")


class RejectAnswer(BaseModel):
    """A rejected record."""

    row: int
    items: dict[str, str]
    violations: list[ViolationAnswer]


class RejectsAnswer(BaseModel):
    """A page of rejects."""

    rejects: list[RejectAnswer]
    next_page_token: str


class KeysAnswer(BaseModel):
    """A JSON Web Key Set (RFC 7517)."""

    keys: list[dict[str, str]]


def make_ingest_app(ctx: IngestContext, admission: Admission | None, ready: Callable[[], dict[str, bool]]) -> OpenAPI:
    """Makes the app of ingest."""
    app = make_app("ingest", admission, ready)
    app.config["MAX_CONTENT_LENGTH"] = _MAX_BODY
    app.request_class = UploadRequest
    _add_upload(app, ctx)
    _add_submissions(app, ctx)
    _add_rejects(app, ctx)
    add_proposals(app, ctx, "/v1/submissions")
    add_agreements(app, ctx)
    add_mappings(app, ctx)
    add_preview(app, ctx)
    add_pages(app, ctx)
    return app


def _add_upload(app: OpenAPI, ctx: IngestContext) -> None:
    @app.post(
        "/v1/submissions",
        tags=[_SUBMISSIONS],
        summary="Deliver a file of records",
        responses={201: made(TakenAnswer), 202: made(TakingAnswer)},
    )
    @serves(submit_file.submit_file)
    def deliver(form: UploadForm) -> Response:
        """Checked, recorded and receipted; the same file again adds nothing. Broken files store nothing.

        A file that takes longer than a minute is answered with 202 and goes on: ask for the submission, or deliver the
        same file again.
        """
        name = Path(form.file.filename or "").name
        header = Header(form.submission_id, form.catalog, file_name=name, signature=form.signature)
        upload = kept(form.file)
        try:
            taken = submit_file.submit_file(ctx, caller(), header, upload)
        except BaseException:
            # The rule may have refused the caller, so that the use case did not close it.
            upload.close()
            raise
        told: dict[str, Any] = {"submission_id": taken.submission_id, "sheets_not_read": list(taken.unread)}
        if (receipt := taken.receipt) is None:
            return _taken(told | {"state": "open"}, 202)
        told |= {"counts": receipt.counts, "receipt": receipt.to_dict(), "delivered_before": taken.before}
        return _taken(told, 201)


def _taken(told: dict[str, Any], status: int) -> Response:
    return at_address(answer(told, status), "/v1/submissions/{}", told["submission_id"])


def _add_submissions(app: OpenAPI, ctx: IngestContext) -> None:
    @app.get("/v1/submissions", tags=[_SUBMISSIONS], summary="Submissions", responses={200: SubmissionsAnswer})
    @serves(read_submissions.submissions)
    def submissions(query: SubmissionsQuery) -> Response:
        """Latest first."""
        after = submission_position(query.page_token)
        page, following = read_submissions.submissions(ctx, caller(), query.provider, after, query.page_size)
        return answer({"submissions": [_submission(s) for s in page], "next_page_token": encode_page_token(following)})

    @app.get("/v1/submissions/keys", tags=[_SUBMISSIONS], summary="Receipt keys", responses={200: KeysAnswer})
    @open_to_all("receipts are verified by anybody who holds one")
    def keys() -> Response:
        """Every public key that receipts were ever signed with."""
        return answer({"keys": read_submissions.receipt_keys(ctx)})

    @app.get(
        "/v1/submissions/<submission_id>",
        tags=[_SUBMISSIONS],
        summary="One submission",
        responses={200: SubmissionAnswer},
    )
    @serves(read_submissions.submission)
    def submission(path: SubmissionPath, query: OfProvider) -> Response:
        """How far it is, or its receipt."""
        return answer(_submission(read_submissions.submission(ctx, caller(), query.provider, path.submission_id)))

    @app.get(
        "/v1/submissions/<submission_id>/receipt",
        tags=[_SUBMISSIONS],
        summary="The receipt of a submission",
        responses={200: ReceiptAnswer},
    )
    @serves(read_submissions.receipt)
    def receipt(path: SubmissionPath, query: OfProvider) -> Response:
        """Once it is closed."""
        return answer(read_submissions.receipt(ctx, caller(), query.provider, path.submission_id).to_dict())


def _add_rejects(app: OpenAPI, ctx: IngestContext) -> None:
    @app.get(
        "/v1/submissions/<submission_id>/rejects",
        tags=[_SUBMISSIONS],
        summary="Rejected records with their reasons",
        responses={200: json_or_file(RejectsAnswer, *rejects_file.MEDIA_TYPES)},
    )
    @serves(read_submissions.rejects)
    def rejects(path: SubmissionPath, query: RejectsQuery) -> Response:
        """In order of row; as a file in the delivered columns, to mend and deliver again."""
        if query.format != "json":
            found, rows = read_submissions.all_rejects(ctx, caller(), path.submission_id)
            return rejects_file.answer(ctx, found, rows, "" if query.format == "file" else query.format)
        after = reject_position(query.page_token)
        page, following = read_submissions.rejects(ctx, caller(), path.submission_id, after, query.page_size)
        return answer({"rejects": [_reject(row) for row in page], "next_page_token": encode_page_token(following)})


def _submission(found: SubmissionView) -> dict[str, Any]:
    return {
        "submission_id": found.submission_id,
        "provider_uscc": found.provider,
        "entry_code": found.entry_code,
        "entry_version": found.entry_version,
        "state": "closed" if found.receipt else "open",
        "batches_committed": found.batches_committed,
        "counts": found.counts,
        "record_count": found.record_count,
        "file_name": found.file_name,
        "file_sha256": found.file_sha256,
        "sheets_not_read": list(found.form.unread),
        "created_at": rfc3339(found.created_at),
        "receipt": found.receipt.to_dict() if found.receipt else None,
    }


def _reject(row: read_submissions.RejectRow) -> dict[str, Any]:
    language = request_context.language()
    violations = [
        {"item": v.item, "rule": v.rule, "message": v.message(language), "value": v.value} for v in row.violations
    ]
    return {"row": row.row, "items": row.items, "violations": violations}
