"""The views of the directory of organisations. They decide nothing."""

from typing import ClassVar, Final

from flask import Response
from flask_openapi3.models.tag import Tag
from flask_openapi3.openapi import OpenAPI
from pydantic import BaseModel, Field

from chengxin.auth.policy import serves
from chengxin.auth.request_context import caller
from chengxin.errors import INPUT_INVALID, FieldError
from chengxin.http.named_things import RegionName
from chengxin.http.web import PageQuery, RepeatableRequest, answer
from chengxin.values.page_tokens import text_after
from services.catalog.context import CatalogContext
from services.catalog.domain.organisation import Function, OrganisationKind, read_organisation
from services.catalog.http.responses import page
from services.catalog.http.schemas import Strict
from services.catalog.usecases import organisations as directory
from services.catalog.usecases.organisations import OrganisationFilter

_DIRECTORY: Final = Tag(name="catalog directory", description="Organisations of the city and its counties (Art. 6)")


_OF_THE_OFFICE: Final = "the telephone of an office, which is there to be called"


class DesignatedOfficerBody(Strict):
    """A person whom the organisation has designated (Art. 6)."""

    name: str
    duty: str
    telephone: str = Field("", description="Of the office")


class OrganisationBody(Strict):
    """An organisation as the directory has it."""

    may_hold_numbers = {
        "telephone": _OF_THE_OFFICE,
        "officers.telephone": _OF_THE_OFFICE,
    }

    beyond_schema: ClassVar[str] = (
        "The organisation of the address, by a credit code with a right check digit, in a known region"
    )

    uscc: str | None = Field(None, description="If given, that in the address")
    name: str
    kind: OrganisationKind
    region: str = Field(description="Where it is competent, a code of the list region")
    functions: tuple[Function, ...]
    responsible_unit: str = Field("", description="The unit that a provider designates (Art. 6)")
    contact_function: str = Field("", description="Who answers there, by function; everybody reads it")
    telephone: str = Field("", description="Of the office")
    officers: tuple[DesignatedOfficerBody, ...] = Field((), description="Read by agencies, providers and organs only")
    active: bool = True


class OrganisationAnswer(OrganisationBody):
    """An organisation of the directory."""

    uscc: str


class OrganisationsAnswer(BaseModel):
    """Organisations."""

    organisations: list[OrganisationAnswer]
    next_page_token: str


class OrganisationPath(BaseModel):
    """An organisation."""

    uscc: str = Field(max_length=18)


class OrganisationsQuery(PageQuery):
    """The organisations that are asked for."""

    beyond_schema: ClassVar[str] = "A region that there is"

    region: RegionName = Field("", description="Empty: all")
    function: Function | None = Field(None, description="Absent: all")


def add_organisations(app: OpenAPI, ctx: CatalogContext) -> None:
    """Adds the views of the directory."""

    @app.get(
        "/v1/catalog/organisations",
        tags=[_DIRECTORY],
        summary="Organisations of the city and its counties",
        responses={200: OrganisationsAnswer},
    )
    @serves(directory.listed)
    def organisations(query: OrganisationsQuery) -> Response:
        """They are ordered by credit code."""
        after = text_after(query.page_token)
        wanted = OrganisationFilter(query.region, query.function or "")
        found = directory.listed(ctx, caller(), wanted, after, query.page_size)
        return page("organisations", found, query.page_size, lambda organisation: [organisation.uscc])

    @app.get(
        "/v1/catalog/organisations/<uscc>",
        tags=[_DIRECTORY],
        summary="An organisation",
        responses={200: OrganisationAnswer},
    )
    @serves(directory.read)
    def organisation(path: OrganisationPath) -> Response:
        """It is found by its unified social credit code."""
        return answer(directory.read(ctx, caller(), path.uscc).to_dict())

    @app.put(
        "/v1/catalog/organisations/<uscc>",
        tags=[_DIRECTORY],
        summary="Enter or change an organisation",
        responses={200: OrganisationAnswer},
    )
    @serves(directory.record)
    def record_organisation(path: OrganisationPath, body: OrganisationBody, header: RepeatableRequest) -> Response:
        """To send the same again changes nothing."""
        if body.uscc not in (None, path.uscc):
            raise INPUT_INVALID(fields=[FieldError("uscc", "uscc", f"{body.uscc} ≠ {path.uscc}")])
        entry = read_organisation(body.model_dump(mode="json") | {"uscc": path.uscc})
        return answer(directory.record(ctx, caller(), entry, header.idempotency_key).to_dict())
