"""What the gateway's use cases have around them."""

from dataclasses import dataclass

from chengxin.audit_client import AuditTrail
from chengxin.clock import Clock
from chengxin.ids import SubjectKey
from gateway.keys import SigningKeys
from gateway.passwords import Passwords
from gateway.store import Accounts


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
