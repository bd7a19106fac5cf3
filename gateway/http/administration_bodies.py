"""What administration takes over HTTP: addresses and bodies of clients, officers and signing keys."""

from typing import Any, ClassVar

from pydantic import BaseModel, Field

from chengxin.auth.principal import Role
from chengxin.http.inputs import MADE_HERE, Body
from gateway.domain.clients_and_officers import Agreement
from gateway.domain.registered_words import ADDRESSED_NAME
from gateway.domain.separation_of_duties import Grants


class ClientPath(BaseModel):
    """A client."""

    client_id: str = Field(max_length=64)


class ClientKeyPath(ClientPath):
    """A key of a client."""

    kid: str = Field(max_length=200)


class ClientBody(Body):
    """A new client."""

    may_hold_numbers = {
        "jwk": MADE_HERE,
    }

    beyond_schema: ClassVar[str] = (
        "A usable public key; a service number; no identity number in what goes on record; no unseen characters"
    )

    client_id: str = Field(pattern=rf"^{ADDRESSED_NAME}$")
    name: str = Field(min_length=1, max_length=200)
    org: str = Field(pattern=r"^[0-9A-Z]{18}$", description="Unified social credit code of its organisation")
    region: str = Field(pattern=r"^[0-9]{6}$", description="GB/T 2260 code")
    responsible: str = Field(max_length=64, description="Service number of the officer who answers for it")
    jwk: dict[str, Any] = Field(description="Public key: Ed25519 or P-256")


class PurposeBody(Body):
    """A stated purpose, and the agreement that states it."""

    purpose: str = Field(min_length=1, max_length=100)
    agreement: str = Field(min_length=1, max_length=200)


class ClientGrantsBody(Body):
    """Everything that a client may do from now on."""

    beyond_schema: ClassVar[str] = (
        "Roles that one client may hold, with the purposes and legal bases that they take; no unseen characters"
    )

    roles: list[Role] = Field(max_length=10)
    purposes: list[PurposeBody] = Field([], max_length=100)
    legal_bases: list[str] = Field([], max_length=100)

    def grants(self) -> Grants:
        """Returns the grants as the use case takes them."""
        agreements = frozenset(Agreement(p.purpose, p.agreement) for p in self.purposes)
        return Grants(frozenset(self.roles), agreements, frozenset(self.legal_bases))


class ClientKeyBody(Body):
    """A new key of a client."""

    may_hold_numbers = {
        "jwk": MADE_HERE,
    }

    beyond_schema: ClassVar[str] = "A usable public key"

    jwk: dict[str, Any]
    overlap_hours: int | None = Field(
        None, ge=0, le=24 * 90, description="After so many hours the earlier keys retire; without it they stay"
    )


class OfficerPath(BaseModel):
    """An officer."""

    username: str = Field(max_length=64)


class SessionPath(OfficerPath):
    """A sign-in of an officer."""

    jti: str = Field(max_length=64)


class OfficerBody(Body):
    """A new officer."""

    beyond_schema: ClassVar[str] = "No identity number in what goes on record; no unseen characters"

    username: str = Field(pattern=rf"^{ADDRESSED_NAME}$")
    name: str = Field(min_length=1, max_length=100)
    org: str = Field(pattern=r"^[0-9A-Z]{18}$")
    region: str = Field("", pattern=r"^([0-9]{6})?$", description="Where the officer acts; empty: everywhere")


class RolesBody(Body):
    """Every role that an officer holds from now on."""

    beyond_schema: ClassVar[str] = "Roles that one officer may hold together"

    roles: list[Role] = Field(max_length=10)


class KeyPath(BaseModel):
    """A signing key."""

    kid: str = Field(max_length=100)
