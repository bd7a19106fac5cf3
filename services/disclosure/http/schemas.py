"""What the HTTP face takes and gives, as OpenAPI describes it."""

from typing import ClassVar, Final

from flask_openapi3.models.tag import Tag
from pydantic import BaseModel, Field

from chengxin.http.inputs import MADE_HERE, NAMES_A_PERSON, Body
from chengxin.http.web import PageQuery

OWN: Final = Tag(name="own", description="The verified subject: everything about oneself (Art. 16)")


class RefPath(BaseModel):
    """A subject."""

    beyond_schema: ClassVar[str] = "A reference as this system gives them"

    subject_ref: str = Field(max_length=64)


class SearchQuery(PageQuery):
    """What to search for."""

    q: str = Field(
        "",
        max_length=200,
        description="Organisations: a name or part of one, or a unified social credit code or its beginning. Persons: the "
        "full name, a space, and the number of the document or the last six characters of the identity number",
    )


class RecordsParameters(PageQuery):
    """Which records."""

    beyond_schema: ClassVar[str] = "An entry that there is, or was"

    entry: str = Field("", max_length=64, description="Only records of this catalog entry; empty: all")


class SelectorBody(Body):
    """Whom a query is about: exactly one."""

    may_hold_numbers = {
        "identity_number": NAMES_A_PERSON,
        "permanent_residence": NAMES_A_PERSON,
        "hk_macao_permit": NAMES_A_PERSON,
        "taiwan_permit": NAMES_A_PERSON,
        "passport": NAMES_A_PERSON,
        "uscc": NAMES_A_PERSON,
        "organisation_code": NAMES_A_PERSON,
    }

    beyond_schema: ClassVar[str] = "Exactly one, with a right check digit"

    subject_ref: str = Field("", max_length=64)
    uscc: str = Field("", max_length=32)
    identity_number: str = Field("", max_length=32)
    organisation_code: str = Field("", max_length=32)
    permanent_residence: str = Field("", max_length=32, description="Number of a foreigner's permanent residence card")
    hk_macao_permit: str = Field("", max_length=32, description="Number of a mainland travel permit (Hong Kong, Macao)")
    taiwan_permit: str = Field("", max_length=32, description="Number of a mainland travel permit (Taiwan)")
    passport: str = Field("", max_length=32, description="Three letters of the issuing State, a hyphen, the number")


class QueryBody(Body):
    """A query under agreement, law or consent."""

    may_hold_numbers = {
        **{f"subject.{member}": why for member, why in SelectorBody.may_hold_numbers.items()},
        "entries": "compared with the codes of entries, and kept nowhere",
        "page_token": MADE_HERE,
    }

    beyond_schema: ClassVar[str] = (
        "Entries that there are, or were; page_token is next_page_token of an answer, or empty"
    )

    subject: SelectorBody = Field(
        default_factory=SelectorBody, description="May be left out under a consent: then it is who gave it"
    )
    entries: list[str] = Field(default_factory=list, max_length=200, description="Entry codes; empty: all there are")
    page_size: int = Field(50, ge=1, le=200)
    page_token: str = Field(
        "",
        max_length=512,
        description="From the previous answer. Under a consent with counted uses a further page of the same entries, with "
        "the same access token, is the same use",
    )


class SubjectAnswer(BaseModel):
    """A subject."""

    subject_ref: str
    kind: str = Field(
        description="enterprise, public_institution, social_organization, individual; empty: unknown here"
    )
    name: str = Field(
        description="A person's in public as masked as the strictest of her public records has it; empty where one leaves "
        "it out"
    )
    uscc: str = Field(description="Empty for a natural person")
    former_names: list[str]


class RecordAnswer(BaseModel):
    """A record as one view shows it."""

    record_id: str
    version: int
    entry_code: str
    entry_version: int
    entry_name: str
    information_class: str
    provider_uscc: str
    provider_name: str
    items: dict[str, str]
    disclosed_until: str = Field(description="Last day of disclosure, Shanghai date; empty when there is none")
    recorded_at: str
    under_objection: bool = Field(description="An objection to the record is being handled")
    archived: bool | None = Field(None, description="True when disclosure has ended and only the subject sees it")


class RecordsAnswer(BaseModel):
    """A page of a subject's records, newest first."""

    subject: SubjectAnswer
    records: list[RecordAnswer]
    next_page_token: str
    audit_event_id: str = Field(description="Number of this query in the audit log")


class StatementAnswer(BaseModel):
    """What a provider says of a fact."""

    provider_uscc: str
    provider_name: str
    record_id: str
    entry_code: str
    item: str
    value: str = Field(description="As the asker may see it; empty where it is not shared")
    recorded_at: str
    basic: bool = Field(description="A record of basic information says so")


class DisagreementAnswer(BaseModel):
    """One fact, told differently by providers at the same time."""

    fact: str
    statements: list[StatementAnswer]


class OwnRecordsAnswer(RecordsAnswer):
    """A page of one's own records."""

    conflicts: list[DisagreementAnswer] = Field(
        description="What providers say differently of oneself; on the first page only"
    )


class SubjectsAnswer(BaseModel):
    """Subjects found, best first."""

    subjects: list[SubjectAnswer]
    total: int
    next_page_token: str
