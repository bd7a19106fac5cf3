"""The gateway's documents and every query on them. Personal data and secrets are sealed with the field key ring."""

import hashlib
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final, TypeVar

from mongoengine import (
    BooleanField,
    DateTimeField,
    DictField,
    Document,
    EmbeddedDocument,
    EmbeddedDocumentListField,
    IntField,
    ListField,
    StringField,
)
from pymongo import ReturnDocument
from pymongo.client_session import ClientSession
from pymongo.errors import DuplicateKeyError

from chengxin.auth.principal import Role
from chengxin.store.database import Store, UnitOfWork
from chengxin.store.field_encryption import KeyRing
from gateway.domain.clients_and_officers import Agreement, Citizen, Client, Officer
from gateway.store.administration import Administration

T = TypeVar("T")

# Longer than any assertion is accepted, so that a jti is forgotten only when its assertion is expired.
_JTI_GRACE: Final = timedelta(seconds=60)
_FAILURES_KEPT: Final = timedelta(hours=24)


class AgreementRow(EmbeddedDocument):
    """One purpose of an agreement."""

    purpose = StringField(required=True)
    number = StringField(required=True)


class ClientRow(Document):
    """A registered client."""

    client_id = StringField(primary_key=True)
    name = StringField(required=True)
    org = StringField(default="")
    region = StringField(default="")
    jwks = ListField(DictField(), required=True)
    roles = ListField(StringField(), required=True)
    agreements = EmbeddedDocumentListField(AgreementRow)
    legal_bases = ListField(StringField())
    suspended = BooleanField(default=False)
    responsible = StringField(default="")
    # An officer changed it: the bootstrap file has no say in it any more.
    administered = BooleanField(default=False)
    meta = {"db_alias": "gateway", "collection": "clients"}


class OfficerRow(Document):
    """An officer's account; name and TOTP secret are sealed."""

    username = StringField(primary_key=True)
    name = StringField(required=True)
    roles = ListField(StringField(), required=True)
    org = StringField(required=True)
    region = StringField(default="")
    password_hash = StringField(required=True)
    totp_secret = StringField(required=True)
    # The newest TOTP step that was accepted; a code is good once.
    totp_step = IntField(default=0)
    suspended = BooleanField(default=False)
    initial = BooleanField(default=False)
    # As of a client.
    administered = BooleanField(default=False)
    meta = {"db_alias": "gateway", "collection": "officers"}


class CitizenRow(Document):
    """A person of the demonstration world, under her pseudonym; name and identity number are sealed."""

    subject_ref = StringField(primary_key=True)
    name = StringField(required=True)
    identity_number = StringField(required=True)
    represents = ListField(StringField())
    meta = {"db_alias": "gateway", "collection": "citizens"}


class SigningKeyRow(Document):
    """A key that signs tokens: the private key (PEM) sealed, `kid` its RFC 7638 thumbprint."""

    kid = StringField(primary_key=True)
    private_key = StringField(required=True)
    created_at = DateTimeField(required=True)
    # Published at once; signs from then on.
    signs_from = DateTimeField()
    meta = {"db_alias": "gateway", "collection": "signing_keys"}


class UsedAssertionRow(Document):
    """An assertion that was presented, until it is expired anyway."""

    key = StringField(primary_key=True)
    expires_at = DateTimeField(required=True)
    meta = {
        "db_alias": "gateway",
        "collection": "used_assertions",
        "indexes": [{"fields": ["expires_at"], "expireAfterSeconds": 0}],
    }


class FailuresRow(Document):
    """Failed sign-ins in a row under a user name, whether or not there is such an officer."""

    key = StringField(primary_key=True)
    failures = IntField(default=0)
    locked_until = DateTimeField()
    expires_at = DateTimeField()
    meta = {
        "db_alias": "gateway",
        "collection": "sign_in_failures",
        "indexes": [{"fields": ["expires_at"], "expireAfterSeconds": 0}],
    }


_DOCUMENTS: Final = (ClientRow, OfficerRow, CitizenRow, SigningKeyRow, UsedAssertionRow, FailuresRow)


class Accounts:
    """Clients, officers, citizens, signing keys, and what was used up."""

    def __init__(self, store: Store, ring: KeyRing) -> None:
        self.store = store
        self._rows = store.collection
        self._ring = ring
        self.administration = Administration(store)

    def create_indexes(self) -> None:
        """Creates collections and indexes that are missing. Raises `pymongo.errors.PyMongoError`."""
        for document in _DOCUMENTS:
            document.ensure_indexes()
        self.administration.create_indexes()

    def transact(self, work: Callable[[UnitOfWork], T]) -> T:
        """One transaction; see `Store.transact`."""
        return self.store.transact(work)

    def client(self, client_id: str, session: ClientSession | None = None) -> Client | None:
        """A registered client."""
        row = self._rows(ClientRow).find_one({"_id": client_id}, session=session)
        return None if row is None else _client(row)

    def clients(self, after: str, limit: int) -> list[Client]:
        """Registered clients but the services, by id, after one of them."""
        wanted = {"_id": {"$gt": after}, "roles": {"$ne": Role.SERVICE.value}}
        return [_client(row) for row in self._rows(ClientRow).find(wanted).sort("_id", 1).limit(limit)]

    def put_client(self, client: Client, unit: UnitOfWork) -> None:
        """Writes a client as an officer wants it; the bootstrap file has no say in it from now on."""
        fields = _client_fields(client) | {"suspended": client.suspended, "administered": True}
        self._rows(ClientRow).update_one({"_id": client.client_id}, {"$set": fields}, upsert=True, session=unit.session)

    def save_client(self, client: Client, unit: UnitOfWork) -> bool:
        """Registers a client, or replaces its registration but for `suspended`; whether anything changed.

        What an officer changed stays as she left it.
        """
        known = self._rows(ClientRow).find_one({"_id": client.client_id}, session=unit.session)
        if known is not None and known.get("administered"):
            return False
        done = self._rows(ClientRow).update_one(
            {"_id": client.client_id},
            {"$set": _client_fields(client), "$setOnInsert": {"suspended": client.suspended}},
            upsert=True,
            session=unit.session,
        )
        return bool(done.modified_count or done.upserted_id)

    def spend_assertion(self, client_id: str, jti: str, exp: float, session: ClientSession | None = None) -> bool:
        """Uses up the `jti` of a client's assertion; False when it was used before."""
        key = hashlib.sha256(f"{client_id}\0{jti}".encode()).hexdigest()
        row = {"_id": key, "expires_at": datetime.fromtimestamp(exp, UTC) + _JTI_GRACE}
        try:
            self._rows(UsedAssertionRow).insert_one(row, session=session)
        except DuplicateKeyError:
            return False
        return True

    def officer(self, username: str, session: ClientSession | None = None) -> Officer | None:
        """An officer's account."""
        row = self._rows(OfficerRow).find_one({"_id": username}, session=session)
        return None if row is None else self._officer(row)

    def officers(self, after: str, limit: int) -> list[Officer]:
        """Officers by user name, after one of them."""
        rows = self._rows(OfficerRow).find({"_id": {"$gt": after}}).sort("_id", 1).limit(limit)
        return [self._officer(row) for row in rows]

    def officer_is_administered(self, username: str) -> bool:
        """Whether an officer changed this account, so that the bootstrap file has no say in it."""
        row = self._rows(OfficerRow).find_one({"_id": username})
        return bool(row and row.get("administered"))

    def put_officer(self, officer: Officer, unit: UnitOfWork, name: str = "", forget_codes: bool = False) -> None:
        """Writes an account as an officer wants it; its name only when one is given.

        `forget_codes` lets codes of a new TOTP secret be used at once.
        """
        fields = self._officer_fields(officer) | {
            "suspended": officer.suspended,
            "initial": officer.initial,
            "administered": True,
        }
        if name:
            fields["name"] = self._ring.encrypt(name, "officer.name")
        first: dict[str, Any] = {"totp_step": 0}
        if forget_codes:
            fields, first = fields | first, {}
        self._rows(OfficerRow).update_one(
            {"_id": officer.username},
            {"$set": fields} | ({"$setOnInsert": first} if first else {}),
            upsert=True,
            session=unit.session,
        )

    def _officer(self, row: Mapping[str, Any]) -> Officer:
        return Officer(
            row["_id"],
            _roles(row["roles"]),
            row["org"],
            row["region"],
            row["password_hash"],
            self._ring.decrypt(row["totp_secret"], "officer.totp"),
            row.get("suspended", False),
            row.get("initial", False),
        )

    def _officer_fields(self, officer: Officer) -> dict[str, Any]:
        return {
            "roles": sorted(officer.roles),
            "org": officer.org,
            "region": officer.region,
            "password_hash": officer.password_hash,
            "totp_secret": self._ring.encrypt(officer.totp_secret, "officer.totp"),
        }

    def save_officer(self, officer: Officer, name: str, unit: UnitOfWork) -> None:
        """Creates or replaces an officer's account."""
        fields = self._officer_fields(officer) | {"name": self._ring.encrypt(name, "officer.name")}
        self._rows(OfficerRow).update_one(
            {"_id": officer.username},
            {"$set": fields, "$setOnInsert": {"totp_step": 0}},
            upsert=True,
            session=unit.session,
        )

    def spend_totp(self, username: str, step: int) -> bool:
        """Uses up an officer's codes up to this time step; False when it was used before."""
        done = self._rows(OfficerRow).update_one(
            {"_id": username, "totp_step": {"$lt": step}}, {"$set": {"totp_step": step}}
        )
        return bool(done.modified_count)

    def locked_until(self, username: str) -> datetime | None:
        """Until when sign-ins under this user name are refused."""
        row = self._rows(FailuresRow).find_one({"_id": _failures_key(username)})
        return row.get("locked_until") if row else None

    def add_failure(self, username: str, now: datetime) -> int:
        """Counts a failed sign-in; how many in a row that makes."""
        row = self._rows(FailuresRow).find_one_and_update(
            {"_id": _failures_key(username)},
            {"$inc": {"failures": 1}, "$set": {"expires_at": now + _FAILURES_KEPT}},
            upsert=True,
            return_document=ReturnDocument.AFTER,
        )
        if row is None:
            raise RuntimeError("an upsert answered without its document")
        return int(row["failures"])

    def lock(self, username: str, until: datetime) -> None:
        """Refuses sign-ins under a user name for a while."""
        self._rows(FailuresRow).update_one({"_id": _failures_key(username)}, {"$set": {"locked_until": until}})

    def forget_failures(self, username: str) -> None:
        """A sign-in succeeded."""
        self._rows(FailuresRow).delete_one({"_id": _failures_key(username)})

    def citizen(self, subject_ref: str) -> Citizen | None:
        """A person of the demonstration world."""
        row = self._rows(CitizenRow).find_one({"_id": subject_ref})
        if row is None:
            return None
        return Citizen(row["_id"], self._ring.decrypt(row["name"], "citizen.name"), tuple(row["represents"]))

    def save_citizen(self, citizen: Citizen, identity_number: str, unit: UnitOfWork) -> None:
        """Creates or replaces a person of the demonstration world."""
        fields = {
            "name": self._ring.encrypt(citizen.name, "citizen.name"),
            "identity_number": self._ring.encrypt(identity_number, "citizen.identity_number"),
            "represents": list(citizen.represents),
        }
        self._rows(CitizenRow).update_one(
            {"_id": citizen.subject_ref}, {"$set": fields}, upsert=True, session=unit.session
        )

    def signing_keys(self) -> list[tuple[bytes, datetime]]:
        """Private keys (PEM) that are valid, each with the instant from which it signs; the newest first."""
        rows = self._rows(SigningKeyRow).find().sort([("created_at", -1), ("_id", 1)])
        return [
            (
                self._ring.decrypt(row["private_key"], "signing_key").encode(),
                row.get("signs_from") or row["created_at"],
            )
            for row in rows
        ]

    def add_signing_key(
        self, kid: str, pem: bytes, created_at: datetime, signs_from: datetime, unit: UnitOfWork
    ) -> None:
        """Adds a signing key."""
        row = {
            "_id": kid,
            "private_key": self._ring.encrypt(pem.decode(), "signing_key"),
            "created_at": created_at,
            "signs_from": signs_from,
        }
        self._rows(SigningKeyRow).insert_one(row, session=unit.session)

    def drop_signing_key(self, kid: str, unit: UnitOfWork) -> bool:
        """Forgets a signing key; whether there was one."""
        return bool(self._rows(SigningKeyRow).delete_one({"_id": kid}, session=unit.session).deleted_count)


def _client_fields(client: Client) -> dict[str, Any]:
    return {
        "name": client.name,
        "org": client.org,
        "region": client.region,
        "jwks": [dict(k) for k in client.jwks],
        "roles": sorted(client.roles),
        "agreements": [{"purpose": a.purpose, "number": a.number} for a in client.agreements],
        "legal_bases": list(client.legal_bases),
        "responsible": client.responsible,
    }


def _client(row: dict[str, Any]) -> Client:
    return Client(
        row["_id"],
        row["name"],
        row["org"],
        row["region"],
        tuple(row["jwks"]),
        _roles(row["roles"]),
        tuple(Agreement(a["purpose"], a["number"]) for a in row["agreements"]),
        tuple(row["legal_bases"]),
        row["suspended"],
        row.get("responsible", ""),
    )


def _roles(names: list[str]) -> frozenset[Role]:
    return frozenset(Role(name) for name in names)


def _failures_key(username: str) -> str:
    # What was typed as a user name may be anything, even a password: only its digest is kept.
    return hashlib.sha256(username.encode()).hexdigest()
