"""A consent (Art. 16): what an organisation may see, for which purpose and time, and when it covers a query."""

from collections.abc import Mapping, Set
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

from chengxin.auth.principal import Principal
from chengxin.errors import Problem, forbidden, not_found

CONSENT_ABSENT = not_found("CONSENT_ABSENT", "没有编号为 {consent_id} 的授权", "You gave no consent {consent_id}")
CONSENT_CODE_UNKNOWN = forbidden(
    "CONSENT_CODE_UNKNOWN",
    "授权码不存在或已被新码取代，请向信息主体索取新的授权码",
    "There is no such consent code, or a newer one has replaced it; ask the subject for one",
)
NOT_THE_GATEWAY = forbidden("NOT_THE_GATEWAY", "授权码只由网关核验", "Consent codes are resolved for the gateway only")
CONSENT_UNKNOWN = forbidden(
    "CONSENT_UNKNOWN",
    "没有找到令牌所述的授权，请向信息主体重新取得授权",
    "There is no such consent as the token names; ask the subject for one",
)
CONSENT_WITHDRAWN = forbidden(
    "CONSENT_WITHDRAWN", "信息主体已撤回授权，不能再查询", "The subject has withdrawn the consent"
)
CONSENT_OTHER_GRANTEE = forbidden(
    "CONSENT_OTHER_GRANTEE", "该授权是给其他单位的", "The consent was given to another organisation"
)
CONSENT_OTHER_SUBJECT = forbidden(
    "CONSENT_OTHER_SUBJECT", "该授权不是被查询主体作出的", "The consent was not given by the subject asked about"
)
CONSENT_OTHER_PURPOSE = forbidden(
    "CONSENT_OTHER_PURPOSE", "查询用途与授权用途不一致", "The consent was given for another purpose"
)
CONSENT_OTHER_ENTRIES = forbidden(
    "CONSENT_OTHER_ENTRIES", "授权不包含所查询的目录：{entries}", "The consent does not cover these entries: {entries}"
)
CONSENT_NOT_IN_TIME = forbidden(
    "CONSENT_NOT_IN_TIME",
    "授权的有效期为 {valid_from} 至 {valid_to}，今天不在其内",
    "The consent is valid from {valid_from} to {valid_to}, which does not include today",
)
CONSENT_USED_UP = forbidden(
    "CONSENT_USED_UP", "授权的查询次数已用完", "The consent has been used as often as it allows"
)


@dataclass(frozen=True)
class Consent:
    """A subject's permission for one grantee to see named entries for one purpose."""

    consent_id: str
    subject_ref: str
    # USCC of the organisation that may ask.
    grantee: str
    purpose: str
    # Entry codes; none named means every entry of mode `authorized`.
    entries: frozenset[str]
    # Shanghai dates, both included.
    valid_from: date
    valid_to: date
    # None: as often as needed.
    uses_left: int | None
    given_at: str
    withdrawn_at: str = ""
    # The pseudonym and capacity of the person who gave it for an organisation; empty for a person's own.
    given_by: str = ""
    given_as: str = ""

    def refusal(self, caller: Principal, ref: str, entries: Set[str], today: date) -> Problem | None:
        """Returns why this consent does not cover a query; None when it does."""
        if (closed := self.closed_to(caller.org, today)) is not None:
            return closed
        if ref and ref != self.subject_ref:
            return CONSENT_OTHER_SUBJECT()
        if caller.purpose and caller.purpose != self.purpose:
            return CONSENT_OTHER_PURPOSE()
        if self.entries and (outside := entries - self.entries):
            return CONSENT_OTHER_ENTRIES(entries=", ".join(sorted(outside)))
        return None

    def closed_to(self, org: str, today: date) -> Problem | None:
        """Returns why an organisation may not query under this consent today; None when it may."""
        if self.grantee != org:
            return CONSENT_OTHER_GRANTEE()
        if self.withdrawn_at:
            return CONSENT_WITHDRAWN()
        if not self.valid_from <= today <= self.valid_to:
            return CONSENT_NOT_IN_TIME(valid_from=self.valid_from, valid_to=self.valid_to)
        if self.uses_left is not None and self.uses_left <= 0:
            return CONSENT_USED_UP()
        return None

    def in_use(self) -> "Consent":
        """Returns the consent for a further page of a query that was counted already."""
        return replace(self, uses_left=None)

    def withdrawn(self, at: str) -> "Consent":
        """Returns the consent as withdrawn; a second withdrawal changes nothing."""
        return self if self.withdrawn_at else replace(self, withdrawn_at=at)

    def to_dict(self) -> dict[str, Any]:
        """Returns the consent as answers and the store hold it."""
        return {
            "consent_id": self.consent_id,
            "subject_ref": self.subject_ref,
            "grantee": self.grantee,
            "purpose": self.purpose,
            "entries": sorted(self.entries),
            "valid_from": self.valid_from.isoformat(),
            "valid_to": self.valid_to.isoformat(),
            "uses_left": self.uses_left,
            "given_at": self.given_at,
            "withdrawn_at": self.withdrawn_at,
            "given_by": self.given_by,
            "given_as": self.given_as,
        }


def read_consent(plain: Mapping[str, Any]) -> Consent:
    """Reads what `Consent.to_dict` returned."""
    return Consent(
        plain["consent_id"],
        plain["subject_ref"],
        plain["grantee"],
        plain["purpose"],
        frozenset(plain["entries"]),
        date.fromisoformat(plain["valid_from"]),
        date.fromisoformat(plain["valid_to"]),
        plain["uses_left"],
        plain["given_at"],
        plain["withdrawn_at"],
        # Consents of earlier versions do not tell.
        plain.get("given_by") or "",
        plain.get("given_as") or "",
    )
