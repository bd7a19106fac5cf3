"""What administration answers over HTTP: clients, officers, signing keys, revocations, as OpenAPI describes it."""

from typing import Any

from flask import Response
from pydantic import BaseModel, Field

from chengxin.auth.principal import Role
from chengxin.http.proposals import ProposalAnswer
from chengxin.http.web import answer
from chengxin.values.page_tokens import encode_page_token


class PurposeAnswer(BaseModel):
    """A stated purpose, and the agreement that states it."""

    purpose: str
    agreement: str


class ClientAnswer(BaseModel):
    """A client with its keys and grants."""

    client_id: str
    name: str
    org: str
    region: str
    responsible: str = Field(description="Service number of the officer who answers for it")
    suspended: bool
    keys: list[dict[str, str]] = Field(description="Public keys (RFC 7517); `exp`: epoch second at which it retires")
    roles: list[Role]
    purposes: list[PurposeAnswer]
    legal_bases: list[str]


class OwnClientAnswer(ClientAnswer):
    """A client as its holder sees it."""

    proposals: list[ProposalAnswer] = Field(description="What officers have proposed for it")


class ClientsAnswer(BaseModel):
    """A page of clients."""

    clients: list[ClientAnswer]
    next_page_token: str


class OfficerAnswer(BaseModel):
    """An officer's account."""

    username: str
    org: str
    region: str = Field(description="Where the officer acts; empty: everywhere")
    roles: list[Role]
    suspended: bool
    initial_password: bool = Field(description="Whether its holder has not chosen a password yet")
    awaits_approval: bool = Field(description="Whether a reset waits for a second officer")


class OfficersAnswer(BaseModel):
    """A page of officers."""

    officers: list[OfficerAnswer]
    next_page_token: str


class SignInAnswer(BaseModel):
    """A sign-in whose token is not expired."""

    jti: str
    signed_in_at: str
    expires_at: str


class OfficerDetailsAnswer(OfficerAnswer):
    """An officer's account with its sign-ins."""

    locked: bool = Field(description="Whether failed sign-ins lock the user name")
    sessions: list[SignInAnswer]


class NewOfficerAnswer(OfficerAnswer):
    """An officer's account with its initial secrets, which are told once."""

    password: str
    totp_secret: str = Field(description="Base32 (RFC 6238)")
    totp_uri: str


class OfficerResetAnswer(NewOfficerAnswer):
    """An officer's account with new secrets, and what a second officer approves."""

    proposal: ProposalAnswer


class SignedOutAnswer(BaseModel):
    """How many sign-ins were ended."""

    username: str
    ended: int


class SigningKeyAnswer(BaseModel):
    """A key that verifies tokens."""

    kid: str
    signs_from: str
    signs: bool = Field(description="Whether it signs now")


class SigningKeysAnswer(BaseModel):
    """The keys that verify tokens, the newest first."""

    signing_keys: list[SigningKeyAnswer]


class RevocationAnswer(BaseModel):
    """Tokens that are no longer good: those whose `kind` is `value`, issued before an instant."""

    kind: str = Field(description="jti, sub, client_id, representation, kid")
    value: str
    issued_before: int = Field(description="Epoch seconds")


class RevocationsAnswer(BaseModel):
    """What is revoked."""

    revocations: list[RevocationAnswer]


def page_of(name: str, found: list[dict[str, Any]], size: int, key: str) -> Response:
    """Answers with a page of things that are sorted by `key`; `found` has one more when another page follows."""
    page = found[:size]
    more = encode_page_token(page[-1][key] if len(found) > size else None)
    return answer({name: page, "next_page_token": more})
