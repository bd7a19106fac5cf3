"""Disclosure, asked what a consent code stands for (Art. 16)."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import grpc

from chengxin.auth import request_context
from chengxin.errors import Problem
from chengxin_api.disclosure.v1 import disclosure_pb2, disclosure_pb2_grpc

_SECONDS: Final = 5.0


@dataclass(frozen=True)
class ResolvedConsent:
    """A consent that may be used now, as a token names it."""

    consent_id: str
    purpose: str


# The consent of a code, for the organisation (USCC) that presents it. Raises disclosure's refusal.
Consents = Callable[[str, str], ResolvedConsent]


def consents_of(
    stub: disclosure_pb2_grpc.DisclosureServiceStub, metadata: Callable[[], tuple[tuple[str, str], ...]]
) -> Consents:
    """Asks disclosure, with the gateway's own token in `metadata`. What it gives may raise UPSTREAM_UNAVAILABLE too."""

    def resolved(code: str, grantee: str) -> ResolvedConsent:
        request = disclosure_pb2.ResolveConsentRequest(code=code, grantee=grantee)
        try:
            found = stub.ResolveConsent(request, metadata=(*metadata(), *request_context.hop()), timeout=_SECONDS)
        except grpc.RpcError as e:
            raise Problem.from_rpc(e) from None
        return ResolvedConsent(found.consent_id, found.purpose)

    return resolved
