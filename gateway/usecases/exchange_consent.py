"""The exchange of a consent code for a token (Art. 16; RFC 8693): disclosure decides, and `issue_token` issues."""

from typing import Final

from chengxin.auth.access_tokens import CONSENT_CODE
from chengxin.auth.principal import Principal, Role
from chengxin.errors import InBoth
from gateway.clients.disclosure import ResolveConsent
from gateway.domain.clients_and_officers import Client, TokenRequest, refuse_binding
from gateway.domain.token_refusals import (
    CLIENT_SUSPENDED,
    EXCHANGE_NOT_ALLOWED,
    SCOPE_NOT_ALLOWED,
    TARGET_NOT_OFFERED,
    TOKEN_REQUEST_INVALID,
)

# The type of the token that an exchange gives (RFC 8693 section 3).
ACCESS_TOKEN: Final = "urn:ietf:params:oauth:token-type:access_token"
_LONGEST_CODE: Final = 128


def exchange_consent(client: Client, asked: TokenRequest, consents: ResolveConsent) -> Principal:
    """Returns the principal that the token for a consent code will name. Raises the refusal."""
    if client.suspended:
        raise CLIENT_SUSPENDED(client_id=client.client_id)
    if fault := exchange_fault(asked):
        raise TOKEN_REQUEST_INVALID(what=fault)
    if targets := [n for n in ("audience", "resource") if getattr(asked, n)]:
        raise TARGET_NOT_OFFERED(named=", ".join(targets))
    if Role.SUBJECT_AUTHORIZED not in client.roles:
        raise EXCHANGE_NOT_ALLOWED()
    if asked.scope not in ("", Role.SUBJECT_AUTHORIZED):
        raise SCOPE_NOT_ALLOWED(allowed=Role.SUBJECT_AUTHORIZED)
    refuse_binding(client, asked)
    consent = consents(asked.subject_token, client.org)
    return client.named(Role.SUBJECT_AUTHORIZED, consent_id=consent.consent_id, purpose=consent.purpose)


def exchange_fault(asked: TokenRequest) -> str | None:
    """Returns the fault in a request to exchange a consent code (RFC 8693 section 2.1), or None."""
    if asked.subject_token_type != CONSENT_CODE:
        return InBoth(f"subject_token_type 须为 {CONSENT_CODE}", f"subject_token_type must be {CONSENT_CODE}")
    if not 1 <= len(asked.subject_token) <= _LONGEST_CODE:
        return InBoth("subject_token 须为授权码", "subject_token must be the consent code")
    if asked.requested_token_type not in ("", ACCESS_TOKEN):
        return InBoth(f"requested_token_type 须为 {ACCESS_TOKEN}", f"requested_token_type must be {ACCESS_TOKEN}")
    if asked.actor_token:
        return InBoth("此处不能给 actor_token", "actor_token cannot be given here")
    return None
