"""Who may come in at an edge: the token is checked, the rate of its caller counted, a refused token put on record."""

from collections.abc import Callable
from dataclasses import dataclass

from chengxin.auth.access_tokens import Verifier
from chengxin.concurrency.shares import Claimant
from chengxin.errors import UNAUTHENTICATED, Problem
from gateway.edge.concurrency_limits import EdgeShares
from gateway.edge.rate_limits import RateLimits


@dataclass(frozen=True)
class EdgeAdmission:
    """The checks that every caller with a token passes at both edges.

    `record(problem, edge, request_id)` puts a refused token on record. That waits for the audit service, so it has
    `refusals` of its own: whoever sends bad tokens takes no other place.
    """

    verifier: Verifier
    limits: RateLimits
    refusals: EdgeShares
    record: Callable[[Problem, str, str], None]

    def admit(self, authorization: str, certificate: str, origin: str, edge: str, request_id: str) -> Claimant:
        """Returns who a caller is, by what stands in `Authorization` and by the thumbprint of the certificate shown.

        Raises UNAUTHENTICATED, RATE_LIMITED, EDGE_BUSY.
        """
        try:
            scheme, _, token = authorization.partition(" ")
            if scheme.lower() != "bearer" or not token:
                raise UNAUTHENTICATED(reason="Authorization must be: Bearer <token>")
            caller = self.verifier.verify(token)
            if caller.certificate and caller.certificate != certificate:
                raise UNAUTHENTICATED(reason="the token is bound to another certificate than the one shown")
        except Problem as problem:
            # A guessed token costs as much to check as a proof of identity.
            self.limits.by_proof(origin)
            with self.refusals.take(Claimant(origin)):
                self.record(problem, edge, request_id)
            raise
        self.limits.by_client(caller.client_id, caller.sub)
        return Claimant(f"{caller.client_id}\0{caller.sub}", proven=True)
