"""The objection service's process."""

import json
import sys
from typing import TYPE_CHECKING, Any

from chengxin.process.runtime import Service, serve

if TYPE_CHECKING:
    from collections.abc import Callable

    from chengxin.auth.admission import Admission
    from chengxin.feeds.follower import Follower
    from chengxin.process.bootstrap import WiredService
    from chengxin.process.operations import Operations
    from services.objection.context import ObjectionContext


def faces(
    ctx: "ObjectionContext",
    admission: "Admission | None",
    ready: "Callable[[], dict[str, bool]]",
    operations: "Operations | None" = None,
) -> tuple[Any, Any]:
    """The app, and the servicers as `make_server` takes them."""
    from typing import cast

    from chengxin.http.operations import add_operations
    from chengxin_api.objection.v1 import objection_pb2_grpc
    from services.objection.grpc.servicer import NAME, ObjectionServicer
    from services.objection.http.cases import make_objection_app

    servicers = [(objection_pb2_grpc.add_ObjectionServiceServicer_to_server, ObjectionServicer(ctx), NAME)]
    app = make_objection_app(ctx, admission, ready)
    add_operations(app, "objection", cast("Operations", operations))
    return app, servicers


def compose() -> Service:
    """Wires the objection service."""
    from datetime import timedelta

    from pymongo.errors import ConnectionFailure
    from tenacity import retry, retry_if_exception_type, stop_after_delay, wait_fixed

    from chengxin.grpc.rpc import make_server
    from chengxin.process.bootstrap import assemble
    from chengxin.process.settings import Settings
    from chengxin.store.field_encryption import KeyRing
    from chengxin_api.disclosure.v1 import disclosure_pb2_grpc
    from chengxin_api.ingest.v1 import ingest_pb2_grpc
    from services.objection.clients.disclosure import references_of
    from services.objection.clients.ingest import records_of
    from services.objection.context import ObjectionContext
    from services.objection.store.cases import ObjectionStore
    from services.objection.usecases.recompute_deadlines import DeadlineRecounter

    settings = Settings()
    if settings.field_keys_file is None:
        sys.exit("CHENGXIN_FIELD_KEYS_FILE is not set: what people write is kept sealed; see `chengxin keys`")
    assembly = assemble("objection", settings)
    store = ObjectionStore(assembly.store, KeyRing.load(settings.field_keys_file))
    disclosure = disclosure_pb2_grpc.DisclosureServiceStub(assembly.channel("disclosure"))
    ingest = ingest_pb2_grpc.IngestServiceStub(assembly.channel("ingest"))
    records = records_of(ingest, assembly.tokens.metadata)
    references = references_of(disclosure, assembly.tokens.metadata)
    ctx = ObjectionContext(store, assembly.audit, assembly.clock, records, references)

    @retry(
        retry=retry_if_exception_type(ConnectionFailure), wait=wait_fixed(0.2), stop=stop_after_delay(60), reraise=True
    )
    def prepare() -> None:
        store.create_indexes()
        store.drop_left(assembly.clock.now() - timedelta(hours=1))

    assembly.store.prepare(prepare)
    followed = feeds(ctx, assembly)
    app, servicers = faces(ctx, assembly.admission, assembly.ready(followed), assembly.operations)
    recounter = DeadlineRecounter(ctx, quarantine=assembly.quarantine)
    server = make_server(settings.grpc_listen, assembly.admission, servicers)
    return Service(app, server, [assembly.relay, *followed, recounter, *assembly.upkeep], assembly.close)


def feeds(ctx: "ObjectionContext", assembly: "WiredService") -> "list[Follower]":
    """What the service follows: the catalog's feed and ingest's."""
    from functools import partial

    from chengxin.feeds.parts import CatalogParts
    from chengxin_api.catalog.v1 import catalog_pb2, catalog_pb2_grpc
    from chengxin_api.ingest.v1 import ingest_pb2, ingest_pb2_grpc
    from services.objection.usecases.follow_feeds import CorrectionParts, apply_catalog, apply_ingest

    catalog = catalog_pb2_grpc.CatalogServiceStub(assembly.channel("catalog"))
    ingest = ingest_pb2_grpc.IngestServiceStub(assembly.channel("ingest"))
    return [
        assembly.follow(
            "catalog",
            catalog.Watch,
            lambda after: catalog_pb2.WatchRequest(after=after),
            partial(apply_catalog, ctx),
            CatalogParts(),
        ),
        assembly.follow(
            "ingest",
            ingest.WatchCorrections,
            lambda after: ingest_pb2.WatchRequest(after=after),
            partial(apply_ingest, ctx),
            CorrectionParts(),
            "corrections",
        ),
    ]


def policy() -> list[dict[str, Any]]:
    """The rules of both faces."""
    from chengxin.auth.policy_table import placeholder, policy_table
    from chengxin.process.operations import Operations
    from services.objection.context import ObjectionContext

    app, servicers = faces(placeholder(ObjectionContext), None, dict, placeholder(Operations))
    return policy_table("objection", app, [(type(servicer), name) for _, servicer, name in servicers])


def main(arguments: list[str]) -> None:
    """Runs what the arguments ask for."""
    match arguments:
        case []:
            from chengxin.process.settings import Settings

            serve("objection", Settings().http_listen, compose)
        case ["--policy"]:
            print(json.dumps(policy(), ensure_ascii=False))
        case ["--guideline"]:
            from services.objection.domain.guideline import document

            print(document(), end="")
        case _:
            sys.exit("usage: python -m services.objection [--policy | --guideline]")


if __name__ == "__main__":
    main(sys.argv[1:])
