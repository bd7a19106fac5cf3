"""What the gateway's use cases have around them."""

from dataclasses import dataclass

from chengxin.audit_client import AuditTrail
from chengxin.clock import Clock
from chengxin.errors import UNAUTHENTICATED, Problem
from chengxin.ids import SubjectKey
from chengxin.mongo import Store
from chengxin.revocation import Revocations
from gateway.consents import Consents
from gateway.keys import SigningKeys
from gateway.model import ANONYMOUS
from gateway.passwords import Passwords
from gateway.store import Accounts
from gateway.store_administration import Administration


@dataclass(frozen=True)
class Gateway:
    """The first argument of every use case here."""

    issuer: str
    accounts: Accounts
    keys: SigningKeys
    audit: AuditTrail
    clock: Clock
    subject_key: SubjectKey
    passwords: Passwords
    revocations: Revocations
    consents: Consents

    @property
    def store(self) -> Store:
        """The store under the accounts, for what is done once per Idempotency-Key."""
        return self.accounts.store

    @property
    def administration(self) -> Administration:
        """What officers' administration keeps."""
        return self.accounts.administration

    def refused_at_edge(self, problem: Problem, edge: str, request_id: str) -> None:
        """Puts a token that is not good on record, of which nothing is believed. Raises AUDIT_UNAVAILABLE."""
        # That something behind the gateway is away is nobody's attempt.
        if problem.type is UNAUTHENTICATED:
            details = {"code": problem.code, "edge": edge}
            self.audit.record(
                self.audit.event("edge.refused", ANONYMOUS, outcome="refused", details=details, request_id=request_id)
            )
