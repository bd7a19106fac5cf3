"""Queries of credit records (Art. 14 to 18). Each answers only after its audit event is durable (decision 3)."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Final

from chengxin.errors import INPUT_INVALID, FieldError, Problem, forbidden, not_found
from chengxin.ids import is_subject_ref
from chengxin.policy import rule
from chengxin.principal import Assurance, Principal, Role
from chengxin.subjects import INDIVIDUAL
from services.disclosure import consent
from services.disclosure.conflicts import Disagreement, disagreements
from services.disclosure.holdings import Head
from services.disclosure.masking import is_identity_number, mask_name
from services.disclosure.model import Shown, View, shown_name
from services.disclosure.names import as_code, normalised
from services.disclosure.reading import ALL, Ask, Sheet, read
from services.disclosure.room import Disclosure
from services.disclosure.searching import Listed
from services.disclosure.shelf import seen_names

EVERYBODY: Final = set(Role)
# An event names so many records; it says how many there were.
_NAMED_RECORDS: Final = 20
_ORGANISATION_CODE_LENGTH: Final = 9

PURPOSE_REQUIRED = forbidden(
    "PURPOSE_REQUIRED",
    "行政机关共享须说明用途：请用约定的 purpose 换取令牌后再查询",
    "Sharing is bound to a purpose: obtain the token with a purpose of your agreement",
)
CASE_REQUIRED = forbidden(
    "CASE_REQUIRED",
    "法定授权查询须具备法律依据、案号和经办人，令牌缺少：{missing}",
    "A statutory query takes a legal basis, a case number and an officer; the token lacks: {missing}",
)
SUBJECT_NOT_PUBLIC = not_found(
    "SUBJECT_NOT_PUBLIC",
    "没有该主体依法公开且在披露期限内的信用信息",
    "There is no public credit information, within its disclosure period, about such a subject",
)


@dataclass(frozen=True)
class Selector:
    """Whom a query is about: exactly one of them is given."""

    subject_ref: str = ""
    uscc: str = ""
    identity_number: str = ""
    organisation_code: str = ""


@dataclass(frozen=True)
class Named:
    """The subject as an answer names it."""

    subject_ref: str
    kind: str = ""
    name: str = ""
    uscc: str = ""
    former_names: tuple[str, ...] = ()


@dataclass(frozen=True)
class Answered:
    """What a query answers."""

    subject: Named
    records: list[Shown]
    # The record after which the next page begins; empty on the last page.
    following: str
    event_id: str
    # What providers say differently of the subject; told to herself only, on the first page.
    conflicts: Sequence[Disagreement] = ()


def with_purpose(room: Disclosure, caller: Principal, *_: object, **__: object) -> Problem | None:
    """The token is bound to a purpose (Art. 17)."""
    return None if caller.purpose else PURPOSE_REQUIRED()


def with_case(room: Disclosure, caller: Principal, *_: object, **__: object) -> Problem | None:
    """The token names legal basis, case number and officer (Art. 16)."""
    missing = [name for name in ("legal_basis", "case_no", "officer") if not getattr(caller, name)]
    return CASE_REQUIRED(missing=", ".join(missing)) if missing else None


@rule("record.queried.own", roles={Role.SUBJECT}, articles=("16",), assurance=Assurance.ONLINE)
def own(room: Disclosure, caller: Principal, ask: Ask) -> Answered:
    """Everything about oneself, in full; archived records are marked."""
    sheet = read(room, caller.sub, View.OWN, ask, archived=True)
    answered = _answered(room, "record.queried.own", caller, caller.sub, sheet, _in_full)
    if ask.after or (len({r.provider_uscc for r in sheet.records}) < 2 and not (sheet.following or ask.entries)):
        return answered
    whole = sheet if not (sheet.following or ask.entries) else read(room, caller.sub, View.OWN, Ask(ALL))
    current = [r for r in whole.records if r.archived is not True]
    return replace(answered, conflicts=disagreements(current, room.store.entry))


@rule("record.queried.public", roles=EVERYBODY, articles=("14", "15", "18"))
def public(room: Disclosure, caller: Principal, ref: str, ask: Ask) -> Answered:
    """What is public about a subject. Raises SUBJECT_NOT_PUBLIC when nothing is."""
    sheet = read(room, ref, View.PUBLIC, ask)
    answered = _answered(room, "record.queried.public", caller, ref if sheet.records else "", sheet, _publicly)
    if not sheet.records and not ask.after and not ask.entries:
        raise SUBJECT_NOT_PUBLIC()
    return answered


@rule("record.queried.shared", roles={Role.AGENCY}, articles=("14", "17", "18"), when=(with_purpose,))
def shared(room: Disclosure, caller: Principal, whom: Selector, ask: Ask) -> Answered:
    """What is shared among administrative organs about a subject, for the token's purpose."""
    ref = ref_of(room, whom)
    sheet = read(room, ref, View.SHARED, ask)
    return _answered(room, "record.queried.shared", caller, ref, sheet, _as_records_show)


@rule("record.queried.statutory", roles={Role.STATUTORY}, articles=("16", "18"), when=(with_case,))
def statutory(room: Disclosure, caller: Principal, whom: Selector, ask: Ask) -> Answered:
    """The full view of the subject of a case, under the token's legal basis; no consent is needed."""
    ref = ref_of(room, whom)
    sheet = read(room, ref, View.OWN, ask)
    return _answered(room, "record.queried.statutory", caller, ref, sheet, _in_full)


@rule("record.queried.authorized", roles={Role.SUBJECT_AUTHORIZED}, articles=("14", "16", "18"))
def authorized(room: Disclosure, caller: Principal, whom: Selector, ask: Ask) -> Answered:
    """What a subject's consent names, as long as it stands. Raises CONSENT_UNKNOWN and the other refusals of
    `consent.py`. Nobody named means the one who gave the consent."""
    act = "record.queried.authorized"
    ref = ref_of(room, whom) if whom != Selector() else ""
    given, problem = consent.use(room, caller, ref, ask.entries)
    if given is None or problem is not None:
        refusal = problem or consent.CONSENT_UNKNOWN()
        room.audit.refused(act, caller, refusal)
        raise refusal
    try:
        sheet = read(room, given.subject_ref, View.AUTHORIZED, replace(ask, entries=ask.entries or given.entries))
        return _answered(room, act, caller, given.subject_ref, sheet, _as_records_show)
    except Exception:
        # Whatever kept the answer back, it was not a use.
        consent.give_back(room, given)
        raise


@rule("record.queried", roles={Role.AGENCY, Role.STATUTORY, Role.SUBJECT_AUTHORIZED}, articles=("14", "16", "17"))
def by_role(room: Disclosure, caller: Principal, whom: Selector, ask: Ask) -> Answered:
    """Records in the view that the token's role gives: shared, by law, or by consent."""
    if Role.AGENCY in caller.roles:
        return shared(room, caller, whom, ask)
    if Role.STATUTORY in caller.roles:
        return statutory(room, caller, whom, ask)
    return authorized(room, caller, whom, ask)


@rule("subject.searched.public", roles=EVERYBODY, articles=("15",))
def search(room: Disclosure, caller: Principal, query: str, start: int, size: int) -> tuple[list[Listed], int]:
    """Subjects with something public today, by name or code, from the `start`th on; and how many there are in all.

    What was searched for is not put on record, for it may be a name; what was found is.
    """
    today = room.clock.today().isoformat()
    code = as_code(query)
    # An identity number finds nobody, and is not compared with anything.
    found = [] if is_identity_number(normalised(query)) else room.directory.found(query, code, today)
    page = found[start : start + size]
    room.audit.record(
        room.audit.event(
            "subject.searched.public",
            caller,
            subject_refs=[listed.ref for listed in page[:_NAMED_RECORDS]],
            details={"by": "code" if code else "name", "found": len(found)},
        )
    )
    return page, len(found)


def _answered(
    room: Disclosure,
    act: str,
    caller: Principal,
    ref: str,
    sheet: Sheet,
    name: Callable[[Disclosure, Head, list[Shown]], Named],
) -> Answered:
    """Puts a query on record, then answers it."""
    records = sheet.records
    event = room.audit.event(
        act,
        caller,
        # Under every reference of the subject, so that she finds it under hers (Art. 15).
        subject_refs=list(dict.fromkeys((*sheet.refs, ref))) if ref else [],
        entries=sorted({r.entry_code for r in records}),
        records=[r.record_id for r in records[:_NAMED_RECORDS]],
        details={"records": len(records)},
    )
    room.audit.record(event)
    subject = Named(ref) if sheet.head is None else name(room, sheet.head, records)
    return Answered(subject, records, sheet.following, event.event_id)


def _in_full(room: Disclosure, head: Head, records: list[Shown]) -> Named:
    return Named(head.ref, head.kind, head.called.name, head.uscc, tuple(head.called.former))


def _publicly(room: Disclosure, head: Head, records: list[Shown]) -> Named:
    """Under the names that its public records show today, newest first."""
    today = room.clock.today().isoformat()
    names = seen_names(head.names, head.called, today) or [_least(head)]
    return Named(head.ref, head.kind, names[0], head.uscc, tuple(names[1:]))


def _as_records_show(room: Disclosure, head: Head, records: list[Shown]) -> Named:
    """An organisation under its name, a person as the records show it."""
    if head.kind != INDIVIDUAL:
        return Named(head.ref, head.kind, head.called.name, head.uscc, tuple(head.called.former))
    for shown in records:
        entry = room.store.entry(shown.entry_code, shown.entry_version)
        if entry is not None and (name := shown_name(shown, entry)):
            return Named(head.ref, head.kind, name)
    return Named(head.ref, head.kind, _least(head))


def _least(head: Head) -> str:
    return mask_name(head.called.name) if head.kind == INDIVIDUAL else head.called.name


def ref_of(room: Disclosure, whom: Selector) -> str:
    """The pseudonym of whom a query is about. Raises INPUT_INVALID."""
    given: dict[str, str] = {scheme: value for scheme, value in asdict(whom).items() if value}
    if len(given) != 1:
        told = f"请给出其中之一 / give one of {', '.join(asdict(whom))}"
        raise INPUT_INVALID(fields=[FieldError("subject", "one_of", told)])
    [(scheme, value)] = given.items()
    if scheme == "subject_ref":
        if not is_subject_ref(value):
            told = "不是主体代号，请使用系统返回的 subject_ref / not a pseudonym; use a subject_ref that an answer gave"
            raise INPUT_INVALID(fields=[FieldError("subject.subject_ref", "subject_ref", told)])
        return value
    plain = normalised(value).upper()
    if scheme == "identity_number" and not is_identity_number(plain):
        told = "不是有效的公民身份号码（GB 11643），请核对 / not a valid identity number (GB 11643)"
        raise INPUT_INVALID(fields=[FieldError("subject.identity_number", "identity_number", told)])
    if scheme == "uscc" and len(as_code(plain)) != 18:
        told = "不是有效的统一社会信用代码（GB 32100），请核对 / not a unified social credit code (GB 32100)"
        raise INPUT_INVALID(fields=[FieldError("subject.uscc", "uscc", told)])
    if scheme == "organisation_code" and len(plain := plain.replace("-", "")) != _ORGANISATION_CODE_LENGTH:
        told = "不是有效的组织机构代码（GB 11714），请核对 / not an organisation code (GB 11714)"
        raise INPUT_INVALID(fields=[FieldError("subject.organisation_code", "organisation_code", told)])
    return room.subject_key.subject_ref(scheme, plain)
