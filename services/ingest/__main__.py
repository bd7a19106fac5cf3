"""The ingest service's process."""

import json
import sys
from typing import TYPE_CHECKING, Any

from chengxin.process.runtime import Service, serve

if TYPE_CHECKING:
    from collections.abc import Callable

    from chengxin.auth.admission import Admission
    from chengxin.process.operations import Operations
    from services.ingest.context import IngestContext


def faces(
    ctx: "IngestContext",
    admission: "Admission | None",
    ready: "Callable[[], dict[str, bool]]",
    operations: "Operations | None" = None,
) -> tuple[Any, Any]:
    """The app, and the servicers as `make_server` takes them."""
    from typing import cast

    from chengxin.http.operations import add_operations
    from chengxin_api.ingest.v1 import ingest_pb2_grpc
    from services.ingest.grpc.servicer import NAME, IngestServicer
    from services.ingest.http.quality import add_quality
    from services.ingest.http.records import add_records
    from services.ingest.http.submissions import make_ingest_app

    servicers = [(ingest_pb2_grpc.add_IngestServiceServicer_to_server, IngestServicer(ctx), NAME)]
    app = make_ingest_app(ctx, admission, ready)
    add_quality(app, ctx)
    add_records(app, ctx)
    add_operations(app, "ingest", cast("Operations", operations))
    return app, servicers


def compose() -> Service:
    """Wires ingest."""
    from pymongo.errors import ConnectionFailure
    from tenacity import retry, retry_if_exception_type, stop_after_delay, wait_fixed

    from chengxin.auth.access_tokens import load_private_key
    from chengxin.feeds.parts import CatalogParts
    from chengxin.grpc.rpc import make_server
    from chengxin.process.bootstrap import assemble
    from chengxin.process.settings import Settings
    from chengxin.store.field_encryption import KeyRing
    from chengxin.values.ids import SubjectKey
    from chengxin_api.catalog.v1 import catalog_pb2, catalog_pb2_grpc
    from services.ingest.context import IngestContext
    from services.ingest.domain.receipt import ReceiptSigner
    from services.ingest.projections.catalog_replica import CatalogReplica
    from services.ingest.store.ingest_store import IngestStore
    from services.ingest.store.record_factory import RecordFactory
    from services.ingest.usecases.anomalies import QualityInspector
    from services.ingest.usecases.read_submissions import is_told

    settings = Settings()
    if settings.field_keys_file is None or settings.subject_key_file is None:
        raise ValueError("ingest needs CHENGXIN_FIELD_KEYS_FILE and CHENGXIN_SUBJECT_KEY_FILE")
    assembly = assemble("ingest", settings)
    store = IngestStore(assembly.store)
    ring = KeyRing.load(settings.field_keys_file)
    signer = ReceiptSigner(load_private_key(settings.key_file))
    ingest = IngestContext(
        store,
        assembly.audit,
        assembly.clock,
        CatalogReplica(store),
        RecordFactory(SubjectKey(settings.subject_key_file.read_bytes()), ring),
        ring,
        signer,
    )

    @retry(
        retry=retry_if_exception_type(ConnectionFailure), wait=wait_fixed(0.2), stop=stop_after_delay(60), reraise=True
    )
    def prepare() -> None:
        store.create_indexes()
        store.keep_receipt_key(signer.jwk)

    assembly.store.prepare(prepare)
    stub = catalog_pb2_grpc.CatalogServiceStub(assembly.channel("catalog"))
    catalog = assembly.follow(
        "catalog",
        stub.Watch,
        lambda after: catalog_pb2.WatchRequest(after=after),
        ingest.directory.apply,
        CatalogParts(),
    )
    app, servicers = faces(
        ingest, assembly.admission, assembly.ready([catalog], {"corrections": is_told}), assembly.operations
    )
    inspector = QualityInspector(ingest, quarantine=assembly.quarantine)
    server = make_server(settings.grpc_listen, assembly.admission, servicers)
    return Service(app, server, [assembly.relay, catalog, inspector, *assembly.upkeep], assembly.close)


def policy() -> list[dict[str, Any]]:
    """The rules of both faces."""
    from chengxin.auth.policy_table import placeholder, policy_table
    from chengxin.process.operations import Operations
    from services.ingest.context import IngestContext

    app, servicers = faces(placeholder(IngestContext), None, dict, placeholder(Operations))
    return policy_table("ingest", app, [(type(servicer), name) for _, servicer, name in servicers])


def main(arguments: list[str]) -> None:
    """Runs what the arguments ask for."""
    match arguments:
        case []:
            from chengxin.process.settings import Settings

            serve("ingest", Settings().http_listen, compose)
        case ["--policy"]:
            print(json.dumps(policy(), ensure_ascii=False))
        case _:
            sys.exit("usage: python -m services.ingest [--policy]")


if __name__ == "__main__":
    main(sys.argv[1:])
