"""The services that disclosure follows: how it asks each of them, applies its changes, and tries them again."""

from collections.abc import Callable
from functools import partial
from typing import Any

from chengxin.feeds.follower import Follower
from chengxin.feeds.parts import CatalogParts, ObjectionParts
from chengxin.feeds.quarantine import message_handler
from chengxin.feeds.splitting import FeedParts
from chengxin.process.bootstrap import WiredService
from chengxin.store.database import UnitOfWork
from chengxin_api.catalog.v1 import catalog_pb2, catalog_pb2_grpc
from chengxin_api.ingest.v1 import ingest_pb2, ingest_pb2_grpc
from chengxin_api.objection.v1 import objection_pb2, objection_pb2_grpc
from services.disclosure.projections.consumers import (
    Pieces,
    SealedRecords,
    apply_catalog,
    apply_objection,
)
from services.disclosure.projections.feeds import WHOLE, AskHead, FeedPart, Projection, aside
from services.disclosure.projections.read_ahead import PiecedCall


class InnerSources:
    """The other services of the suite, over gRPC (`feeds.Sources`)."""

    def __init__(self, assembly: WiredService) -> None:
        self._assembly = assembly
        self._catalog = catalog_pb2_grpc.CatalogServiceStub(assembly.channel("catalog"))
        self._ingest = ingest_pb2_grpc.IngestServiceStub(assembly.channel("ingest"))
        self._objection = objection_pb2_grpc.ObjectionServiceStub(assembly.channel("objection"))

    def head(self, source: str) -> AskHead:
        """Returns a function that asks a source for the head of its feed, seen from a position."""
        return self._assembly.head_of(source)

    def follower(
        self, projection: Projection, part: FeedPart, word: str, confirm: Callable[[UnitOfWork], None]
    ) -> Follower:
        """Makes the follower of a part for a generation. Its name is the source followed by `word`. Every transaction
        begins with `confirm`, which may refuse it. The follower is not started."""
        watch, ask, apply, cut = self._consumer(projection, part)
        generation = projection.store.generation
        key, place = aside(part.source, generation), part.place(generation)
        return self._assembly.follow_part(
            part.source + word, watch, lambda position: ask(after=position), apply, cut, key, place, confirm
        )

    def retry(self, projection: Projection) -> None:
        """Lets this process try again what a generation has set aside, whichever process follows the part."""
        for part in WHOLE:
            _, _, apply, cut = self._consumer(projection, part)
            key = aside(part.source, projection.store.generation)
            self._assembly.quarantine.handle(key, message_handler(cut, apply))

    def _consumer(
        self, projection: Projection, part: FeedPart
    ) -> tuple[Any, Any, Callable[[UnitOfWork, Any], None], FeedParts]:
        """Returns how a part is watched, requested, applied, and cut into parts that can be set aside."""
        if part.source == "catalog":
            apply = partial(apply_catalog, projection)
            return self._catalog.Watch, catalog_pb2.WatchRequest, apply, CatalogParts()
        if part.source == "objection":
            apply_objections = partial(apply_objection, projection)
            return self._objection.Watch, objection_pb2.WatchRequest, apply_objections, ObjectionParts()
        pieces = Pieces(part.has)

        def watch(request: ingest_pb2.WatchRequest, metadata: Any) -> PiecedCall:
            return pieces.of(self._ingest.Watch(request, metadata=metadata))

        apply_pieces = partial(pieces.apply, projection)
        return watch, ingest_pb2.WatchRequest, apply_pieces, SealedRecords(projection.keys)
