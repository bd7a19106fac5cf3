"""The disclosure service's process."""

import json
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from chengxin.process.runtime import Background, Service, serve

if TYPE_CHECKING:
    from chengxin.auth.admission import Admission
    from chengxin.process.bootstrap import WiredService
    from chengxin.process.operations import Operations
    from chengxin.process.settings import Settings
    from chengxin.store.field_encryption import KeyRing
    from chengxin.values.ids import SubjectKey
    from services.disclosure.context import DisclosureContext
    from services.disclosure.store.disclosure_store import DisclosureStore
    from services.disclosure.store.generations import Generations


def faces(
    ctx: "DisclosureContext",
    admission: "Admission | None",
    ready: Callable[[], dict[str, bool]],
    operations: "Operations | None" = None,
) -> tuple[Any, Any]:
    """The app, and the servicers as `make_server` takes them."""
    from typing import cast

    from chengxin.http.operations import add_operations
    from chengxin_api.disclosure.v1 import disclosure_pb2_grpc
    from services.disclosure.grpc.servicer import NAME, DisclosureServicer
    from services.disclosure.http.app import make_disclosure_app

    servicers = [(disclosure_pb2_grpc.add_DisclosureServiceServicer_to_server, DisclosureServicer(ctx), NAME)]
    app = make_disclosure_app(ctx, admission, ready)
    add_operations(app, "disclosure", cast("Operations", operations))
    return app, servicers


def compose() -> Service:
    """Wires disclosure."""
    from typing import cast

    from chengxin.grpc.rpc import make_server
    from chengxin.process.bootstrap import assemble
    from chengxin.process.settings import Settings
    from chengxin.store.leases import Holder
    from services.disclosure.context import BeingFilled, DisclosureContext
    from services.disclosure.projections.feeds import Feeds, Projection
    from services.disclosure.projections.name_index import NameIndex
    from services.disclosure.projections.persons_apart import take_persons_apart
    from services.disclosure.projections.sources import InnerSources
    from services.disclosure.store.disclosure_store import DisclosureStore
    from services.disclosure.store.generations import Generations
    from services.disclosure.usecases.announce_later import Announcer
    from services.disclosure.usecases.archive_records import Archiver
    from services.disclosure.usecases.rebuilder import Rebuilder

    settings = Settings()
    keys, subject_key = _load_keys(settings)
    assembly = assemble("disclosure", settings)
    generations = Generations(assembly.store)
    store = _prepare_store(assembly, generations)
    filling = bool(generations.current()["filling"])
    ctx = DisclosureContext(
        cast(DisclosureStore, BeingFilled()) if filling else store,
        NameIndex(store, settings.search_dir),
        assembly.audit,
        assembly.clock,
        keys,
        subject_key,
    )
    holder = Holder(assembly.store)
    projection = Projection(store, keys, subject_key, assembly.clock)
    assembly.store.prepare(lambda: take_persons_apart(projection, generations))
    feeds = Feeds(InnerSources(assembly), projection, holder, settings.intake_shares)
    ctx.is_current = feeds.is_current
    rebuilder = Rebuilder(ctx, feeds, holder, lambda other: NameIndex(other, settings.search_dir), generations)
    needs = {"search": lambda: ctx.directory.ready, "views": lambda: not isinstance(ctx.store, BeingFilled)}
    app, servicers = faces(ctx, assembly.admission, assembly.ready(feeds.followed, more=needs), assembly.operations)
    server = make_server(settings.grpc_listen, assembly.admission, servicers)

    def close() -> None:
        ctx.directory.close()
        assembly.close()

    background: list[Background] = [
        ctx.directory,
        assembly.relay,
        feeds,
        rebuilder,
        Archiver(ctx, assembly.quarantine),
        Announcer(ctx, assembly.quarantine),
        *assembly.upkeep,
    ]
    return Service(app, server, background, close)


def _load_keys(settings: "Settings") -> "tuple[KeyRing, SubjectKey]":
    from chengxin.store.field_encryption import KeyRing
    from chengxin.values.ids import SubjectKey

    if settings.field_keys_file is None or settings.subject_key_file is None:
        sys.exit("disclosure needs CHENGXIN_FIELD_KEYS_FILE and CHENGXIN_SUBJECT_KEY_FILE")
    return KeyRing.load(settings.field_keys_file), SubjectKey(settings.subject_key_file.read_bytes())


def _prepare_store(assembly: "WiredService", generations: "Generations") -> "DisclosureStore":
    """The store of the generation in use, once the database answers."""
    from services.disclosure.store.disclosure_store import DisclosureStore
    from services.disclosure.store.generations import carry_decisions

    def prepare() -> DisclosureStore:
        generations.prepare()
        current = generations.current()
        store = DisclosureStore(assembly.store, current["number"])
        store.create_indexes()
        if current["filling"]:
            carry_decisions(assembly.store, current["previous"], store)
        return store

    return assembly.store.prepare(prepare)


def policy() -> list[dict[str, Any]]:
    """The rules of both faces."""
    from chengxin.auth.policy_table import placeholder, policy_table
    from chengxin.process.operations import Operations
    from services.disclosure.context import DisclosureContext

    app, servicers = faces(placeholder(DisclosureContext), None, dict, placeholder(Operations))
    return policy_table("disclosure", app, [(type(servicer), name) for _, servicer, name in servicers])


def main(arguments: list[str]) -> None:
    """Runs what the arguments ask for."""
    match arguments:
        case []:
            from chengxin.process.settings import Settings

            serve("disclosure", Settings().http_listen, compose)
        case ["--policy"]:
            print(json.dumps(policy(), ensure_ascii=False))
        case _:
            sys.exit("usage: python -m services.disclosure [--policy]")


if __name__ == "__main__":
    main(sys.argv[1:])
