"""The catalog service's process."""

import json
import sys
from typing import TYPE_CHECKING, Any

from chengxin.process.runtime import Service, serve

if TYPE_CHECKING:
    from collections.abc import Callable

    from chengxin.auth.admission import Admission
    from chengxin.process.operations import Operations
    from services.catalog.context import CatalogContext


def faces(
    ctx: "CatalogContext",
    admission: "Admission | None",
    ready: "Callable[[], dict[str, bool]]",
    operations: "Operations | None" = None,
) -> tuple[Any, Any]:
    """Returns the app, and the servicers as `make_server` takes them."""
    from typing import cast

    from chengxin.http.operations import add_operations
    from chengxin_api.catalog.v1 import catalog_pb2_grpc
    from services.catalog.grpc.servicer import NAME, CatalogServicer
    from services.catalog.http.app import make_catalog_app

    servicers = [(catalog_pb2_grpc.add_CatalogServiceServicer_to_server, CatalogServicer(ctx), NAME)]
    app = make_catalog_app(ctx, admission, ready)
    add_operations(app, "catalog", cast("Operations", operations))
    return app, servicers


def compose() -> Service:
    """Wires the catalog."""
    from pymongo.errors import ConnectionFailure
    from tenacity import retry, retry_if_exception_type, stop_after_delay, wait_fixed

    from chengxin.grpc.rpc import make_server
    from chengxin.process.bootstrap import assemble
    from chengxin.process.settings import Settings
    from services.catalog.context import CatalogContext
    from services.catalog.store.catalog import CatalogStore
    from services.catalog.usecases.initial_data import seed, seed_daily

    settings = Settings()
    assembly = assemble("catalog", settings)
    store = CatalogStore(assembly.store)
    catalog = CatalogContext(store, assembly.audit, assembly.clock)

    @retry(
        retry=retry_if_exception_type(ConnectionFailure), wait=wait_fixed(0.2), stop=stop_after_delay(60), reraise=True
    )
    def prepare() -> None:
        store.create_indexes()
        seed(catalog)

    assembly.store.prepare(prepare)
    app, servicers = faces(catalog, assembly.admission, assembly.ready(), assembly.operations)
    server = make_server(settings.grpc_listen, assembly.admission, servicers)
    return Service(app, server, [assembly.relay, seed_daily(catalog), *assembly.upkeep], assembly.close)


def policy() -> list[dict[str, Any]]:
    """Returns the rules of both faces."""
    from chengxin.auth.policy_table import placeholder, policy_table
    from chengxin.process.operations import Operations
    from services.catalog.context import CatalogContext

    app, servicers = faces(placeholder(CatalogContext), None, dict, placeholder(Operations))
    return policy_table("catalog", app, [(type(servicer), name) for _, servicer, name in servicers])


def main(arguments: list[str]) -> None:
    """Runs what the arguments ask for."""
    match arguments:
        case []:
            from chengxin.process.settings import Settings

            serve("catalog", Settings().http_listen, compose)
        case ["--policy"]:
            print(json.dumps(policy(), ensure_ascii=False))
        case _:
            sys.exit("usage: python -m services.catalog [--policy]")


if __name__ == "__main__":
    main(sys.argv[1:])
