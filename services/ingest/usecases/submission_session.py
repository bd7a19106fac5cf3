"""Opens a submission: checks its header, against what was begun under its id before."""

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from pymongo.errors import DuplicateKeyError

from chengxin.auth.principal import Principal
from chengxin.store import on_record
from chengxin.store.database import UnitOfWork
from chengxin.store.on_record import authorise
from chengxin.values.acts import Act
from chengxin.values.document import RawDocument
from chengxin.values.provider_statement import SUBMISSION_CONFLICT, ProviderStatement
from services.ingest.context import IngestContext
from services.ingest.domain.catalog_entry import DeliveryEntry, EntryProvider
from services.ingest.domain.provider_signature import read_delivery_statement
from services.ingest.domain.receipt import receipt_of
from services.ingest.domain.submission import Counts, Header, Receipt, submission_key
from services.ingest.domain.submission_view import FileForm
from services.ingest.usecases.agreements import terms_of
from services.ingest.usecases.permissions import versions_in_force

OPENED: Final = Act.SUBMISSION_OPENED


@dataclass(frozen=True)
class SubmissionSession:
    """A submission as its provider delivers it."""

    key: str
    header: Header
    entry: DeliveryEntry
    provider: EntryProvider
    # The versions of the entry that must name its provider: the one in force, and the one that it is delivered under.
    versions: Sequence[DeliveryEntry]
    # The number of batches that were committed when it was opened.
    committed: int = 0
    # The number of records that was announced, now or when it was begun; 0 when none was.
    record_count: int = 0
    # Its receipt, when it was closed before.
    receipt: Receipt | None = None
    file: FileForm | None = None
    # The provider's signed statement on it.
    signed: ProviderStatement | None = None
    # Set once one of its records was found on record.
    met_known: threading.Event = field(default_factory=threading.Event, repr=False, compare=False)

    @property
    def about(self) -> dict[str, str]:
        """The details by which audit events name it."""
        return {"submission_id": self.header.submission_id}


def open_delivery(
    ctx: IngestContext, caller: Principal, header: Header, file: FileForm | None = None
) -> SubmissionSession:
    """A new delivery, or the one that was begun under this id.

    Raises NOT_A_PROVIDER, DELIVERY_ENTRY_UNKNOWN, DELIVERY_ENTRY_NOT_IN_FORCE, SUBMISSION_CONFLICT, INPUT_INVALID
    for the header, and what is wrong with its signature.
    """
    header = header.checked()
    key = submission_key(caller.org, header.submission_id)
    found = ctx.patiently(lambda: ctx.store.submission(key))
    if found is None:
        today = ctx.clock.today().isoformat()
        entry = ctx.directory.to_deliver(header.entry_code, header.entry_version, today)
        versions: Sequence[DeliveryEntry] = (entry,)
    else:
        must_be_same(found, header)
        entry = ctx.directory.version(found["entry_code"], found["entry_version"])
        versions = (*versions_in_force(ctx, entry.code), entry)
    authorise(versions, entry.code)
    provider = entry.provider(caller.org)
    assert provider is not None, "the rule refuses others"
    receipt = receipt_of(found) if found else None
    signed = None
    if receipt is None:
        terms = ctx.patiently(lambda: terms_of(ctx, caller.org))
        signed = read_delivery_statement(header, caller, terms, file is not None)
    committed = found["batches_committed"] if found else 0
    count = header.record_count or (found or {}).get("record_count") or 0
    return SubmissionSession(key, header, entry, provider, versions, committed, count, receipt, file, signed)


def authorise_delivery(delivery: SubmissionSession) -> None:
    """Asks the rule of the use case whether the entry names the provider, in each transaction of the delivery."""
    authorise(delivery.versions, delivery.entry.code)


def begin(ctx: IngestContext, caller: Principal, delivery: SubmissionSession) -> None:
    """Stores a submission before its first batch is committed; does nothing when it is stored already."""

    def work(unit: UnitOfWork) -> None:
        authorise_delivery(delivery)
        if ctx.store.submission(delivery.key, unit.session) is None:
            ctx.store.open_submission(submission_row(ctx, delivery), unit.session)
            event = ctx.audit.event(OPENED, caller, entries=[delivery.entry.code], details=delivery.about)
            unit.record(event.encode())
        else:
            unit.without_event("the submission is open already")

    try:
        ctx.persistently(lambda: ctx.store.transact(work))
    except DuplicateKeyError:
        # Another process has opened it, and has put that on record.
        on_record.enter_nothing_new()


def submission_row(ctx: IngestContext, delivery: SubmissionSession) -> RawDocument:
    """The document of a submission that begins now."""
    header = delivery.header
    document: RawDocument = {
        "_id": delivery.key,
        "provider": delivery.provider.uscc,
        "submission_id": header.submission_id,
        "entry_code": delivery.entry.code,
        "entry_version": delivery.entry.version,
        "batches_committed": 0,
        "counts": Counts().to_dict(),
        "record_count": header.record_count,
        "file_name": header.file_name,
        "file_sha256": header.file_sha256,
        "created_at": ctx.clock.now(),
    }
    if delivery.file:
        columns = [list(column) for column in delivery.file.columns]
        form = {"file_kind": delivery.file.kind, "file_encoding": delivery.file.encoding, "columns": columns}
        document |= {"file_kept": True, **form, "sheets_not_read": list(delivery.file.unread)}
    return document


def must_be_same(submission: Mapping[str, Any], header: Header) -> None:
    """Raises SUBMISSION_CONFLICT when an id is used for something else than it was begun for."""

    # Fields left empty in either header are ignored.
    def same(name: str, given: Any) -> bool:
        return not given or submission.get(name) in (None, "", 0, given)

    if submission["entry_code"] != header.entry_code or not (
        same("entry_version", header.entry_version)
        and same("file_sha256", header.file_sha256)
        # The count of what is committed ends a delivery whose first count was wrong.
        and (same("record_count", header.record_count) or header.record_count == submission["counts"]["total"])
    ):
        raise SUBMISSION_CONFLICT(
            submission_id=header.submission_id,
            entry=submission["entry_code"],
            version=submission["entry_version"],
        )
