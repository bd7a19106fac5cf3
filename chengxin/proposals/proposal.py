"""What one officer proposes and a second one decides (Art. 16, 29, 31; decision 34). Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Final

from chengxin.auth.principal import Principal
from chengxin.errors import Problem, forbidden, not_found, precondition
from chengxin.values.acts import Act
from chengxin.values.clock import rfc3339

# A proposal is void when no officer decides it within this time.
PROPOSAL_DAYS: Final = 14
# So many proposals of an act may be open on one thing, and so many of one officer: somebody reads each, what it holds is
# kept for good, and no officer alone keeps the others from proposing.
MOST_OPEN: Final = 20
MOST_OPEN_OF_ONE: Final = 5

PROPOSAL_UNKNOWN = not_found("PROPOSAL_UNKNOWN", "没有提案 {proposal_id}", "There is no proposal {proposal_id}")
PROPOSAL_DECIDED = precondition(
    "PROPOSAL_DECIDED", "提案{state_zh}，请重新提出", "The proposal is {state} already; make a new one"
)
PROPOSAL_OUTDATED = precondition(
    "PROPOSAL_OUTDATED",
    "提案提出后情况已变化（{what}），请重新提出",
    "Since it was proposed this has changed: {what}. Make a new proposal",
)
PROPOSALS_OPEN = precondition(
    "PROPOSALS_OPEN",
    "对 {target} 已有 {open} 项同类提案待批准，请先批准或否决",
    "{open} such proposals on {target} wait for a second officer; have them approved or rejected first",
)
NOT_AN_APPROVER = forbidden(
    "NOT_AN_APPROVER",
    "该提案须由以下角色的人员批准：{required}",
    "This proposal is approved by an officer who is: {required}",
)
FOUR_EYES = forbidden(
    "FOUR_EYES",
    "须由另一人批准：提案人与所涉本人均不得批准",
    "This takes a second officer: neither who proposed it nor whom it is for may approve it",
)

STATE_ZH: Final = {
    "open": "待批准",
    "approved": "已获批准",
    "rejected": "已被否决",
    "outdated": "已失去依据",
    "void": "已过期作废",
}


@dataclass(frozen=True)
class Proposal:
    """An act that waits for a second officer, or waited."""

    proposal_id: str
    # The act of the command that proposed it, and what it is to be done to: a client id, a reference …
    act: Act
    target: str
    # That of the target when it was proposed; empty for what is the whole city's.
    region: str
    # What was asked for, as the second officer sees it. It goes on record, so it holds no name or identity number.
    asked: Mapping[str, Any]
    proposed_by: str
    proposed_at: datetime
    # The `sub` of the officer whom it is about, who may not approve it either; mostly empty.
    for_whom: str = ""
    # open, approved, rejected, applied (it only took away), outdated, or void.
    state: str = "open"
    decided_by: str = ""
    decided_at: datetime | None = None
    # What the proposer wrote for the second officer, a reason say. It is kept sealed and never goes on record.
    words: Mapping[str, str] = field(default_factory=dict)

    def seen(self, now: datetime) -> "Proposal":
        """Returns the proposal as it is at `now`: void when no officer decided it in time."""
        void = self.state == "open" and now >= self.proposed_at + timedelta(days=PROPOSAL_DAYS)
        return replace(self, state="void") if void else self

    def refusal_of_approval(self, caller: Principal) -> Problem | None:
        """Returns FOUR_EYES for who proposed it and whom it is for. To reject is to leave things as they are."""
        return FOUR_EYES() if caller.sub in (self.proposed_by, self.for_whom) else None

    def decided(self, caller: Principal, state: str, now: datetime) -> "Proposal":
        """Returns the proposal with the caller's decision."""
        return replace(self, state=state, decided_by=caller.sub, decided_at=now)

    def on_record(self) -> dict[str, Any]:
        """What the event of the act that is carried out says of its approval: the actor of that event approved it."""
        return {"proposal_id": self.proposal_id, "proposed_by": self.proposed_by}

    def to_dict(self) -> dict[str, Any]:
        """Returns a proposal as it is shown."""
        return {
            "proposal_id": self.proposal_id,
            "act": self.act.value,
            "what": {"zh": self.act.zh, "en": self.act.en},
            "target": self.target,
            "region": self.region,
            "asked": dict(self.asked),
            "state": self.state,
            "proposed_by": self.proposed_by,
            "proposed_at": rfc3339(self.proposed_at),
            "words": dict(self.words),
            "decided_by": self.decided_by,
            "decided_at": rfc3339(self.decided_at) if self.decided_at else "",
        }
