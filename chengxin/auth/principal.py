"""Who is asking, and in what capacity: the claims of an access token (RFC 9068)."""

from dataclasses import dataclass
from enum import IntEnum, StrEnum
from typing import Any, Final

from chengxin.auth.tls import confirmation
from chengxin.concurrency.shares import Claimant


class Role(StrEnum):
    """Capacities a token can give; see the table in docs/identity.md."""

    PUBLIC = "public"
    SUBJECT = "subject"
    SUBJECT_AUTHORIZED = "subject_authorized"
    STATUTORY = "statutory"
    AGENCY = "agency"
    PROVIDER = "provider"
    CENTRE = "centre"
    AUTHORITY = "authority"
    SUPERVISOR = "supervisor"
    SERVICE = "service"


class Assurance(IntEnum):
    """How surely the caller is the person that the token names (Art. 16), from the least."""

    NONE = 0
    # A provider that knows the person asserted it.
    ONLINE = 1
    # An officer saw the person and the document.
    IN_PERSON = 2


# The assurance that each `acr` gives. The verifier refuses that of the demonstration world everywhere else
# (chengxin.auth.access_tokens.Verifier).
DEMO_ACR: Final = "demo"
ACR_LEVELS: Final = {"oidc": Assurance.ONLINE, "counter": Assurance.IN_PERSON, DEMO_ACR: Assurance.IN_PERSON}


# The `sub` of the token that the gateway shows to a service for a caller who has none.
ANONYMOUS_SUB: Final = "anonymous"


class Capacity(StrEnum):
    """In which capacity a person acts for an organisation (Art. 16)."""

    LEGAL_REPRESENTATIVE = "legal_representative"
    AGENT = "agent"


# The claims of a token that are fields of the caller as they are; a token has none that is empty.
_CLAIMS: Final = (
    "client_id",
    "org",
    "region",
    "acr",
    "jti",
    "purpose",
    "legal_basis",
    "case_no",
    "officer",
    "consent_id",
    "client_key",
    "verified_by",
    "capacity",
    "authorized_until",
)


@dataclass(frozen=True, slots=True)
class Principal:
    """A verified caller. `sub` is a subject_ref for citizens, an officer or client id for others."""

    sub: str
    roles: frozenset[Role]
    client_id: str = ""
    org: str = ""
    region: str = ""
    acr: str = ""
    jti: str = ""
    purpose: str = ""
    legal_basis: str = ""
    case_no: str = ""
    officer: str = ""
    consent_id: str = ""
    # Thumbprint (RFC 7638) of the registered key with which a client authenticated; it signs deliveries with that key.
    client_key: str = ""
    # The `sub` of the officer who saw the document, of a subject verified at the counter: what is done with a code names
    # who handed it out.
    verified_by: str = ""
    # Thumbprint of the certificate to which the token is bound (RFC 8705); empty when it is bound to none.
    certificate: str = ""
    # Of a token of an organisation (claim `act`, RFC 8693): the pseudonym of the person who acts for it, her
    # `Capacity`, and the last day of an agent's authorization (Shanghai date).
    represented_by: str = ""
    capacity: str = ""
    authorized_until: str = ""

    @classmethod
    def from_claims(cls, claims: dict[str, Any]) -> "Principal":
        """Reads verified claims; an unknown role is dropped, so that it can give nothing.

        Raises `ValueError`, also for a token of an organisation that does not tell who acts for it: what is done with
        it would be on record against nobody (Art. 31).
        """
        known = {r.value for r in Role}
        caller = cls(
            sub=claims["sub"],
            roles=frozenset(Role(r) for r in claims.get("roles", ()) if r in known),
            certificate=confirmation(claims),
            represented_by=_actor(claims),
            **{name: str(claims.get(name, "")) for name in _CLAIMS},
        )
        if Role.SUBJECT in caller.roles and caller.org and not caller.represented_by:
            raise ValueError("a token of an organisation names nobody who acts for it")
        return caller

    def to_claims(self) -> dict[str, Any]:
        """The claims from which `from_claims` reads this caller."""
        claims: dict[str, Any] = {"sub": self.sub, "roles": sorted(self.roles)}
        claims |= {name: value for name in _CLAIMS if (value := getattr(self, name))}
        if self.certificate:
            claims["cnf"] = {"x5t#S256": self.certificate}
        if self.represented_by:
            claims["act"] = {"sub": self.represented_by}
        return claims

    @property
    def representation(self) -> str:
        """Who acts for whom, as one revocation names all tokens of it; empty for who acts for itself."""
        return representation(self.sub, self.represented_by) if self.represented_by else ""

    @property
    def assurance(self) -> Assurance:
        """How surely the caller is the person that the token names."""
        return ACR_LEVELS.get(self.acr, Assurance.NONE)

    @property
    def claimant(self) -> Claimant:
        """Whose share the caller uses of what there is only so much of: an organ has one for all its clients and
        officers; else each person or client has its own. The nameless public has one, and is a stranger."""
        return Claimant(self.org or self.sub, proven=Role.PUBLIC not in self.roles)

    def to_actor(self) -> dict[str, Any]:
        """The caller as an audit event names it, without empty fields and without personal identifiers."""
        actor: dict[str, Any] = {"sub": self.sub, "roles": sorted(role.value for role in self.roles)}
        for name in ("client_id", "org", "region", "acr", "officer", "verified_by", "represented_by", "capacity"):
            if value := getattr(self, name):
                actor[name] = value
        return actor


def representation(organisation: str, person: str) -> str:
    """The value of a revocation of all tokens with which a person acts for an organisation; both are pseudonyms."""
    return f"{organisation}.{person}"


def _actor(claims: dict[str, Any]) -> str:
    """The `sub` of the claim `act`. Raises `ValueError` when that claim is not of its form."""
    if "act" not in claims:
        return ""
    match claims["act"]:
        case {"sub": str(person)} if person:
            return person
    raise ValueError("act is not an object with a sub")
