"""Two processes of disclosure share the feeds and both answer; when one is killed, the other takes over everything."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
import urllib3

from chengxin_cli.suite.home import PDEATHSIG
from services.disclosure.store.generations import reached
from tests.city import City, running_city
from tests.e2e.registrations import registrations, write
from tests.support import free_port, freeze, until

pytestmark = [pytest.mark.long, pytest.mark.timeout(600)]

RECORDS = 4_000


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[City]:
    """A city whose subjects are cut in two shares."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CHENGXIN_INTAKE_SHARES", "2")
        with running_city(tmp_path_factory.mktemp("shared")) as found:
            yield found


class Second:
    """Another process of disclosure, beside the suite's own."""

    def __init__(self, city: City) -> None:
        self._agency = city.machine("credit_agency", scope="public")
        with open(f"/proc/{city.pids()['disclosure']}/environ") as environ:
            told = dict(pair.split("=", 1) for pair in environ.read().split("\0") if "=" in pair)
        self.http, grpc = free_port(), free_port()
        told |= {"CHENGXIN_HTTP_LISTEN": f"127.0.0.1:{self.http}", "CHENGXIN_GRPC_LISTEN": f"127.0.0.1:{grpc}"}
        told.pop("CHENGXIN_SEARCH_DIR", None)
        command = [sys.executable, "-I", str(PDEATHSIG), sys.executable, "-m", "services.disclosure"]
        with (city.home / "logs" / "disclosure-second.log").open("ab") as log:
            told["PDEATHSIG_PARENT"] = str(os.getpid())
            self.process = subprocess.Popen(command, env=told, stdout=log, stderr=subprocess.STDOUT)
        until(lambda: self.get("/readyz") is not None, "the second one answers", 60)

    def get(self, path: str) -> Any:
        """Its answer to a public query; None when it says that it cannot answer now."""
        headers = {"Authorization": f"Bearer {self._agency.token()}"}
        try:
            answer = urllib3.request(
                "GET", f"http://127.0.0.1:{self.http}{path}", headers=headers, timeout=10, retries=False
            )
        except urllib3.exceptions.HTTPError:
            return None
        assert answer.status in (200, 503), answer.data
        return answer.json() if answer.status == 200 else None

    def signal(self, number: signal.Signals) -> None:
        """Sends it a signal: to its worker, and to the process that keeps that."""
        keeper = psutil.Process(self.process.pid)
        for process in [keeper, *keeper.children(recursive=True)]:
            if number == signal.SIGSTOP:
                freeze(process.pid)
            else:
                process.send_signal(number)

    def kill(self) -> None:
        """Ends it at once."""
        self.process.kill()
        self.process.wait(10)


@pytest.fixture
def second(shared: City) -> Iterator[Second]:
    found = Second(shared)
    yield found
    found.kill()


def holders(city: City) -> dict[str, str]:
    """Which process follows which part."""
    rows = city.store("disclosure")["leases"].find({"holder": {"$exists": True}})
    return {row["_id"]: row["holder"] for row in rows}


def shares(city: City) -> list[str]:
    """Which process follows each share of ingest."""
    return [holder for part, holder in holders(city).items() if part.startswith("feed.ingest ")]


def taken_in(city: City) -> int:
    """The position up to which all shares of ingest's feed are applied."""
    database = city.store("disclosure")
    number = database["generations"].find_one({"_id": "current"})["number"]
    return reached(database, "ingest", number)


def deliver(city: City, tmp_path: Path, start: int) -> list[str]:
    """Registrations of so many organisations; their codes."""
    rows = registrations(RECORDS, start)
    done = city.chengxin("submit", str(write(tmp_path / f"{start}.csv", rows)), "--catalog", "QYDJ")
    assert done.returncode == 0, done.stderr
    return [row["统一社会信用代码"] for row in rows]


def answers(ask: Any, codes: list[str]) -> list[Any]:
    """The public answers about some of them, without request numbers."""
    found = []
    for code in codes[:: len(codes) // 20]:
        # For a moment a process cannot be sure which generation is in use, and says so.
        [listed] = until(lambda code=code: ask(f"/v1/public/subjects?q={code}"), "it searches", 30)["subjects"]
        path = f"/v1/public/subjects/{listed['subject_ref']}"
        answer = until(lambda path=path: ask(path), "it shows a subject", 30)
        answer.pop("audit_event_id")
        found.append(answer)
    return found


def both_answers(city: City, second: Second, codes: list[str]) -> tuple[list[Any], list[Any]]:
    """What each of the two answers, once both know all names."""

    def first(path: str) -> Any:
        answer = city.anybody.call("GET", path)
        assert answer.status in (200, 503), answer.body
        return answer.body if answer.status == 200 else None

    for ask in (second.get, first):
        until(
            lambda ask=ask: (ask(f"/v1/public/subjects?q={codes[-1]}") or {}).get("subjects"), "the name is known", 60
        )
    return answers(second.get, codes), answers(first, codes)


def differences(city: City) -> int:
    """In how many places one process, which derives all anew, differs from what the two derived."""
    begun = city.centre.post("/v1/operations/disclosure/rebuild", {})

    def done() -> Any:
        told = city.edge.call("GET", "/v1/operations/disclosure/rebuild", city.centre.token())
        over = told.status == 200 and told.body["generation"] == begun["generation"] and told.body["state"] == "done"
        return told.body if over else None

    return int(until(done, "it is rebuilt", 240)["differences"])


def test_two_share_the_work_and_answer_alike(shared: City, second: Second, tmp_path: Path) -> None:
    until(lambda: len(set(shares(shared))) == 2, "each has a share")
    codes = deliver(shared, tmp_path, 700_000)
    until(lambda: taken_in(shared) >= shared.last_change("ingest"), "both have taken in their share", 120)
    of_second, of_first = both_answers(shared, second, codes)
    assert of_second == of_first
    assert differences(shared) == 0
    until(lambda: len(set(shares(shared))) == 2, "they go on sharing")
    until(lambda: second.get("/readyz"), "the second has gone on with the other generation", 60)
    of_second, of_first = both_answers(shared, second, codes)
    assert of_second == of_first


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP])
def test_when_one_falls_silent_the_other_goes_on(
    shared: City, second: Second, tmp_path: Path, number: signal.Signals
) -> None:
    until(lambda: len(set(shares(shared))) == 2, "each has a share")
    before = set(shares(shared))
    begun = taken_in(shared)
    start = 710_000 + number * RECORDS
    file = write(tmp_path / f"{start}.csv", registrations(RECORDS, start))
    command = [str(Path(sys.executable).with_name("chengxin")), "submit", str(file), "--catalog", "QYDJ"]
    with subprocess.Popen(command, env=os.environ | {"CHENGXIN_HOME": str(shared.home)}) as client:
        until(lambda: taken_in(shared) > begun, "some of it is taken in", 60)
        second.signal(number)
        until(lambda: len(set(shares(shared))) == 1 and set(shares(shared)) < before, "one has both shares")
        assert client.wait(120) == 0
    until(lambda: taken_in(shared) >= shared.last_change("ingest"), "it has taken in all", 120)
    if number == signal.SIGSTOP:
        # Its write that was under way when it was stopped does no harm.
        second.signal(signal.SIGCONT)
        until(lambda: len(set(shares(shared))) == 2, "each has a share again")
        codes = [row["统一社会信用代码"] for row in registrations(RECORDS, start)]
        of_second, of_first = both_answers(shared, second, codes)
        assert of_second == of_first
    assert differences(shared) == 0
    assert shared.verify_log().returncode == 0
    listed = shared.centre.get("/v1/operations/disclosure/quarantine")
    assert json.dumps(listed).count('"feed') == 0
