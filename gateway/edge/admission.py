"""Who may come in at an edge: the token is checked, the rate of its caller counted, a refused token put on record."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from chengxin.auth.access_tokens import Verifier
from chengxin.auth.admission import bearer_token
from chengxin.auth.principal import Principal, Role
from chengxin.concurrency.shares import Claimant
from chengxin.errors import UNAUTHENTICATED, InBoth, Problem
from gateway.domain.edge_refusals import SERVICE_TOKEN_OUTSIDE
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

        What the suite's own services may do counts inside alone: the key of one of them, stolen, opens nothing here.
        Raises SERVICE_TOKEN_OUTSIDE, UNAUTHENTICATED, AUTHORIZATION_UNREADABLE, RATE_LIMITED, EDGE_BUSY.
        """
        with self._refusing(origin, edge, request_id):
            caller = self._verify(authorization, certificate)
            if Role.SERVICE in caller.roles:
                raise SERVICE_TOKEN_OUTSIDE()
        return self._count(caller)

    def admit_to_gateway(
        self, authorization: str, certificate: str, origin: str, edge: str, request_id: str
    ) -> Claimant:
        """As `admit`, to the gateway's own addresses, where services read what is revoked."""
        with self._refusing(origin, edge, request_id):
            caller = self._verify(authorization, certificate)
        return self._count(caller)

    def _verify(self, authorization: str, certificate: str) -> Principal:
        caller = self.verifier.verify(bearer_token(authorization))
        if caller.certificate and caller.certificate != certificate:
            raise UNAUTHENTICATED(
                reason=InBoth(
                    "令牌绑定的不是所出示的证书", "the token is bound to another certificate than the one shown"
                )
            )
        return caller

    @contextmanager
    def _refusing(self, origin: str, edge: str, request_id: str) -> Iterator[None]:
        try:
            yield
        except Problem as problem:
            # A guessed token costs as much to check as a proof of identity.
            self.limits.by_proof(origin)
            with self.refusals.take(Claimant(origin)):
                self.record(problem, edge, request_id)
            raise

    def _count(self, caller: Principal) -> Claimant:
        self.limits.by_client(caller.client_id, caller.sub)
        return Claimant(f"{caller.client_id}\0{caller.sub}", proven=True)
