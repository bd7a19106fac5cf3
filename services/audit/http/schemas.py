"""What the HTTP face takes and answers, for validation and its description."""

from typing import Any, ClassVar, Final

from pydantic import BaseModel, ConfigDict, Field
from pydantic.config import JsonDict

from chengxin.http.named_things import ActName, ActorName, EventName, RequestName, SubjectName
from chengxin.http.web import PageQuery
from chengxin.values.acts import Act
from services.audit.domain.event import INSTANT

_INSTANT_OR_EMPTY: Final[JsonDict] = {"pattern": f"^({INSTANT})?$"}


class EventsQuery(PageQuery):
    """Which events; all given conditions hold together."""

    beyond_schema: ClassVar[str] = (
        "from and until are instants in RFC 3339, in UTC, from before until; an act that there is"
    )

    model_config = ConfigDict(populate_by_name=True)

    page_size: int = Field(100, ge=1, le=500, description="Greatest number of events in the answer")
    subject_ref: SubjectName = Field("", description="Pseudonym of a subject that the event concerns")
    actor: ActorName = Field(
        "", description="`sub` of who acted, or `represented_by`: the pseudonym of who acted for it"
    )
    act: ActName = Field("", description="For example record.queried.own")
    event_id: EventName = ""
    request_id: RequestName = Field("", description="X-Request-Id of the request")
    since: str = Field("", alias="from", description="RFC 3339 UTC, included", json_schema_extra=_INSTANT_OR_EMPTY)
    until: str = Field("", description="RFC 3339 UTC, not included", json_schema_extra=_INSTANT_OR_EMPTY)


class LoggedEvent(BaseModel):
    """An event of the log."""

    index: int
    event: dict[str, Any] | None = Field(description="See docs/audit-event.md; null when the stored entry is no JSON")


class EventsAnswer(BaseModel):
    """Events, newest first."""

    events: list[LoggedEvent]
    next_page_token: str


class AccessAnswer(BaseModel):
    """A query of the caller's own records, an officer's act about the caller, or what was done for an organisation: told
    to it and to the person who did it."""

    index: int
    event_id: str
    at: str
    act: Act
    outcome: str
    own: bool = Field(description="Whether the caller itself looked or acted, also for an organisation")
    org: str = Field(description="Unified social credit code of the organisation that looked or that was acted for")
    client_id: str
    roles: list[str]
    acr: str = Field(description="How the identity of who looked was verified: counter, oidc; see docs/identity.md")
    verified_by: str = Field(description="`sub` of the officer who handed out the code that the person came with")
    represented_by: str = Field(description="Pseudonym of the person who acted for the organisation")
    capacity: str = Field(description="In which capacity: legal_representative, agent")
    purpose: str
    legal_basis: str
    case_no: str
    consent_id: str
    entries: list[str] = Field(description="Codes of the catalog entries that were asked for")
    description: str = Field(description="One sentence, in the language asked for")


class AccessesAnswer(BaseModel):
    """Who looked, newest first."""

    accesses: list[AccessAnswer]
    next_page_token: str


class InclusionQuery(BaseModel):
    """Which entry, in which tree."""

    beyond_schema: ClassVar[str] = "Either index or event_id; tree_size is no greater than the log"

    index: int | None = Field(None, ge=0, le=2**62)
    event_id: EventName = ""
    tree_size: int = Field(0, ge=0, le=2**62, description="0: the latest checkpoint's")


class InclusionAnswer(BaseModel):
    """RFC 6962 section 2.1.1; hashes in hex."""

    index: int
    tree_size: int
    leaf_hash: str
    path: list[str]
    root_hash: str


class ConsistencyQuery(BaseModel):
    """Which two trees."""

    beyond_schema: ClassVar[str] = "second_size is not less than first_size and no greater than the log"

    first_size: int = Field(ge=1, le=2**62)
    second_size: int = Field(0, ge=0, le=2**62, description="0: the latest checkpoint's")


class ConsistencyAnswer(BaseModel):
    """RFC 6962 section 2.1.2; hashes in hex."""

    first_size: int
    second_size: int
    path: list[str]


class TilePath(BaseModel):
    """Address of a tile."""

    level: str = Field(max_length=2)
    number: str = Field(max_length=64)


class BundlePath(BaseModel):
    """Address of an entry bundle."""

    number: str = Field(max_length=64)


class AlterationAnswer(BaseModel):
    """A row of the log's store that is not as it was written."""

    collection: str
    key: str
    fault: str = Field(description="missing, differs or unexpected")
    fields: str
    derived: bool = Field(description="whether a repair can make it again")


class ConditionAnswer(BaseModel):
    """What is known of the log's store."""

    sound: bool
    inspections: int = Field(description="of the whole store, since the service started")
    repair_due: bool
    alterations: list[AlterationAnswer]
