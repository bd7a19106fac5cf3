"""The stored rows of a quarantine, and every query on them (decision 24)."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

from mongoengine import DateTimeField, DynamicDocument, IntField, ListField, StringField
from pymongo import ReturnDocument
from pymongo.collection import Collection

from chengxin import __version__
from chengxin.failures import NotYet, is_transient, reason_of
from chengxin.feeds.splitting import Label
from chengxin.store.database import Store, UnitOfWork, find_among
from chengxin.store.retention import removed
from chengxin.values.canonical_json import digest
from chengxin.values.clock import Clock, rfc3339
from chengxin.values.document import RawDocument

_FIRST_PAUSE: Final = timedelta(seconds=5)
_LONGEST_PAUSE: Final = timedelta(hours=1)
# The due time of a row that waits behind another one.
_BEHIND: Final = datetime(9999, 1, 1, tzinfo=UTC)
# The reason of such a row.
_REASON_BEHIND: Final = {"error": "", "text": "waits behind another one of the same record or subject"}


class QuarantineRow(DynamicDocument):
    """What could not be applied, with the reason and when it is tried again."""

    id = StringField(primary_key=True)
    feed = StringField(required=True)
    keys = ListField(StringField())
    seq = IntField(required=True)
    due = DateTimeField(required=True)
    meta: Final = {
        "collection": "quarantine",
        "indexes": ["seq", "due", "keys", "feed"],
        "retention": removed("when it is applied; until then readiness is red"),
        "direct_writes": dict.fromkeys(
            ("make_failed_due", "release_unblocked", "postpone", "record_failure"), "when it is tried again"
        )
        | {"drop_unused": "of a generation that is no longer in use"},
    }


class QuarantineRows:
    """The rows of one service, in its own store, in the order in which they were set aside."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._rows: Collection[RawDocument] = store.collection(QuarantineRow)

    def prepare(self) -> None:
        """Creates the indexes; a second call changes nothing."""
        self._store.create((QuarantineRow,))

    def put(
        self,
        feed: str,
        label: Label,
        message: bytes,
        error: Exception | None,
        unit: UnitOfWork,
        position: int,
        kind: str,
    ) -> bool:
        """Stores a part that failed with `error`, or without an error behind the rows that share a key with it.

        A row with the same name is replaced and keeps its place; without an error it is due at once. Returns False when
        the feed repeated a part that is stored already.
        """
        now = self._clock.now()
        row_id = "q_" + digest(f"{feed}\0{label.name}".encode())[:24]
        existing = self._rows.find_one({"_id": row_id}, session=unit.session)
        version = label.version or position
        if existing is not None and error is None and existing["of"] >= version:
            return False
        row = {
            "_id": row_id,
            "feed": feed,
            "name": label.name,
            "keys": list(dict.fromkeys([*(existing["keys"] if existing else ()), label.name, *label.keys])),
            "seq": existing["seq"] if existing else self._next_seq(unit),
            "revision": existing["revision"] + 1 if existing else 1,
            "position": position,
            "of": version,
            "kind": kind,
            "message": message,
            "reason": reason_of(error) if error else dict(_REASON_BEHIND),
            "waits_for": _needed_by(error),
            "since": existing["since"] if existing else now,
            "tried_at": now if error else None,
            "attempts": 1 if error else 0,
            "due": now + _FIRST_PAUSE if error else now if existing else _BEHIND,
            "version": __version__,
        }
        self._rows.replace_one({"_id": row_id}, row, upsert=True, session=unit.session)
        return True

    def _next_seq(self, unit: UnitOfWork) -> int:
        counter = self._store.db["counters"].find_one_and_update(
            {"_id": "quarantine"},
            {"$inc": {"n": 1}},
            upsert=True,
            return_document=ReturnDocument.AFTER,
            session=unit.session,
        )
        return int(counter["n"]) if counter else 1

    # Read rows.

    def whole(self, row_id: str) -> RawDocument | None:
        """One row with its message."""
        return self._rows.find_one({"_id": row_id})

    def row(self, row_id: str) -> RawDocument | None:
        """One row, without its message."""
        return self._rows.find_one({"_id": row_id}, {"message": 0})

    def rows(self, after: int = 0, limit: int = 0, feed: str = "") -> list[RawDocument]:
        """The rows after a place in the order, without their messages."""
        query: RawDocument = {"seq": {"$gt": after}} | ({"feed": feed} if feed else {})
        return list(self._rows.find(query, {"message": 0}).sort([("seq", 1)]).limit(limit))

    def in_order(self) -> list[RawDocument]:
        """Of every row what decides when it is tried: feed, keys, due time."""
        return sorted(self._rows.find({}, {"feed": 1, "keys": 1, "due": 1, "seq": 1}), key=lambda row: int(row["seq"]))

    def feeds(self) -> list[str]:
        """The feed of every row."""
        return [row["feed"] for row in self._rows.find({}, {"feed": 1})]

    def names(self, feed: str) -> set[str]:
        """The names of all rows of a feed."""
        return {row["name"] for row in self._rows.find({"feed": feed}, {"name": 1})}

    def shared_keys(self, feed: str, keys: Sequence[str], unit: UnitOfWork) -> set[str]:
        """Those of the keys that a row of the feed has."""
        wanted = set(keys)
        rows = find_among(self._rows, "keys", list(dict.fromkeys(keys)), {"feed": 1, "keys": 1}, unit.session)
        return {key for row in rows if row["feed"] == feed for key in row["keys"]} & wanted

    def has(self, feed: str, unit: UnitOfWork) -> bool:
        """Whether the feed has a row."""
        return self._rows.find_one({"feed": feed}, {"_id": 1}, session=unit.session) is not None

    def has_same(self, row: RawDocument, unit: UnitOfWork) -> bool:
        """Whether a row is still there as it was read."""
        return self._rows.find_one(_same_revision(row), {"_id": 1}, session=unit.session) is not None

    def awaits(self, feed: str, name: str) -> bool:
        """Whether a row of the feed waits for `name`."""
        return self._rows.find_one({"feed": feed, "waits_for": name}, {"_id": 1}) is not None

    def has_due(self) -> bool:
        """Whether a row is due."""
        return self._rows.find_one({"due": {"$lte": self._clock.now()}}, {"_id": 1}) is not None

    def is_due(self, row: RawDocument) -> bool:
        """Whether this row is due."""
        return bool(row["due"] <= self._clock.now())

    def is_empty(self) -> bool:
        """Whether nothing is set aside. Raises `PyMongoError`."""
        return self._rows.find_one({}, {"_id": 1}) is None

    # Change when a row is due.

    def make_due_after(self, name: str, unit: UnitOfWork) -> bool:
        """Makes the rows due at once that have waited for `name`; returns whether there is one."""
        make_due = {"$set": {"due": self._clock.now()}}
        return bool(self._rows.update_many({"waits_for": name}, make_due, session=unit.session).modified_count)

    def make_failed_due(self) -> None:
        """Makes all failed rows due at once."""
        self._rows.update_many({"due": {"$lt": _BEHIND}}, {"$set": {"due": self._clock.now()}})

    def release_unblocked(self) -> None:
        """Makes a row due when another process resolved the one before it at the very moment it was put behind."""
        if self._rows.find_one({"due": _BEHIND}, {"_id": 1}) is None:
            return
        earlier_keys: set[tuple[str, str]] = set()
        for row in self.in_order():
            keys = {(row["feed"], key) for key in row["keys"]}
            if row["due"] == _BEHIND and earlier_keys.isdisjoint(keys):
                self._rows.update_one({"_id": row["_id"], "due": _BEHIND}, {"$set": {"due": self._clock.now()}})
            earlier_keys |= keys

    def postpone(self, row: RawDocument) -> None:
        """Makes a row due after the longest pause."""
        self._rows.update_one({"_id": row["_id"]}, {"$set": {"due": self._clock.now() + _LONGEST_PAUSE}})

    # After an attempt.

    def resolve(self, row: RawDocument, unit: UnitOfWork) -> None:
        """Removes a row that is applied, and makes the rows due that have waited behind it."""
        self._rows.delete_one(_same_revision(row), session=unit.session)
        behind = {"feed": row["feed"], "keys": {"$in": row["keys"]}, "due": _BEHIND}
        self._rows.update_many(behind, {"$set": {"due": self._clock.now()}}, session=unit.session)

    def record_failure(self, row: RawDocument, error: Exception) -> None:
        """Keeps the reason of a failed attempt, and sets when the next one is due."""
        now = self._clock.now()
        pause = min(_FIRST_PAUSE * 2 ** min(row["attempts"], 20), _LONGEST_PAUSE)
        changes: RawDocument = {"due": now + pause, "tried_at": now}
        if is_transient(error):
            changes["due"] = now + _FIRST_PAUSE
        else:
            changes |= {"reason": reason_of(error), "version": __version__, "waits_for": _needed_by(error)}
        self._rows.update_one(_same_revision(row), {"$set": changes, "$inc": {"attempts": 1}})


def to_dict(row: RawDocument) -> RawDocument:
    """A row as officers read it."""
    behind = row["due"] == _BEHIND
    return {
        "id": row["_id"],
        "feed": row["feed"],
        "name": row["name"],
        "concerns": row["keys"],
        "position": row["position"],
        "error": row["reason"]["error"],
        "reason": row["reason"]["text"],
        "state": "behind" if behind else "failed",
        "since": rfc3339(row["since"]),
        "attempts": row["attempts"],
        "last_attempt_at": rfc3339(row["tried_at"]) if row["tried_at"] else "",
        "next_attempt_at": "" if behind else rfc3339(row["due"]),
        "version": row["version"],
    }


def _needed_by(error: Exception | None) -> str:
    return str(error) if isinstance(error, NotYet) else ""


def _same_revision(row: RawDocument) -> RawDocument:
    return {"_id": row["_id"], "revision": row["revision"]}
