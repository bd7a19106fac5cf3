"""HTTP face of what surrounds direct reporting: agreements, column mappings, previews. No decisions here."""

from typing import Final

from flask import Response
from flask_openapi3.models.tag import Tag
from flask_openapi3.openapi import OpenAPI
from pydantic import BaseModel, Field

from chengxin.context import caller
from chengxin.policy import serves
from chengxin.web import answer
from services.ingest import terms
from services.ingest.room import Ingest
from services.ingest.terms import Terms

_REPORTING: Final = Tag(name="reporting", description="How providers report: agreements, mappings, previews (Art. 10)")


class ProviderPath(BaseModel):
    """A provider."""

    provider: str = Field(max_length=18, description="Unified social credit code")


class AgreementBody(BaseModel):
    """What was agreed."""

    signature_required: bool = Field(description="Whether every delivery must be signed by the provider's key")
    document: str = Field(min_length=1, max_length=200, description="The agreement, for example its number")


class AgreementAnswer(AgreementBody):
    """What was agreed with a provider."""

    provider_uscc: str
    changed_at: str


def add_agreements(app: OpenAPI, ingest: Ingest) -> None:
    """The terms of providers."""

    @app.put(
        "/v1/submissions/agreements/<provider>",
        tags=[_REPORTING],
        summary="Put down what was agreed with a provider",
        responses={200: AgreementAnswer},
    )
    @serves(terms.agree)
    def agree(path: ProviderPath, body: AgreementBody) -> Response:
        """It holds from the next delivery; doing it again changes nothing."""
        wanted = Terms(body.signature_required, body.document)
        return answer(terms.agree(ingest, caller(), path.provider, wanted))

    @app.get(
        "/v1/submissions/agreements/<provider>",
        tags=[_REPORTING],
        summary="What was agreed with a provider",
        responses={200: AgreementAnswer},
    )
    @serves(terms.agreed)
    def agreed(path: ProviderPath) -> Response:
        """A provider sees its own."""
        return answer(terms.agreed(ingest, caller(), path.provider))
