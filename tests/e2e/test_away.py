"""A part of a running suite is away. Without the audit service there is no data (Art. 31, principle 3); a silent store is
reported and restarted; an altered past event is found and located."""

import contextlib
import json
import xmlrpc.client
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from chengxin.errors import Problem
from chengxin_api.disclosure.v1 import disclosure_pb2
from chengxin_cli.gateway_client import HttpRefused
from chengxin_cli.suite.home import PROCESSES
from chengxin_cli.suite.supervision import UnixTransport
from tests.city import City, running_city
from tests.e2e.registrations import registrations, write
from tests.support import freeze, until

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def ailing() -> Iterator[City]:
    """A suite of its own: these tests stop and alter it."""
    with running_city() as found:
        yield found


@contextlib.contextmanager
def stopped(city: City, program: str) -> Iterator[None]:
    """A program of the suite is stopped, and started again at the end."""
    name = f"services:{program}"
    with _supervisor(city) as supervisor:
        supervisor.stopProcess(name)
    try:
        yield
    finally:
        with _supervisor(city) as supervisor:
            supervisor.startProcess(name)


@contextlib.contextmanager
def _supervisor(city: City) -> Iterator[Any]:
    socket = Path(city.suite["supervisor"])
    with xmlrpc.client.ServerProxy("http://localhost", transport=UnixTransport(socket)) as rpc:
        yield rpc.supervisor


def test_without_the_audit_service_every_query_is_refused_and_with_it_back_all_is_well(ailing: City) -> None:
    li_na = ailing.people["citizens"]["li_na"]
    query = disclosure_pb2.QueryRequest(
        subject=disclosure_pb2.SubjectSelector(identity_number=li_na["identity_number"])
    )
    company = ailing.people["licence"]["XK_XDR_SHXYM"]
    found = ailing.anybody.get(f"/v1/public/subjects?q={company}")["subjects"]
    paths = [
        (ailing.li_na, "/v1/me/records"),
        (ailing.li_na, "/v1/me/accesses"),
        (ailing.anybody, f"/v1/public/subjects?q={company}"),
        (ailing.anybody, f"/v1/public/subjects/{found[0]['subject_ref']}"),
        (ailing.anybody, f"/subjects/{found[0]['subject_ref']}"),
    ]
    # Both have their tokens already.
    ailing.li_na.token()
    ailing.housing_bureau.rpc("DisclosureService/Query", query)
    with stopped(ailing, "audit"):
        for caller, path in paths:
            answer = caller.call("GET", path)
            assert answer.status == 503, path
            assert "records" not in str(answer.body)
            if "/v1/" in path:
                assert answer.headers["Content-Type"] == "application/problem+json"
                assert answer.body["code"] in ("AUDIT_UNAVAILABLE", "UPSTREAM_UNAVAILABLE")
                assert answer.headers["Retry-After"]
        with pytest.raises(Problem) as refused:
            ailing.housing_bureau.rpc("DisclosureService/Query", query)
        assert refused.value.code == "AUDIT_UNAVAILABLE"
    for caller, path in paths:
        until(lambda c=caller, p=path: c.call("GET", p).status == 200, f"{path} is answered again", 30)
    assert until(lambda: _records(ailing, query), "the agency is answered again", 30)
    until(lambda: _signed_in(ailing), "officers can sign in again", 30)


def _signed_in(city: City) -> bool:
    with contextlib.suppress(HttpRefused):
        return bool(city.supervisor.token())
    return False


def _records(city: City, query: Any) -> Any:
    with contextlib.suppress(Problem):
        return city.housing_bureau.rpc("DisclosureService/Query", query).records
    return None


def test_the_log_verifies_and_one_flipped_byte_in_a_stored_event_is_located(ailing: City) -> None:
    done = ailing.verify_log()
    assert done.returncode == 0, done.stdout + done.stderr
    groups = ailing.store("audit")["groups"]
    group = groups.find_one(sort=[("_id", 1)])
    entries = list(group["entries"])
    altered = bytearray(entries[0])
    altered[len(altered) // 2] ^= 1
    groups.update_one({"_id": group["_id"]}, {"$set": {"entries": [bytes(altered), *entries[1:]]}})
    found = ailing.verify_log()
    assert found.returncode == 1
    assert "entry 0" in found.stdout + found.stderr
    groups.update_one({"_id": group["_id"]}, {"$set": {"entries": entries}})
    assert ailing.verify_log().returncode == 0


def search(city: City) -> str:
    """The code that a reader of the public feed gets instead of an answer; fails when the request hangs."""
    answer = city.edge.call("GET", "/v1/public/feed?page_size=1", timeout=10)
    if answer.status == 503:
        assert int(answer.headers["Retry-After"]) >= 1
        return str(answer.body["code"])
    assert answer.status == 200, answer.body
    return ""


def deliver_one(city: City, directory: Path) -> None:
    """One more record of a registrar."""
    file = write(directory / "one.csv", registrations(1, 990_000))
    done = city.chengxin("submit", str(file), "--catalog", "QYDJ")
    assert done.returncode == 0, done.stdout + done.stderr


def told(city: City) -> str:
    return (city.home / "up.log").read_text()


def test_a_store_that_stops_answering_is_told_and_started_again(ailing: City) -> None:
    assert search(ailing) == ""
    pid = ailing.pids()["disclosure-store"]
    freeze(pid)
    # No answer is wrong and none takes too long, until the suite has recovered by itself.
    codes = {search(ailing)}
    ready = ailing.edge.call("GET", "/readyz", timeout=10)
    report = ailing.chengxin("status", "--json")

    def well() -> bool:
        codes.add(code := search(ailing))
        return not code

    until(well, "queries are answered again", 90)
    assert codes == {"STORE_UNAVAILABLE", ""}
    until(lambda: ailing.edge.call("GET", "/readyz", timeout=10).status == 200, "the suite is ready again", 60)

    # While it lasted, status and readiness reported it.
    assert report.returncode == 1
    stores = {p["name"]: p for p in json.loads(report.stdout)["processes"] if "answers" in p}
    assert stores.keys() == {f"{name}-store" for name in PROCESSES}
    assert [name for name, store in stores.items() if not store["answers"]] == ["disclosure-store"]
    assert ready.status == 503
    assert ready.body["disclosure"]["store"] is False
    assert ready.body["catalog"]["store"] is True

    assert told(ailing).count("disclosure-store does not answer; it is started again") == 1
    until(lambda: f"disclosure-store (pid {pid}) was ended; started again as pid" in told(ailing), "that it is back")
    after = ailing.chengxin("status")
    assert after.returncode == 0, after.stdout
    assert ailing.pids()["disclosure-store"] != pid


def test_how_far_disclosure_is_behind_is_told_and_is_0_again(ailing: City, tmp_path: Path) -> None:
    """Its process stops while ingest accepts a record; then it resumes."""

    def lag() -> dict[str, object]:
        report = json.loads(ailing.chengxin("status", "--json").stdout)
        [row] = [r for r in report["lag"] if (r["service"], r["consumer"]) == ("disclosure", "feed.ingest")]
        return dict(row)

    until(lambda: lag()["changes"] == 0, "nothing to catch up")
    assert lag()["seconds"] == 0
    assert {r["consumer"] for r in json.loads(ailing.chengxin("status", "--json").stdout)["lag"]} == {
        "relay.audit",
        "feed.catalog",
        "feed.ingest",
        "feed.objection",
    }
    inner = ailing.store("disclosure")
    # Its follower is stuck, because the test holds the document that each of its transactions writes.
    with inner.client.start_session() as session:
        session.start_transaction()
        inner["counters"].update_one({"_id": "outbox"}, {"$inc": {"held": 1}}, session=session)
        inner["positions"].update_one({"_id": "feed.ingest.2"}, {"$inc": {"held": 1}}, session=session)
        deliver_one(ailing, tmp_path)
        seen = until(lambda: (row := lag())["changes"] and row, "it is behind", 60)
        until(lambda: lag()["seconds"] > seen["seconds"], "it falls further behind")
        session.abort_transaction()
    until(lambda: lag()["changes"] == 0 and lag()["seconds"] == 0, "it has caught up", 60)
