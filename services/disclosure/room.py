"""What disclosure's use cases have around them."""

from dataclasses import dataclass
from typing import Final

from chengxin.audit_client import AuditTrail
from chengxin.clock import Clock
from chengxin.crypto import KeyRing
from chengxin.ids import SubjectKey
from chengxin.principal import Principal, Role
from services.disclosure.searching import Directory
from services.disclosure.store import DisclosureStore

# What disclosure does of itself is on record as done by it.
OWN: Final = Principal("disclosure", frozenset({Role.SERVICE}), client_id="disclosure")


@dataclass(frozen=True)
class Disclosure:
    """The first argument of every use case here."""

    store: DisclosureStore
    directory: Directory
    audit: AuditTrail
    clock: Clock
    keys: KeyRing
    subject_key: SubjectKey
    # Whether a citizen can sign in with a browser, so that the portal offers it: in the demonstration world.
    own_page: bool = False
