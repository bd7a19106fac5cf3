"""The view of a case that each party sees, as plain values that both faces use.

Every party sees the course of the case: states, deadlines, lateness. The applicant also sees what the applicant and the
centre wrote to each other. The centre sees everything. The provider sees its task, and nothing about the applicant.
Supervisors see only the course.
"""

from dataclasses import dataclass
from datetime import date

from chengxin.values.clock import rfc3339
from chengxin.values.document import RawDocument
from services.objection.domain.case_states import STATE_EN, STATE_ZH
from services.objection.domain.cases import Case, Retraction
from services.objection.domain.challenged_records import LaterVersion
from services.objection.domain.deadlines import StepPeriod
from services.objection.domain.evidence import Evidence


@dataclass(frozen=True)
class EntryNames:
    """The names of an entry version and of its items, in `zh` and `en`."""

    code: str
    version: int
    name: dict[str, str]
    items: dict[str, dict[str, str]]


@dataclass(frozen=True)
class CaseView:
    """A case as it stands on a day, with the names of its entry and items as far as they are known."""

    case: Case
    names: EntryNames | None
    today: date

    def course(self) -> RawDocument:
        """Returns the course of the case, without any text that a party wrote."""
        case, running = self.case, self.case.running
        return {
            "objection_no": case.objection_no,
            "version": case.version,
            "state": case.state.value,
            "state_name": {"zh": STATE_ZH[case.state], "en": STATE_EN[case.state]},
            "open": case.open,
            **self._subject_matter(),
            "provider_uscc": case.record.provider_uscc,
            "provider_name": case.record.provider_name,
            "filed_at": rfc3339(case.filed_at),
            "rules_version": case.rules_version,
            "due": running.due.isoformat() if running else "",
            "provisional": running.provisional if running else False,
            "overdue": bool(running and running.late(self.today)),
            "extended": case.extended,
            "periods": [self._period(p) for p in case.periods],
            "history": [{"state": m.state.value, "by": m.by.value, "at": rfc3339(m.at)} for m in case.history],
            "finding": case.finding.value if case.finding else "",
            "answer": case.answer.value if case.answer else "",
            "outcome": case.outcome.value if case.outcome else "",
            "correction": self._correction(),
            "record_changes": [_change(c) for c in case.record_changes],
            "retractions": [_retraction(r) for r in case.retractions],
        }

    def for_applicant(self) -> RawDocument:
        """Returns the course, the applicant's texts, and the centre's texts for the applicant."""
        case = self.case
        return self.course() | {
            "statement": case.statement,
            "evidence": [evidence_to_dict(e) for e in case.evidence],
            "missing": list(case.missing),
            "supplement": case.supplement,
            "refusal_reason": case.refusal_reason,
            "explanation": case.explanation,
            "record_changes": self._changes_with_reasons(),
        }

    def for_centre(self) -> RawDocument:
        """Returns everything."""
        case = self.case
        return self.for_applicant() | {
            "subject_ref": case.applicant,
            "verification_note": case.verification_note,
            "extension_reason": case.extension_reason,
            "answer_evidence": case.answer_evidence,
            "retractions": [_retraction(r) | {"reason": r.reason, "said": r.said} for r in case.retractions],
        }

    def task(self) -> RawDocument:
        """Returns the provider's task to verify, without the applicant and the attachments."""
        case, period = self.case, self.case.answer_period
        return {
            "objection_no": case.objection_no,
            **self._subject_matter(),
            "statement": "\n\n".join(filter(None, (case.statement, case.supplement))),
            "state": case.state.value,
            "state_name": {"zh": STATE_ZH[case.state], "en": STATE_EN[case.state]},
            "answer_due": period.due.isoformat() if period else "",
            "provisional": period.provisional if period else False,
            "late": bool(period and period.late(self.today)),
            "extended": case.extended,
            "notified_at": rfc3339(case.notified_at) if case.notified_at else "",
            "answer": case.answer.value if case.answer else "",
            "record_changes": self._changes_with_reasons(),
        }

    def _changes_with_reasons(self) -> list[RawDocument]:
        return [_change(c) | {"reason": c.reason} for c in self.case.record_changes]

    def _subject_matter(self) -> RawDocument:
        record, names = self.case.record, self.names
        return {
            "record_id": record.record_id,
            "record_version": record.record_version,
            "entry_code": record.entry_code,
            "entry_version": record.entry_version,
            "entry_name": names.name if names else {},
            "items": list(self.case.items),
            "item_names": {code: names.items[code] for code in self.case.items if code in names.items} if names else {},
        }

    def _period(self, period: StepPeriod) -> RawDocument:
        return {
            "step": period.step.value,
            "start": period.start.isoformat(),
            "working_days": period.working_days,
            "due": period.due.isoformat(),
            "provisional": period.provisional and period.done_on is None,
            "done_on": period.done_on.isoformat() if period.done_on else "",
            "late": period.late(self.today),
        }

    def _correction(self) -> RawDocument | None:
        correction = self.case.correction
        if correction is None:
            return None
        return {
            "record_version": correction.record_version,
            "revoked": correction.revoked,
            "seen_at": rfc3339(correction.seen_at),
        }


def _change(change: LaterVersion) -> RawDocument:
    return {
        "record_version": change.record_version,
        "revoked": change.revoked,
        "recorded_at": rfc3339(change.recorded_at),
    }


def _retraction(retraction: Retraction) -> RawDocument:
    return {"state": retraction.state.value, "by": retraction.by.value, "at": rfc3339(retraction.at)}


def evidence_to_dict(evidence: Evidence) -> RawDocument:
    """Returns the details of an attachment, without its content."""
    return {
        "number": evidence.number,
        "name": evidence.name,
        "content_type": evidence.content_type,
        "size": evidence.size,
        "sha256": evidence.sha256,
        "added_at": rfc3339(evidence.added_at),
    }
