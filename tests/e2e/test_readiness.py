"""`/readyz` of every process answers within its deadline, whatever it depends on is silent or away, and names that.

The walk is over all stores and all processes; `chengxin up` is frozen meanwhile, so that nobody starts them again.
"""

import contextlib
import json
import os
import signal
import xmlrpc.client
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psutil
import pytest
import urllib3

from chengxin_cli.suite.home import PROCESSES, SERVICES
from chengxin_cli.suite.supervision import UnixTransport
from deploy import health
from tests.city import City, running_city
from tests.support import freeze, serving, until

pytestmark = [pytest.mark.long, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def ailing() -> Iterator[City]:
    """A suite of its own, in which nothing is started again."""
    with running_city() as found:
        freeze(found.process.pid)
        yield found
        found.process.send_signal(signal.SIGCONT)


@pytest.fixture
def pids(ailing: City) -> dict[str, int]:
    return {p["name"]: p["pid"] for p in _supervisor(ailing).getAllProcessInfo()}


def _supervisor(city: City) -> Any:
    proxy: Any = xmlrpc.client.ServerProxy("http://localhost", transport=UnixTransport(city.suite["supervisor"]))
    return proxy.supervisor


@contextlib.contextmanager
def silent(pid: int) -> Iterator[None]:
    """A process and its worker stand still."""
    stopped = {pid, serving(pid)}
    for one in stopped:
        freeze(one)
    try:
        yield
    finally:
        for one in stopped:
            os.kill(one, signal.SIGCONT)


@contextlib.contextmanager
def away(city: City, group: str, name: str) -> Iterator[None]:
    """A program is stopped, in good order, and started again at the end."""
    _supervisor(city).stopProcess(f"{group}:{name}")
    try:
        yield
    finally:
        _supervisor(city).startProcess(f"{group}:{name}", False)


def ask_all(pids: dict[str, int], without: str) -> dict[str, dict[str, Any]]:
    """What each process answers at `/readyz` to a caller as patient as its health check; each must live, too."""
    addresses = {
        process: psutil.Process(pids[process]).environ()["CHENGXIN_HTTP_LISTEN"]
        for process in PROCESSES
        if process != without
    }
    http = urllib3.PoolManager(retries=False, timeout=urllib3.Timeout(total=health.ANSWER_SECONDS), num_pools=20)

    def ask(process: str) -> dict[str, Any]:
        answer = http.request("GET", f"http://{addresses[process]}/readyz")
        assert answer.status in (200, 503), answer.status
        assert http.request("GET", f"http://{addresses[process]}/healthz").status == 200
        return {"status": answer.status} | answer.json()

    def ask_once() -> dict[str, dict[str, Any]]:
        with ThreadPoolExecutor(len(addresses)) as pool:
            return dict(zip(addresses, pool.map(ask, addresses), strict=True))

    # The gateway's first answer may be that of a moment before.
    return until(lambda: (answers := ask_once())["gateway"]["status"] == 503 and answers, "the gateway tells it")


def until_ready(city: City) -> None:
    until(lambda: city.edge.call("GET", "/readyz", timeout=10).status == 200, "the suite is ready again", 90)


def own_need(process: str) -> str:
    """What a process calls its store."""
    return "log" if process == "audit" else "store"


@pytest.mark.parametrize("process", PROCESSES)
def test_a_silent_store_is_named_by_its_process_and_by_the_gateway(
    ailing: City, pids: dict[str, int], process: str
) -> None:
    with silent(pids[f"{process}-store"]):
        answers = ask_all(pids, "")
    assert answers["gateway"][process][own_need(process)] is False, json.dumps(answers)
    if process != "gateway":
        assert answers[process][own_need(process)] is False
        assert answers[process]["status"] == 503
    until_ready(ailing)


@pytest.mark.parametrize("service", SERVICES)
def test_a_silent_service_is_named_by_the_gateway_and_every_other_process_still_answers(
    ailing: City, pids: dict[str, int], service: str
) -> None:
    with silent(pids[service]):
        answers = ask_all(pids, service)
    assert answers["gateway"][service] == {"reachable": False}, json.dumps(answers)
    until_ready(ailing)


@pytest.mark.parametrize("process", ["gateway", "audit"])
def test_a_store_that_is_away_is_named_as_well(ailing: City, pids: dict[str, int], process: str) -> None:
    with away(ailing, "stores", f"{process}-store"):
        answers = ask_all(pids, "")
    assert answers["gateway"][process][own_need(process)] is False, json.dumps(answers)
    until_ready(ailing)


def test_a_service_that_is_away_is_named_as_well(ailing: City, pids: dict[str, int]) -> None:
    with away(ailing, "services", "audit"):
        answers = ask_all(pids, "audit")
    assert answers["gateway"]["audit"] == {"reachable": False}
    until_ready(ailing)


def test_readiness_answers_while_everything_is_silent_but_the_gateway(ailing: City, pids: dict[str, int]) -> None:
    with contextlib.ExitStack() as silence:
        for name, pid in pids.items():
            if name != "gateway":
                silence.enter_context(silent(pid))

        def told() -> Any:
            answer = ailing.edge.call("GET", "/readyz", timeout=int(health.ANSWER_SECONDS))
            return answer.status == 503 and answer

        # The first answer may be that of a moment before.
        answer = until(told, "the gateway tells it")
        assert ailing.edge.call("GET", "/healthz").status == 200
    assert answer.body["gateway"]["store"] is False
    assert all(answer.body[service] == {"reachable": False} for service in SERVICES)
    until_ready(ailing)
