"""What an applicant does: the subject of a record challenges it and follows the case (Art. 23, 24, 27)."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from chengxin.auth.executor import command, query
from chengxin.auth.principal import Assurance, Principal, Role
from chengxin.errors import INPUT_INVALID, FieldError, Problem, conflict, forbidden, unavailable
from chengxin.store.database import UnitOfWork
from chengxin.store.on_record import authorise
from chengxin.tabular.attachments import detect_media_types
from chengxin.values.acts import Act
from chengxin.values.canonical_json import canonical
from services.objection.context import OBJECTION_UNKNOWN, RECORD_UNKNOWN, ActRequest, ObjectionContext, publish
from services.objection.domain import cases
from services.objection.domain.case_views import CaseView
from services.objection.domain.cases import Case
from services.objection.domain.challenged_records import ChallengedRecord
from services.objection.domain.evidence import Attachment, Evidence, checked, numbered
from services.objection.domain.texts import require_text

NOT_YOUR_RECORD = forbidden(
    "NOT_YOUR_RECORD",
    "记录 {record_id} 不是关于您或您所代表单位的，只有信息主体本人可以提出异议",
    "Record {record_id} is not about you or whom you represent; only its subject can object to it",
)
OBJECTED_RECORD_REVOKED = conflict(
    "OBJECTED_RECORD_REVOKED",
    "记录 {record_id} 已被撤销，不再有效，也不再公开和提供，无需提出异议",
    "Record {record_id} is revoked: it has no effect and is shown to nobody, so there is nothing to object to",
)
OBJECTION_OPEN = conflict(
    "OBJECTION_OPEN",
    "您对该记录的这些信息项已提出异议 {objection_no}，正在办理，请勿重复提出",
    "Your objection {objection_no} to these items of the record is being handled; it needs no second one",
)
ENTRY_NOT_THERE = unavailable(
    "ENTRY_NOT_THERE",
    "尚未收到信用目录 {entry} 的信息项，请稍后重试",
    "The items of catalog entry {entry} have not arrived yet; try again shortly",
)

LONGEST_STATEMENT: Final = 4000
MOST_ITEMS: Final = 200


@dataclass(frozen=True)
class Filing:
    """What an applicant files."""

    record_id: str
    # Codes of the challenged items; none for the record as a whole.
    items: Sequence[str]
    statement: str
    evidence: Sequence[Attachment]


def own_record(
    ctx: ObjectionContext, caller: Principal, record: ChallengedRecord | None, record_id: str
) -> Problem | None:
    """Only the subject of the record."""
    if record is None:
        return RECORD_UNKNOWN(record_id=record_id)
    # The record may have come under another identifier of the subject.
    if record.subject_ref == caller.sub or record.subject_ref in ctx.references(caller.sub):
        return None
    return NOT_YOUR_RECORD(record_id=record_id)


def own_case(ctx: ObjectionContext, caller: Principal, case: Case | None, objection_no: str) -> Problem | None:
    """Only the applicant; others are told that there is no such case."""
    if case is not None and case.applicant == caller.sub:
        return None
    return OBJECTION_UNKNOWN(objection_no=objection_no)


@command(
    Act.OBJECTION_FILED,
    roles={Role.SUBJECT},
    articles=("16", "23"),
    assurance=Assurance.ONLINE,
    may=own_record,
)
def file(ctx: ObjectionContext, caller: Principal, filing: Filing, key: str = "") -> CaseView:
    """The subject of a record files an objection to it, with evidence.

    Raises RECORD_UNKNOWN, OBJECTED_RECORD_REVOKED, ENTRY_NOT_THERE, INPUT_INVALID, EVIDENCE_INVALID, OBJECTION_OPEN,
    DEADLINE_UNKNOWN.
    """
    # Ingest is asked once, before the transaction: the record is not in this store. The case is the applicant's, even
    # when the record came under another identifier of the applicant.
    head = ctx.records(filing.record_id, 0)
    record = replace(authorise(head.record if head else None, filing.record_id), subject_ref=caller.sub)
    statement = require_text("statement", filing.statement, LONGEST_STATEMENT)
    evidence = checked(filing.evidence, lambda contents: detect_media_types(contents, caller.claimant))
    digests = [a.sha256 for a in evidence]
    content = canonical([Act.OBJECTION_FILED, filing.record_id, sorted(set(filing.items)), statement, digests])

    with ctx.uploaded(evidence) as keys:

        def work(unit: UnitOfWork, own: ChallengedRecord) -> Case:
            # Not before: a repeat of a filing gets the case that it made.
            if head is None or head.revoked:
                raise OBJECTED_RECORD_REVOKED(record_id=filing.record_id)
            case = _case(ctx, unit, own, filing, statement, keys, evidence)
            ctx.store.add(case, unit)
            ctx.store.take_over(keys, unit)
            publish(unit, case)
            ctx.put_on_record(unit, Act.OBJECTION_FILED, caller, case, items=list(case.items), evidence=len(keys))
            return case

        # In the transaction the rule judges the record as the case will hold it; that asks no other service.
        done = ctx.store.store.once_on(
            lambda _: authorise(record, filing.record_id), caller.sub, key, content, work, _number
        )
    if done.value is not None:
        return ctx.view(done.value)
    filed = ctx.store.case(done.answer["objection_no"])
    assert filed is not None
    return ctx.release(Act.OBJECTION_READ_OWN, caller, filed)


@command(Act.OBJECTION_SUPPLEMENTED, roles={Role.SUBJECT}, articles=("24",), may=own_case)
def supplement(
    ctx: ObjectionContext,
    caller: Principal,
    objection_no: str,
    statement: str,
    attachments: Sequence[Attachment],
    request: ActRequest,
) -> CaseView:
    """The applicant supplies what was missing; the period for acceptance begins anew.

    Raises INPUT_INVALID, EVIDENCE_INVALID, OBJECTION_STATE, OBJECTION_CLOSED.
    """
    # Files for somebody else's case are neither looked at nor stored. The transaction asks again.
    authorise(ctx.store.case(objection_no), objection_no)
    text = require_text("statement", statement, LONGEST_STATEMENT)
    files = checked(attachments, lambda contents: detect_media_types(contents, caller.claimant))
    digests = [a.sha256 for a in files]

    with ctx.uploaded(files) as keys:

        def change(case: Case, unit: UnitOfWork) -> Case:
            now = ctx.now()
            added = numbered(files, keys, len(case.evidence), now)
            after = case.supplemented(text, added, now, ctx.store.timetable_of(case, unit))
            if after is not case:
                ctx.store.take_over(keys, unit)
            return after

        return ctx.act(
            Act.OBJECTION_SUPPLEMENTED, caller, objection_no, change, request, text, digests, added=len(files)
        )


@command(Act.OBJECTION_WITHDRAWN, roles={Role.SUBJECT}, articles=("23",), may=own_case)
def withdraw(ctx: ObjectionContext, caller: Principal, objection_no: str, request: ActRequest) -> CaseView:
    """The applicant takes an open objection back. Raises OBJECTION_CLOSED."""
    return ctx.act(Act.OBJECTION_WITHDRAWN, caller, objection_no, lambda case, _: case.withdrawn(ctx.now()), request)


@query(Act.OBJECTION_READ_OWN, roles={Role.SUBJECT}, articles=("27",), may=own_case)
def read(ctx: ObjectionContext, caller: Principal, objection_no: str) -> CaseView:
    """The applicant reads an objection of its own."""
    return ctx.read(Act.OBJECTION_READ_OWN, caller, objection_no)


@query(Act.OBJECTION_LISTED_OWN, roles={Role.SUBJECT}, articles=("27",))
def listed(ctx: ObjectionContext, caller: Principal, before: str, size: int) -> tuple[list[CaseView], bool]:
    """The applicant's objections, newest first, before a number; and whether there are more."""
    return ctx.read_all(Act.OBJECTION_LISTED_OWN, caller, ctx.store.cases_of(caller.sub, before, size + 1), size)


@query(Act.EVIDENCE_READ_OWN, roles={Role.SUBJECT}, articles=("23",), may=own_case)
def evidence(ctx: ObjectionContext, caller: Principal, objection_no: str, number: int) -> tuple[Evidence, bytes]:
    """The applicant reads an attachment of its own. Raises OBJECTION_UNKNOWN."""
    return ctx.evidence(Act.EVIDENCE_READ_OWN, caller, objection_no, number)


def _number(case: Case) -> dict[str, str]:
    return {"objection_no": case.objection_no}


def _case(
    ctx: ObjectionContext,
    unit: UnitOfWork,
    record: ChallengedRecord,
    filing: Filing,
    statement: str,
    keys: Sequence[str],
    files: Sequence[Attachment],
) -> Case:
    if (entry := ctx.store.entry(record.entry_code, record.entry_version, unit)) is None:
        raise ENTRY_NOT_THERE(entry=record.entry_code, retry_after=1)
    _must_be_items(filing.items, entry.items)
    for other in ctx.store.open_cases(record.record_id, record.subject_ref, unit):
        if other.covers(filing.items):
            raise OBJECTION_OPEN(objection_no=other.objection_no)
    now, today = ctx.now(), ctx.clock.today()
    kept = numbered(files, keys, 0, now)
    timetable = ctx.store.timetable_in_force(today, unit)
    number = cases.case_number(today, ctx.store.next_number(today, unit))
    return cases.filed(number, record, filing.items, statement, kept, now, timetable)


def _must_be_items(items: Sequence[str], known: dict[str, dict[str, str]]) -> None:
    if len(items) > MOST_ITEMS:
        raise INPUT_INVALID(fields=[FieldError("items", "count", f"≤ {MOST_ITEMS}")])
    message = "该目录没有此信息项 / the entry has no such item"
    faults = [FieldError(f"items.{n}", "item.unknown", message) for n, item in enumerate(items) if item not in known]
    if faults:
        raise INPUT_INVALID(fields=faults)
