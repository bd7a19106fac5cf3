"""What was agreed with a provider on how it delivers (Art. 10, 12)."""

from dataclasses import dataclass

from chengxin.auth.executor import command, query
from chengxin.auth.principal import Principal, Role
from chengxin.errors import INPUT_INVALID, NOT_FOUND, FieldError
from chengxin.store.database import UnitOfWork
from chengxin.store.on_record import authorise
from chengxin.values.acts import Act
from services.ingest.context import IngestContext
from services.ingest.domain.identifiers import uscc_fault
from services.ingest.domain.provider_terms import ProviderTerms
from services.ingest.usecases.permissions import acts_for_provider, own


@dataclass(frozen=True)
class AgreementTerms:
    """The terms that the centre enters: whether every delivery must be signed, and the agreement's name or number."""

    signature_required: bool
    document: str


@command(Act.AGREEMENT_CHANGED, roles={Role.CENTRE}, articles=("10", "12"), may=acts_for_provider)
def agree(ctx: IngestContext, caller: Principal, provider: str, terms: AgreementTerms) -> ProviderTerms:
    """Keeps what was agreed with a provider; it holds from the next delivery. Raises INPUT_INVALID."""
    if uscc_fault(provider):
        told = "统一社会信用代码不正确 / not a unified social credit code"
        raise INPUT_INVALID(fields=[FieldError("provider", "uscc", told)])
    agreement = ProviderTerms(provider, terms.signature_required, terms.document.strip(), ctx.clock.now())
    details = {"provider": provider, "signature_required": agreement.signature_required}

    def work(unit: UnitOfWork) -> None:
        authorise(provider)
        ctx.store.providers.keep_agreement(provider, agreement.to_row(), unit.session)
        unit.record(ctx.audit.event(Act.AGREEMENT_CHANGED, caller, details=details).encode())

    ctx.patiently(lambda: ctx.store.transact(work))
    return agreement


@query(
    Act.AGREEMENT_READ,
    roles={Role.PROVIDER, Role.CENTRE, Role.AUTHORITY, Role.SUPERVISOR},
    articles=("10", "12"),
    when=(own,),
)
def agreed(ctx: IngestContext, caller: Principal, provider: str) -> ProviderTerms:
    """What was agreed with a provider. Raises NOT_FOUND."""
    if (found := terms_of(ctx, provider)) is None:
        raise NOT_FOUND(what=provider)
    ctx.audit.record(ctx.audit.event(Act.AGREEMENT_READ, caller, details={"provider": provider}))
    return found


def terms_of(ctx: IngestContext, provider: str) -> ProviderTerms | None:
    """The terms under which a provider delivers; None where nothing was agreed."""
    row = ctx.store.providers.agreement(provider)
    return ProviderTerms.read(row) if row else None
