"""Texts with attachments, as JSON with base64 or as a multipart form."""

import base64
import binascii
from typing import Annotated, Any, ClassVar, Final, TypeVar

from flask import Request
from pydantic import Field, ValidationError
from werkzeug.datastructures import FileStorage

from chengxin.errors import INPUT_INVALID, FieldError
from chengxin.http.description import TypedUpload
from chengxin.http.inputs import SEALED, Body
from chengxin.http.request_checks import must_be_of, must_be_readable, must_be_single
from chengxin.http.web import UploadedFile, validation_problem
from services.objection.domain.evidence import LONGEST_NAME, MOST_BYTES, MOST_FILES, Attachment
from services.objection.usecases.applicant import LONGEST_STATEMENT, MOST_ITEMS

B = TypeVar("B", bound="WithEvidence")

_JSON: Final = "application/json"
_FORM: Final = "multipart/form-data"
# Base64 has four characters for three bytes.
_LONGEST_CONTENT: Final = -(-MOST_BYTES // 3) * 4

ItemCode = Annotated[str, Field(max_length=64)]


class EvidenceBody(Body):
    """An attachment in JSON."""

    # What is wrong with files is told of all of them at once (EVIDENCE_INVALID): the bounds are those of its rules.
    name: str = Field(json_schema_extra={"maxLength": LONGEST_NAME})
    content_type: str = Field(description="application/pdf, image/png, image/jpeg or text/plain")
    content: str = Field(description="Base64", json_schema_extra={"maxLength": _LONGEST_CONTENT})


class WithEvidence(Body):
    """Words with attachments. As a form: the same fields, one part `evidence` a file."""

    may_hold_numbers = {
        "statement": SEALED,
        "evidence.name": SEALED,
        "evidence.content": SEALED,
    }

    beyond_schema: ClassVar[str] = "At most 5 files of at most 5 MB whose content is what content_type says; base64"

    statement: str = Field(max_length=LONGEST_STATEMENT)
    evidence: list[EvidenceBody] = Field([], json_schema_extra={"maxItems": MOST_FILES})


class FilingBody(WithEvidence):
    """An objection."""

    record_id: str = Field(max_length=64)
    items: list[ItemCode] = Field(
        [], max_length=MOST_ITEMS, description="Codes of the items challenged; none: the record as a whole"
    )


class SupplementBody(WithEvidence):
    """What was missing."""


class SupplementForm(Body):
    """What was missing, as a form with files."""

    may_hold_numbers = {
        "statement": SEALED,
    }

    beyond_schema: ClassVar[str] = "At most 5 files of at most 5 MB whose content is what its media type says"

    statement: str = Field(max_length=LONGEST_STATEMENT)
    evidence: list[UploadedFile] = Field(
        [], description="PDF, PNG, JPEG or plain text", json_schema_extra={"maxItems": MOST_FILES}
    )


class FilingForm(SupplementForm):
    """An objection as a form with files."""

    record_id: str = Field(max_length=64)
    items: list[ItemCode] = Field(
        [], max_length=MOST_ITEMS, description="Codes of the items challenged; none: the record as a whole"
    )


class FilingUpload(TypedUpload):
    """An objection, as JSON or as a form with files."""

    contents = {_JSON: FilingBody, _FORM: FilingForm}


class SupplementUpload(TypedUpload):
    """What was missing, as JSON or as a form with files."""

    contents = {_JSON: SupplementBody, _FORM: SupplementForm}


def received(request: Request, body: type[B]) -> tuple[B, list[Attachment]]:
    """Returns the fields and the attachments of a request. Raises INPUT_INVALID, CONTENT_TYPE_UNSUPPORTED."""
    must_be_of((_JSON, _FORM))
    is_form = request.mimetype == _FORM
    try:
        found = body.model_validate(_form_fields(request, body) if is_form else request.get_json())
    except ValidationError as e:
        raise validation_problem(e) from None
    if is_form:
        return found, [_attachment(file) for file in request.files.getlist("evidence")]
    return found, _decoded(found.evidence)


def _form_fields(request: Request, body: type[WithEvidence]) -> dict[str, Any]:
    must_be_readable(request.form)
    form = request.form.copy()
    # A form has one field for each item, or one field with commas between the codes.
    given = ",".join(form.poplist("items")) if "items" in body.model_fields else ""
    must_be_single(form)
    fields: dict[str, Any] = form.to_dict()
    if "items" in body.model_fields:
        # Spaces alone: other white space is no part of a form that somebody sees.
        fields["items"] = [code for part in given.split(",") if (code := part.strip(" "))]
    if unknown := set(request.files) - {"evidence"}:
        raise INPUT_INVALID(fields=[FieldError(name, "extra_forbidden", "evidence") for name in sorted(unknown)])
    return fields


def _attachment(file: FileStorage) -> Attachment:
    return Attachment(file.filename or "", file.mimetype, file.stream.read())


def _decoded(evidence: list[EvidenceBody]) -> list[Attachment]:
    if len(evidence) > MOST_FILES:
        # The rule for attachments refuses so many; nothing needs to be decoded for that.
        return [Attachment(e.name, e.content_type, b"") for e in evidence]
    found, faults = [], []
    for n, e in enumerate(evidence):
        try:
            found.append(Attachment(e.name, e.content_type, base64.b64decode(e.content, validate=True)))
        except (binascii.Error, ValueError):
            faults.append(FieldError(f"evidence.{n}.content", "base64", "不是有效的 Base64 / not valid base64"))
    if faults:
        raise INPUT_INVALID(fields=faults)
    return found
