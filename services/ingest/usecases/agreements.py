"""What was agreed with a provider on how it delivers (Art. 10, 12)."""

from dataclasses import dataclass
from typing import Any

from chengxin.auth.executor import command, query
from chengxin.auth.principal import Principal, Role
from chengxin.errors import INPUT_INVALID, NOT_FOUND, FieldError, Problem
from chengxin.store.database import UnitOfWork
from chengxin.values.acts import Act
from chengxin.values.clock import rfc3339
from services.ingest.context import IngestContext
from services.ingest.domain.identifiers import uscc_fault


@dataclass(frozen=True)
class AgreementTerms:
    """The terms of an agreement: whether every delivery must be signed, and the agreement's name or number."""

    signature_required: bool
    document: str


def own(ctx: IngestContext, caller: Principal, provider: str, *_: Any) -> Problem | None:
    """a provider reads only its own"""
    if Role.PROVIDER in caller.roles and provider != caller.org:
        return NOT_FOUND(what=provider)
    return None


@command(Act.AGREEMENT_CHANGED, roles={Role.CENTRE}, articles=("10", "12"))
def agree(ctx: IngestContext, caller: Principal, provider: str, terms: AgreementTerms) -> dict[str, Any]:
    """Puts down what was agreed with a provider; it holds from the next delivery. Raises INPUT_INVALID."""
    if uscc_fault(provider):
        told = "统一社会信用代码不正确 / not a unified social credit code"
        raise INPUT_INVALID(fields=[FieldError("provider", "uscc", told)])
    kept = {
        "signature_required": terms.signature_required,
        "document": terms.document.strip(),
        "changed_at": ctx.clock.now(),
    }
    details = {"provider": provider, "signature_required": terms.signature_required}

    def work(unit: UnitOfWork) -> None:
        ctx.store.providers.keep_agreement(provider, kept, unit.session)
        unit.record(ctx.audit.event(Act.AGREEMENT_CHANGED, caller, details=details).encode())

    ctx.patiently(lambda: ctx.store.transact(work))
    return _told(provider, kept)


@query(
    Act.AGREEMENT_READ,
    roles={Role.PROVIDER, Role.CENTRE, Role.AUTHORITY, Role.SUPERVISOR},
    articles=("10", "12"),
    when=(own,),
)
def agreed(ctx: IngestContext, caller: Principal, provider: str) -> dict[str, Any]:
    """What was agreed with a provider. Raises NOT_FOUND."""
    ctx.audit.record(ctx.audit.event(Act.AGREEMENT_READ, caller, details={"provider": provider}))
    found = ctx.store.providers.agreement(provider)
    if found is None:
        raise NOT_FOUND(what=provider)
    return _told(provider, found)


def _told(provider: str, kept: dict[str, Any]) -> dict[str, Any]:
    return {
        "provider_uscc": provider,
        "signature_required": bool(kept["signature_required"]),
        "document": kept["document"],
        "changed_at": rfc3339(kept["changed_at"]),
    }
