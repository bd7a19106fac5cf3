"""The documents of officers' administration: sessions, revocations, counter codes, representations."""

from datetime import datetime, timedelta
from typing import Any, Final

from mongoengine import DateTimeField, Document, IntField, StringField
from pymongo.client_session import ClientSession

from chengxin.auth.revocation import ALWAYS, Revocation
from chengxin.proposals.documents import ProposalRow, Proposals
from chengxin.store.database import Store, UnitOfWork
from chengxin.store.documents import ObjectField
from chengxin.store.retention import expires, removed
from chengxin.values.acts import Act

# A revocation is forgotten when every token that it could end is expired: tokens last ten minutes.
_REVOCATION_LIFETIME: Final = timedelta(minutes=15)


class SessionRow(Document):
    """An officer's sign-in; it is kept until its token is expired."""

    jti = StringField(primary_key=True)
    sub = StringField(required=True)
    signed_in_at = DateTimeField(required=True)
    expires_at = DateTimeField(required=True)
    meta = {
        "collection": "sessions",
        "indexes": ["sub", {"fields": ["expires_at"], "expireAfterSeconds": 0}],
        "retention": expires("with the token"),
    }


class RevocationRow(Document):
    """Tokens that ended before they expire."""

    key = StringField(primary_key=True)
    kind = StringField(required=True)
    value = StringField(required=True)
    issued_before = IntField(required=True)
    expires_at = DateTimeField(required=True)
    meta = {
        "collection": "revocations",
        "indexes": [{"fields": ["expires_at"], "expireAfterSeconds": 0}],
        "retention": expires("when every token that it ends is expired, 15 minutes"),
    }


class CounterCodeRow(Document):
    """A one-time code of the service counter: its digest and its subject; it is kept until it is used or expired."""

    digest = StringField(primary_key=True)
    subject_ref = StringField(required=True)
    issued_by = StringField(required=True)
    expires_at = DateTimeField(required=True)
    meta = {
        "collection": "counter_codes",
        "indexes": [{"fields": ["expires_at"], "expireAfterSeconds": 0}],
        "retention": expires("with the code, or when it is used"),
        "direct_writes": {
            "spend_counter_code": "one conditional delete, so that it is good once; the token is on record"
        },
    }


class RepresentationRow(Document):
    """A person who may act for an organisation: its legal representative, or an agent until a day."""

    representation_id = StringField(primary_key=True)
    subject_ref = StringField(required=True)
    uscc = StringField(required=True)
    capacity = StringField(required=True)
    authorization = StringField(default="")
    # The last day on which it is good (Asia/Shanghai date); empty for a legal representative.
    until = StringField(default="")
    recorded_by = StringField(required=True)
    # Absent for one of the time when one officer was enough.
    approved_by = StringField()
    recorded_at = DateTimeField(required=True)
    meta = {
        "collection": "representations",
        "indexes": [("subject_ref", "uscc")],
        "retention": removed("when an officer ends it"),
    }


class OidcFlowRow(Document):
    """A sign-in that was begun at an identity provider; it is kept until the citizen comes back."""

    state = StringField(primary_key=True)
    flow = ObjectField(required=True)
    expires_at = DateTimeField(required=True)
    meta = {
        "collection": "oidc_flows",
        "indexes": [{"fields": ["expires_at"], "expireAfterSeconds": 0}],
        "retention": expires("some minutes after it was begun, or when the citizen comes back"),
        "direct_writes": {
            "begin_oidc": "nobody is known yet; what comes of it is on record",
            "end_oidc": "one conditional delete, so that it is good once; the token is on record",
        },
    }


ALL: Final = (ProposalRow, SessionRow, RevocationRow, CounterCodeRow, RepresentationRow, OidcFlowRow)


class Administration:
    """Reads and writes the documents of officers' administration. A write with a `unit` is part of that unit."""

    def __init__(self, store: Store) -> None:
        self.proposals = Proposals(store)
        self._sessions = store.documents(SessionRow)
        self._revocations = store.documents(RevocationRow)
        self._counter_codes = store.documents(CounterCodeRow)
        self._representations = store.documents(RepresentationRow)
        self._oidc_flows = store.documents(OidcFlowRow)

    def open_session(self, jti: str, sub: str, at: datetime, expires_at: datetime, unit: UnitOfWork) -> None:
        """Stores an officer's sign-in."""
        row = SessionRow(jti=jti, sub=sub, signed_in_at=at, expires_at=expires_at)
        self._sessions.insert(row, unit.session)

    def sessions(self, sub: str, now: datetime, session: ClientSession | None = None) -> list[dict[str, Any]]:
        """Returns an officer's sign-ins whose tokens are not expired, the newest first."""
        rows = self._sessions.collection.find({"sub": sub, "expires_at": {"$gt": now}}, session=session)
        return sorted(rows, key=lambda row: (row["signed_in_at"], row["_id"]), reverse=True)

    def end_session(self, sub: str, jti: str, unit: UnitOfWork) -> None:
        """Deletes a sign-in of an officer."""
        self._sessions.collection.delete_one({"_id": jti, "sub": sub}, session=unit.session)

    def revoke(self, revocation: Revocation, now: datetime, unit: UnitOfWork) -> None:
        """Ends tokens before they expire."""
        # The later of two revocations wins: a token that was ended stays ended.
        self._revocations.collection.update_one(
            {"_id": f"{revocation.kind}\0{revocation.value}"},
            {
                "$set": {
                    "kind": revocation.kind,
                    "value": revocation.value,
                    "expires_at": now + _REVOCATION_LIFETIME,
                },
                "$max": {"issued_before": min(revocation.issued_before, ALWAYS)},
            },
            upsert=True,
            session=unit.session,
        )

    def revocations(self, now: datetime) -> list[Revocation]:
        """Returns the revocations that can still end a token."""
        rows = self._revocations.find({"expires_at": {"$gt": now}})
        return [Revocation(row.kind, row.value, row.issued_before) for row in rows]

    def add_counter_code(self, row: dict[str, Any], unit: UnitOfWork) -> None:
        """Stores a one-time code."""
        self._counter_codes.insert_row(row, unit.session)

    def spend_counter_code(self, digest: str, subject_ref: str, now: datetime) -> dict[str, Any] | None:
        """Uses up a person's one-time code; returns None when it is unknown, expired, or another person's."""
        query = {"_id": digest, "subject_ref": subject_ref, "expires_at": {"$gt": now}}
        row = self._counter_codes.collection.find_one_and_delete(query)
        return None if row is None else dict(row)

    def begin_oidc(self, state: str, flow: dict[str, str], expires_at: datetime) -> None:
        """Stores a sign-in that was begun at an identity provider."""
        self._oidc_flows.insert(OidcFlowRow(state=state, flow=flow, expires_at=expires_at))

    def end_oidc(self, state: str, now: datetime) -> dict[str, str] | None:
        """Removes and returns a sign-in that came back; None when it was not begun here, or too long ago."""
        row = self._oidc_flows.collection.find_one_and_delete({"_id": state, "expires_at": {"$gt": now}})
        return None if row is None else dict(row["flow"])

    def add_representation(self, row: dict[str, Any], unit: UnitOfWork) -> None:
        """Stores that a person may act for an organisation."""
        self._representations.insert_row(row, unit.session)

    def representation(self, representation_id: str, session: ClientSession | None = None) -> dict[str, Any] | None:
        """Returns a representation, or None."""
        row = self._representations.collection.find_one({"_id": representation_id}, session=session)
        return None if row is None else dict(row)

    def end_representation(self, representation_id: str, unit: UnitOfWork) -> None:
        """Deletes a representation."""
        self._representations.delete(representation_id, unit.session)

    def in_force(self, subject_ref: str, uscc: str, today: str) -> list[dict[str, Any]]:
        """Returns the representations by which this person may act for an organisation on a Shanghai date."""
        query = {"subject_ref": subject_ref, "uscc": uscc, "$or": [{"until": ""}, {"until": {"$gte": today}}]}
        return list(self._representations.collection.find(query))

    def representations(self, uscc: str) -> list[dict[str, Any]]:
        """Returns the representations of an organisation, as they were recorded."""
        return list(self._representations.collection.find({"uscc": uscc}).sort("_id", 1))


# The acts of the grants that the last version stored as proposals, by the kind of their holder.
_GRANTING: Final = {"client": Act.CLIENT_GRANTS_PROPOSED, "officer": Act.OFFICER_ROLES_PROPOSED}


def renew_proposals(store: Store) -> None:
    """Gives proposals of the last version, which were of grants alone, the form of today."""
    rows = store.collection(ProposalRow)
    for row in rows.find({"act": {"$exists": False}}):
        renewed = {"act": _GRANTING[row["kind"]].value, "asked": row["grants"]}
        whom = f"officer:{row['target']}" if row["kind"] == "officer" else ""
        rows.update_one(
            {"_id": row["_id"]},
            {"$set": renewed | {"for_whom": whom}, "$unset": {"kind": "", "grants": ""}},
        )
