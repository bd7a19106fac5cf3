"""What ingest's use cases are given."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, TypeVar

from tenacity import Retrying, retry_if_exception, stop_after_delay, wait_random_exponential

from chengxin.audit.trail import AuditTrail
from chengxin.proposals.documents import Proposals
from chengxin.store.database import is_passing
from chengxin.store.deadlines import BULK_SECONDS, patience, within
from chengxin.store.field_encryption import KeyRing
from chengxin.values.clock import Clock
from services.ingest.domain.receipt import ReceiptSigner
from services.ingest.projections.catalog_replica import CatalogReplica
from services.ingest.store.ingest_store import IngestStore
from services.ingest.store.quality import QualityStore
from services.ingest.store.recent_versions import RecentVersions
from services.ingest.store.record_factory import RecordFactory
from services.ingest.workers.upload_executor import UploadExecutor

T = TypeVar("T")

# How long a delivery in progress waits for the store. A store comes back 1 to 3 s after a crash; one that does not
# answer is started again within about 15 s, on a busy machine later. After that the caller gets an error, and resumes.
_DELIVERY_SECONDS: Final = 40


@dataclass(frozen=True)
class IngestContext:
    """The first argument of every use case here."""

    store: IngestStore
    audit: AuditTrail
    clock: Clock
    directory: CatalogReplica
    recorder: RecordFactory
    ring: KeyRing
    signer: ReceiptSigner
    desk: UploadExecutor = field(default_factory=UploadExecutor)
    recent: RecentVersions = field(default_factory=RecentVersions)

    @property
    def quality(self) -> QualityStore:
        """The collections of quality and timeliness."""
        return self.store.quality

    @property
    def proposals(self) -> Proposals:
        """What waits for a second officer, or did; what people wrote is sealed."""
        return Proposals(self.store.store, self.ring)

    @staticmethod
    def patiently(work: Callable[[], T]) -> T:
        """Does `work` again while the store is away, as long as a request may wait.

        `work` must recognise what it has done before."""
        seconds = patience()
        with within(seconds):
            return _again(seconds)(work)

    @staticmethod
    def persistently(work: Callable[[], T]) -> T:
        """As `patiently`, for a delivery in progress: it waits until the store has been started again."""

        def attempt() -> T:
            with within(BULK_SECONDS):
                return work()

        return _again(_DELIVERY_SECONDS)(attempt)


def _again(seconds: float) -> Retrying:
    return Retrying(
        retry=retry_if_exception(is_passing),
        wait=wait_random_exponential(0.1, 1),
        stop=stop_after_delay(seconds),
        reraise=True,
    )
