"""The gRPC face: it turns messages into calls of use cases and their results into messages, and decides nothing."""

from collections.abc import Iterator

import grpc
from google.protobuf.json_format import ParseDict

from chengxin.auth.policy import serves
from chengxin.auth.request_context import caller
from chengxin.errors import INPUT_INVALID, FieldError
from chengxin.store.database import OutboxRow
from chengxin_api.catalog.v1 import catalog_pb2 as pb
from chengxin_api.catalog.v1 import catalog_pb2_grpc
from services.catalog.context import CatalogContext
from services.catalog.domain.entry import Entry
from services.catalog.usecases import organisations, read_catalog
from services.catalog.usecases.paging import entries_page

NAME = "chengxin.catalog.v1.CatalogService"
_DEFAULT_SIZE = 50
_GREATEST_SIZE = 200


class CatalogServicer(catalog_pb2_grpc.CatalogServiceServicer):
    """chengxin.catalog.v1.CatalogService."""

    def __init__(self, ctx: CatalogContext) -> None:
        self._ctx = ctx

    @serves(read_catalog.entries)
    def ListEntries(self, request: pb.ListEntriesRequest, context: grpc.ServicerContext) -> pb.ListEntriesResponse:
        """Returns a page of the entries in force on a day."""
        size = request.page_size or _DEFAULT_SIZE
        if not 1 <= size <= _GREATEST_SIZE:
            raise INPUT_INVALID(fields=[FieldError("page_size", "range", f"1 … {_GREATEST_SIZE}")])
        page = entries_page(self._ctx, caller(), request.as_of, request.page_token, size)
        return pb.ListEntriesResponse(entries=map(_entry, page.entries), next_page_token=page.next_page_token)

    @serves(read_catalog.entry)
    def GetEntry(self, request: pb.GetEntryRequest, context: grpc.ServicerContext) -> pb.Entry:
        """Returns a version of an entry."""
        return _entry(read_catalog.entry(self._ctx, caller(), request.code, request.version))

    @serves(organisations.read)
    def GetOrganisationRegion(
        self, request: pb.GetOrganisationRegionRequest, context: grpc.ServicerContext
    ) -> pb.OrganisationRegion:
        """Returns where an organisation belongs."""
        found = organisations.read(self._ctx, caller(), request.uscc)
        return pb.OrganisationRegion(uscc=found.uscc, region=found.region)

    @serves(read_catalog.changes)
    def Watch(self, request: pb.WatchRequest, context: grpc.ServicerContext) -> Iterator[pb.Change]:
        """Yields the committed changes after a position."""
        for row in read_catalog.changes(self._ctx, caller(), request.after, context.is_active):
            yield from _changes(row)


def _entry(entry: Entry) -> pb.Entry:
    return ParseDict(entry.to_dict(), pb.Entry())


def _changes(row: OutboxRow) -> Iterator[pb.Change]:
    """Yields one message for each change of a transaction.

    A position stands for all changes up to it, so only the last message has the position of the transaction and the
    others have the one before: a follower that stops between them gets the whole transaction again.
    """
    last = len(row.changes) - 1
    for n, change in enumerate(row.changes):
        message = pb.Change(position=row.position if n == last else row.position - 1)
        message.committed_at.FromDatetime(row.at)
        kind = change["kind"]
        ParseDict(change[kind], getattr(message, kind))
        yield message
