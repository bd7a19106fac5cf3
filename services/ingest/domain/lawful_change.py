"""A lawful later change of one record (Art. 11): an amendment or a revocation, as it is asked for."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date
from typing import Final

import msgspec

from chengxin.errors import INPUT_INVALID, Problem, conflict, forbidden, invalid, precondition
from chengxin.tabular.bounds import LONGEST_RECORD, MOST_ITEMS, is_bounded
from chengxin.values.ids import is_objection_no
from chengxin.values.provider_statement import ChangeStatement
from chengxin.values.text_forms import comparison_key
from chengxin.values.workdays import WorkCalendar
from chengxin.values.written_texts import hidden_faults, number_faults
from services.ingest.domain.normalisation import is_date
from services.ingest.domain.submission import format_fault

# No document of a state organ is older than this day.
_FOUNDED: Final = "1949-10-01"
_encoder: Final = msgspec.json.Encoder(order="sorted")

RECORD_INVALID = invalid(
    "RECORD_INVALID",
    "记录不符合目录要求，请按 errors 逐项修正",
    "The record does not obey the catalog entry; see errors for each item",
)
RECORD_KEY_CHANGED = precondition(
    "RECORD_KEY_CHANGED",
    "变更后的标识项（{items}）与原记录不同，请撤销原记录后重新报送",
    "The change alters the items that identify the record ({items}); revoke it and deliver a new one",
)
RECORD_REVOKED = precondition(
    "RECORD_REVOKED",
    "记录 {record_id} 已撤销，不能再变更",
    "Record {record_id} is revoked and cannot be changed",
)
RECORD_CHANGED_SINCE = conflict(
    "RECORD_CHANGED_SINCE",
    "变更依据的是记录 {record_id} 第 {based_on} 版，现行为第 {current} 版；请读取现行版本，重新提出变更",
    "The change was made from version {based_on} of record {record_id}, which is at version {current} now; read it and"
    " ask again",
)
RECORD_NOT_YOURS = forbidden(
    "RECORD_NOT_YOURS",
    "该记录由其他单位提供，只有提供单位可以变更或查看",
    "The record belongs to another provider; only its provider may see or change it",
)
OBJECTION_REQUIRED = forbidden(
    "OBJECTION_REQUIRED",
    "信用中心只能依据异议更正记录，请填写异议编号 objection_no",
    "The centre changes a record only for an objection; give its objection_no",
)


@dataclass(frozen=True)
class LawfulChange:
    """A request for a lawful later change of one record (Art. 11)."""

    record_id: str
    reason: str
    document_number: str = ""
    effective_date: str = ""
    objection_no: str = ""
    request_id: str = ""
    # All items of the record after an amendment; None revokes the record.
    items: Mapping[str, str] | None = None
    # The version from which the change was made; 0 if the request does not state it.
    based_on_version: int = 0
    # The provider's signed statement on the change (`chengxin.values.provider_statement`); empty without one.
    signature: str = ""

    @property
    def asked(self) -> ChangeStatement:
        """The content of the request as a statement to be signed."""
        fields = (self.request_id, self.reason, self.document_number, self.effective_date, self.objection_no)
        return ChangeStatement(*fields, items=self.items)

    def checked(self, today: date) -> "LawfulChange":
        """Returns the change itself; `today` is a Shanghai date. Raises INPUT_INVALID, which names each wrong field."""
        faults = []
        if not self.record_id:
            faults.append(format_fault("record_id", "请填写记录编号", "give the id of the record"))
        if not comparison_key(self.reason):
            faults.append(format_fault("reason", "请说明变更或撤销的理由", "say why, in words"))
        words = {"reason": self.reason, "document_number": self.document_number}
        faults += hidden_faults(words) + number_faults(words)
        if self.effective_date and not is_date(self.effective_date):
            faults.append(format_fault("effective_date", "应为 YYYY-MM-DD", "must be YYYY-MM-DD"))
        elif self.effective_date and not _FOUNDED <= self.effective_date <= today.isoformat():
            texts = (f"应在 {_FOUNDED} 至今日（{today}）之间", f"must be from {_FOUNDED} up to and with today, {today}")
            faults.append(format_fault("effective_date", *texts))
        # Only the objection service knows whether the objection exists and is about this record (README, what it cannot
        # see).
        if self.objection_no and not is_objection_no(self.objection_no):
            texts = (
                "异议编号应形如 YY-20261124-0001，没有异议请留空",
                "must be like YY-20261124-0001; empty without one",
            )
            faults.append(format_fault("objection_no", *texts))
        if not is_bounded(self.items or {}):
            zh = f"最多 {MOST_ITEMS} 项、{LONGEST_RECORD} 个字符"
            faults.append(format_fault("items", zh, f"at most {MOST_ITEMS} items and {LONGEST_RECORD} characters"))
        if self.based_on_version < 0:
            faults.append(format_fault("based_on_version", "不能为负数", "must not be negative"))
        for name, limit in (("reason", 2000), ("document_number", 200), ("request_id", 128)):
            if len(getattr(self, name)) > limit:
                faults.append(format_fault(name, f"不能超过 {limit} 个字符", f"at most {limit} characters"))
        if faults:
            raise INPUT_INVALID(fields=faults)
        return self

    def canonical(self) -> bytes:
        """Returns the request as bytes, which distinguish a repeat from another request under the same request id."""
        # A repeat may be signed again, and some kinds of signatures differ each time.
        return _encoder.encode(replace(self, signature=""))


def days_late(calendar: WorkCalendar, effective: date, limit: int, today: date) -> int | None:
    """Returns the working days by which a change that took effect on `effective` is reported after its limit (Art. 11).

    Returns None when a year's calendar is missing: no change is refused for that, and no lateness is guessed.
    """
    try:
        return max(0, calendar.working_days_between(effective, today) - limit)
    except Problem:
        return None
