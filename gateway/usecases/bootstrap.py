"""Writes services, clients, officers and demonstration citizens from a file. A second run changes nothing."""

import base64
import binascii
import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from typing import Any, Final

import jwt
from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from chengxin.audit.event import AuditEvent
from chengxin.auth.principal import Principal, Role
from chengxin.concurrency.shares import Claimant
from chengxin.errors import InBoth
from chengxin.store.database import UnitOfWork
from chengxin.values.acts import Act
from chengxin.values.clock import Clock, rfc3339
from chengxin.values.identifiers import personal_scheme, standard_form
from chengxin.values.ids import SubjectKey
from chengxin.values.jwk import thumbprint
from chengxin.values.personal_numbers import holds_personal_number
from gateway.domain.client_assertions import algorithm_of
from gateway.domain.clients_and_officers import Agreement, Citizen, Client, Officer, client_roles_fault, duties_fault
from gateway.domain.registered_words import ADDRESSED_NAME
from gateway.store.accounts import Accounts
from gateway.store.passwords import Passwords

_KEY_ID: Final = re.compile(r"[A-Za-z0-9_:-][A-Za-z0-9_.:-]{0,79}\Z")

OPERATOR = Principal("operator", frozenset(), acr="local")

# Whose passwords are checked here.
_BOOTSTRAP: Final = Claimant("bootstrap", proven=True)


class _StrictEntry(BaseModel):
    model_config = ConfigDict(extra="forbid")


class ServiceEntry(_StrictEntry):
    """A service of the suite."""

    client_id: str = Field(min_length=1)
    jwk: dict[str, Any]

    @field_validator("jwk")
    @classmethod
    def _usable(cls, jwk: dict[str, Any]) -> dict[str, str]:
        return usable_jwk(jwk)


class PurposeEntry(_StrictEntry):
    """A stated purpose and its agreement."""

    purpose: str = Field(min_length=1)
    agreement: str = Field(min_length=1)


class ClientEntry(ServiceEntry):
    """An organisation's system."""

    name: str = Field(min_length=1)
    org: str = Field(min_length=1)
    region: str = ""
    roles: list[Role]
    purposes: list[PurposeEntry] = []
    legal_bases: list[str] = []
    responsible: str = ""

    @model_validator(mode="after")
    def _sound(self) -> "ClientEntry":
        if fault := client_roles_fault(self.roles):
            raise ValueError(f"{self.client_id}: {fault}")
        if Role.AGENCY in self.roles and not self.purposes:
            raise ValueError(f"{self.client_id}: an agency needs a purpose from its agreement")
        if Role.STATUTORY in self.roles and not self.legal_bases:
            raise ValueError(f"{self.client_id}: a statutory client needs a legal basis")
        return self


class OfficerEntry(_StrictEntry):
    """An officer's account."""

    username: str = Field(pattern=rf"^{ADDRESSED_NAME}$")
    name: str = Field(min_length=1)
    roles: list[Role]
    org: str = Field(min_length=1)
    region: str = ""
    password: str = Field(min_length=8, repr=False)
    totp_secret: str = Field(repr=False)

    @field_validator("totp_secret")
    @classmethod
    def _long_enough(cls, secret: str) -> str:
        try:
            known = len(base64.b32decode(secret + "=" * (-len(secret) % 8), casefold=True))
        except binascii.Error:
            raise ValueError("totp_secret must be base32") from None
        if known < 16:
            raise ValueError("totp_secret must have at least 16 bytes (RFC 4226 section 4)")
        return secret

    @model_validator(mode="after")
    def _duties_apart(self) -> "OfficerEntry":
        if fault := duties_fault(self.roles):
            raise ValueError(f"{self.username}: {fault}")
        return self


class CitizenEntry(_StrictEntry):
    """A person of the demonstration world."""

    name: str = Field(min_length=1, repr=False)
    identity_number: str = Field(min_length=8, max_length=32, repr=False)
    represents: list[str] = []

    @field_validator("identity_number")
    @classmethod
    def _of_a_document(cls, number: str) -> str:
        if personal_scheme(number, date.max) is None:
            raise ValueError("not a valid number of an identity card, permit or passport")
        return number

    def subject_ref(self, subject_key: SubjectKey) -> str:
        """The person's pseudonym."""
        scheme = personal_scheme(self.identity_number, date.max) or ""
        return subject_key.subject_ref(scheme, standard_form(scheme, self.identity_number))


class AccountsFile(_StrictEntry):
    """The whole file."""

    services: list[ServiceEntry] = []
    clients: list[ClientEntry] = []
    officers: list[OfficerEntry] = []
    citizens: list[CitizenEntry] = []


def usable_jwk(jwk: Mapping[str, Any]) -> dict[str, str]:
    """Returns a public key with its `kid`, by default the RFC 7638 thumbprint. Raises `ValueError` for another key."""
    algorithm_of(jwk)
    try:
        jwt.PyJWK(dict(jwk))
    except jwt.PyJWTError:
        raise ValueError(InBoth("不是可用的公钥", "not a usable public key")) from None
    kept = {name: str(jwk[name]) for name in ("kty", "crv", "x", "y", "alg", "use") if name in jwk}
    kid = str(jwk.get("kid") or thumbprint(kept))
    # It goes on record.
    if not _KEY_ID.match(kid) or holds_personal_number(kid):
        raise ValueError(
            InBoth(
                "kid 须为 1 至 80 个 A-Z、a-z、0-9、_ . : -，不以 . 开头，不含个人号码",
                "kid must be 1 to 80 of A-Z, a-z, 0-9, '_', '.', ':', '-', begin with no '.', and hold no number of a person",
            )
        )
    return kept | {"kid": kid}


def load(file: AccountsFile, accounts: Accounts, subject_key: SubjectKey, passwords: Passwords, clock: Clock) -> int:
    """Writes the entries that differ from the store, each with its audit event. Returns how many."""
    changed = 0
    for service in file.services:
        client = Client(service.client_id, service.client_id, "", "", (service.jwk,), frozenset({Role.SERVICE}))
        changed += _save_client(accounts, client, clock)
    for entry in file.clients:
        agreements = tuple(Agreement(p.purpose, p.agreement) for p in entry.purposes)
        roles, laws = frozenset(entry.roles), tuple(entry.legal_bases)
        client = Client(entry.client_id, entry.name, entry.org, entry.region, (entry.jwk,), roles, agreements, laws)
        client = replace(client, responsible=entry.responsible)
        changed += _save_client(accounts, client, clock)
    for officer in file.officers:
        changed += _save_officer(accounts, officer, passwords, clock)
    for citizen in file.citizens:
        changed += _save_citizen(accounts, citizen, subject_key, clock)
    return changed


def _save_client(accounts: Accounts, client: Client, clock: Clock) -> bool:
    event = _event(clock, Act.CLIENT_REGISTERED, client_id=client.client_id, roles=sorted(client.roles))

    def write(unit: UnitOfWork) -> bool:
        if changed := accounts.save_client(client, unit):
            unit.record(event)
        return changed

    return accounts.transact(write)


def _save_officer(accounts: Accounts, entry: OfficerEntry, passwords: Passwords, clock: Clock) -> bool:
    if accounts.officer_is_administered(entry.username):
        return False
    known = accounts.officer(entry.username)
    kept = known is not None and passwords.matches(known.password_hash, entry.password, _BOOTSTRAP)
    officer = Officer(
        entry.username,
        frozenset(entry.roles),
        entry.org,
        entry.region,
        known.password_hash if known is not None and kept else passwords.hash(entry.password),
        entry.totp_secret,
    )
    if officer == known:
        return False
    event = _event(clock, Act.OFFICER_REGISTERED, officer=officer.sub, roles=sorted(officer.roles))

    def write(unit: UnitOfWork) -> None:
        accounts.save_officer(officer, entry.name, unit)
        unit.record(event)

    accounts.transact(write)
    return True


def _save_citizen(accounts: Accounts, entry: CitizenEntry, subject_key: SubjectKey, clock: Clock) -> bool:
    ref = entry.subject_ref(subject_key)
    citizen = Citizen(ref, entry.name, tuple(entry.represents))
    if accounts.citizen(ref) == citizen:
        return False
    event = _event(clock, Act.CITIZEN_REGISTERED, subject_ref=ref)

    def write(unit: UnitOfWork) -> None:
        accounts.save_citizen(citizen, entry.identity_number, unit)
        unit.record(event)

    accounts.transact(write)
    return True


def _event(clock: Clock, act: Act, **details: object) -> bytes:
    return AuditEvent("gateway", act, OPERATOR, rfc3339(clock.now()), details=details).encode()
