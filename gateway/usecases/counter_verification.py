"""The service counter (Art. 16): an officer checks document and person, and hands out a code that is good once."""

import base64
import hashlib
import os
from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import partial
from typing import Any, Final

from chengxin.auth.executor import command, open_command, query
from chengxin.auth.powers import Power, anywhere, one, two
from chengxin.auth.principal import Capacity, Principal, Role, representation
from chengxin.auth.revocation import Revocation
from chengxin.errors import INPUT_INVALID, FieldError, not_found, unauthenticated
from chengxin.proposals.decisions import carries_out, propose
from chengxin.proposals.proposal import Proposal
from chengxin.store.database import UnitOfWork
from chengxin.values.acts import Act
from chengxin.values.canonical_json import canonical
from chengxin.values.clock import read_day, rfc3339
from chengxin.values.identifiers import fault_of, is_uscc, personal_scheme, standard_form
from chengxin.values.ids import new_id
from chengxin.values.permitted_period import latest_end
from chengxin.values.text_forms import standard_identifier
from gateway.context import GatewayContext
from gateway.domain.clients_and_officers import Citizen
from gateway.domain.registered_words import word_fault
from gateway.store.signing_keys import IssuedToken
from gateway.usecases.verify_identity import admit

_at_the_counter: Final = partial(command, roles={Role.CENTRE}, articles=("16",))
_ANY_COUNTER: Final = anywhere("people and organisations may go to any counter of the city")
_BOTH_TOLD: Final = "the person and the organisation, at /v1/me/accesses"
_CODE_HOURS: Final = 24
ACR: Final = "counter"
# The documents that an officer takes as proof, and the scheme of their numbers. A card's number is the holder's for
# life, except a passport's.
DOCUMENTS: Final = {
    "resident_identity_card": "identity_number",
    "temporary_identity_card": "identity_number",
    # Of residents of Hong Kong, Macao and Taiwan (810000, 820000, 830000).
    "residence_permit": "identity_number",
    "permanent_residence_card": "permanent_residence",
    "hk_macao_travel_permit": "hk_macao_permit",
    "taiwan_travel_permit": "taiwan_permit",
    "passport": "passport",
}

COUNTER_CODE_REFUSED = unauthenticated(
    "COUNTER_CODE_REFUSED",
    "核验码无效：不存在、已使用、已过期，或与证件号码不符",
    "The code is not good: unknown, used, expired, or another person's",
)
REPRESENTATION_UNKNOWN = not_found(
    "REPRESENTATION_UNKNOWN", "没有代表登记 {representation_id}", "There is no representation {representation_id}"
)


@dataclass(frozen=True)
class Representation:
    """A person who may act for an organisation: its legal representative, or an agent until a day."""

    identity_number: str = field(repr=False)
    uscc: str
    capacity: str
    authorization: str = ""
    until: str = ""
    document: str = "resident_identity_card"


@_at_the_counter(
    Act.COUNTER_CODE_ISSUED,
    power=Power(
        _ANY_COUNTER,
        one("the person stands at the counter; who was verified so is told by whom, and each query names the officer"),
        "the citizen, at /v1/me/accesses: who issued the code, at which counter, and each query made with it",
    ),
)
def issue_code(
    ctx: GatewayContext, caller: Principal, identity_number: str, document: str, counter: str = ""
) -> dict[str, Any]:
    """An officer who checked a document gets a one-time code to hand over. The store keeps only its digest.

    The citizen is told who issued it and at which `counter` (the centre's name of it; its organisation is the
    officer's). Raises INPUT_INVALID for a number that no such document has.
    """
    ref = _subject_ref(ctx, identity_number, document)
    code = _new_code()
    now = ctx.clock.now()
    expires_at = now + timedelta(hours=_CODE_HOURS)
    details = {"document": document} | ({"counter": counter} if counter else {})
    event = ctx.audit.event(Act.COUNTER_CODE_ISSUED, caller, subject_refs=[ref], details=details).encode()
    row = {"_id": _digest(code), "subject_ref": ref, "issued_by": caller.sub, "expires_at": expires_at}

    def work(unit: UnitOfWork) -> None:
        ctx.administration.add_counter_code(row, unit)
        unit.record(event)

    ctx.accounts.transact(work)
    return {"code": code, "expires_at": rfc3339(expires_at)}


@open_command(
    Act.CITIZEN_IDENTIFIED,
    articles=("16", "31"),
    reason="the citizen's proof is the code that an officer handed over at the counter",
)
def exchange(ctx: GatewayContext, caller: Principal, identity_number: str, code: str, uscc: str = "") -> IssuedToken:
    """A citizen gives back the code from the counter, and gets a token. A refusal is on record first.

    Raises COUNTER_CODE_REFUSED, NOT_REPRESENTATIVE.
    """

    def verified() -> Citizen:
        scheme = personal_scheme(identity_number, ctx.clock.today())
        if scheme is None:
            raise COUNTER_CODE_REFUSED()
        ref = ctx.subject_key.subject_ref(scheme, standard_form(scheme, identity_number))
        digest = _digest(standard_identifier(code))
        spent = ctx.administration.spend_counter_code(digest, ref, ctx.clock.now())
        if spent is None:
            raise COUNTER_CODE_REFUSED()
        return Citizen(ref, "", verified_by=spent["issued_by"])

    return admit(ctx, caller, ACR, verified, uscc)


@_at_the_counter(
    Act.REPRESENTATION_RECORDED,
    power=Power(
        _ANY_COUNTER,
        two("one officer alone could have anybody act for any company"),
        _BOTH_TOLD,
    ),
)
def record_representation(
    ctx: GatewayContext, caller: Principal, asked: Representation, key: str = ""
) -> dict[str, Any]:
    """Proposes that a person may act for an organisation; an agent needs an authorization. Raises INPUT_INVALID."""
    ref = _subject_ref(ctx, asked.identity_number, asked.document)
    if not is_uscc(asked.uscc):
        message = "统一社会信用代码不正确，请核对 / this is no unified social credit code; check it"
        raise INPUT_INVALID(fields=[FieldError("uscc", "uscc", message)])
    if asked.authorization and (fault := word_fault("authorization", asked.authorization)):
        raise INPUT_INVALID(fields=[FieldError("authorization", "characters", fault)])
    if asked.capacity == Capacity.AGENT:
        _require_authorization(asked, ctx.clock.today())
    elif asked.until or asked.authorization:
        message = "法定代表人无须授权书和截止日期，请留空 / a legal representative has no authorization and no last day"
        raise INPUT_INVALID(fields=[FieldError("until", "superfluous", message)])
    wanted = {
        "subject_ref": ref,
        "capacity": asked.capacity,
        "authorization": asked.authorization,
        "until": asked.until,
    }
    refs = [ref, ctx.subject_key.subject_ref("uscc", asked.uscc)]

    def work(unit: UnitOfWork) -> dict[str, Any]:
        act = Act.REPRESENTATION_RECORDED
        return propose(ctx, caller, unit, act, asked.uscc, "", wanted, subject_refs=refs).to_dict()

    asked_for = canonical([ref, asked.uscc, asked.capacity, asked.authorization, asked.until])
    return ctx.store.once(caller.sub, key, asked_for, work, dict).answer


@carries_out(
    Act.REPRESENTATION_RECORDED,
    region=anywhere("as for who proposes it"),
    approvers={Role.CENTRE, Role.AUTHORITY, Role.SUPERVISOR},
    load=lambda ctx, proposal, unit: ctx.administration.representations(proposal.target),
)
def represent(
    ctx: GatewayContext, caller: Principal, unit: UnitOfWork, proposal: Proposal, _others: list[dict[str, Any]]
) -> None:
    """The person may act for the organisation from now on."""
    row = {
        "_id": new_id("rep"),
        "uscc": proposal.target,
        **proposal.asked,
        "recorded_by": proposal.proposed_by,
        "approved_by": caller.sub,
        "recorded_at": ctx.clock.now(),
    }
    ctx.administration.add_representation(row, unit)
    refs = [row["subject_ref"], ctx.subject_key.subject_ref("uscc", proposal.target)]
    details = {"representation_id": row["_id"], "capacity": row["capacity"], "until": row["until"]}
    event = ctx.audit.event(proposal.act, caller, subject_refs=refs, details=details | proposal.on_record())
    unit.record(event.encode())


@query(Act.REPRESENTATION_LISTED, roles={Role.CENTRE, Role.SUPERVISOR}, articles=("16",))
def list_representations(ctx: GatewayContext, caller: Principal, uscc: str) -> list[dict[str, Any]]:
    """Lists the people who may act for an organisation, by pseudonym."""
    org = ctx.subject_key.subject_ref("uscc", uscc)
    ctx.audit.record(ctx.audit.event(Act.REPRESENTATION_LISTED, caller, subject_refs=[org]))
    return [_to_dict(row) for row in ctx.administration.representations(uscc)]


@_at_the_counter(
    Act.REPRESENTATION_ENDED,
    power=Power(
        _ANY_COUNTER,
        one("it only takes away"),
        _BOTH_TOLD,
    ),
)
def end_representation(ctx: GatewayContext, caller: Principal, representation_id: str) -> dict[str, Any]:
    """Ends a representation; the tokens with which the person acts for the organisation end within a
    minute. Raises REPRESENTATION_UNKNOWN."""

    def work(unit: UnitOfWork) -> dict[str, Any]:
        row = ctx.administration.representation(representation_id, unit.session)
        if row is None:
            raise REPRESENTATION_UNKNOWN(representation_id=representation_id)
        ctx.administration.end_representation(representation_id, unit)
        recorded = {Act.REPRESENTATION_RECORDED}
        ctx.proposals.outdate(recorded, row["uscc"], unit, subject_ref=row["subject_ref"])
        org = ctx.subject_key.subject_ref("uscc", row["uscc"])
        now = ctx.clock.now()
        ended = representation(org, row["subject_ref"])
        ctx.administration.revoke(Revocation("representation", ended, int(now.timestamp()) + 1), now, unit)
        refs = [row["subject_ref"], org]
        details = {"representation_id": representation_id}
        unit.record(ctx.audit.event(Act.REPRESENTATION_ENDED, caller, subject_refs=refs, details=details).encode())
        return _to_dict(row)

    found = ctx.accounts.transact(work)
    ctx.revocations.refresh()
    return found


def _require_authorization(asked: Representation, today: date) -> None:
    latest = latest_end(today)
    try:
        good = today <= read_day(asked.until) <= latest
    except ValueError:
        good = False
    if not good:
        message = (
            f"代理须有截止日期（YYYY-MM-DD，今日至 {latest}） / "
            f"an agent's authorization ends on a day from today to {latest}"
        )
        raise INPUT_INVALID(fields=[FieldError("until", "date", message)])
    if not asked.authorization:
        message = "代理须有授权书编号 / an agent needs the number of the authorization"
        raise INPUT_INVALID(fields=[FieldError("authorization", "required", message)])


def _subject_ref(ctx: GatewayContext, number: str, document: str) -> str:
    scheme = DOCUMENTS[document]
    plain = standard_form(scheme, number)
    # A digit mistyped at the counter would open another person's record.
    if fault := fault_of(scheme, plain, ctx.clock.today()):
        message = (
            "证件号码与所选证件不符，或校验码、出生日期有误，请与证件核对 / "
            "the number is not of this document, or its check digit or date of birth is wrong; compare with the document"
        )
        raise INPUT_INVALID(fields=[FieldError("identity_number", fault, message)])
    return ctx.subject_key.subject_ref(scheme, plain)


def _new_code() -> str:
    text = base64.b32encode(os.urandom(10)).decode()
    return "-".join(text[n : n + 4] for n in range(0, 16, 4))


def _digest(code: str) -> str:
    return hashlib.sha256(code.encode()).hexdigest()


def _to_dict(row: dict[str, Any]) -> dict[str, Any]:
    return {
        "representation_id": row["_id"],
        "subject_ref": row["subject_ref"],
        "uscc": row["uscc"],
        "capacity": row["capacity"],
        "authorization": row["authorization"],
        "until": row["until"],
        "recorded_by": row["recorded_by"],
        "approved_by": row.get("approved_by", ""),
    }
