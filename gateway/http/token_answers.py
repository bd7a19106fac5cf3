"""What asking for a token answers, as OpenAPI describes it."""

from pydantic import BaseModel, Field


class TokenAnswer(BaseModel):
    """An access token (RFC 6749 section 5.1)."""

    access_token: str
    token_type: str = Field(description="Bearer")
    expires_in: int
    scope: str = ""
    issued_token_type: str | None = Field(None, description="Of an exchange (RFC 8693)")


class SubjectTokenAnswer(TokenAnswer):
    """An access token for a subject."""

    subject_ref: str = Field(description="The subject's pseudonym, also the token's sub")


class OAuthError(BaseModel):
    """RFC 6749 section 5.2."""

    error: str
    error_description: str = Field(description="In English and ASCII; see detail")
    code: str = Field(description="Stable code of the refusal")
    detail: str = Field(description="What is wrong and how to mend it, in the language asked for")


class KeySetAnswer(BaseModel):
    """A JSON Web Key Set (RFC 7517)."""

    keys: list[dict[str, str]]


class AuthorizationServerAnswer(BaseModel):
    """How to obtain tokens (RFC 8414)."""

    issuer: str
    token_endpoint: str
    revocation_endpoint: str
    revocation_endpoint_auth_methods_supported: list[str]
    jwks_uri: str
    grant_types_supported: list[str]
    response_types_supported: list[str]
    token_endpoint_auth_methods_supported: list[str]
    token_endpoint_auth_signing_alg_values_supported: list[str]
    scopes_supported: list[str]
    service_documentation: str


class NothingAnswer(BaseModel):
    """Nothing more to say."""
