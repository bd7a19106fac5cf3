"""Every query on ingest's collections; hot paths use pymongo directly."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

import bson
from bson.raw_bson import RawBSONDocument
from pymongo import ReplaceOne
from pymongo.client_session import ClientSession

from chengxin.store.database import Store, find_among
from chengxin.values.document import RawDocument
from services.ingest.domain.record_versioning import BatchChanges, ExistingVersion
from services.ingest.store import documents, quality
from services.ingest.store.agreements import ProviderStore

# A document as the store takes it.
Encoded = RawBSONDocument

# Kept bytes are stored in pieces well under the 16 MB of a document.
CHUNK: Final = 8_000_000


class IngestStore:
    """Everything ingest asks of its store."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.transact = store.transact
        self.once = store.once
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
        self.providers = ProviderStore(store)

    @staticmethod
    def create_indexes() -> None:
        """Creates collections' indexes where they are missing."""
        for document in (*documents.ALL, *quality.DOCUMENTS):
            document.ensure_indexes()

    def entry_versions(self, code: str) -> list[RawDocument]:
        """Every published version of an entry, newest first."""
        return [row["entry"] for row in self.entries.find({"code": code}).sort("version", -1)]

    def entry_heads(self) -> list[RawDocument]:
        """Every published version of every entry, without its items and their rules."""
        left_out = {"entry.items": 0, "entry.cross_rules": 0, "entry.required_one_of": 0}
        return [row["entry"] for row in self.entries.find({}, left_out)]

    def put_entry(self, entry: RawDocument, session: ClientSession) -> None:
        """Keeps a published version."""
        row = {"code": entry["code"], "version": entry["version"], "entry": entry}
        self.entries.replace_one({"_id": f"{row['code']}:{row['version']}"}, row, upsert=True, session=session)

    def put_calendar_year(self, year: int, days: RawDocument, session: ClientSession) -> None:
        """Keeps the working days of a year."""
        self.calendar.replace_one({"_id": year}, days, upsert=True, session=session)

    def calendar_years(self) -> list[RawDocument]:
        """All years there are."""
        return list(self.calendar.find())

    def open_submission(self, document: RawDocument, session: ClientSession) -> None:
        """Begins a submission with its first batch. Raises `DuplicateKeyError` when it has begun."""
        self.submissions.insert_one(document, session=session)

    def close_submission(self, key: str, batches: int, kept: RawDocument, session: ClientSession) -> bool:
        """Keeps receipt and signature of an open submission of so many batches; False when it is closed or went on."""
        done = self.submissions.update_one(
            {"_id": key, "receipt": None, "batches_committed": batches}, {"$set": kept}, session=session
        )
        return done.matched_count == 1

    def submission(self, key: str, session: ClientSession | None = None) -> RawDocument | None:
        """A submission by its key."""
        return self.submissions.find_one({"_id": key}, session=session)

    def submissions_of(self, provider: str, before: Any, limit: int) -> list[RawDocument]:
        """A provider's submissions, or all when none is named, latest first, after the position (created_at, _id)."""
        query: RawDocument = {"provider": provider} if provider else {}
        if before is not None:
            at = datetime.fromisoformat(before[0])
            query["$or"] = [{"created_at": {"$lt": at}}, {"created_at": at, "_id": {"$lt": before[1]}}]
        return list(self.submissions.find(query).sort([("created_at", -1), ("_id", -1)]).limit(limit))

    def advance(self, key: str, number: int, counts: Mapping[str, int], limit: int, session: ClientSession) -> bool:
        """Counts batch `number` to an open submission that stands at the one before and has `limit` records at most
        then (0: any number); False when it does not."""
        within_limit = {"counts.total": {"$lte": limit - counts["total"]}} if limit else {}
        done = self.submissions.update_one(
            {"_id": key, "batches_committed": number - 1, "receipt": None, **within_limit},
            {"$set": {"batches_committed": number}, "$inc": {f"counts.{k}": n for k, n in counts.items()}},
            session=session,
        )
        return done.matched_count == 1

    def batch(self, key: str, number: int) -> RawDocument | None:
        """A committed batch of a submission."""
        return self.batches.find_one({"_id": batch_id(key, number)})

    def keep_batch(
        self, row: RawDocument, rejects: Sequence[RawDocument], originals: Sequence[RawDocument], session: ClientSession
    ) -> None:
        """Keeps what became of a batch, its rejects and the bytes it came in."""
        self.batches.insert_one(row, session=session)
        if rejects:
            self.rejects.insert_many(rejects, session=session)
        if originals:
            self.originals.insert_many(originals, session=session)

    def batch_named(self, name: str) -> RawDocument | None:
        """A committed batch by its id."""
        return self.batches.find_one({"_id": name})

    def digests(self, key: str, batches: int, session: ClientSession | None = None) -> list[str]:
        """The digests of a submission's batches, in order."""
        ids = [batch_id(key, number) for number in range(1, batches + 1)]
        found = {row["_id"]: row["digest"] for row in find_among(self.batches, "_id", ids, {"digest": 1}, session)}
        return [found[name] for name in ids]

    def known(self, ids: Sequence[str], session: ClientSession) -> dict[str, ExistingVersion]:
        """What is on record under these ids."""
        found = find_among(self.records, "_id", ids, {"version": 1, "tag": 1, "revoked": 1}, session)
        return {row["_id"]: ExistingVersion(row["version"], row["tag"], bool(row.get("revoked"))) for row in found}

    def write(self, history: BatchChanges, created: Sequence[Encoded], session: ClientSession) -> None:
        """Writes new records (`created`, as `encoded`), new versions of known ones, and moves what they supersede to
        history."""
        old = [*history.superseded]
        if history.replaced:
            old += find_among(self.records, "_id", list(history.replaced), None, session)
        if created:
            self.records.insert_many(created, session=session)
        if old:
            self.versions.insert_many([superseded(document) for document in old], session=session)
        if history.replaced:
            self.records.bulk_write(
                [ReplaceOne({"_id": record}, document) for record, document in history.replaced.items()],
                session=session,
            )

    def record(self, record_id: str, session: ClientSession | None = None) -> RawDocument | None:
        """The current version of a record."""
        return self.records.find_one({"_id": record_id}, session=session)

    def replace(self, before: RawDocument, after: RawDocument, session: ClientSession) -> None:
        """Puts a new version in place of the current one, which goes to history."""
        self.versions.insert_one(superseded(before), session=session)
        self.records.replace_one({"_id": before["_id"]}, after, session=session)

    def history(self, record_id: str, after: int = 0, limit: int = 0) -> list[RawDocument]:
        """The superseded versions of a record after one of them, oldest first; a limit of 0 is none."""
        found = self.versions.find({"record": record_id, "version": {"$gt": after}}).sort("version", 1).limit(limit)
        return [current(row) for row in found]

    def exactly(self, versions: Sequence[tuple[str, int]]) -> list[RawDocument]:
        """These versions of records, in this order, wherever they are kept by now."""
        ids = list(dict.fromkeys(record for record, _ in versions))
        found = {(row["_id"], row["version"]): row for row in find_among(self.records, "_id", ids)}
        if older := [version_id(*wanted) for wanted in versions if wanted not in found]:
            for row in find_among(self.versions, "_id", older):
                found[row["record"], row["version"]] = current(row)
        return [found[wanted] for wanted in versions]

    def rejects_of(self, key: str, after: Any, limit: int) -> list[RawDocument]:
        """Rejects of a submission in order of row, after the position (row, _id) of the previous page."""
        query: RawDocument = {"submission": key}
        if after is not None:
            row, reject = after
            query["$or"] = [{"row": {"$gt": row}}, {"row": row, "_id": {"$gt": reject}}]
        return list(self.rejects.find(query).sort([("row", 1), ("_id", 1)]).limit(limit))

    def every_reject(self, key: str) -> Iterator[RawDocument]:
        """Every reject of a submission in order of row."""
        return iter(self.rejects.find({"submission": key}).sort([("row", 1), ("_id", 1)]))

    def rejects_at(self, batch: str, places: Sequence[int]) -> dict[int, RawDocument]:
        """The rejects of one batch at these places in its order of delivery, by place."""
        by_id = {reject_id(batch, place): place for place in places}
        return {by_id[row["_id"]]: row for row in find_among(self.rejects, "_id", list(by_id))}

    def pieces(self, name: str) -> Iterator[RawDocument]:
        """The kept pieces of an original, in order."""
        number = 0
        while (piece := self.originals.find_one({"_id": f"{name}/{number:04}"})) is not None:
            yield piece
            number += 1

    def keep_piece(self, piece: RawDocument) -> None:
        """Keeps a piece of a file; the same piece again changes nothing."""
        self.originals.update_one({"_id": piece["_id"]}, {"$setOnInsert": piece}, upsert=True)

    def keep_receipt_key(self, jwk: Mapping[str, str]) -> None:
        """Remembers a public key that receipts are signed with."""
        self.receipt_keys.update_one({"_id": jwk["kid"]}, {"$set": {"jwk": dict(jwk)}}, upsert=True)

    def jwks(self) -> list[RawDocument]:
        """Every public key that receipts were signed with."""
        return [row["jwk"] for row in self.receipt_keys.find().sort("_id", 1)]


def encoded(documents: Iterable[RawDocument]) -> list[Encoded]:
    """New documents as the store takes them, worked out ahead of the transaction that inserts them."""
    return [Encoded(bson.encode(document)) for document in documents]


def batch_id(key: str, number: int) -> str:
    """The id of a batch of a submission."""
    return f"{key}:{number:06}"


def reject_id(batch: str, place: int) -> str:
    """The id of a reject: its batch, and its place in the order of delivery."""
    return f"{batch}:{place:04}"


def version_id(record: str, version: int) -> str:
    """The id of a superseded version."""
    return f"{record}:{version:06}"


def superseded(document: RawDocument) -> RawDocument:
    """A record's document as history keeps it."""
    return document | {"_id": version_id(document["_id"], document["version"]), "record": document["_id"]}


def current(row: RawDocument) -> RawDocument:
    """A document of history as it was when it was current."""
    document = row | {"_id": row["record"]}
    del document["record"]
    return document
