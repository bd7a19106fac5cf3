"""Each composed process may have as many threads as its bounds give out."""

import importlib

import pytest
import yaml

from chengxin_cli.suite.home import SERVICES
from gateway.edge import concurrency_limits, grpc
from tests.tools.loading import ROOT, tool

# The front, the relay, periodic tasks, the driver's and gRPC's own.
BESIDE = 100


def test_the_gateway_may_have_all_its_threads() -> None:
    allowed = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]["gateway"]["pids_limit"]
    # A stream of requests that is passed on takes a second thread.
    assert concurrency_limits.THREADS + grpc.THREADS.total + grpc.STREAMS.total + BESIDE <= allowed


@pytest.mark.parametrize("service", SERVICES)
def test_each_service_may_have_all_its_threads(service: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "tools"))
    bounds = tool("list_bounds")
    importlib.import_module(f"services.{service}.__main__").policy()
    allowed = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"][service]["pids_limit"]
    assert bounds.BESIDE + 80 < bounds.threads_of(f"services.{service}") <= allowed
