"""What was agreed with a provider on how it delivers (Art. 10, 12)."""

from dataclasses import dataclass
from typing import Any

from chengxin.auth.executor import command, query
from chengxin.auth.powers import OWN, Power, two
from chengxin.auth.principal import Principal, Role
from chengxin.errors import INPUT_INVALID, NOT_FOUND, FieldError, InBoth
from chengxin.proposals.decisions import carries_out, propose
from chengxin.proposals.proposal import PROPOSAL_OUTDATED, Proposal
from chengxin.store.database import UnitOfWork, session_of
from chengxin.store.on_record import authorise
from chengxin.values.acts import Act
from chengxin.values.clock import rfc3339
from chengxin.values.identifiers import is_uscc
from services.ingest.context import IngestContext
from services.ingest.domain.provider_terms import ProviderTerms
from services.ingest.usecases.permissions import acts_for_provider, own


@dataclass(frozen=True)
class AgreementTerms:
    """The terms that the centre enters: whether every delivery must be signed, and the agreement's name or number."""

    signature_required: bool
    document: str


@command(
    Act.AGREEMENT_CHANGED,
    roles={Role.CENTRE},
    articles=("10", "12"),
    may=acts_for_provider,
    power=Power(
        OWN,
        two("one officer alone could let unsigned records in as the provider's; what does not loosen is kept at once"),
        "the provider, who reads its agreement; supervisors, by the audit log",
    ),
)
def agree(ctx: IngestContext, caller: Principal, provider: str, terms: AgreementTerms) -> ProviderTerms | Proposal:
    """Keeps what was agreed with a provider; it holds from the next delivery. That deliveries need no signature any more
    is a proposal. Raises INPUT_INVALID."""
    if not is_uscc(provider):
        told = "统一社会信用代码不正确 / not a unified social credit code"
        raise INPUT_INVALID(fields=[FieldError("provider", "uscc", told)])
    agreement = ProviderTerms(provider, terms.signature_required, terms.document.strip(), ctx.clock.now())

    def work(unit: UnitOfWork) -> ProviderTerms | Proposal:
        authorise(provider)
        before = terms_of(ctx, provider, unit)
        if before is not None and agreement.loosens(before):
            region = ctx.store.regions.of(provider, unit) or caller.region
            asked = {"signature_required": agreement.signature_required, "instead_of": rfc3339(before.changed_at)}
            words = {"document": agreement.document}
            return propose(ctx, caller, unit, Act.AGREEMENT_CHANGED, provider, region, asked, words=words)
        _keep(ctx, caller, unit, agreement)
        return agreement

    return ctx.patiently(lambda: ctx.store.transact(work))


def load_provider(_ctx: IngestContext, proposal: Proposal, _unit: UnitOfWork) -> str:
    """Returns the provider that a proposal is about: its region is what the second officer is judged by."""
    return proposal.target


@carries_out(
    Act.AGREEMENT_CHANGED,
    region=OWN,
    approvers={Role.CENTRE, Role.AUTHORITY},
    load=load_provider,
    may=acts_for_provider,
)
def agree_as_proposed(
    ctx: IngestContext, caller: Principal, unit: UnitOfWork, proposal: Proposal, provider: str
) -> None:
    """The looser terms hold from the next delivery. Raises PROPOSAL_OUTDATED."""
    agreement = ProviderTerms(
        provider, proposal.asked["signature_required"], proposal.words["document"], ctx.clock.now()
    )
    before = terms_of(ctx, provider, unit)
    if before is None or rfc3339(before.changed_at) != proposal.asked["instead_of"]:
        raise PROPOSAL_OUTDATED(what=InBoth("现行约定", "the agreement in force"))
    _keep(ctx, caller, unit, agreement, **proposal.on_record())


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


def terms_of(ctx: IngestContext, provider: str, unit: UnitOfWork | None = None) -> ProviderTerms | None:
    """The terms under which a provider delivers; None where nothing was agreed."""
    row = ctx.store.providers.agreement(provider, session_of(unit))
    return ProviderTerms.read(row) if row else None


def _keep(ctx: IngestContext, caller: Principal, unit: UnitOfWork, agreement: ProviderTerms, **approval: Any) -> None:
    ctx.store.providers.keep_agreement(agreement.provider, agreement.to_row(), unit.session)
    details = {"provider": agreement.provider, "signature_required": agreement.signature_required, **approval}
    unit.record(ctx.audit.event(Act.AGREEMENT_CHANGED, caller, details=details).encode())
