"""Citizens prove who they are. The token names them by pseudonym, and its `acr` says how they proved it."""

import hmac
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Protocol

from chengxin.auth.executor import open_command
from chengxin.auth.principal import Capacity, Principal, Role
from chengxin.errors import Problem
from chengxin.values.acts import Act
from chengxin.values.identifiers import personal_scheme, standard_form
from chengxin.values.ids import SubjectKey
from chengxin.values.text_forms import comparison_key
from gateway.context import GatewayContext
from gateway.domain.clients_and_officers import IDENTITY_NOT_CONFIRMED, NOT_REPRESENTATIVE, PORTAL, Citizen
from gateway.store.accounts import Accounts
from gateway.store.signing_keys import IssuedToken


@dataclass(frozen=True)
class ClaimedIdentity:
    """The name and the number of a document that a caller gives."""

    name: str = field(repr=False)
    identity_number: str = field(repr=False)


class IdentityVerifier(Protocol):
    """Checks the identity that a caller claims."""

    @property
    def acr(self) -> str:
        """The `acr` of the tokens that are issued on this proof."""
        ...

    def verify(self, claimed: ClaimedIdentity) -> Citizen:
        """Returns the person. Raises IDENTITY_NOT_CONFIRMED."""
        ...


class DemoRegister:
    """The people of the demonstration world: it takes name and number as proof. Never use it in production."""

    acr = "demo"

    def __init__(self, accounts: Accounts, subject_key: SubjectKey) -> None:
        self._accounts = accounts
        self._subject_key = subject_key

    def verify(self, claimed: ClaimedIdentity) -> Citizen:
        """Returns the person with this number and name. Raises IDENTITY_NOT_CONFIRMED."""
        # The register knows the person; it does not ask when a number was given.
        scheme = personal_scheme(claimed.identity_number, date.max)
        if scheme is None:
            raise IDENTITY_NOT_CONFIRMED()
        number = standard_form(scheme, claimed.identity_number)
        found = self._accounts.citizen(self._subject_key.subject_ref(scheme, number))
        name = comparison_key(claimed.name).encode()
        if found is None or not hmac.compare_digest(comparison_key(found.name).encode(), name):
            raise IDENTITY_NOT_CONFIRMED()
        return found


@open_command(
    Act.CITIZEN_IDENTIFIED,
    articles=("16", "31"),
    reason="in the demonstration world, name and identity number are the proof",
)
def identify(
    ctx: GatewayContext, caller: Principal, verifier: IdentityVerifier, claimed: ClaimedIdentity, uscc: str = ""
) -> IssuedToken:
    """A citizen proves an identity, and gets a token: the citizen's own, or that of the organisation `uscc`.

    Raises IDENTITY_NOT_CONFIRMED, and NOT_REPRESENTATIVE for an organisation that the citizen does not represent.
    """
    return admit(ctx, caller, verifier.acr, lambda: verifier.verify(claimed), uscc)


def admit(
    ctx: GatewayContext, caller: Principal, acr: str, verified: Callable[[], Citizen], uscc: str = ""
) -> IssuedToken:
    """Issues the token of the person that `verified` returns. A refusal that it raises is on record first."""
    person: Citizen | None = None
    try:
        person = verified()
        capacity, until = _capacity(ctx, person, uscc) if uscc else ("", "")
    except Problem as refusal:
        refs = [person.subject_ref] if person else []
        details = {"code": refusal.code, "acr": acr}
        ctx.audit.record(
            ctx.audit.event(Act.CITIZEN_IDENTIFIED, caller, outcome="refused", subject_refs=refs, details=details)
        )
        raise
    subject = Principal(
        person.subject_ref, frozenset({Role.SUBJECT}), client_id=PORTAL, acr=acr, verified_by=person.verified_by
    )
    if uscc:
        subject = replace(
            subject,
            sub=ctx.subject_key.subject_ref("uscc", uscc),
            org=uscc,
            represented_by=person.subject_ref,
            capacity=capacity,
            authorized_until=until,
        )
    minted = ctx.keys.mint(subject)
    refs = [person.subject_ref] + ([subject.sub] if uscc else [])
    ctx.audit.record(
        ctx.audit.event(
            Act.CITIZEN_IDENTIFIED, minted.principal, subject_refs=refs, details={"jti": minted.principal.jti}
        )
    )
    return minted


def _capacity(ctx: GatewayContext, person: Citizen, uscc: str) -> tuple[str, str]:
    """In which capacity the person acts for the organisation (Art. 16), and until which day: as legal representative
    where she is that too, else as agent by the recorded authorization that lasts longest. Raises NOT_REPRESENTATIVE."""
    found = ctx.administration.in_force(person.subject_ref, uscc, ctx.clock.today().isoformat())
    if uscc in person.represents or any(row["capacity"] == Capacity.LEGAL_REPRESENTATIVE for row in found):
        return Capacity.LEGAL_REPRESENTATIVE, ""
    if not found:
        raise NOT_REPRESENTATIVE(uscc=uscc)
    return Capacity.AGENT, max(row["until"] for row in found)
