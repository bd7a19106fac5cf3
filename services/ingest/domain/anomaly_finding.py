"""A finding: an anomaly of a series in a period, and what its provider and the supervisor remarked on it (Art. 30)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any

from chengxin.errors import precondition
from chengxin.values.catalog_contract import TranslatedText

FINDING_CLOSED = precondition(
    "FINDING_CLOSED",
    "异常线索 {finding} 已办结，不能再说明或办结",
    "Finding {finding} is closed; it takes no more explanations and is not closed again",
)


class FindingState(StrEnum):
    """How far a finding is."""

    OPEN = "open"
    EXPLAINED = "explained"
    CLOSED = "closed"


@dataclass(frozen=True)
class FindingRemark:
    """A remark on a finding, and the state into which it brought the finding."""

    state: FindingState
    by: str
    # RFC 3339, as it is stored and answered.
    at: str
    text: str

    def to_dict(self) -> dict[str, str]:
        """Returns the fields for documents and answers."""
        return {"act": self.state.value, "by": self.by, "at": self.at, "text": self.text}


@dataclass(frozen=True)
class AnomalyFinding:
    """A finding. Days are Shanghai dates as YYYY-MM-DD."""

    finding_id: str
    # One of `AnomalyKind`.
    kind: str
    provider: str
    provider_name: str
    entry_code: str
    entry_name: TranslatedText
    period: str
    first_day: str
    last_day: str
    figures: Mapping[str, float]
    state: FindingState
    first_seen: datetime
    last_seen: datetime
    remarks: Sequence[FindingRemark] = ()

    def remarked(self, remark: FindingRemark) -> "AnomalyFinding":
        """Returns the finding with one more remark. Raises FINDING_CLOSED."""
        if self.state is FindingState.CLOSED:
            raise FINDING_CLOSED(finding=self.finding_id)
        return replace(self, state=remark.state, remarks=(*self.remarks, remark))

    def seen_again(self, figures: Mapping[str, float], at: datetime) -> "AnomalyFinding":
        """Returns the finding as a search finds it now; the same finding when it is closed or has these figures."""
        if self.state is FindingState.CLOSED or self.figures == figures:
            return self
        return replace(self, figures=figures, last_seen=at)

    @classmethod
    def read(cls, row: Mapping[str, Any]) -> "AnomalyFinding":
        """Reads a stored finding."""
        name = row.get("entry_name") or {}
        return cls(
            finding_id=row["_id"],
            kind=row["kind"],
            provider=row["provider"],
            provider_name=row.get("provider_name", ""),
            entry_code=row["entry_code"],
            entry_name=TranslatedText(name.get("zh", ""), name.get("en", "")),
            period=row["period"],
            first_day=row["first_day"],
            last_day=row["last_day"],
            figures=row["figures"],
            state=FindingState(row["state"]),
            first_seen=row["first_seen"],
            last_seen=row["last_seen"],
            remarks=[FindingRemark(FindingState(one["act"]), one["by"], one["at"], one["text"]) for one in row["acts"]],
        )

    def to_row(self) -> dict[str, Any]:
        """Returns the document that is stored."""
        return {
            "_id": self.finding_id,
            "kind": self.kind,
            "provider": self.provider,
            "provider_name": self.provider_name,
            "entry_code": self.entry_code,
            "entry_name": {"zh": self.entry_name.zh, "en": self.entry_name.en},
            "period": self.period,
            "first_day": self.first_day,
            "last_day": self.last_day,
            "figures": dict(self.figures),
            "state": self.state.value,
            "first_seen": self.first_seen,
            "last_seen": self.last_seen,
            "acts": [remark.to_dict() for remark in self.remarks],
        }
