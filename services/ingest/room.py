"""What ingest's use cases have around them."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, TypeVar

from pymongo.errors import ConnectionFailure, OperationFailure, PyMongoError
from tenacity import Retrying, retry_if_exception, stop_after_delay, wait_random_exponential

from chengxin.audit_client import AuditTrail
from chengxin.clock import Clock
from chengxin.crypto import KeyRing
from services.ingest.desk import Desk
from services.ingest.directory import Directory
from services.ingest.quality_store import QualityStore
from services.ingest.receipts import Signer
from services.ingest.recent import Recent
from services.ingest.record import Recorder
from services.ingest.store import IngestStore

T = TypeVar("T")

# Longer than a store takes to come back after a crash (1 to 3 s); then the caller is told, and resumes.
_PATIENCE_SECONDS: Final = 20
_NO_SUCH_TRANSACTION: Final = 251


@dataclass(frozen=True)
class Ingest:
    """The first argument of every use case here."""

    store: IngestStore
    audit: AuditTrail
    clock: Clock
    directory: Directory
    recorder: Recorder
    ring: KeyRing
    signer: Signer
    desk: Desk = field(default_factory=Desk)
    recent: Recent = field(default_factory=Recent)

    @property
    def quality(self) -> QualityStore:
        """The collections of quality and timeliness."""
        return self.store.quality

    @staticmethod
    def patiently(work: Callable[[], T]) -> T:
        """Does `work` again while the store is away, within bounds; `work` must find out what it has done already."""
        again = Retrying(
            retry=retry_if_exception(_passing),
            wait=wait_random_exponential(0.1, 1),
            stop=stop_after_delay(_PATIENCE_SECONDS),
            reraise=True,
        )
        return again(work)


def _passing(error: BaseException) -> bool:
    if isinstance(error, OperationFailure) and error.code == _NO_SUCH_TRANSACTION:
        return True
    return isinstance(error, ConnectionFailure) or (
        isinstance(error, PyMongoError) and error.has_error_label("TransientTransactionError")
    )
