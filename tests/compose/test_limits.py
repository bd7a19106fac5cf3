"""The composed gateway may have as many threads as its bounds give out."""

import yaml

from gateway.edge import concurrency_limits, grpc
from tests.tools.loading import ROOT

# The front, the relay, periodic tasks, the driver's and gRPC's own.
BESIDE = 100


def test_the_gateway_may_have_all_its_threads() -> None:
    allowed = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]["gateway"]["pids_limit"]
    # A stream of requests that is passed on takes a second thread.
    assert concurrency_limits.THREADS + grpc.THREADS.total + grpc.STREAMS.total + BESIDE <= allowed
