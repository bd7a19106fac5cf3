"""Citizens prove who they are; the token names them by pseudonym, and `acr` says how."""

import hmac
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Protocol

from chengxin.auth.principal import Principal, Role
from chengxin.errors import Problem
from chengxin.values.acts import Act
from chengxin.values.ids import SubjectKey
from gateway.context import GatewayContext
from gateway.domain.clients_and_officers import ANONYMOUS, IDENTITY_NOT_CONFIRMED, NOT_REPRESENTATIVE, PORTAL, Citizen
from gateway.store.accounts import Accounts
from gateway.store.signing_keys import IssuedToken


@dataclass(frozen=True)
class ClaimedIdentity:
    """Who somebody says she is."""

    name: str = field(repr=False)
    identity_number: str = field(repr=False)


class IdentityVerifier(Protocol):
    """A way to prove who one is by what one says."""

    @property
    def acr(self) -> str:
        """The `acr` of tokens that it leads to."""
        ...

    def verify(self, claimed: ClaimedIdentity) -> Citizen:
        """The person. Raises IDENTITY_NOT_CONFIRMED."""
        ...


class DemoRegister:
    """Knows the people of the demonstration world; name and number are all the proof it wants. Never in production."""

    acr = "demo"

    def __init__(self, accounts: Accounts, subject_key: SubjectKey) -> None:
        self._accounts = accounts
        self._subject_key = subject_key

    def verify(self, claimed: ClaimedIdentity) -> Citizen:
        """The person with this number and name. Raises IDENTITY_NOT_CONFIRMED."""
        found = self._accounts.citizen(self._subject_key.subject_ref("identity_number", claimed.identity_number))
        if found is None or not hmac.compare_digest(found.name.encode(), claimed.name.strip().encode()):
            raise IDENTITY_NOT_CONFIRMED()
        return found


def identify(ctx: GatewayContext, verifier: IdentityVerifier, claimed: ClaimedIdentity, uscc: str = "") -> IssuedToken:
    """A citizen proves who she is, and gets a token for herself or for the organisation `uscc` that she represents."""
    return admit(ctx, verifier.acr, lambda: verifier.verify(claimed), uscc)


def admit(ctx: GatewayContext, acr: str, verified: Callable[[], Citizen], uscc: str = "") -> IssuedToken:
    """The token of whoever `verified()` finds; what it raises is on record before it is answered."""
    person: Citizen | None = None
    try:
        person = verified()
        if uscc and not _represents(ctx, person, uscc):
            raise NOT_REPRESENTATIVE(uscc=uscc)
    except Problem as refusal:
        refs = [person.subject_ref] if person else []
        details = {"code": refusal.code, "acr": acr}
        ctx.audit.record(
            ctx.audit.event(Act.CITIZEN_IDENTIFIED, ANONYMOUS, outcome="refused", subject_refs=refs, details=details)
        )
        raise
    self_ = Principal(person.subject_ref, frozenset({Role.SUBJECT}), client_id=PORTAL, acr=acr)
    represented = replace(self_, sub=ctx.subject_key.subject_ref("uscc", uscc), org=uscc) if uscc else self_
    minted = ctx.keys.mint(represented)
    # An organisation's token does not name the person; this event does, by pseudonym (Art. 31).
    refs = [person.subject_ref] + ([represented.sub] if uscc else [])
    ctx.audit.record(
        ctx.audit.event(
            Act.CITIZEN_IDENTIFIED, minted.principal, subject_refs=refs, details={"jti": minted.principal.jti}
        )
    )
    return minted


def _represents(ctx: GatewayContext, person: Citizen, uscc: str) -> bool:
    """Its legal representative, or an agent whose authorization is recorded and has not expired (Art. 16)."""
    today = ctx.clock.today().isoformat()
    return uscc in person.represents or ctx.administration.represents(person.subject_ref, uscc, today)
