"""The states of a case, and what each party may find or decide (Art. 24 to 27)."""

from enum import StrEnum
from typing import Final


class CaseState(StrEnum):
    """The state of a case."""

    FILED = "filed"
    SUPPLEMENT_REQUESTED = "supplement_requested"
    ACCEPTED = "accepted"
    REFUSED = "refused"
    SYSTEM_FAULT = "system_fault"
    PROVIDER_NOTIFIED = "provider_notified"
    ANSWERED_WRONG = "answered_wrong"
    ANSWERED_RIGHT = "answered_right"
    CORRECTED = "corrected"
    UPHELD = "upheld"
    WITHDRAWN = "withdrawn"


CLOSED: Final = frozenset({CaseState.REFUSED, CaseState.CORRECTED, CaseState.UPHELD, CaseState.WITHDRAWN})

STATE_ZH: Final = {
    CaseState.FILED: "已提出，待受理",
    CaseState.SUPPLEMENT_REQUESTED: "待申请人补正",
    CaseState.ACCEPTED: "已受理，待核查",
    CaseState.REFUSED: "不予受理",
    CaseState.SYSTEM_FAULT: "系统差错，待更正",
    CaseState.PROVIDER_NOTIFIED: "提供单位核查中",
    CaseState.ANSWERED_WRONG: "提供单位确认有误，待更正",
    CaseState.ANSWERED_RIGHT: "提供单位确认无误，待办结",
    CaseState.CORRECTED: "已更正",
    CaseState.UPHELD: "维持原状",
    CaseState.WITHDRAWN: "已撤回",
}


STATE_EN: Final = {state: state.value.replace("_", " ") for state in CaseState}


class CentreFinding(StrEnum):
    """The result of the centre's verification (Art. 25)."""

    SYSTEM_FAULT = "system_fault"
    CONSISTENT_WITH_SOURCE = "consistent_with_source"


class ProviderFinding(StrEnum):
    """The result of the provider's verification (Art. 26)."""

    WRONG = "wrong"
    RIGHT = "right"


class CaseOutcome(StrEnum):
    """How a case is decided (Art. 27)."""

    CORRECTED = "corrected"
    UPHELD = "upheld"


class Party(StrEnum):
    """The party that moved a case to another state."""

    APPLICANT = "applicant"
    CENTRE = "centre"
    PROVIDER = "provider"
