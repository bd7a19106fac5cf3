"""Who waits for a process waits longer than the process takes: for its answer, and for its end. Needs no engine."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from chengxin.process import readiness, runtime
from chengxin_cli.suite.home import PROCESSES
from deploy import health
from gateway.usecases import readiness as suite_readiness

ROOT = Path(__file__).parents[2]
SERVICES: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
# Docker's own, where nothing is said.
DEFAULT_GRACE = "10s"


def seconds(duration: str) -> float:
    """Of a duration such as `1m30s`."""
    parts = re.findall(r"(\d+)(h|m|s)", duration)
    assert "".join(number + unit for number, unit in parts) == duration
    return float(sum(int(number) * {"h": 3600, "m": 60, "s": 1}[unit] for number, unit in parts))


def test_a_service_answers_before_the_gateway_gives_up_and_the_gateway_before_the_health_check() -> None:
    image = re.search(r"^HEALTHCHECK .*--timeout=(\S+)", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    assert image is not None
    deadlines = (
        readiness._ANSWER_SECONDS,
        suite_readiness.ANSWER_SECONDS,
        health.ANSWER_SECONDS,
        # The interpreter of the health check starts on a busy machine.
        seconds(image[1]) - 1,
    )
    assert list(deadlines) == sorted(set(deadlines))


def test_every_container_that_runs_on_is_a_process_or_its_store() -> None:
    stay = {name for name, service in SERVICES.items() if service.get("restart") == "unless-stopped"}
    assert stay == {*PROCESSES, *(f"{process}-store" for process in PROCESSES)}


def test_no_process_waits_until_another_is_ready() -> None:
    """An altered audit log makes it and the gateway unready, and everything must start all the same."""
    for process in PROCESSES:
        healthy = [on for on, how in SERVICES[process]["depends_on"].items() if how["condition"] == "service_healthy"]
        assert not {*healthy} & {*PROCESSES}, process


@pytest.mark.parametrize("process", PROCESSES)
def test_a_container_is_given_longer_to_end_than_its_process_takes(process: str) -> None:
    grace = seconds(SERVICES[process].get("stop_grace_period", DEFAULT_GRACE))
    # After its worker, the process itself ends; what does not end by then is killed by itself, not by the engine.
    assert grace >= runtime._STOP_SECONDS + 5


@pytest.mark.parametrize("process", PROCESSES)
def test_a_store_ends_after_its_process(process: str) -> None:
    """Compose stops what depends on others first, or all at the same time."""
    store = seconds(SERVICES[f"{process}-store"].get("stop_grace_period", DEFAULT_GRACE))
    assert store >= seconds(SERVICES[process].get("stop_grace_period", DEFAULT_GRACE))
