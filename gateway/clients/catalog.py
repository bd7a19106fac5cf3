"""The client of the catalog, whose directory tells where an organisation belongs (Art. 6)."""

from collections.abc import Callable
from typing import Final

import grpc

from chengxin.errors import Problem
from chengxin_api.catalog.v1 import catalog_pb2, catalog_pb2_grpc

_TIMEOUT_SECONDS: Final = 5.0
_UNKNOWN: Final = "ORGANISATION_UNKNOWN"

# Returns the region of an organisation (USCC); None when the directory does not have it.
RegionOfOrganisation = Callable[[str], str | None]


def make_directory(
    stub: catalog_pb2_grpc.CatalogServiceStub, metadata: Callable[[], tuple[tuple[str, str], ...]]
) -> RegionOfOrganisation:
    """Returns a function that asks the catalog, with the gateway's own token in `metadata`.

    The function may raise UPSTREAM_UNAVAILABLE.
    """

    def region_of(uscc: str) -> str | None:
        request = catalog_pb2.GetOrganisationRegionRequest(uscc=uscc)
        try:
            return str(stub.GetOrganisationRegion(request, metadata=metadata(), timeout=_TIMEOUT_SECONDS).region)
        except grpc.RpcError as e:
            problem = Problem.from_rpc(e)
            if problem.code == _UNKNOWN:
                return None
            raise problem from None

    return region_of
