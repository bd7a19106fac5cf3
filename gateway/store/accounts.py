"""The gateway's documents and every query on them. Personal data and secrets are sealed with the field key ring."""

import hashlib
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from typing import Any, Final, TypeVar

from mongoengine import (
    BooleanField,
    DateTimeField,
    Document,
    EmbeddedDocument,
    EmbeddedDocumentListField,
    IntField,
    ListField,
    StringField,
)
from pymongo.client_session import ClientSession
from pymongo.errors import DuplicateKeyError

from chengxin.auth.principal import Role
from chengxin.store.database import Store, UnitOfWork
from chengxin.store.documents import ObjectListField, fields_of
from chengxin.store.field_encryption import KeyRing
from chengxin.store.retention import bounded, expires, removed
from gateway.domain.clients_and_officers import Agreement, Citizen, Client, Officer
from gateway.store import administration, sign_in_failures

T = TypeVar("T")

# A jti is kept longer than any assertion is accepted, so that it is forgotten only when its assertion is expired.
_JTI_GRACE: Final = timedelta(seconds=60)


class AgreementRow(EmbeddedDocument):
    """One purpose of an agreement."""

    purpose = StringField(required=True)
    number = StringField(required=True)
    # What another version stores beside it keeps nobody from reading it.
    meta: Final = {"strict": False}


class ClientRow(Document):
    """A registered client."""

    client_id = StringField(primary_key=True)
    name = StringField(required=True)
    org = StringField(default="")
    region = StringField(default="")
    jwks = ObjectListField()
    roles = ListField(StringField())
    agreements = EmbeddedDocumentListField(AgreementRow)
    legal_bases = ListField(StringField())
    suspended = BooleanField(default=False)
    responsible = StringField(default="")
    # True after an officer changed the client: from then on, the bootstrap file leaves it alone. Absent before.
    administered = BooleanField()
    meta = {"collection": "clients", "retention": bounded("one for each registered client")}


class OfficerRow(Document):
    """An officer's account; name and TOTP secret are sealed."""

    username = StringField(primary_key=True)
    name = StringField(required=True)
    # Empty until a second officer has approved some.
    roles = ListField(StringField())
    org = StringField(required=True)
    region = StringField(default="")
    password_hash = StringField(required=True)
    totp_secret = StringField(required=True)
    # The newest TOTP step that was accepted: a code is good once.
    totp_step = IntField(default=0)
    # These are absent before an officer changed the account. The last means the same as for a client.
    suspended = BooleanField()
    initial = BooleanField()
    administered = BooleanField()
    # The proposal that a reset account waits for; absent for every other account.
    reset_proposal = StringField()
    meta = {
        "collection": "officers",
        "retention": bounded("one for each officer"),
        "direct_writes": {"spend_totp": "one conditional write, so that a code is good once; the sign-in is on record"},
    }


class CitizenRow(Document):
    """A person of the demonstration world, under a pseudonym; name and identity number are sealed."""

    subject_ref = StringField(primary_key=True)
    name = StringField(required=True)
    identity_number = StringField(required=True)
    represents = ListField(StringField())
    meta = {"collection": "citizens", "retention": bounded("the persons of the demonstration world")}


class SigningKeyRow(Document):
    """A key that signs tokens: the private key (PEM) is sealed, and `kid` is its RFC 7638 thumbprint."""

    kid = StringField(primary_key=True)
    private_key = StringField(required=True)
    created_at = DateTimeField(required=True)
    # The key is published at once, and signs from this instant on.
    signs_from = DateTimeField()
    meta = {
        "collection": "signing_keys",
        "retention": removed("a key is dropped when tokens are signed by a newer one"),
    }


class UsedAssertionRow(Document):
    """An assertion that a client presented; it is kept until the assertion is expired."""

    key = StringField(primary_key=True)
    expires_at = DateTimeField(required=True)
    meta = {
        "collection": "used_assertions",
        "indexes": [{"fields": ["expires_at"], "expireAfterSeconds": 0}],
        "retention": expires("a minute after the assertion itself"),
        "direct_writes": {"spend_assertion": "one conditional write, so that it is good once; the token is on record"},
    }


ALL: Final = (
    *(ClientRow, OfficerRow, CitizenRow, SigningKeyRow, UsedAssertionRow),
    *sign_in_failures.ALL,
    *administration.ALL,
)


class Accounts:
    """Reads and writes clients, officers, citizens, signing keys and used assertions."""

    def __init__(self, store: Store, ring: KeyRing) -> None:
        self.store = store
        self._clients = store.documents(ClientRow)
        self._officers = store.documents(OfficerRow)
        self._citizens = store.documents(CitizenRow)
        self._signing_keys = store.documents(SigningKeyRow)
        # Each request for a token writes one, with one operation.
        self._used_assertions = store.collection(UsedAssertionRow)
        self._ring = ring
        self.administration = administration.Administration(store)
        self.failures = sign_in_failures.SignInFailures(store)

    def create_indexes(self) -> None:
        """Creates collections and indexes that are missing. Raises `pymongo.errors.PyMongoError`."""
        self.store.create(ALL)
        administration.renew_proposals(self.store)

    def transact(self, work: Callable[[UnitOfWork], T]) -> T:
        """Runs `work` in one transaction; see `Store.transact`."""
        return self.store.transact(work)

    def client(self, client_id: str, session: ClientSession | None = None) -> Client | None:
        """Returns a registered client, or None."""
        row = self._clients.get(client_id, session)
        return None if row is None else _client_from_row(row)

    def clients(self, after: str, limit: int) -> list[Client]:
        """Returns registered clients by id, from the one after `after` on; it leaves out the services."""
        query = {"_id": {"$gt": after}, "roles": {"$ne": Role.SERVICE.value}}
        return [_client_from_row(row) for row in self._clients.find(query, [("_id", 1)], limit)]

    def put_client(self, client: Client, unit: UnitOfWork) -> None:
        """Writes a client as an officer wants it; from now on, the bootstrap file leaves it alone."""
        row = ClientRow(**_client_to_fields(client), suspended=client.suspended, administered=True)
        self._clients.replace(row, unit.session)

    def save_client(self, client: Client, unit: UnitOfWork) -> bool:
        """Registers a client, or replaces its registration except `suspended`; returns whether anything changed.

        A client that an officer changed stays as it is.
        """
        before = self._clients.get(client.client_id, unit.session)
        if before is not None and before.administered:
            return False
        row = ClientRow(**_client_to_fields(client), suspended=before.suspended if before else client.suspended)
        if before is not None and fields_of(before) == fields_of(row):
            return False
        self._clients.replace(row, unit.session)
        return True

    def spend_assertion(self, client_id: str, jti: str, exp: float, session: ClientSession | None = None) -> bool:
        """Uses up a client's `jti` that expires at `exp` (epoch seconds); returns False when it was used before."""
        key = hashlib.sha256(f"{client_id}\0{jti}".encode()).hexdigest()
        row = {"_id": key, "expires_at": datetime.fromtimestamp(exp, UTC) + _JTI_GRACE}
        try:
            self._used_assertions.insert_one(row, session=session)
        except DuplicateKeyError:
            return False
        return True

    def officer(self, username: str, session: ClientSession | None = None) -> Officer | None:
        """Returns an officer's account, or None."""
        row = self._officers.get(username, session)
        return None if row is None else self._officer_from_row(row)

    def officers(self, after: str, limit: int) -> list[Officer]:
        """Returns officers by user name, from the one after `after` on."""
        rows = self._officers.find({"_id": {"$gt": after}}, [("_id", 1)], limit)
        return [self._officer_from_row(row) for row in rows]

    def officer_is_administered(self, username: str) -> bool:
        """Returns whether an officer changed this account, so that the bootstrap file leaves it alone."""
        row = self._officers.get(username)
        return bool(row and row.administered)

    def put_officer(self, officer: Officer, unit: UnitOfWork, name: str = "", forget_codes: bool = False) -> None:
        """Writes an account as an officer wants it; its name is written only when one is given.

        With `forget_codes`, codes of a new TOTP secret can be used at once.
        """
        row = self._row_of(officer, name, unit)
        row.suspended, row.initial, row.administered = officer.suspended, officer.initial, True
        row.reset_proposal = officer.reset_proposal or None
        if forget_codes:
            row.totp_step = 0
        self._officers.replace(row, unit.session)

    def _row_of(self, officer: Officer, name: str, unit: UnitOfWork) -> OfficerRow:
        """The stored account with an officer's roles, place and secrets, and with a name where one is given."""
        row = self._officers.get(officer.username, unit.session) or OfficerRow(username=officer.username)
        row.roles, row.org, row.region = sorted(officer.roles), officer.org, officer.region
        row.password_hash = officer.password_hash
        row.totp_secret = self._ring.encrypt(officer.totp_secret, "officer.totp")
        if name:
            row.name = self._ring.encrypt(name, "officer.name")
        return row

    def _officer_from_row(self, row: OfficerRow) -> Officer:
        return Officer(
            row.username,
            _parse_roles(row.roles),
            row.org,
            row.region,
            row.password_hash,
            self._ring.decrypt(row.totp_secret, "officer.totp"),
            bool(row.suspended),
            bool(row.initial),
            row.reset_proposal or "",
        )

    def save_officer(self, officer: Officer, name: str, unit: UnitOfWork) -> None:
        """Creates or replaces an officer's account."""
        self._officers.replace(self._row_of(officer, name, unit), unit.session)

    def spend_totp(self, username: str, step: int) -> bool:
        """Uses up an officer's codes up to this time step; returns False when it was used before."""
        result = self._officers.collection.update_one(
            {"_id": username, "totp_step": {"$lt": step}}, {"$set": {"totp_step": step}}
        )
        return bool(result.modified_count)

    def citizen(self, subject_ref: str) -> Citizen | None:
        """Returns a person of the demonstration world, or None."""
        row = self._citizens.get(subject_ref)
        if row is None:
            return None
        return Citizen(row.subject_ref, self._ring.decrypt(row.name, "citizen.name"), tuple(row.represents))

    def save_citizen(self, citizen: Citizen, identity_number: str, unit: UnitOfWork) -> None:
        """Creates or replaces a person of the demonstration world."""
        row = CitizenRow(
            subject_ref=citizen.subject_ref,
            name=self._ring.encrypt(citizen.name, "citizen.name"),
            identity_number=self._ring.encrypt(identity_number, "citizen.identity_number"),
            represents=list(citizen.represents),
        )
        self._citizens.replace(row, unit.session)

    def signing_keys(self) -> list[tuple[bytes, datetime]]:
        """Returns the valid private keys (PEM), each with the instant from which it signs; the newest first."""
        rows = self._signing_keys.find({}, [("created_at", -1), ("_id", 1)])
        return [
            (self._ring.decrypt(row.private_key, "signing_key").encode(), row.signs_from or row.created_at)
            for row in rows
        ]

    def add_signing_key(
        self, kid: str, pem: bytes, created_at: datetime, signs_from: datetime, unit: UnitOfWork
    ) -> None:
        """Adds a signing key."""
        row = SigningKeyRow(
            kid=kid,
            private_key=self._ring.encrypt(pem.decode(), "signing_key"),
            created_at=created_at,
            signs_from=signs_from,
        )
        self._signing_keys.insert(row, unit.session)

    def drop_signing_key(self, kid: str, unit: UnitOfWork) -> bool:
        """Deletes a signing key; returns whether there was one."""
        return self._signing_keys.delete(kid, unit.session)


def _client_to_fields(client: Client) -> dict[str, Any]:
    return {
        "client_id": client.client_id,
        "name": client.name,
        "org": client.org,
        "region": client.region,
        "jwks": [dict(k) for k in client.jwks],
        "roles": sorted(client.roles),
        "agreements": [AgreementRow(purpose=a.purpose, number=a.number) for a in client.agreements],
        "legal_bases": list(client.legal_bases),
        "responsible": client.responsible,
    }


def _client_from_row(row: ClientRow) -> Client:
    return Client(
        row.client_id,
        row.name,
        row.org,
        row.region,
        tuple(row.jwks),
        _parse_roles(row.roles),
        tuple(Agreement(a.purpose, a.number) for a in row.agreements),
        tuple(row.legal_bases),
        row.suspended,
        row.responsible,
    )


def _parse_roles(names: Iterable[str]) -> frozenset[Role]:
    return frozenset(Role(name) for name in names)
