"""What the gateway's use cases are given."""

from dataclasses import dataclass

from chengxin.audit.trail import AuditTrail
from chengxin.auth.revocation import Revocations
from chengxin.errors import UNAUTHENTICATED, Problem
from chengxin.proposals.documents import Proposals
from chengxin.store.database import Store
from chengxin.values.acts import Act
from chengxin.values.clock import Clock
from chengxin.values.ids import SubjectKey
from gateway.clients.catalog import RegionOfOrganisation
from gateway.clients.disclosure import ResolveConsent
from gateway.domain.clients_and_officers import ANONYMOUS
from gateway.domain.edge_refusals import SERVICE_TOKEN_OUTSIDE
from gateway.store.accounts import Accounts
from gateway.store.administration import Administration
from gateway.store.passwords import Passwords
from gateway.store.signing_keys import SigningKeys


@dataclass(frozen=True)
class GatewayContext:
    """The first argument of every use case here."""

    issuer: str
    accounts: Accounts
    keys: SigningKeys
    audit: AuditTrail
    clock: Clock
    subject_key: SubjectKey
    passwords: Passwords
    revocations: Revocations
    consents: ResolveConsent
    region_of: RegionOfOrganisation

    @property
    def store(self) -> Store:
        """The store of the accounts, for requests with an `Idempotency-Key`."""
        return self.accounts.store

    @property
    def administration(self) -> Administration:
        """The documents of officers' administration."""
        return self.accounts.administration

    @property
    def proposals(self) -> Proposals:
        """What waits for a second officer, or did."""
        return self.administration.proposals

    def refused_at_edge(self, problem: Problem, edge: str, request_id: str) -> None:
        """Puts on record that an edge refused a token. Nothing in the token is believed. Raises AUDIT_UNAVAILABLE."""
        # A service behind the gateway that is away is not an attempt with a bad token.
        if problem.type in (UNAUTHENTICATED, SERVICE_TOKEN_OUTSIDE):
            details = {"code": problem.code, "edge": edge}
            self.audit.record(
                self.audit.event(Act.EDGE_REFUSED, ANONYMOUS, outcome="refused", details=details, request_id=request_id)
            )
