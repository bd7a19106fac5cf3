"""The ingest service's process."""

import json
import sys
from typing import TYPE_CHECKING, Any

from chengxin.runtime import Service, serve

if TYPE_CHECKING:
    from collections.abc import Callable

    from chengxin.operations import Operations
    from chengxin.policy import Admission
    from services.ingest.room import Ingest


def faces(
    ingest: "Ingest",
    admission: "Admission | None",
    ready: "Callable[[], dict[str, bool]]",
    operations: "Operations | None" = None,
) -> tuple[Any, Any]:
    """The app, and the servicers as `make_server` takes them. To read the rules nothing is needed."""
    from typing import cast

    from chengxin.ingest.v1 import ingest_pb2_grpc
    from chengxin.web_operations import add_operations
    from services.ingest.rpc import NAME, IngestServicer
    from services.ingest.web import make_ingest_app
    from services.ingest.web_quality import add_quality
    from services.ingest.web_recorded import add_records

    servicers = [(ingest_pb2_grpc.add_IngestServiceServicer_to_server, IngestServicer(ingest), NAME)]
    app = make_ingest_app(ingest, admission, ready)
    add_quality(app, ingest)
    add_records(app, ingest)
    add_operations(app, "ingest", cast("Operations", operations))
    return app, servicers


def compose() -> Service:
    """Wires ingest."""
    from pymongo.errors import ConnectionFailure
    from tenacity import retry, retry_if_exception_type, stop_after_delay, wait_fixed

    from chengxin.assembly import assemble
    from chengxin.catalog.v1 import catalog_pb2, catalog_pb2_grpc
    from chengxin.crypto import KeyRing
    from chengxin.feed_parts import CatalogParts
    from chengxin.ids import SubjectKey
    from chengxin.rpc import make_server
    from chengxin.settings import Settings
    from chengxin.tokens import load_private_key
    from services.ingest.directory import Directory
    from services.ingest.findings import Inspector
    from services.ingest.reading import is_told
    from services.ingest.receipts import Signer
    from services.ingest.record import Recorder
    from services.ingest.room import Ingest
    from services.ingest.store import IngestStore

    settings = Settings()
    if settings.field_keys_file is None or settings.subject_key_file is None:
        raise ValueError("ingest needs CHENGXIN_FIELD_KEYS_FILE and CHENGXIN_SUBJECT_KEY_FILE")
    assembly = assemble("ingest", settings)
    store = IngestStore(assembly.store)
    ring = KeyRing.load(settings.field_keys_file)
    signer = Signer(load_private_key(settings.key_file))
    ingest = Ingest(
        store,
        assembly.audit,
        assembly.clock,
        Directory(store),
        Recorder(SubjectKey(settings.subject_key_file.read_bytes()), ring),
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
    inspector = Inspector(ingest, quarantine=assembly.quarantine)
    server = make_server(settings.grpc_listen, assembly.admission, servicers)
    return Service(app, server, [assembly.relay, catalog, inspector, assembly.retrying], assembly.close)


def policy() -> list[dict[str, Any]]:
    """The rules of both faces."""
    from typing import cast

    from chengxin.policy_table import policy_table
    from services.ingest.room import Ingest

    app, servicers = faces(cast(Ingest, None), None, dict)
    return policy_table("ingest", app, [(type(servicer), name) for _, servicer, name in servicers])


def main(arguments: list[str]) -> None:
    """Runs what the arguments ask for."""
    match arguments:
        case []:
            from chengxin.settings import Settings

            serve("ingest", Settings().http_listen, compose)
        case ["--policy"]:
            print(json.dumps(policy(), ensure_ascii=False))
        case _:
            sys.exit("usage: python -m services.ingest [--policy]")


if __name__ == "__main__":
    main(sys.argv[1:])
