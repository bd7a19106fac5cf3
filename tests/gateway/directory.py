"""The catalog's directory behind the gateway in its tests, over a real socket."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import grpc
from google.protobuf import any_pb2
from google.rpc import error_details_pb2, status_pb2
from grpc_status import rpc_status

from chengxin_api.catalog.v1 import catalog_pb2, catalog_pb2_grpc
from tests.gateway.conftest import RunningGateway
from tests.support import until


class _Directory(catalog_pb2_grpc.CatalogServiceServicer):
    def __init__(self, regions: dict[str, str]) -> None:
        self._regions = regions

    def GetOrganisationRegion(self, request: Any, context: grpc.ServicerContext) -> Any:
        if request.uscc in self._regions:
            return catalog_pb2.OrganisationRegion(uscc=request.uscc, region=self._regions[request.uscc])
        detail = any_pb2.Any()
        detail.Pack(error_details_pb2.ErrorInfo(reason="ORGANISATION_UNKNOWN", domain="chengxin"))
        code = grpc.StatusCode.NOT_FOUND.value[0]
        return context.abort_with_status(rpc_status.to_status(status_pb2.Status(code=code, details=[detail])))


@contextmanager
def directory_of(gate: RunningGateway, **regions: str) -> Iterator[None]:
    """The directory, with the region of each organisation that it has; elsewhere in these tests the catalog is away."""
    server = grpc.server(ThreadPoolExecutor(2))
    catalog_pb2_grpc.add_CatalogServiceServicer_to_server(_Directory(regions), server)
    server.add_insecure_port(gate.environment["CHENGXIN_CATALOG_GRPC"])
    server.start()
    county, unlisted = (
        gate.officer("district"),
        {"username": "x", "name": "x", "org": "11000000000000019Q", "region": "441702"},
    )
    # The gateway looks for it again within a second.
    until(lambda: county.call("POST", "/v1/identity/officers", json=unlisted).status == 403, "the directory is found")
    try:
        yield
    finally:
        server.stop(0).wait()
