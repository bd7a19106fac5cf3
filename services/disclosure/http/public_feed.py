"""HTTP face of the public feed and of its report of differences. No decisions here."""

from typing import Annotated, Any, ClassVar, Final

from flask import Response
from flask_openapi3.models.tag import Tag
from flask_openapi3.openapi import OpenAPI
from pydantic import BaseModel, Field

from chengxin.auth.policy import serves
from chengxin.auth.request_context import caller
from chengxin.errors import INPUT_INVALID, FieldError
from chengxin.http.description import ProblemDocument
from chengxin.http.inputs import MADE_HERE, Body
from chengxin.http.named_things import OrganisationName
from chengxin.http.web import answer
from services.disclosure.context import DisclosureContext
from services.disclosure.http import schemas as bodies
from services.disclosure.usecases import portal_reconciliation as differences
from services.disclosure.usecases import public_feed
from services.disclosure.usecases.public_feed import RecordChange

_FEED: Final = Tag(name="feed", description="What is public, offered to other portals as it changes (Art. 15, 22)")
_LONGEST_WAIT: Final = 30
# JSON has no greater whole number that every reader reads exactly.
_LAST: Final = 2**53 - 1
_RECORD_ID: Final = r"^r_[a-z0-9]{1,62}$"
_ETAG_WORDS: Final = "Opaque; another one whenever anything that is shown of the record is another."
RecordId = Annotated[str, Field(pattern=_RECORD_ID)]


class PublicRecordPath(BaseModel):
    """A record."""

    record_id: str = Field(max_length=64)


class FeedQuery(BaseModel):
    """From where on, and of whom."""

    beyond_schema: ClassVar[str] = "A provider's code with a right check digit"

    after: int = Field(
        0, ge=0, le=_LAST, description="`position` of the answer before; 0 begins with everything public"
    )
    provider: OrganisationName = Field("", description="Unified social credit code; empty: all providers")
    page_size: int = Field(
        public_feed.GREATEST_SIZE,
        ge=1,
        le=public_feed.GREATEST_SIZE,
        description="Greatest number of changes in the answer",
    )
    wait: int = Field(0, ge=0, le=_LONGEST_WAIT, description="Seconds to wait for a change when there is none yet")


class PublicRecordAnswer(BaseModel):
    """A public record, and on whose page it is."""

    subject_ref: str
    etag: str = Field(description=_ETAG_WORDS)
    record: bodies.RecordAnswer
    audit_event_id: str


class ChangeAnswer(BaseModel):
    """A record that is public now, or not any more."""

    position: int
    record_id: str
    provider_uscc: str
    entry_code: str
    subject_ref: str = Field(description="Of the subject's page; empty when the record is not public any more")
    etag: str = Field(description=f"{_ETAG_WORDS} Empty when the record is not public any more")
    record: bodies.RecordAnswer | None = Field(description="As the subject's page shows it; null: take it down")


class FeedAnswer(BaseModel):
    """Changes in order."""

    changes: list[ChangeAnswer]
    position: int = Field(description="`after` of the next request")
    more: bool = Field(description="There is more already: ask again at once")
    audit_event_id: str


class ShownBody(Body):
    """A record as a portal shows it."""

    record_id: RecordId
    etag: str = Field(max_length=64, description="The one that came with the record")


class DifferencesBody(Body):
    """What the caller's portal shows; in slices, in the order of record ids, where it is more than one request takes."""

    may_hold_numbers = {
        "after": MADE_HERE,
        "through": MADE_HERE,
        "records": MADE_HERE,
    }

    beyond_schema: ClassVar[str] = "Each record once, and within after and through"

    after: str = Field("", pattern=rf"{_RECORD_ID}|^$", description="The slice begins after this record")
    through: str = Field(
        "", pattern=rf"{_RECORD_ID}|^$", description="The slice ends with this record; empty: the last"
    )
    records: list[ShownBody] = Field(
        max_length=differences.GREATEST_SIZE, description="All that the portal shows of it"
    )


class PlatformVersionAnswer(BaseModel):
    """A record and its version on the platform."""

    record_id: str
    version: int


class DifferencesAnswer(BaseModel):
    """What differs."""

    missing: list[PlatformVersionAnswer] = Field(description="Public, and not shown by the portal")
    outdated: list[PlatformVersionAnswer] = Field(
        description="Shown by the portal in another way: another version, another form of a person's name, an objection's "
        "mark, another subject"
    )
    take_down: list[str] = Field(description="Shown by the portal, and not public, or no record of the caller's")
    same: int
    through: str = Field(
        description="The last record that this report covers: ask again `after` it. Empty: the slice is covered"
    )
    audit_event_id: str


def add_feed(app: OpenAPI, ctx: DisclosureContext) -> None:
    """The addresses under `/v1/public/feed`, and single records."""

    @app.get(
        "/v1/public/feed",
        tags=[_FEED],
        summary="Changes of what is public",
        responses={200: FeedAnswer, 409: ProblemDocument, 429: ProblemDocument},
    )
    @serves(public_feed.read)
    def feed(query: FeedQuery) -> Response:
        """Of each record its newest state, at least once; from position 0 on everything that is public."""
        ask = public_feed.FeedRequest(query.after, query.provider, query.page_size)
        part = public_feed.read(ctx, caller(), ask, query.wait)
        return answer(
            {
                "changes": [_change(change) for change in part.changes],
                "position": part.position,
                "more": part.more,
                "audit_event_id": part.event_id,
            }
        )

    @app.get(
        "/v1/public/records/<record_id>", tags=[_FEED], summary="One public record", responses={200: PublicRecordAnswer}
    )
    @serves(public_feed.record)
    def record(path: PublicRecordPath) -> Response:
        """As the subject's page shows it."""
        showing, shown, event_id = public_feed.record(ctx, caller(), path.record_id)
        told = {"subject_ref": showing.refs[0], "etag": showing.etag, "record": shown.to_dict()}
        return answer(told | {"audit_event_id": event_id})

    @app.post(
        "/v1/public/feed/differences",
        tags=[_FEED],
        summary="What a provider's portal shows differently",
        responses={200: DifferencesAnswer},
    )
    @serves(differences.compare)
    def compare(body: DifferencesBody) -> Response:
        """For a provider's client, about the provider's own records."""
        told = differences.PortalRecords(body.after, body.through, _etags(body))
        report = differences.compare(ctx, caller(), told)
        return answer(
            {
                "missing": report.missing,
                "outdated": report.outdated,
                "take_down": report.take_down,
                "same": report.same,
                "through": report.through,
                "audit_event_id": report.event_id,
            }
        )


def _change(change: RecordChange) -> dict[str, Any]:
    return {
        "position": change.position,
        "record_id": change.record_id,
        "provider_uscc": change.provider_uscc,
        "entry_code": change.entry_code,
        "subject_ref": change.subject_ref,
        "etag": change.etag,
        "record": change.record.to_dict() if change.record else None,
    }


def _etags(body: DifferencesBody) -> dict[str, str]:
    etags = {shown.record_id: shown.etag for shown in body.records}
    if len(etags) < len(body.records):
        told = "同一记录只应出现一次 / each record once"
        raise INPUT_INVALID(fields=[FieldError("records", "unique", told)])
    return etags
