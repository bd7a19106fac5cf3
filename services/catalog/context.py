"""The store, the audit trail and the clock of the catalog's use cases, and checks of their input."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from typing import Final

from chengxin.audit.trail import AuditTrail
from chengxin.auth import request_context
from chengxin.errors import INPUT_INVALID, FieldError, ProblemType
from chengxin.proposals.documents import Proposals
from chengxin.values.clock import Clock, read_day
from services.catalog.domain.entry_validation import Finding
from services.catalog.store.catalog import CatalogStore

# The reason why reading the catalog leaves no audit event.
NO_CREDIT_INFORMATION: Final = "the catalog says nothing of any subject"


@dataclass(frozen=True)
class CatalogContext:
    """The first argument of every use case here."""

    store: CatalogStore
    audit: AuditTrail
    clock: Clock

    @property
    def proposals(self) -> Proposals:
        """What waits for a second officer, or did."""
        return Proposals(self.store.store)


def must_be_sound(findings: Iterable[Finding], problem: ProblemType = INPUT_INVALID) -> None:
    """Raises `problem` with every finding, in the language of the request."""
    if found := [finding.field_error(request_context.language()) for finding in findings]:
        raise problem(fields=found)


def day(field: str, text: str) -> date | None:
    """Reads a date in the form YYYY-MM-DD; an empty text gives None. Raises INPUT_INVALID."""
    if not text:
        return None
    try:
        return read_day(text)
    except ValueError:
        raise INPUT_INVALID(fields=[FieldError(field, "date", "应为 YYYY-MM-DD / must be YYYY-MM-DD")]) from None
