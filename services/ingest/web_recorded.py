"""HTTP face of what became of delivered records. No decisions here."""

from dataclasses import asdict
from typing import Any, Final

from flask import Response
from flask_openapi3.models.tag import Tag
from flask_openapi3.openapi import OpenAPI
from pydantic import BaseModel, Field

from chengxin.clock import rfc3339
from chengxin.context import caller
from chengxin.policy import serves
from chengxin.web import answer
from services.ingest import recorded
from services.ingest.room import Ingest

_RECORDS: Final = Tag(name="records", description="What was made of the records that providers delivered")


class RecordPath(BaseModel):
    """A record."""

    record_id: str = Field(max_length=64)


class VersionAnswer(BaseModel):
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
    late_working_days: int = Field(description="Beyond the entry's reporting limit (Art. 11)")
    recorded_at: str


class RecordAnswer(BaseModel):
    """A record with every version, oldest first."""

    record_id: str
    entry_code: str
    provider_uscc: str
    provider_name: str
    versions: list[VersionAnswer]


def add_records(app: OpenAPI, ingest: Ingest) -> None:
    """Adds the address."""

    @app.get("/v1/records/<record_id>", tags=[_RECORDS], summary="One record", responses={200: RecordAnswer})
    @serves(recorded.record)
    def record(path: RecordPath) -> Response:
        """Every version, oldest first; a provider sees its own records."""
        history = recorded.record(ingest, caller(), path.record_id)
        return answer(asdict(history) | {"versions": [_version(v) for v in history.versions]})


def _version(found: recorded.Version) -> dict[str, Any]:
    return asdict(found) | {"recorded_at": rfc3339(found.recorded_at)}
