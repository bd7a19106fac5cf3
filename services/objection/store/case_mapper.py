"""Maps cases to documents and back. Texts that people wrote and the names of their files are sealed."""

import json
from dataclasses import asdict
from datetime import date
from typing import Final

from chengxin.store.field_encryption import KeyRing
from chengxin.values.document import RawDocument
from services.objection.domain.case_states import CaseOutcome, CaseState, CentreFinding, Party, ProviderFinding
from services.objection.domain.cases import Case, Milestone, Retraction
from services.objection.domain.challenged_records import ChallengedRecord, Correction, LaterVersion
from services.objection.domain.deadlines import Step, StepPeriod
from services.objection.domain.evidence import Evidence

_SEALED_FIELDS: Final = (
    "statement",
    "supplement",
    "missing",
    "refusal_reason",
    "verification_note",
    "extension_reason",
    "answer_evidence",
    "explanation",
)


def case_row(case: Case, keys: KeyRing) -> RawDocument:
    """Makes the document of a case."""
    words = {name: getattr(case, name) for name in _SEALED_FIELDS} | {
        "file_names": [e.name for e in case.evidence],
        "change_reasons": [c.reason for c in case.record_changes],
        "retractions": [[r.reason, r.said] for r in case.retractions],
    }
    running, answer = case.running, case.answer_period
    return {
        "_id": case.objection_no,
        "applicant": case.applicant,
        "record": asdict(case.record),
        "items": list(case.items),
        "state": case.state.value,
        "open": case.open,
        "rules_version": case.rules_version,
        "periods": [_period_row(p) for p in case.periods],
        "history": [{"state": m.state.value, "by": m.by.value, "at": m.at} for m in case.history],
        "evidence": [{k: v for k, v in asdict(e).items() if k != "name"} for e in case.evidence],
        "finding": case.finding.value if case.finding else "",
        "answer": case.answer.value if case.answer else "",
        "outcome": case.outcome.value if case.outcome else "",
        "correction": asdict(case.correction) if case.correction else None,
        "record_changes": [{k: v for k, v in asdict(c).items() if k != "reason"} for c in case.record_changes],
        "retractions": [{"state": r.state.value, "by": r.by.value, "at": r.at} for r in case.retractions],
        "filed_at": case.filed_at,
        "words": keys.encrypt(json.dumps(words, ensure_ascii=False), _context(case.objection_no)),
        "version": case.version,
        "started": running.start.isoformat() if running else "",
        "due": running.due.isoformat() if running else "",
        "answer_due": answer.due.isoformat() if answer else "",
    }


def read_case(row: RawDocument, keys: KeyRing) -> Case:
    """Reads the case from a document. Raises `DecryptionError`."""
    words = json.loads(keys.decrypt(row["words"], _context(row["_id"])))
    names = words.pop("file_names")
    # A case of before 2026-12 has neither of these, in its row or in its words.
    changes = zip(row.get("record_changes", []), words.pop("change_reasons", []), strict=True)
    retractions = zip(row.get("retractions", []), words.pop("retractions", []), strict=True)
    words["missing"] = tuple(words["missing"])
    return Case(
        objection_no=row["_id"],
        record=ChallengedRecord(**row["record"]),
        items=tuple(row["items"]),
        filed_at=row["filed_at"],
        rules_version=row["rules_version"],
        state=CaseState(row["state"]),
        periods=tuple(_read_period(p) for p in row["periods"]),
        history=tuple(Milestone(CaseState(m["state"]), Party(m["by"]), m["at"]) for m in row["history"]),
        evidence=tuple(Evidence(name=name, **e) for name, e in zip(names, row["evidence"], strict=True)),
        finding=CentreFinding(row["finding"]) if row["finding"] else None,
        answer=ProviderFinding(row["answer"]) if row["answer"] else None,
        outcome=CaseOutcome(row["outcome"]) if row["outcome"] else None,
        correction=Correction(**row["correction"]) if row["correction"] else None,
        record_changes=tuple(LaterVersion(reason=reason, **change) for change, reason in changes),
        retractions=tuple(Retraction(CaseState(r["state"]), Party(r["by"]), r["at"], *said) for r, said in retractions),
        version=row["version"],
        **words,
    )


def _period_row(period: StepPeriod) -> RawDocument:
    return {
        "step": period.step.value,
        "start": period.start.isoformat(),
        "working_days": period.working_days,
        "due": period.due.isoformat(),
        "provisional": period.provisional,
        "done_on": period.done_on.isoformat() if period.done_on else "",
    }


def _read_period(row: RawDocument) -> StepPeriod:
    return StepPeriod(
        Step(row["step"]),
        date.fromisoformat(row["start"]),
        row["working_days"],
        date.fromisoformat(row["due"]),
        row["provisional"],
        date.fromisoformat(row["done_on"]) if row["done_on"] else None,
    )


def _context(objection_no: str) -> str:
    return f"objection.words:{objection_no}"
