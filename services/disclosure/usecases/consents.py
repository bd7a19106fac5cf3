"""Consents (Art. 16): a subject lets one organisation see named entries for a purpose and time, and can withdraw that.

The subject hands the organisation a code; the organisation's client exchanges it at the gateway for a token that names
the consent (RFC 8693). Every query looks at the consent again, so that the token is never valid for longer than the
consent.
"""

import hashlib
import secrets
from collections.abc import Iterator, Set
from dataclasses import dataclass
from datetime import date
from typing import Final

from chengxin.auth.executor import command, query
from chengxin.auth.principal import Assurance, Principal, Role
from chengxin.errors import INPUT_INVALID, FieldError, Problem
from chengxin.store.database import UnitOfWork
from chengxin.store.on_record import authorise
from chengxin.values.acts import Act
from chengxin.values.canonical_json import canonical, digest
from chengxin.values.clock import rfc3339
from chengxin.values.identifiers import is_uscc
from chengxin.values.ids import new_id
from chengxin.values.permitted_period import LONGEST_YEARS, latest_end
from services.disclosure.context import DisclosureContext
from services.disclosure.domain.consents import (
    CONSENT_ABSENT,
    CONSENT_CODE_UNKNOWN,
    CONSENT_UNKNOWN,
    CONSENT_USED_UP,
    CONSENT_WITHDRAWN,
    NOT_THE_GATEWAY,
    Consent,
    read_consent,
)
from services.disclosure.domain.record_views import View

# 256 random bits cannot be guessed, so the digest needs no salt.
_CODE_PREFIX: Final = "consent-code_"
_CODE_BYTES: Final = 32
_NAMED_ENTRIES: Final = 20


@dataclass(frozen=True)
class ConsentTerms:
    """What a subject agrees to."""

    grantee: str
    purpose: str
    entries: frozenset[str]
    valid_from: date
    valid_to: date
    uses: int | None


def own_consent(ctx: DisclosureContext, caller: Principal, consent: Consent | None, consent_id: str) -> Problem | None:
    """A consent that the caller has given."""
    if consent is None or consent.subject_ref != caller.sub:
        return CONSENT_ABSENT(consent_id=consent_id)
    return None


@command(Act.CONSENT_GIVEN, roles={Role.SUBJECT}, articles=("16",), assurance=Assurance.ONLINE)
def give(ctx: DisclosureContext, caller: Principal, terms: ConsentTerms, key: str = "") -> tuple[Consent, str | None]:
    """The subject gives a consent, and gets the code to hand over: once; a repeated request gets none.

    Raises INPUT_INVALID for one that could never be used, and for one of an agent that would outlast her authorization.
    """
    if faults := [
        *_period_faults(terms, ctx.clock.today()),
        *_authorization_faults(caller, terms),
        *_faults_of_what_is_named(ctx, caller, terms),
    ]:
        raise INPUT_INVALID(fields=faults)
    consent = Consent(
        new_id("consent"),
        caller.sub,
        terms.grantee,
        terms.purpose,
        terms.entries,
        terms.valid_from,
        terms.valid_to,
        terms.uses,
        rfc3339(ctx.clock.now()),
        given_by=caller.represented_by,
        given_as=caller.capacity,
    )

    code = _new_code()

    def work(unit: UnitOfWork) -> Consent:
        _save(ctx, caller, unit, Act.CONSENT_GIVEN, consent, digest_of(code))
        return consent

    # What is asked for, by whichever representative; in the form of earlier versions, whose keys are still good.
    chosen = {name: value for name, value in consent.to_dict().items() if name not in ("given_by", "given_as")}
    asked = canonical([Act.CONSENT_GIVEN, {**chosen, "consent_id": "", "given_at": ""}])
    done = ctx.store.store.once(caller.sub, key, asked, work, Consent.to_dict)
    return done.or_read(read_consent), code if done.first else None


def _period_faults(terms: ConsentTerms, today: date) -> Iterator[FieldError]:
    if terms.valid_to < max(terms.valid_from, today):
        told = "有效期须在今天或以后结束，且不早于起始日 / must end today or later, and not before it begins"
        yield FieldError("valid_to", "period", told)
    latest = latest_end(today)
    for field, day in (("valid_from", terms.valid_from), ("valid_to", terms.valid_to)):
        if day > latest:
            told = f"不得晚于 {latest}（自今日起 {LONGEST_YEARS} 年） / not after {latest}, {LONGEST_YEARS} years from today"
            yield FieldError(field, "period", told)


def _authorization_faults(caller: Principal, terms: ConsentTerms) -> Iterator[FieldError]:
    last = caller.authorized_until
    if last and terms.valid_to > date.fromisoformat(last):
        told = (
            f"不得晚于经办人授权的截止日 {last}；需要更长的，由法定代表人作出 / "
            f"not after {last}, the last day of your authorization as agent; the legal representative can agree for longer"
        )
        yield FieldError("valid_to", "authorization", told)


def _faults_of_what_is_named(ctx: DisclosureContext, caller: Principal, terms: ConsentTerms) -> Iterator[FieldError]:
    if not is_uscc(terms.grantee):
        told = "不是有效的统一社会信用代码（GB 32100），请核对 / not a valid unified social credit code (GB 32100)"
        yield FieldError("grantee", "uscc", told)
    if unknown := sorted(terms.entries - ctx.store.entries_with_mode(terms.entries, View.AUTHORIZED)):
        named = "、".join(unknown[:_NAMED_ENTRIES])
        told = f"目录中没有可凭授权查询的条目：{named} / no entries of the catalog that a consent opens: {named}"
        yield FieldError("entries", "unknown_entry", told)
    elif not caller.org and (others := sorted(terms.entries - ctx.store.entries_about_persons(terms.entries))):
        # Whoever acts for an organisation has its code in the token.
        named = "、".join(others[:_NAMED_ENTRIES])
        told = f"这些目录只涉及组织，不涉及您个人：{named} / these entries are only about organisations: {named}"
        yield FieldError("entries", "about_organisations", told)


@command(Act.CONSENT_CODE_RENEWED, roles={Role.SUBJECT}, articles=("16",), assurance=Assurance.ONLINE, may=own_consent)
def renew_code(ctx: DisclosureContext, caller: Principal, consent_id: str) -> tuple[Consent, str]:
    """Another code replaces one that was lost or that others have seen; the old code is void at once.

    Raises CONSENT_ABSENT, CONSENT_WITHDRAWN.
    """
    code = _new_code()

    def work(unit: UnitOfWork) -> Consent:
        consent = _loaded(ctx, consent_id, unit)
        if consent.withdrawn_at:
            raise CONSENT_WITHDRAWN()
        _save(ctx, caller, unit, Act.CONSENT_CODE_RENEWED, consent, digest_of(code))
        return consent

    return ctx.store.transact(work), code


def by_the_gateway(_ctx: DisclosureContext, caller: Principal, *_: object, **__: object) -> Problem | None:
    """the gateway itself asks"""
    return None if caller.client_id == "gateway" else NOT_THE_GATEWAY()


@query(Act.CONSENT_RESOLVED, roles={Role.SERVICE}, articles=("16",), when=(by_the_gateway,))
def resolve(ctx: DisclosureContext, caller: Principal, code: str, grantee: str) -> Consent:
    """Returns the consent of a code that the organisation may use now; this uses nothing up.

    Raises CONSENT_CODE_UNKNOWN, CONSENT_OTHER_GRANTEE, CONSENT_WITHDRAWN, CONSENT_NOT_IN_TIME, CONSENT_USED_UP.
    """
    plain = ctx.store.consents.by_code(digest_of(code))
    consent = read_consent(plain) if plain else None
    problem = consent.closed_to(grantee, ctx.clock.today()) if consent else CONSENT_CODE_UNKNOWN()
    refs = [consent.subject_ref] if consent else []
    details = {"grantee": grantee} if consent is None else {"grantee": grantee, "consent_id": consent.consent_id}
    if problem is not None:
        details |= {"code": problem.code}
    outcome = "refused" if problem else "ok"
    ctx.audit.record(ctx.audit.event(Act.CONSENT_RESOLVED, caller, outcome=outcome, subject_refs=refs, details=details))
    if consent is None or problem is not None:
        raise problem or CONSENT_CODE_UNKNOWN()
    return consent


def digest_of(code: str) -> str:
    """Returns the digest under which a code is stored."""
    return hashlib.sha256(code.encode("utf-8", "replace")).hexdigest()


@query(Act.CONSENT_LISTED, roles={Role.SUBJECT}, articles=("16",))
def list_own(ctx: DisclosureContext, caller: Principal, after: str, size: int) -> list[Consent]:
    """Lists the subject's own consents, newest first, also ended ones; one more than `size` if there is."""
    found = [read_consent(plain) for plain in ctx.store.consents.of_subject(caller.sub, after, size + 1)]
    details = {"found": min(len(found), size)}
    ctx.audit.record(ctx.audit.event(Act.CONSENT_LISTED, caller, subject_refs=[caller.sub], details=details))
    return found


@query(Act.CONSENT_LISTED, roles={Role.SUBJECT}, articles=("16",), may=own_consent)
def read_own(ctx: DisclosureContext, caller: Principal, consent_id: str) -> Consent:
    """The subject reads one of its own consents. Raises CONSENT_ABSENT."""
    plain = ctx.store.consents.by_id(consent_id)
    consent = authorise(read_consent(plain) if plain else None, consent_id)
    ctx.audit.record(ctx.audit.event(Act.CONSENT_LISTED, caller, subject_refs=[caller.sub], details={"found": 1}))
    return consent


@command(Act.CONSENT_WITHDRAWN, roles={Role.SUBJECT}, articles=("16",), may=own_consent)
def withdraw(ctx: DisclosureContext, caller: Principal, consent_id: str) -> Consent:
    """The subject withdraws a consent; it ends at once, also for tokens already issued. Raises CONSENT_ABSENT."""

    def work(unit: UnitOfWork) -> Consent:
        consent = _loaded(ctx, consent_id, unit)
        withdrawn = consent.withdrawn(rfc3339(ctx.clock.now()))
        if withdrawn != consent:
            _save(ctx, caller, unit, Act.CONSENT_WITHDRAWN, withdrawn)
        else:
            unit.without_event("nothing changes")
        return withdrawn

    return ctx.store.transact(work)


def use(
    ctx: DisclosureContext, caller: Principal, ref: str, entries: Set[str], after: str
) -> tuple[Consent | None, Problem | None]:
    """Takes a use from the consent that the caller's token names, unless the query is for a further page (`further`).
    Returns it, or why it does not cover the query.

    It needs no transaction, and so does not wait for those of this process: a use is counted by one conditional write.
    """
    plain = ctx.store.consents.by_id(caller.consent_id) if caller.consent_id else None
    if plain is None:
        return None, CONSENT_UNKNOWN()
    consent = read_consent(plain)
    if after and _page(caller, entries, after) in plain["further"]:
        consent = consent.in_use()
    problem = consent.refusal(caller, ref, entries, ctx.clock.today())
    counted = problem is None and consent.uses_left is not None
    if counted and not ctx.store.consents.take_use(consent.consent_id):
        # Others took the last ones since it was read.
        return consent, CONSENT_USED_UP()
    return consent, problem


def further(ctx: DisclosureContext, caller: Principal, entries: Set[str], following: str) -> None:
    """The page after an answer is of the same use, for the same token and entries. Page tokens are not signed, so those
    that were handed out are remembered; the token ends soon, and with it the use."""
    ctx.store.consents.add_further(caller.consent_id, _page(caller, entries, following))


def give_back(ctx: DisclosureContext, consent: Consent) -> None:
    """Returns a use that was taken for a query that was not answered."""
    if consent.uses_left is not None:
        ctx.store.consents.return_use(consent.consent_id)


def _page(caller: Principal, entries: Set[str], after: str) -> str:
    return digest(canonical([caller.jti, sorted(entries), after]))


def _new_code() -> str:
    return _CODE_PREFIX + secrets.token_urlsafe(_CODE_BYTES)


def _loaded(ctx: DisclosureContext, consent_id: str, unit: UnitOfWork) -> Consent:
    """Loads a consent that the caller may act on. Raises CONSENT_ABSENT."""
    plain = ctx.store.consents.by_id(consent_id, unit)
    return authorise(read_consent(plain) if plain else None, consent_id)


def _save(
    ctx: DisclosureContext,
    caller: Principal,
    unit: UnitOfWork,
    act: Act,
    consent: Consent,
    code_digest: str | None = None,
) -> None:
    """Writes a consent, and the digest of its code when the code is new."""
    ctx.store.consents.save(consent.to_dict() | ({} if code_digest is None else {"code_digest": code_digest}), unit)
    details = {"consent_id": consent.consent_id, "grantee": consent.grantee}
    event = ctx.audit.event(
        act, caller, subject_refs=[consent.subject_ref], entries=sorted(consent.entries), details=details
    )
    unit.record(event.encode())
