"""Every query on ingest's collections. Frequent ones use pymongo directly."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

import bson
from bson.raw_bson import RawBSONDocument
from pymongo import ReplaceOne
from pymongo.client_session import ClientSession

from chengxin.feeds.provider_regions import ProviderRegions
from chengxin.store.database import Store, find_among
from chengxin.values.document import RawDocument
from services.ingest.domain.record_versioning import BatchChanges, ExistingVersion
from services.ingest.store import agreements, documents, quality

# A document as the store takes it.
Encoded = RawBSONDocument

# Originals are stored in pieces of so many bytes, well under the 16 MB of a document.
CHUNK: Final = 8_000_000


class IngestStore:
    """Ingest's database."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.transact = store.transact
        self.once_on = store.once_on
        self.follow = store.follow
        self.rows = store.rows
        self.quality = quality.QualityStore(store)
        self.entries = store.collection(documents.CatalogEntry)
        self.calendar = store.collection(documents.FollowedCalendarYear)
        self.records = store.collection(documents.Record)
        self.versions = store.collection(documents.SupersededVersion)
        self.submissions = store.collection(documents.Submission)
        self.batches = store.collection(documents.BatchRow)
        self.rejects = store.collection(documents.Reject)
        self.originals = store.collection(documents.Original)
        self.receipt_keys = store.collection(documents.ReceiptKey)
        self.providers = agreements.ProviderStore(store)
        self.regions = ProviderRegions(store)

    def create_indexes(self) -> None:
        """Makes the collections and their indexes. A second call changes nothing."""
        self.store.create(documents.ALL)

    def entry_versions(self, code: str, session: ClientSession | None = None) -> list[RawDocument]:
        """Returns every published version of an entry, newest first."""
        return [row["entry"] for row in self.entries.find({"code": code}, session=session).sort("version", -1)]

    def entry_heads(self) -> list[RawDocument]:
        """Returns every published version of every entry, without its items and their rules."""
        left_out = {"entry.items": 0, "entry.cross_rules": 0, "entry.required_one_of": 0}
        return [row["entry"] for row in self.entries.find({}, left_out)]

    def entry_codes(self) -> set[str]:
        """Returns the codes of all entries that were ever published."""
        return {row["_id"].partition(":")[0] for row in self.entries.find({}, {"_id": 1})}

    def put_entry(self, entry: RawDocument, session: ClientSession) -> None:
        """Keeps a published version."""
        row = {"code": entry["code"], "version": entry["version"], "entry": entry}
        self.entries.replace_one({"_id": f"{row['code']}:{row['version']}"}, row, upsert=True, session=session)

    def put_calendar_year(self, year: int, days: RawDocument, session: ClientSession) -> None:
        """Keeps the working days of a year."""
        self.calendar.replace_one({"_id": year}, days, upsert=True, session=session)

    def calendar_years(self) -> list[RawDocument]:
        """Returns all years of the calendar."""
        return list(self.calendar.find())

    def open_submission(self, document: RawDocument, session: ClientSession) -> None:
        """Starts a submission with its first batch. Raises `DuplicateKeyError` when it was started before."""
        self.submissions.insert_one(document, session=session)

    def close_submission(self, key: str, batches: int, kept: RawDocument, session: ClientSession) -> bool:
        """Keeps receipt and signature of an open submission that has so many batches. Returns False when it is closed,
        or has other batches by now."""
        done = self.submissions.update_one(
            {"_id": key, "receipt": None, "batches_committed": batches}, {"$set": kept}, session=session
        )
        return done.matched_count == 1

    def submission(self, key: str, session: ClientSession | None = None) -> RawDocument | None:
        """Returns a submission by its key."""
        return self.submissions.find_one({"_id": key}, session=session)

    def submissions_of(self, provider: str, before: Any, limit: int) -> list[RawDocument]:
        """Returns a provider's submissions, or all when `provider` is empty, latest first, after the position `before`
        (created_at, _id)."""
        query: RawDocument = {"provider": provider} if provider else {}
        if before is not None:
            at = datetime.fromisoformat(before[0])
            query["$or"] = [{"created_at": {"$lt": at}}, {"created_at": at, "_id": {"$lt": before[1]}}]
        return list(self.submissions.find(query).sort([("created_at", -1), ("_id", -1)]).limit(limit))

    def advance(self, key: str, number: int, counts: Mapping[str, int], limit: int, session: ClientSession) -> bool:
        """Adds batch `number` to an open submission that stands at the batch before and has at most `limit` records
        with it (0: no limit). Returns False when the submission does not meet this."""
        within_limit = {"counts.total": {"$lte": limit - counts["total"]}} if limit else {}
        done = self.submissions.update_one(
            {"_id": key, "batches_committed": number - 1, "receipt": None, **within_limit},
            {"$set": {"batches_committed": number}, "$inc": {f"counts.{k}": n for k, n in counts.items()}},
            session=session,
        )
        return done.matched_count == 1

    def batch(self, key: str, number: int) -> RawDocument | None:
        """Returns a committed batch of a submission."""
        return self.batches.find_one({"_id": batch_id(key, number)})

    def keep_batch(
        self, row: RawDocument, rejects: Sequence[RawDocument], originals: Sequence[RawDocument], session: ClientSession
    ) -> None:
        """Keeps the outcome of a batch, its rejects and its original bytes."""
        self.batches.insert_one(row, session=session)
        if rejects:
            self.rejects.insert_many(rejects, session=session)
        if originals:
            self.originals.insert_many(originals, session=session)

    def batch_named(self, name: str) -> RawDocument | None:
        """Returns a committed batch by its id."""
        return self.batches.find_one({"_id": name})

    def digests(self, key: str, batches: int, session: ClientSession | None = None) -> list[str]:
        """Returns the digests of a submission's batches, in order."""
        ids = [batch_id(key, number) for number in range(1, batches + 1)]
        by_id = {row["_id"]: row["digest"] for row in find_among(self.batches, "_id", ids, {"digest": 1}, session)}
        return [by_id[id_] for id_ in ids]

    def known(self, ids: Sequence[str], session: ClientSession) -> dict[str, ExistingVersion]:
        """Returns the versions that are on record under these ids."""
        rows = find_among(self.records, "_id", ids, {"version": 1, "tag": 1, "revoked": 1}, session)
        return {row["_id"]: ExistingVersion(row["version"], row["tag"], bool(row.get("revoked"))) for row in rows}

    def write(self, history: BatchChanges, created: Sequence[Encoded], session: ClientSession) -> None:
        """Writes new records (`created`, made by `encoded`) and new versions of known ones, and moves the superseded
        versions to history."""
        to_history = [*history.superseded]
        if history.replaced:
            to_history += find_among(self.records, "_id", list(history.replaced), None, session)
        if created:
            self.records.insert_many(created, session=session)
        if to_history:
            self.versions.insert_many([superseded(document) for document in to_history], session=session)
        if history.replaced:
            self.records.bulk_write(
                [ReplaceOne({"_id": record}, document) for record, document in history.replaced.items()],
                session=session,
            )

    def record(self, record_id: str, session: ClientSession | None = None) -> RawDocument | None:
        """Returns the current version of a record."""
        return self.records.find_one({"_id": record_id}, session=session)

    def replace(self, before: RawDocument, after: RawDocument, session: ClientSession) -> None:
        """Puts a new version in the place of the current one, which goes to history."""
        self.versions.insert_one(superseded(before), session=session)
        self.records.replace_one({"_id": before["_id"]}, after, session=session)

    def history(self, record_id: str, after: int = 0, limit: int = 0) -> list[RawDocument]:
        """Returns the superseded versions of a record after `after`, oldest first. A `limit` of 0 is no limit."""
        rows = self.versions.find({"record": record_id, "version": {"$gt": after}}).sort("version", 1).limit(limit)
        return [current(row) for row in rows]

    def exactly(self, versions: Sequence[tuple[str, int]]) -> list[RawDocument]:
        """Returns these versions of records, in this order, wherever they are by now."""
        ids = list(dict.fromkeys(record for record, _ in versions))
        by_version = {(row["_id"], row["version"]): row for row in find_among(self.records, "_id", ids)}
        if older := [version_id(*version) for version in versions if version not in by_version]:
            for row in find_among(self.versions, "_id", older):
                by_version[row["record"], row["version"]] = current(row)
        return [by_version[version] for version in versions]

    def rejects_of(self, key: str, after: Any, limit: int) -> list[RawDocument]:
        """Returns rejects of a submission in order of row, after the position (row, _id) of the previous page."""
        query: RawDocument = {"submission": key}
        if after is not None:
            row, reject = after
            query["$or"] = [{"row": {"$gt": row}}, {"row": row, "_id": {"$gt": reject}}]
        return list(self.rejects.find(query).sort([("row", 1), ("_id", 1)]).limit(limit))

    def every_reject(self, key: str) -> Iterator[RawDocument]:
        """Yields every reject of a submission, in order of row."""
        return iter(self.rejects.find({"submission": key}).sort([("row", 1), ("_id", 1)]))

    def rejects_at(self, batch: str, places: Sequence[int]) -> dict[int, RawDocument]:
        """Returns the rejects of a batch at these places in its order of delivery, by place."""
        by_id = {reject_id(batch, place): place for place in places}
        return {by_id[row["_id"]]: row for row in find_among(self.rejects, "_id", list(by_id))}

    def pieces(self, name: str) -> Iterator[RawDocument]:
        """Yields the stored pieces of an original, in order."""
        number = 0
        while (piece := self.originals.find_one({"_id": f"{name}/{number:04}"})) is not None:
            yield piece
            number += 1

    def keep_piece(self, piece: RawDocument) -> None:
        """Keeps a piece of a file. The same piece again changes nothing."""
        self.originals.update_one({"_id": piece["_id"]}, {"$setOnInsert": piece}, upsert=True)

    def keep_receipt_key(self, jwk: Mapping[str, str]) -> None:
        """Keeps a public key with which receipts are signed."""
        self.receipt_keys.update_one({"_id": jwk["kid"]}, {"$set": {"jwk": dict(jwk)}}, upsert=True)

    def jwks(self) -> list[RawDocument]:
        """Returns every public key with which receipts were signed."""
        return [row["jwk"] for row in self.receipt_keys.find().sort("_id", 1)]


def encoded(documents: Iterable[RawDocument]) -> list[Encoded]:
    """Encodes new documents for the store, before the transaction that inserts them begins."""
    return [Encoded(bson.encode(document)) for document in documents]


def batch_id(key: str, number: int) -> str:
    """Returns the id of a batch of a submission."""
    return f"{key}:{number:06}"


def reject_id(batch: str, place: int) -> str:
    """Returns the id of a reject: its batch, and its place in the order of delivery."""
    return f"{batch}:{place:04}"


def version_id(record: str, version: int) -> str:
    """Returns the id of a superseded version."""
    return f"{record}:{version:06}"


def superseded(document: RawDocument) -> RawDocument:
    """Makes the document that history keeps of a record's document."""
    return document | {"_id": version_id(document["_id"], document["version"]), "record": document["_id"]}


def current(row: RawDocument) -> RawDocument:
    """Makes a document of history into the document that it was when it was current."""
    document = row | {"_id": row["record"]}
    del document["record"]
    return document
