"""What the gateway's use cases have around them."""

from dataclasses import dataclass

from chengxin.audit_client import AuditTrail
from chengxin.clock import Clock
from chengxin.ids import SubjectKey
from chengxin.mongo import Store
from chengxin.revocation import Revocations
from gateway.keys import SigningKeys
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

    @property
    def store(self) -> Store:
        """The store under the accounts, for what is done once per Idempotency-Key."""
        return self.accounts.store

    @property
    def administration(self) -> Administration:
        """What officers' administration keeps."""
        return self.accounts.administration
