"""Exchange of a consent code for a token (Art. 16; RFC 8693): disclosure decides, the gateway issues."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import grpc

from chengxin import context
from chengxin.disclosure.v1 import disclosure_pb2, disclosure_pb2_grpc
from chengxin.errors import Problem
from chengxin.principal import Principal, Role
from chengxin.tokens import CONSENT_CODE
from gateway.model import (
    CLIENT_SUSPENDED,
    EXCHANGE_NOT_ALLOWED,
    SCOPE_NOT_ALLOWED,
    TOKEN_REQUEST_INVALID,
    Client,
    TokenRequest,
    unbound,
)

# What an exchange gives (RFC 8693 section 3).
ACCESS_TOKEN: Final = "urn:ietf:params:oauth:token-type:access_token"
_LONGEST_CODE: Final = 128
_SECONDS: Final = 5.0


@dataclass(frozen=True)
class Consented:
    """A consent that may be used now, as a token names it."""

    consent_id: str
    purpose: str


# The consent of a code, for the organisation (USCC) that presents it. Raises disclosure's refusal.
Consents = Callable[[str, str], Consented]


def exchanged(client: Client, asked: TokenRequest, consents: Consents) -> Principal:
    """Whom the token for a consent code will name. Raises the refusal."""
    if client.suspended:
        raise CLIENT_SUSPENDED(client_id=client.client_id)
    if fault := exchange_fault(asked):
        raise TOKEN_REQUEST_INVALID(what=fault)
    if Role.SUBJECT_AUTHORIZED not in client.roles:
        raise EXCHANGE_NOT_ALLOWED()
    if asked.scope not in ("", Role.SUBJECT_AUTHORIZED):
        raise SCOPE_NOT_ALLOWED(allowed=Role.SUBJECT_AUTHORIZED)
    unbound(client, asked)
    consent = consents(asked.subject_token, client.org)
    return client.named(Role.SUBJECT_AUTHORIZED, consent_id=consent.consent_id, purpose=consent.purpose)


def exchange_fault(asked: TokenRequest) -> str | None:
    """What is wrong with a request to exchange a consent code (RFC 8693 section 2.1), or None."""
    if asked.subject_token_type != CONSENT_CODE:
        return f"subject_token_type must be {CONSENT_CODE}"
    if not 1 <= len(asked.subject_token) <= _LONGEST_CODE:
        return "subject_token must be the consent code"
    if asked.requested_token_type not in ("", ACCESS_TOKEN):
        return f"requested_token_type must be {ACCESS_TOKEN}"
    if named := [n for n in ("actor_token", "audience", "resource") if getattr(asked, n)]:
        return f"{', '.join(named)} cannot be given here"
    return None


def consents_of(
    stub: disclosure_pb2_grpc.DisclosureServiceStub, metadata: Callable[[], tuple[tuple[str, str], ...]]
) -> Consents:
    """Asks disclosure, with the gateway's own token in `metadata`. What it gives may raise UPSTREAM_UNAVAILABLE too."""

    def resolved(code: str, grantee: str) -> Consented:
        request = disclosure_pb2.ResolveConsentRequest(code=code, grantee=grantee)
        try:
            found = stub.ResolveConsent(request, metadata=(*metadata(), *context.hop()), timeout=_SECONDS)
        except grpc.RpcError as e:
            raise Problem.from_rpc(e) from None
        return Consented(found.consent_id, found.purpose)

    return resolved
