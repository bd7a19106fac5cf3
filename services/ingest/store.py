"""Ingest's collections and every query on them. The documents describe and index; hot paths use pymongo directly."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from mongoengine import (
    BinaryField,
    BooleanField,
    DateTimeField,
    DictField,
    Document,
    IntField,
    ListField,
    StringField,
)
from pymongo import ReplaceOne
from pymongo.client_session import ClientSession
from pymongo.collection import Collection

from chengxin.mongo import Store
from services.ingest import quality_store
from services.ingest.provider_store import ProviderStore
from services.ingest.record import History, Known

Plain = dict[str, Any]

# Kept bytes are stored in pieces well under the 16 MB of a document.
CHUNK: Final = 8_000_000
# Ids asked for at once: SecantusDB compares each document it finds with the whole list (500 at once: 600 ms, 10 times
# 50: 50 ms), and reads the whole collection for a range of ids, so there is none here.
_AT_ONCE: Final = 50


class CatalogEntry(Document):
    """A published entry version, as the catalog's feed brought it."""

    id = StringField(primary_key=True)  # <code>:<version>
    code = StringField()
    version = IntField()
    entry = DictField()
    meta: Final = {
        "db_alias": "ingest",
        "collection": "entries",
        "auto_create_index": False,
        "indexes": [("code", "version")],
    }


class CalendarYearRow(Document):
    """The working days of a year, as the catalog's feed brought them."""

    id = IntField(primary_key=True)
    announced = BooleanField()
    days_off = ListField(StringField())
    days_worked = ListField(StringField())
    meta: Final = {"db_alias": "ingest", "collection": "calendar", "auto_create_index": False}


class Record(Document):
    """The current version of a record; identifier items sealed."""

    id = StringField(primary_key=True)
    entry_code = StringField()
    entry_version = IntField()
    provider = StringField()
    provider_name = StringField()
    subject = DictField()
    items = DictField()
    # Values as delivered, of items whose standard form is another (Art. 9); identifier items sealed.
    raw = DictField()
    tag = StringField()
    version = IntField()
    batch = StringField()
    row = IntField()
    recorded_at = DateTimeField()
    revoked = BooleanField()
    reason = StringField()
    document_number = StringField()
    effective_date = StringField()
    objection_no = StringField()
    changed_by = StringField()
    late_working_days = IntField()
    meta: Final = {"db_alias": "ingest", "collection": "records", "auto_create_index": False}


class RecordVersion(Document):
    """A superseded version of a record, kept for ever; otherwise as `Record`, with the record's id in `record`."""

    id = StringField(primary_key=True)  # <record id>:<version, 6 digits>
    record = StringField()
    version = IntField()
    meta: Final = {
        "db_alias": "ingest",
        "collection": "record_versions",
        "auto_create_index": False,
        "strict": False,
        "indexes": [("record", "version")],
    }


class Submission(Document):
    """A delivery: what it is for, how far it is, and its receipt."""

    id = StringField(primary_key=True)  # <provider>/<submission id>
    provider = StringField()
    submission_id = StringField()
    entry_code = StringField()
    entry_version = IntField()
    batches_committed = IntField()
    counts = DictField()
    file_name = StringField()
    file_sha256 = StringField()
    # How many records were said to come; 0 when nobody said.
    record_count = IntField()
    # Whether the delivered file itself is among the originals.
    file_kept = BooleanField()
    # csv, xlsx or jsonl.
    file_kind = StringField()
    # Columns of the delivered file in order, [label, item code]: rejects go back in the same form.
    columns = ListField(ListField(StringField()))
    created_at = DateTimeField()
    receipt = DictField()
    # The provider's signed word on it, if it gave one: {jws, kid, client_id}.
    signature = DictField()
    meta: Final = {
        "db_alias": "ingest",
        "collection": "submissions",
        "auto_create_index": False,
        "indexes": [("provider", "-created_at", "-id"), ("-created_at", "-id")],
    }


class BatchRow(Document):
    """A committed batch: its digest, and what became of each record in order."""

    id = StringField(primary_key=True)  # <submission>:<number, 6 digits>
    submission = StringField()
    number = IntField()
    digest = StringField()
    counts = DictField()
    first_row = IntField()
    last_row = IntField()
    # Record ids in order of delivery (empty when rejected); new ones unless named in `others`.
    records = ListField(StringField())
    # Index to [outcome, version] of records that were not new.
    others = DictField()
    committed_at = DateTimeField()
    meta: Final = {"db_alias": "ingest", "collection": "batches", "auto_create_index": False}


class Reject(Document):
    """A rejected record: items as delivered and violations, sealed together."""

    id = StringField(primary_key=True)  # <batch>:<index, 4 digits>
    submission = StringField()
    row = IntField()
    sealed = BinaryField()
    meta: Final = {
        "db_alias": "ingest",
        "collection": "rejects",
        "auto_create_index": False,
        "indexes": [("submission", "row", "id")],
    }


class Original(Document):
    """A piece of the bytes as received, deflated and sealed."""

    id = StringField(primary_key=True)  # <batch or file>/<piece, 4 digits>
    sha256 = StringField()
    size = IntField()
    body = BinaryField()
    meta: Final = {"db_alias": "ingest", "collection": "originals", "auto_create_index": False}


class ReceiptKey(Document):
    """A public key that receipts were signed with; kept when the key is changed, so that old receipts verify."""

    id = StringField(primary_key=True)  # kid
    jwk = DictField()
    meta: Final = {"db_alias": "ingest", "collection": "receipt_keys", "auto_create_index": False}


_DOCUMENTS: Final = (
    CatalogEntry,
    CalendarYearRow,
    Record,
    RecordVersion,
    Submission,
    BatchRow,
    Reject,
    Original,
    ReceiptKey,
)


class IngestStore:
    """Everything ingest asks of its store."""

    def __init__(self, store: Store) -> None:
        self.transact = store.transact
        self.once = store.once
        self.follow = store.follow
        self.rows = store.rows
        self.quality = quality_store.QualityStore()
        self.entries = _collection(CatalogEntry)
        self.calendar = _collection(CalendarYearRow)
        self.records = _collection(Record)
        self.versions = _collection(RecordVersion)
        self.submissions = _collection(Submission)
        self.batches = _collection(BatchRow)
        self.rejects = _collection(Reject)
        self.originals = _collection(Original)
        self.receipt_keys = _collection(ReceiptKey)
        self.providers = ProviderStore()

    @staticmethod
    def create_indexes() -> None:
        """Creates collections' indexes where they are missing."""
        for document in (*_DOCUMENTS, *quality_store.DOCUMENTS):
            document.ensure_indexes()

    def entry_versions(self, code: str) -> list[Plain]:
        """Every published version of an entry, newest first."""
        return [row["entry"] for row in self.entries.find({"code": code}).sort("version", -1)]

    def entry_heads(self) -> list[Plain]:
        """Every published version of every entry, without its items and their rules."""
        left_out = {"entry.items": 0, "entry.cross_rules": 0, "entry.required_one_of": 0}
        return [row["entry"] for row in self.entries.find({}, left_out)]

    def put_entry(self, entry: Plain, session: ClientSession) -> None:
        """Keeps a published version."""
        row = {"code": entry["code"], "version": entry["version"], "entry": entry}
        self.entries.replace_one({"_id": f"{row['code']}:{row['version']}"}, row, upsert=True, session=session)

    def put_calendar_year(self, year: int, days: Plain, session: ClientSession) -> None:
        """Keeps the working days of a year."""
        self.calendar.replace_one({"_id": year}, days, upsert=True, session=session)

    def calendar_years(self) -> list[Plain]:
        """All years there are."""
        return list(self.calendar.find())

    def open_submission(self, document: Plain, session: ClientSession) -> None:
        """Begins a submission with its first batch. Raises `DuplicateKeyError` when it has begun."""
        self.submissions.insert_one(document, session=session)

    def close_submission(self, key: str, batches: int, kept: Plain, session: ClientSession) -> bool:
        """Keeps receipt and signature of an open submission of so many batches; False when it is closed or went on."""
        done = self.submissions.update_one(
            {"_id": key, "receipt": None, "batches_committed": batches}, {"$set": kept}, session=session
        )
        return done.matched_count == 1

    def submission(self, key: str, session: ClientSession | None = None) -> Plain | None:
        """A submission by its key."""
        return self.submissions.find_one({"_id": key}, session=session)

    def submissions_of(self, provider: str, before: Any, limit: int) -> list[Plain]:
        """A provider's submissions, or all when none is named, latest first, after the position (created_at, _id)."""
        query: Plain = {"provider": provider} if provider else {}
        if before is not None:
            at = datetime.fromisoformat(before[0])
            query["$or"] = [{"created_at": {"$lt": at}}, {"created_at": at, "_id": {"$lt": before[1]}}]
        return list(self.submissions.find(query).sort([("created_at", -1), ("_id", -1)]).limit(limit))

    def advance(self, key: str, number: int, counts: Mapping[str, int], session: ClientSession) -> bool:
        """Counts batch `number` to an open submission that stands at the one before; False when it does not."""
        done = self.submissions.update_one(
            {"_id": key, "batches_committed": number - 1, "receipt": None},
            {"$set": {"batches_committed": number}, "$inc": {f"counts.{k}": n for k, n in counts.items()}},
            session=session,
        )
        return done.matched_count == 1

    def batch(self, key: str, number: int) -> Plain | None:
        """A committed batch of a submission."""
        return self.batches.find_one({"_id": batch_id(key, number)})

    def keep_batch(
        self, row: Plain, rejects: Sequence[Plain], originals: Sequence[Plain], session: ClientSession
    ) -> None:
        """Keeps what became of a batch, its rejects and the bytes it came in."""
        self.batches.insert_one(row, session=session)
        if rejects:
            self.rejects.insert_many(rejects, session=session)
        if originals:
            self.originals.insert_many(originals, session=session)

    def batch_named(self, name: str) -> Plain | None:
        """A committed batch by its id."""
        return self.batches.find_one({"_id": name})

    def digests(self, key: str, batches: int, session: ClientSession) -> list[str]:
        """The digests of a submission's batches, in order."""
        ids = [batch_id(key, number) for number in range(1, batches + 1)]
        found = {row["_id"]: row["digest"] for row in _by_id(self.batches, ids, {"digest": 1}, session)}
        return [found[name] for name in ids]

    def known(self, ids: Sequence[str], session: ClientSession) -> dict[str, Known]:
        """What is on record under these ids."""
        # Most deliveries are of new records: one look says so.
        if self.records.find_one({"_id": {"$in": list(ids)}}, {"_id": 1}, session=session) is None:
            return {}
        found = _by_id(self.records, ids, {"version": 1, "tag": 1, "revoked": 1}, session)
        return {row["_id"]: Known(row["version"], row["tag"], bool(row.get("revoked"))) for row in found}

    def write(self, history: History, session: ClientSession) -> None:
        """Writes new records, new versions of known ones, and moves what they supersede to history."""
        old = [*history.superseded]
        if history.replaced:
            old += _by_id(self.records, list(history.replaced), None, session)
        if history.created:
            self.records.insert_many(history.created.values(), session=session)
        if old:
            self.versions.insert_many([superseded(document) for document in old], session=session)
        if history.replaced:
            self.records.bulk_write(
                [ReplaceOne({"_id": record}, document) for record, document in history.replaced.items()],
                session=session,
            )

    def record(self, record_id: str, session: ClientSession | None = None) -> Plain | None:
        """The current version of a record."""
        return self.records.find_one({"_id": record_id}, session=session)

    def replace(self, before: Plain, after: Plain, session: ClientSession) -> None:
        """Puts a new version in place of the current one, which goes to history."""
        self.versions.insert_one(superseded(before), session=session)
        self.records.replace_one({"_id": before["_id"]}, after, session=session)

    def history(self, record_id: str) -> list[Plain]:
        """The superseded versions of a record, oldest first."""
        return [current(row) for row in self.versions.find({"record": record_id}).sort("version", 1)]

    def exactly(self, versions: Sequence[tuple[str, int]]) -> list[Plain]:
        """These versions of records, in this order, wherever they are kept by now."""
        ids = list(dict.fromkeys(record for record, _ in versions))
        found = {(row["_id"], row["version"]): row for row in _by_id(self.records, ids)}
        if older := [version_id(*wanted) for wanted in versions if wanted not in found]:
            for row in _by_id(self.versions, older):
                found[row["record"], row["version"]] = current(row)
        return [found[wanted] for wanted in versions]

    def rejects_of(self, key: str, after: Any, limit: int) -> list[Plain]:
        """Rejects of a submission in order of row, after the position (row, _id) of the previous page."""
        query: Plain = {"submission": key}
        if after is not None:
            row, reject = after
            query["$or"] = [{"row": {"$gt": row}}, {"row": row, "_id": {"$gt": reject}}]
        return list(self.rejects.find(query).sort([("row", 1), ("_id", 1)]).limit(limit))

    def every_reject(self, key: str) -> Iterator[Plain]:
        """Every reject of a submission in order of row."""
        return iter(self.rejects.find({"submission": key}).sort([("row", 1), ("_id", 1)]))

    def rejects_at(self, batch: str, places: Sequence[int]) -> dict[int, Plain]:
        """The rejects of one batch at these places in its order of delivery, by place."""
        by_id = {reject_id(batch, place): place for place in places}
        return {by_id[row["_id"]]: row for row in _by_id(self.rejects, list(by_id))}

    def pieces(self, name: str) -> Iterator[Plain]:
        """The kept pieces of an original, in order."""
        number = 0
        while (piece := self.originals.find_one({"_id": f"{name}/{number:04}"})) is not None:
            yield piece
            number += 1

    def keep_piece(self, piece: Plain) -> None:
        """Keeps a piece of a file; the same piece again changes nothing."""
        self.originals.update_one({"_id": piece["_id"]}, {"$setOnInsert": piece}, upsert=True)

    def keep_receipt_key(self, jwk: Mapping[str, str]) -> None:
        """Remembers a public key that receipts are signed with."""
        self.receipt_keys.update_one({"_id": jwk["kid"]}, {"$set": {"jwk": dict(jwk)}}, upsert=True)

    def jwks(self) -> list[Plain]:
        """Every public key that receipts were signed with."""
        return [row["jwk"] for row in self.receipt_keys.find().sort("_id", 1)]


def batch_id(key: str, number: int) -> str:
    """The id of a batch of a submission."""
    return f"{key}:{number:06}"


def reject_id(batch: str, place: int) -> str:
    """The id of a reject: its batch, and its place in the order of delivery."""
    return f"{batch}:{place:04}"


def version_id(record: str, version: int) -> str:
    """The id of a superseded version."""
    return f"{record}:{version:06}"


def superseded(document: Plain) -> Plain:
    """A record's document as history keeps it."""
    return document | {"_id": version_id(document["_id"], document["version"]), "record": document["_id"]}


def current(row: Plain) -> Plain:
    """A document of history as it was when it was current."""
    document = row | {"_id": row["record"]}
    del document["record"]
    return document


def _by_id(
    collection: Collection[Plain],
    ids: Sequence[str],
    fields: Plain | None = None,
    session: ClientSession | None = None,
) -> Iterator[Plain]:
    """The documents under these ids, in no order."""
    for start in range(0, len(ids), _AT_ONCE):
        some = list(ids[start : start + _AT_ONCE])
        yield from collection.find({"_id": {"$in": some}}, fields, session=session, batch_size=_AT_ONCE + 1)


def _collection(document: type[Document]) -> Collection[Plain]:
    collection: Collection[Plain] = document._get_collection()
    return collection
