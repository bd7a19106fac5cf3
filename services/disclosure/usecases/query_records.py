"""Queries of credit records (Art. 14 to 18). Each answers only after its audit event is durable (principle 3)."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Final

from chengxin.auth.executor import query
from chengxin.auth.principal import Assurance, Principal, Role
from chengxin.errors import INPUT_INVALID, FieldError, Problem, forbidden, not_found
from chengxin.store.deadlines import OPERATION_SECONDS, in_time, within
from chengxin.values.acts import Act
from chengxin.values.identifiers import fault_of, is_uscc, standard_form
from chengxin.values.ids import is_subject_ref
from chengxin.values.personal_numbers import is_personal_number
from chengxin.values.subject_kinds import INDIVIDUAL
from chengxin.values.text_forms import comparison_key
from services.disclosure.context import DisclosureContext
from services.disclosure.domain.consents import CONSENT_UNKNOWN, Consent
from services.disclosure.domain.disagreements import Disagreement
from services.disclosure.domain.masking import MASK, mask_name
from services.disclosure.domain.person_lookup import lookups_in
from services.disclosure.domain.record_views import View, shown_name
from services.disclosure.domain.text_normalisation import as_code
from services.disclosure.domain.view_pages import seen_names
from services.disclosure.projections.name_index import FoundSubject
from services.disclosure.usecases import consents as consent
from services.disclosure.usecases.view_reader import (
    LazyRecordView,
    RecordsQuery,
    ResultPage,
    WholeSubject,
    disagreed,
    read,
)

EVERYBODY: Final = set(Role)
_NOT_VALID: Final = {
    "uscc": "不是有效的统一社会信用代码（GB 32100），请核对 / not a unified social credit code (GB 32100)",
    "identity_number": "不是有效的公民身份号码（GB 11643），请核对 / not a valid identity number (GB 11643)",
    "organisation_code": "不是有效的组织机构代码（GB 11714），请核对 / not an organisation code (GB 11714)",
    "permanent_residence": "不是有效的外国人永久居留身份证号码，请核对 / not a number of a permanent residence card",
    "hk_macao_permit": "应为 H 或 M 加 8 位数字（港澳居民来往内地通行证） / H or M and 8 digits, of a travel permit",
    "taiwan_permit": "应为 8 位数字（台湾居民来往大陆通行证） / 8 digits, of a travel permit",
    "passport": "应为签发国 3 位字母代码、连字符和护照号 / three letters of the issuing State, a hyphen, the number",
}
# An event names so many records, and says how many there were.
NAMED_RECORDS: Final = 20
# Added to the time of the answer, to give back the use of a consent.
_GIVING_BACK_SECONDS: Final = 0.8

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
class SubjectIdentifier:
    """The subject that a query is about: exactly one of the fields is given."""

    subject_ref: str = ""
    uscc: str = ""
    identity_number: str = ""
    organisation_code: str = ""
    permanent_residence: str = ""
    hk_macao_permit: str = ""
    taiwan_permit: str = ""
    passport: str = ""


@dataclass(frozen=True)
class NamedSubject:
    """The subject as an answer names it."""

    subject_ref: str
    kind: str = ""
    name: str = ""
    uscc: str = ""
    former_names: tuple[str, ...] = ()


@dataclass(frozen=True)
class QueryResult:
    """What a query answers."""

    subject: NamedSubject
    records: list[LazyRecordView]
    # The record after which the next page begins; empty on the last page.
    following: str
    event_id: str
    # The facts on which providers disagree; only the subject gets them, on the first page.
    conflicts: Sequence[Disagreement] = ()


def with_purpose(ctx: DisclosureContext, caller: Principal, *_: object, **__: object) -> Problem | None:
    """The token is bound to a purpose (Art. 17)."""
    return None if caller.purpose else PURPOSE_REQUIRED()


def with_case(ctx: DisclosureContext, caller: Principal, *_: object, **__: object) -> Problem | None:
    """The token names legal basis, case number and officer (Art. 16)."""
    missing = [name for name in ("legal_basis", "case_no", "officer") if not getattr(caller, name)]
    return CASE_REQUIRED(missing=", ".join(missing)) if missing else None


@query(Act.RECORD_QUERIED_OWN, roles={Role.SUBJECT}, articles=("16",), assurance=Assurance.ONLINE)
@in_time
def own(ctx: DisclosureContext, caller: Principal, ask: RecordsQuery) -> QueryResult:
    """The subject reads all of its own records in full; archived ones are marked, revoked ones are not shown."""
    page = read(ctx, caller.sub, View.OWN, ask, archived=True)
    answered = _answered(ctx, Act.RECORD_QUERIED_OWN, caller, caller.sub, page, _in_full)
    conflicts = () if ask.after else disagreed(ctx, page)[0]
    return replace(answered, conflicts=conflicts) if conflicts else answered


@query(Act.RECORD_QUERIED_PUBLIC, roles=EVERYBODY, articles=("14", "15", "18"))
@in_time
def public(ctx: DisclosureContext, caller: Principal, ref: str, ask: RecordsQuery) -> QueryResult:
    """What is public about a subject. Raises SUBJECT_NOT_PUBLIC when nothing is."""
    page = read(ctx, ref, View.PUBLIC, ask)
    public_today = page.subject is not None and page.subject.visible.until >= ctx.clock.today().isoformat()
    answered = _answered(ctx, Act.RECORD_QUERIED_PUBLIC, caller, ref if public_today else "", page, _publicly)
    # Whatever was asked for: also the name belongs to records, and ends with the last of them.
    if not public_today:
        raise SUBJECT_NOT_PUBLIC()
    return answered


@query(Act.RECORD_QUERIED_SHARED, roles={Role.AGENCY}, articles=("14", "17", "18"), when=(with_purpose,))
@in_time
def shared(ctx: DisclosureContext, caller: Principal, identifier: SubjectIdentifier, ask: RecordsQuery) -> QueryResult:
    """What is shared among administrative organs about a subject, for the token's purpose."""
    ref = ref_of(ctx, identifier)
    page = read(ctx, ref, View.SHARED, ask)
    return _answered(ctx, Act.RECORD_QUERIED_SHARED, caller, ref, page, _as_records_show)


@query(Act.RECORD_QUERIED_STATUTORY, roles={Role.STATUTORY}, articles=("16", "18"), when=(with_case,))
@in_time
def statutory(
    ctx: DisclosureContext, caller: Principal, identifier: SubjectIdentifier, ask: RecordsQuery
) -> QueryResult:
    """The full view of the subject of a case, under the token's legal basis; no consent is needed."""
    ref = ref_of(ctx, identifier)
    page = read(ctx, ref, View.OWN, ask)
    return _answered(ctx, Act.RECORD_QUERIED_STATUTORY, caller, ref, page, _by_law)


@query(Act.RECORD_QUERIED_AUTHORIZED, roles={Role.SUBJECT_AUTHORIZED}, articles=("14", "16", "18"))
def authorized(
    ctx: DisclosureContext, caller: Principal, identifier: SubjectIdentifier, ask: RecordsQuery
) -> QueryResult:
    """What a subject's consent names, as long as it stands. Raises CONSENT_UNKNOWN and the other refusals of
    `consents.py`. Without an identifier it is about the subject who gave the consent."""
    given: Consent | None = None
    try:
        with within(OPERATION_SECONDS):
            given = _used(ctx, caller, identifier, ask)
            ref = given.subject_ref
            page = read(ctx, ref, View.AUTHORIZED, replace(ask, entries=ask.entries or given.entries))
            answered = _answered(ctx, Act.RECORD_QUERIED_AUTHORIZED, caller, ref, page, _as_records_show)
            if answered.following:
                consent.further(ctx, caller, ask.entries, answered.following)
            return answered
    except Exception:
        if given is not None:
            # A query without an answer is not a use, whatever the reason.
            with within(_GIVING_BACK_SECONDS):
                consent.give_back(ctx, given)
        raise


def _used(ctx: DisclosureContext, caller: Principal, identifier: SubjectIdentifier, ask: RecordsQuery) -> Consent:
    ref = ref_of(ctx, identifier) if identifier != SubjectIdentifier() else ""
    given, problem = consent.use(ctx, caller, ref, ask.entries, ask.after)
    if given is None or problem is not None:
        refusal = problem or CONSENT_UNKNOWN()
        ctx.audit.refused(Act.RECORD_QUERIED_AUTHORIZED, caller, refusal)
        raise refusal
    return given


@query(Act.RECORD_QUERIED, roles={Role.AGENCY, Role.STATUTORY, Role.SUBJECT_AUTHORIZED}, articles=("14", "16", "17"))
def by_role(ctx: DisclosureContext, caller: Principal, identifier: SubjectIdentifier, ask: RecordsQuery) -> QueryResult:
    """Records in the view that the token's role gives: shared, by law, or by consent."""
    if Role.AGENCY in caller.roles:
        return shared(ctx, caller, identifier, ask)
    if Role.STATUTORY in caller.roles:
        return statutory(ctx, caller, identifier, ask)
    return authorized(ctx, caller, identifier, ask)


@query(Act.SUBJECT_SEARCHED_PUBLIC, roles=EVERYBODY, articles=("15",))
@in_time
def search(
    ctx: DisclosureContext, caller: Principal, query: str, start: int, size: int
) -> tuple[list[FoundSubject], int]:
    """Subjects with something public today, from the `start`th on; and how many there are in all, where a thousand
    stands for so many or more. Organisations are found by name, pinyin initials or code; persons only by the full name
    with a number (`person_lookup.py`), so that nobody lists them.

    What was searched for is not put on record, for it may be a name; what was found is.
    """
    ctx = ctx.pinned()
    today = ctx.clock.today().isoformat()
    code = as_code(query)
    # A person's number finds no subject, and is not compared with anything. Some organisations' codes have its form.
    nothing: tuple[list[FoundSubject], int] = ([], 0)
    hidden = is_personal_number(comparison_key(query)) and not is_uscc(code)
    lookups = lookups_in(ctx.subject_key, query)
    page, total = nothing if hidden else ctx.directory.found(query, code, today, start, size, lookups)
    ctx.audit.record(
        ctx.audit.event(
            Act.SUBJECT_SEARCHED_PUBLIC,
            caller,
            subject_refs=[listed.ref for listed in page[:NAMED_RECORDS]],
            details={"by": "code" if code else "name", "found": total},
        )
    )
    return page, total


def _answered(
    ctx: DisclosureContext,
    act: Act,
    caller: Principal,
    ref: str,
    page: ResultPage,
    name: Callable[[DisclosureContext, WholeSubject, list[LazyRecordView]], NamedSubject],
) -> QueryResult:
    """Puts a query on record, then returns the answer."""
    records = page.records
    event = ctx.audit.event(
        act,
        caller,
        # The event names all references of the subject, the strongest first, so that it is found under each (Art. 15).
        subject_refs=list(dict.fromkeys((*page.refs, ref))) if ref else [],
        entries=sorted({r.entry_code for r in records}),
        records=[r.record_id for r in records[:NAMED_RECORDS]],
        details={"records": len(records)},
    )
    event = ctx.audit.record(event)
    subject = NamedSubject(ref) if page.subject is None else name(ctx, page.subject, records)
    return QueryResult(subject, records, page.following, event.event_id)


def _in_full(ctx: DisclosureContext, whole: WholeSubject, records: list[LazyRecordView]) -> NamedSubject:
    return NamedSubject(whole.ref, whole.kind, whole.called.name, whole.uscc, tuple(whole.called.former))


def _by_law(ctx: DisclosureContext, whole: WholeSubject, records: list[LazyRecordView]) -> NamedSubject:
    """Names the subject in full, unless no record is shown."""
    return _in_full(ctx, whole, records) if records else NamedSubject(whole.ref)


def _publicly(ctx: DisclosureContext, whole: WholeSubject, records: list[LazyRecordView]) -> NamedSubject:
    """Names the subject as its public records show it today, newest name first; a person who is not named in all of
    them has no name."""
    today = ctx.clock.today().isoformat()
    unnamed = "" if whole.kind == INDIVIDUAL else whole.called.name
    name, *former = seen_names(whole.visible, whole.called, today) or [unnamed]
    return NamedSubject(whole.ref, whole.kind, name, whole.uscc, tuple(former))


def _as_records_show(ctx: DisclosureContext, whole: WholeSubject, records: list[LazyRecordView]) -> NamedSubject:
    """Names an organisation by its name, and a person as the records show it, masked where one of them masks it. When no
    record is shown, nothing is told of the subject: what is known of it may be past its disclosure."""
    if not records:
        return NamedSubject(whole.ref)
    if whole.kind != INDIVIDUAL:
        return NamedSubject(whole.ref, whole.kind, whole.called.name, whole.uscc, tuple(whole.called.former))
    shown = [name for r in records if r.entry is not None and (name := shown_name(r.shown, r.entry))]
    names = [name for name in shown if MASK in name] or shown or [mask_name(whole.called.name)]
    return NamedSubject(whole.ref, whole.kind, names[0])


def ref_of(ctx: DisclosureContext, identifier: SubjectIdentifier) -> str:
    """Returns the pseudonym of the subject that a query is about. Raises INPUT_INVALID."""
    given: dict[str, str] = {scheme: value for scheme, value in asdict(identifier).items() if value}
    if len(given) != 1:
        told = f"请给出其中之一 / give one of {', '.join(asdict(identifier))}"
        raise INPUT_INVALID(fields=[FieldError("subject", "one_of", told)])
    [(scheme, value)] = given.items()
    if scheme == "subject_ref":
        if not is_subject_ref(value):
            told = "不是主体代号，请使用系统返回的 subject_ref / not a pseudonym; use a subject_ref that an answer gave"
            raise INPUT_INVALID(fields=[FieldError("subject.subject_ref", "subject_ref", told)])
        return value
    plain = standard_form(scheme, value)
    if fault_of(scheme, plain, ctx.clock.today()):
        raise INPUT_INVALID(fields=[FieldError(f"subject.{scheme}", scheme, _NOT_VALID[scheme])])
    return ctx.subject_key.subject_ref(scheme, plain)
