"""The HTTP face of delivered records: what became of them, and their later changes. It decides nothing."""

from dataclasses import asdict, replace
from typing import Any, ClassVar, Final

from flask import Response
from flask_openapi3.models.tag import Tag
from flask_openapi3.openapi import OpenAPI
from pydantic import BaseModel, Field

from chengxin.auth.policy import serves
from chengxin.auth.request_context import caller
from chengxin.http.inputs import MADE_HERE, Body
from chengxin.http.proposals import ProposalAnswer, proposed
from chengxin.http.web import PageQuery, Parameters, RepeatableRequest, answer
from chengxin.proposals.proposal import Proposal
from chengxin.values.clock import rfc3339
from chengxin.values.page_tokens import encode_page_token, number_after
from services.ingest.context import IngestContext
from services.ingest.domain.lawful_change import LawfulChange
from services.ingest.domain.submission import RecordOutcome
from services.ingest.usecases import amend_record, record_history

_RECORDS: Final = Tag(name="records", description="What was made of the records that providers delivered")


_LATE: Final = "Beyond the entry's reporting limit (Art. 11); null where the calendar of a year is missing"


class RecordPath(BaseModel):
    """A record."""

    record_id: str = Field(max_length=64)


class RecordVersionAnswer(BaseModel):
    """One version of a record."""

    version: int
    entry_version: int
    items: dict[str, str] = Field(description="Standard values")
    raw: dict[str, str] = Field(description="Values as delivered where the standard form is another")
    withheld: list[str] = Field(
        description="Items that are there and not shown: personal identifiers, to all but the record's provider"
    )
    revoked: bool
    submission_id: str = Field(description="Empty when the single record was changed")
    row: int = Field(description="Position in the submission; 0 when the single record was changed")
    reason: str = Field(description="Empty for a first delivery")
    document_number: str
    effective_date: str
    objection_no: str
    late_working_days: int | None = Field(description=_LATE)
    recorded_at: str
    receipt: str = Field(
        description="Of a change of the single record: the system's signed word on it, with the provider's if it gave one;"
        " an unsigned change's is shown to the provider only"
    )
    signed_by: str = Field(description="Thumbprint of the key by which the provider signed such a change")


class RecordHistoryAnswer(BaseModel):
    """A record with a page of its versions, oldest first."""

    record_id: str
    entry_code: str
    provider_uscc: str
    provider_name: str
    versions: list[RecordVersionAnswer]
    next_page_token: str


class NaturalKeyBody(PageQuery, Body):
    """A record by what identifies it within its entry."""

    may_hold_numbers = {
        "page_token": MADE_HERE,
    }

    beyond_schema: ClassVar[str] = "All items of the natural key, and no others"
    of_records = frozenset({"key"})

    catalog: str = Field(max_length=64, description="Code of the catalog entry, for example QYDJ")
    key: dict[str, str] = Field(
        min_length=1,
        max_length=32,
        description="The items of the entry's natural key, in any form that a delivery takes",
    )


class RevocationBody(Parameters, Body):
    """Why and from when a record has no effect."""

    may_hold_numbers = {
        "signature": MADE_HERE,
    }

    beyond_schema: ClassVar[str] = "A reason that is not blank, a day of the calendar, and a signature that is one"

    reason: str = Field(max_length=2000)
    document_number: str = Field("", max_length=200, description="Number of the legal document of the change")
    effective_date: str = Field("", max_length=10, description="Shanghai date of its legal effect, YYYY-MM-DD")
    objection_no: str = Field("", max_length=64, description="Objection that led to it, if one did")
    based_on_version: int = Field(
        0, ge=0, le=1_000_000, description="The version it was made from; when another is current, nothing is changed"
    )
    signature: str = Field(
        "", max_length=4096, description="Your signed word on it: JWS, see docs/operations/submit.md"
    )


class AmendmentBody(RevocationBody):
    """What a record says from now on."""

    of_records = frozenset({"items"})

    items: dict[str, str] = Field(
        description="The full set of items after the change; from the centre without personal identifiers, which stay"
    )


class ChangedAnswer(BaseModel):
    """A record that was changed."""

    record_id: str
    version: int
    outcome: str = Field(description="amended, unchanged, revoked")
    late_working_days: int | None = Field(description=_LATE)
    receipt: str = Field(description="The system's signed word on it: JWS, keys at /v1/submissions/keys")


def add_records(app: OpenAPI, ctx: IngestContext) -> None:
    """Adds the addresses."""

    @app.get("/v1/records/<record_id>", tags=[_RECORDS], summary="One record", responses={200: RecordHistoryAnswer})
    @serves(record_history.record)
    def record(path: RecordPath, query: PageQuery) -> Response:
        """Its versions, oldest first; a provider sees its own records."""
        after = number_after(query.page_token)
        return _history(record_history.record(ctx, caller(), path.record_id, after, query.page_size))

    # A POST, because the values that identify a record may be personal, and logs keep addresses.
    @app.post(
        "/v1/records/queries",
        tags=[_RECORDS],
        summary="One record of one's own, by its natural key",
        responses={200: RecordHistoryAnswer},
    )
    @serves(record_history.find)
    def find(body: NaturalKeyBody) -> Response:
        """Its id and its versions, oldest first: for a provider, who knows the record by what identifies it."""
        named = record_history.NamedRecord(body.catalog, body.key)
        return _history(record_history.find(ctx, caller(), named, number_after(body.page_token), body.page_size))

    @app.post(
        "/v1/records/<record_id>/amendments",
        tags=[_RECORDS],
        summary="Amend a record",
        responses={200: ChangedAnswer, 202: ProposalAnswer},
    )
    @serves(amend_record.amend)
    def amend(path: RecordPath, body: AmendmentBody, header: RepeatableRequest) -> Response:
        """A new version with these items, by its provider; the centre proposes it for an objection."""
        change = _change(path.record_id, body, header)
        return _changed(amend_record.amend(ctx, caller(), replace(change, items=body.items)))

    @app.post(
        "/v1/records/<record_id>/revocation",
        tags=[_RECORDS],
        summary="Revoke a record",
        responses={200: ChangedAnswer, 202: ProposalAnswer},
    )
    @serves(amend_record.revoke)
    def revoke(path: RecordPath, body: RevocationBody, header: RepeatableRequest) -> Response:
        """It ceases to have effect and stays in history, by its provider; the centre proposes it for an objection."""
        return _changed(amend_record.revoke(ctx, caller(), _change(path.record_id, body, header)))


def _history(found: record_history.RecordHistory) -> Response:
    told = asdict(found) | {"versions": [_version(v) for v in found.versions]}
    following = told.pop("following")
    return answer(told | {"next_page_token": encode_page_token([following] if following else None)})


def _change(record_id: str, body: RevocationBody, header: RepeatableRequest) -> LawfulChange:
    return LawfulChange(
        record_id,
        body.reason,
        body.document_number,
        body.effective_date,
        body.objection_no,
        header.idempotency_key,
        based_on_version=body.based_on_version,
        signature=body.signature,
    )


def _changed(became: RecordOutcome | Proposal) -> Response:
    if isinstance(became, Proposal):
        return proposed(became.to_dict())
    return answer(
        {
            "record_id": became.record_id,
            "version": became.version,
            "outcome": became.outcome,
            "late_working_days": became.late_working_days,
            "receipt": became.receipt,
        }
    )


def _version(found: record_history.HistoricVersion) -> dict[str, Any]:
    return asdict(found) | {"recorded_at": rfc3339(found.recorded_at)}
