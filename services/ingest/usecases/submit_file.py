"""Delivers a file (Art. 10). Its rows are read twice: first to see that the file is whole, then in batches."""

import contextlib
import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from io import BufferedReader
from typing import Any, NamedTuple

from chengxin.auth.executor import command
from chengxin.auth.principal import Principal, Role
from chengxin.store import on_record
from chengxin.store.on_record import authorise
from chengxin.tabular.batches import in_batches
from chengxin.tabular.columns import Columns, ItemName
from chengxin.tabular.source import SourceRow, id_of_file, must_be_whole, open_source
from services.ingest.context import IngestContext
from services.ingest.domain.catalog_entry import DeliveryEntry
from services.ingest.domain.submission import Batch, DeliveredRecord, Header, Receipt
from services.ingest.domain.submission_view import FileForm
from services.ingest.store import originals
from services.ingest.usecases.commit_batch import DELIVERED
from services.ingest.usecases.permissions import provides
from services.ingest.usecases.submission_session import begin, open_delivery
from services.ingest.usecases.submit import deliver


class UploadResult(NamedTuple):
    """What became of an uploaded file."""

    submission_id: str
    # None while the file is still being taken.
    receipt: Receipt | None
    # Whether the same delivery had its receipt before.
    before: bool
    # The sheets of a workbook that are not read.
    unread: Sequence[str]


@command(DELIVERED, roles={Role.PROVIDER}, articles=("9", "10", "12"), may=provides)
def submit_file(ctx: IngestContext, caller: Principal, header: Header, file: BufferedReader) -> UploadResult:
    """Takes an open file whole or not at all: a broken one is refused before anything is stored.

    Without a submission id the id comes from the entry and the file's digest, so that the same file again is the same
    delivery. Closes the file. Raises the problems of `chengxin.tabular`, and those of `submit`.
    """
    with contextlib.ExitStack() as stack:
        stack.callback(file.close)
        sha256 = _digest(file)
        today = ctx.clock.today().isoformat()
        entry = ctx.directory.to_deliver(header.entry_code, header.entry_version, today)
        # Before its content is read.
        authorise((entry,), entry.code)
        mapping = ctx.store.providers.mapping(caller.org, entry.code)
        columns = columns_of(entry, mapping)
        source = stack.enter_context(open_source(file, header.file_name, columns, caller.claimant))
        read = [(c.label.strip(), c.code) for c in source.columns(columns) if c.code]
        form = FileForm(read, source.kind, source.encoding, source.unread)
        whole = replace(
            header,
            submission_id=header.submission_id or id_of_file(entry.code, sha256, mapping),
            file_name=header.file_name[:255],
            file_sha256=sha256,
            record_count=must_be_whole(source, columns),
        ).checked()
        # A wrong id or signature is refused before anything is stored, too.
        opened = open_delivery(ctx, caller, whole, form)
        mine = stack.pop_all()

    def take() -> Receipt:
        with mine, _account_of_its_own():
            _keep(ctx, caller, file, sha256)
            return deliver(ctx, caller, opened, _batches(source.rows(columns)))

    try:
        receipt = ctx.desk.take(caller.claimant, take)
    except BaseException:
        # Also when `take` was not begun.
        mine.close()
        raise
    if receipt is None:
        # The caller is told to ask for the submission, and finds it even before its turn has come.
        begin(ctx, caller, opened)
    return UploadResult(whole.submission_id, receipt, opened.receipt is not None, source.unread)


def names_of(entry: DeliveryEntry) -> list[ItemName]:
    """The names of an entry's items."""
    return [ItemName(item.code, item.name.zh, item.name.en, item.required) for item in entry.items]


def columns_of(entry: DeliveryEntry, mapping: Mapping[str, str] | None = None) -> Columns:
    """An entry's items by name, and by what the provider calls them."""
    return Columns(names_of(entry), mapping)


@contextlib.contextmanager
def _account_of_its_own() -> Iterator[None]:
    """The request may be answered while its file is still being taken: what it may answer does not depend on the
    transaction in which the taking is at that moment."""
    request = on_record.running()
    assert request is not None, "a file is taken within its use case"
    with on_record.account(request.act, changes=request.changes, permit=request.permit):
        yield


def _batches(rows: Iterable[SourceRow]) -> Iterator[Batch]:
    for number, batch in enumerate(in_batches(rows), 1):
        yield Batch(number, [DeliveredRecord(row.number, row.items) for row in batch])


def _keep(ctx: IngestContext, caller: Principal, file: BufferedReader, sha256: str) -> None:
    # Named by its content: the same file again, or twice at once, changes nothing.
    name = f"{caller.org}/{sha256}"
    file.seek(0)
    for piece in originals.file_pieces(name, file, sha256, ctx.ring):
        _keep_piece(ctx, piece)


def _keep_piece(ctx: IngestContext, piece: dict[str, Any]) -> None:
    ctx.persistently(lambda: ctx.store.keep_piece(piece))


def _digest(file: BufferedReader) -> str:
    file.seek(0)
    return hashlib.file_digest(file, "sha256").hexdigest()
