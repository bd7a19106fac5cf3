"""The disclosure service's process."""

import json
import sys
from typing import TYPE_CHECKING, Any

from chengxin.runtime import Service, serve

if TYPE_CHECKING:
    from collections.abc import Callable

    from chengxin.policy import Admission
    from services.disclosure.room import Disclosure


def faces(room: "Disclosure", admission: "Admission | None", ready: "Callable[[], dict[str, bool]]") -> tuple[Any, Any]:
    """The app, and the servicers as `make_server` takes them. To read the rules nothing is needed."""
    from chengxin.disclosure.v1 import disclosure_pb2_grpc
    from services.disclosure.rpc import NAME, DisclosureServicer
    from services.disclosure.web import make_disclosure_app

    servicers = [(disclosure_pb2_grpc.add_DisclosureServiceServicer_to_server, DisclosureServicer(room), NAME)]
    return make_disclosure_app(room, admission, ready), servicers


def compose() -> Service:
    """Wires disclosure."""
    from functools import partial

    from pymongo.errors import ConnectionFailure
    from tenacity import retry, retry_if_exception_type, stop_after_delay, wait_fixed

    from chengxin.assembly import assemble
    from chengxin.catalog.v1 import catalog_pb2, catalog_pb2_grpc
    from chengxin.crypto import KeyRing
    from chengxin.ids import SubjectKey
    from chengxin.ingest.v1 import ingest_pb2, ingest_pb2_grpc
    from chengxin.objection.v1 import objection_pb2, objection_pb2_grpc
    from chengxin.rpc import make_server
    from chengxin.settings import Settings
    from services.disclosure.archiving import Archiver
    from services.disclosure.feeds import Pieces, apply_catalog, apply_objection
    from services.disclosure.room import Disclosure
    from services.disclosure.searching import Directory
    from services.disclosure.store import DisclosureStore

    settings = Settings()
    if settings.field_keys_file is None or settings.subject_key_file is None:
        sys.exit("disclosure needs CHENGXIN_FIELD_KEYS_FILE and CHENGXIN_SUBJECT_KEY_FILE")
    assembly = assemble("disclosure", settings)
    store = DisclosureStore(assembly.store)
    room = Disclosure(
        store,
        Directory(store),
        assembly.audit,
        assembly.clock,
        KeyRing.load(settings.field_keys_file),
        SubjectKey(settings.subject_key_file.read_bytes()),
        own_page=settings.demo,
    )

    @retry(
        retry=retry_if_exception_type(ConnectionFailure), wait=wait_fixed(0.2), stop=stop_after_delay(60), reraise=True
    )
    def prepare() -> None:
        store.create_indexes()
        room.directory.refresh()

    prepare()
    pieces = Pieces()
    catalog = catalog_pb2_grpc.CatalogServiceStub(assembly.channel("catalog"))
    ingest = ingest_pb2_grpc.IngestServiceStub(assembly.channel("ingest"))
    objection = objection_pb2_grpc.ObjectionServiceStub(assembly.channel("objection"))
    feeds = [
        assembly.follow(
            "catalog", catalog.Watch, lambda n: catalog_pb2.WatchRequest(after=n), partial(apply_catalog, room)
        ),
        assembly.follow(
            "ingest",
            lambda request, metadata: pieces.of(ingest.Watch(request, metadata=metadata)),
            lambda n: ingest_pb2.WatchRequest(after=n),
            partial(pieces.apply, room),
        ),
        assembly.follow(
            "objection", objection.Watch, lambda n: objection_pb2.WatchRequest(after=n), partial(apply_objection, room)
        ),
    ]
    app, servicers = faces(room, assembly.admission, lambda: assembly.ready(feeds))
    server = make_server(settings.grpc_listen, assembly.admission, servicers)
    return Service(app, server, [assembly.relay, *feeds, Archiver(room)], assembly.close)


def policy() -> list[dict[str, Any]]:
    """The rules of both faces."""
    from typing import cast

    from chengxin.policy_table import policy_table
    from services.disclosure.room import Disclosure

    app, servicers = faces(cast(Disclosure, None), None, dict)
    return policy_table("disclosure", app, [(type(servicer), name) for _, servicer, name in servicers])


def main(arguments: list[str]) -> None:
    """Runs what the arguments ask for."""
    match arguments:
        case []:
            from chengxin.settings import Settings

            serve("disclosure", Settings().http_listen, compose)
        case ["--policy"]:
            print(json.dumps(policy(), ensure_ascii=False))
        case _:
            sys.exit("usage: python -m services.disclosure [--policy]")


if __name__ == "__main__":
    main(sys.argv[1:])
