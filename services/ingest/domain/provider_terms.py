"""What was agreed with a provider on how it delivers (Art. 10, 12)."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any


@dataclass(frozen=True)
class ProviderTerms:
    """The terms of an agreement: whether every delivery must be signed, and the agreement's name or number."""

    provider: str
    signature_required: bool
    document: str
    changed_at: datetime

    @classmethod
    def read(cls, row: Mapping[str, Any]) -> "ProviderTerms":
        """Reads the stored terms of a provider."""
        return cls(row["_id"], bool(row["signature_required"]), row["document"], row["changed_at"])

    def loosens(self, before: "ProviderTerms") -> bool:
        """Whether these terms ask for less than those before: deliveries need no signature any more."""
        return before.signature_required and not self.signature_required

    def to_row(self) -> dict[str, Any]:
        """Returns the fields that are stored."""
        return {
            "signature_required": self.signature_required,
            "document": self.document,
            "changed_at": self.changed_at,
        }
