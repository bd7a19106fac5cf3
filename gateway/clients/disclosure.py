"""The client of disclosure, which resolves consent codes (Art. 16)."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import grpc

from chengxin.errors import Problem
from chengxin_api.disclosure.v1 import disclosure_pb2, disclosure_pb2_grpc

_TIMEOUT_SECONDS: Final = 5.0


@dataclass(frozen=True)
class ResolvedConsent:
    """A consent that may be used now, as a token names it."""

    consent_id: str
    purpose: str


# Returns the consent of a code, for the organisation (USCC) that presents the code. Raises disclosure's refusal.
ResolveConsent = Callable[[str, str], ResolvedConsent]


def make_consent_resolver(
    stub: disclosure_pb2_grpc.DisclosureServiceStub, metadata: Callable[[], tuple[tuple[str, str], ...]]
) -> ResolveConsent:
    """Returns a function that asks disclosure, with the gateway's own token in `metadata`.

    The function may also raise UPSTREAM_UNAVAILABLE.
    """

    def resolve(code: str, grantee: str) -> ResolvedConsent:
        request = disclosure_pb2.ResolveConsentRequest(code=code, grantee=grantee)
        try:
            consent = stub.ResolveConsent(request, metadata=metadata(), timeout=_TIMEOUT_SECONDS)
        except grpc.RpcError as e:
            raise Problem.from_rpc(e) from None
        return ResolvedConsent(consent.consent_id, consent.purpose)

    return resolve
