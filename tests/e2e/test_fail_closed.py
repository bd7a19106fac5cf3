"""No audit, no data (Art. 31, decision 3); and an altered record of the past is found and located."""

import contextlib
import xmlrpc.client
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from chengxin.cli.supervision import UnixTransport
from chengxin.client import Refused
from chengxin.disclosure.v1 import disclosure_pb2
from chengxin.errors import Problem
from tests.city import City, running_city
from tests.support import until


@pytest.fixture(scope="module")
def another() -> Iterator[City]:
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


def test_without_the_audit_service_every_query_is_refused_and_with_it_back_all_is_well(another: City) -> None:
    li_na = another.people["citizens"]["li_na"]
    query = disclosure_pb2.QueryRequest(
        subject=disclosure_pb2.SubjectSelector(identity_number=li_na["identity_number"])
    )
    company = another.people["licence"]["XK_XDR_SHXYM"]
    found = another.anybody.get(f"/v1/public/subjects?q={company}")["subjects"]
    paths = [
        (another.li_na, "/v1/me/records"),
        (another.li_na, "/v1/me/accesses"),
        (another.anybody, f"/v1/public/subjects?q={company}"),
        (another.anybody, f"/v1/public/subjects/{found[0]['subject_ref']}"),
        (another.anybody, f"/subjects/{found[0]['subject_ref']}"),
    ]
    # Both have their tokens from before.
    another.li_na.token()
    another.housing_bureau.rpc("DisclosureService/Query", query)
    with stopped(another, "audit"):
        for caller, path in paths:
            answer = caller.call("GET", path)
            assert answer.status == 503, path
            assert "records" not in str(answer.body)
            if "/v1/" in path:
                assert answer.headers["Content-Type"] == "application/problem+json"
                assert answer.body["code"] in ("AUDIT_UNAVAILABLE", "UPSTREAM_UNAVAILABLE")
                assert answer.headers["Retry-After"]
        with pytest.raises(Problem) as refused:
            another.housing_bureau.rpc("DisclosureService/Query", query)
        assert refused.value.code == "AUDIT_UNAVAILABLE"
    for caller, path in paths:
        until(lambda c=caller, p=path: c.call("GET", p).status == 200, f"{path} is answered again", 30)
    assert until(lambda: _records(another, query), "the agency is answered again", 30)
    until(lambda: _signed_in(another), "officers can sign in again", 30)


def _signed_in(city: City) -> bool:
    with contextlib.suppress(Refused):
        return bool(city.supervisor.token())
    return False


def _records(city: City, query: Any) -> Any:
    with contextlib.suppress(Problem):
        return city.housing_bureau.rpc("DisclosureService/Query", query).records
    return None


def test_the_log_verifies_and_one_flipped_byte_in_a_stored_event_is_located(another: City) -> None:
    done = another.verify_log()
    assert done.returncode == 0, done.stdout + done.stderr
    groups = another.store("audit")["groups"]
    group = groups.find_one(sort=[("_id", 1)])
    entries = list(group["entries"])
    altered = bytearray(entries[0])
    altered[len(altered) // 2] ^= 1
    groups.update_one({"_id": group["_id"]}, {"$set": {"entries": [bytes(altered), *entries[1:]]}})
    found = another.verify_log()
    assert found.returncode == 1
    assert "entry 0" in found.stdout + found.stderr
    groups.update_one({"_id": group["_id"]}, {"$set": {"entries": entries}})
    assert another.verify_log().returncode == 0
