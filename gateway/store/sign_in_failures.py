"""Failed sign-ins, by user name and origin; and the origins from which an officer has signed in.

Only digests are kept: a person may type anything as a user name, even a password, and where officers work from is
nobody's business.
"""

import hashlib
from datetime import datetime, timedelta
from typing import Any, Final

from mongoengine import DateTimeField, Document, IntField, StringField
from pymongo import ReturnDocument
from pymongo.collection import Collection

from chengxin.store.database import Store
from chengxin.store.retention import expires
from gateway.domain.sign_in_locks import GUESSES_WINDOW, KNOWN_FOR

_LIFETIME: Final = timedelta(hours=24)


class FailuresRow(Document):
    """Failed sign-ins under a user name, whether or not an officer has that name.

    Those in a row from one origin; or under the digest of the user name alone those within an hour from all origins
    that are not known. Versions before 2026-11-30 kept the failures in a row of a user name there.
    """

    key = StringField(primary_key=True)
    # The digest of the user name, of those from one origin.
    account = StringField()
    failures = IntField(default=0)
    locked_until = DateTimeField()
    expires_at = DateTimeField()
    meta = {
        "collection": "sign_in_failures",
        "indexes": [{"fields": ["expires_at"], "expireAfterSeconds": 0}, {"fields": ["account"], "sparse": True}],
        "retention": expires("24 hours after the last failure"),
        "direct_writes": {
            "_count": "counted also when the refusal cannot be put on record",
            "add_of_stranger": "as `_count`",
            "lock": "as `_count`",
            "succeeded": "after a sign-in, which is on record",
            "forget": "after an officer's act, which is on record",
        },
    }


class KnownOriginRow(Document):
    """An origin from which an officer has signed in, until some time after the last of these sign-ins."""

    key = StringField(primary_key=True)
    expires_at = DateTimeField(required=True)
    meta = {
        "collection": "sign_in_origins",
        "indexes": [{"fields": ["expires_at"], "expireAfterSeconds": 0}],
        "retention": expires("some time after the last sign-in from there"),
        "direct_writes": {"succeeded": "after a sign-in, which is on record"},
    }


ALL: Final = (FailuresRow, KnownOriginRow)


class SignInFailures:
    """Counts and forgets failed sign-ins. Each sign-in writes here with single operations."""

    def __init__(self, store: Store) -> None:
        self._failures = store.collection(FailuresRow)
        self._origins = store.collection(KnownOriginRow)

    def locked_until(self, username: str, origin: str) -> datetime | None:
        """Returns until when sign-ins under this user name from this origin are refused, or None."""
        row = self._failures.find_one({"_id": _digest(username, origin)})
        return row.get("locked_until") if row else None

    def longest_lock(self, username: str) -> datetime | None:
        """Returns until when a user name is locked for some origin, or None."""
        row = self._failures.find_one({"account": _digest(username)}, sort=[("locked_until", -1)])
        return row.get("locked_until") if row else None

    def of_strangers(self, username: str) -> tuple[int, datetime | None]:
        """Returns the failures under a user name from origins that are not known, and when their count ends."""
        row = self._failures.find_one({"_id": _digest(username)})
        return (int(row["failures"]), row.get("expires_at")) if row else (0, None)

    def add(self, username: str, origin: str, now: datetime) -> int:
        """Counts a failed sign-in from an origin; returns how many in a row that makes."""
        changes = {"$inc": {"failures": 1}, "$set": {"account": _digest(username), "expires_at": now + _LIFETIME}}
        return _count(self._failures, _digest(username, origin), changes)

    def add_of_stranger(self, username: str, now: datetime) -> None:
        """Counts a failed sign-in from an origin that is not known, within an hour from the first."""
        key = _digest(username)
        # The store removes what is over when it comes to it.
        self._failures.delete_one({"_id": key, "expires_at": {"$lte": now}})
        _count(self._failures, key, {"$inc": {"failures": 1}, "$setOnInsert": {"expires_at": now + GUESSES_WINDOW}})

    def lock(self, username: str, origin: str, until: datetime) -> None:
        """Refuses sign-ins under a user name from an origin until an instant."""
        self._failures.update_one({"_id": _digest(username, origin)}, {"$set": {"locked_until": until}})

    def is_known(self, username: str, origin: str, now: datetime) -> bool:
        """Returns whether an officer has signed in from this origin lately."""
        return self._origins.find_one({"_id": _digest(username, origin), "expires_at": {"$gt": now}}) is not None

    def succeeded(self, username: str, origin: str, now: datetime) -> None:
        """Forgets the failures in a row from an origin, which is known from now on."""
        key = _digest(username, origin)
        self._failures.delete_one({"_id": key})
        self._origins.update_one({"_id": key}, {"$set": {"expires_at": now + KNOWN_FOR}}, upsert=True)

    def forget(self, username: str) -> None:
        """Forgets all failures under a user name, because another officer says so."""
        account = _digest(username)
        self._failures.delete_many({"$or": [{"_id": account}, {"account": account}]})


def _count(rows: Collection[Any], key: str, changes: dict[str, Any]) -> int:
    row = rows.find_one_and_update({"_id": key}, changes, upsert=True, return_document=ReturnDocument.AFTER)
    if row is None:
        raise RuntimeError("an upsert answered without its document")
    return int(row["failures"])


def _digest(username: str, origin: str | None = None) -> str:
    return hashlib.sha256((username if origin is None else f"{username}\0{origin}").encode()).hexdigest()
