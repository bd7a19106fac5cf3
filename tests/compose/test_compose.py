"""The composed suite does its main job, and each boundary between its containers holds."""

import json
import subprocess

import pytest

from chengxin_cli.suite.home import PROCESSES, SERVICES
from tests.compose.conftest import Suite
from tests.support import until

pytestmark = [pytest.mark.compose, pytest.mark.timeout(2400)]

JOBS = ("keys", "stores-init", "bootstrap", "demo")

_REACHES = """
import json, socket, sys
from concurrent.futures import ThreadPoolExecutor
def reaches(address):
    host, _, port = address.rpartition(':')
    try:
        socket.create_connection((host, int(port)), 2).close()
        return True
    except OSError:
        return False
with ThreadPoolExecutor(8) as pool:
    print(json.dumps(list(pool.map(reaches, sys.argv[1:]))))
"""
_FILES = "import json, os; print(json.dumps(sorted(os.listdir('/run/secrets'))))"
_PRIVILEGES = """
import json, os
status = dict(line.rstrip().split(':', 1) for line in open('/proc/1/status'))
writable = [d for d in ('/', '/etc', '/usr', '/app') if os.access(d, os.W_OK)]
wanted = ('Uid', 'CapEff', 'CapPrm', 'CapBnd', 'NoNewPrivs')
print(json.dumps({**{name: status[name].split() for name in wanted}, 'writable': writable}))
"""
_NAMELESS = """
import json, pymongo, sys
client = pymongo.MongoClient(sys.argv[1], directConnection=True, serverSelectionTimeoutMS=5000)
try:
    answer = client[sys.argv[2]].list_collection_names()
except pymongo.errors.OperationFailure as e:
    answer = e.code
print(json.dumps(answer))
"""


def tour(composed: Suite) -> subprocess.CompletedProcess[str]:
    return composed.compose("run", "--rm", "--no-deps", "-T", "demo", "chengxin", "tour", "--json", check=False)


def test_an_outside_client_walks_the_main_job(composed: Suite) -> None:
    done = tour(composed)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    report = json.loads(done.stdout)
    assert report["ok"]
    assert len(report["steps"]) == report["of"] >= 15


def test_two_containers_of_disclosure_share_the_work_and_either_goes_on_alone(composed: Suite) -> None:
    both = ("disclosure", "disclosure-2")
    for one in both:
        until(lambda one=one: b"lease taken" in composed.containers()[one].logs(), f"{one} has a share", 60)
    for one in both:
        composed.containers()[one].kill()
        try:
            # Within seconds: calls to it that were under way fail.
            assert until(lambda: tour(composed).returncode == 0, "the other one does all the work", 60)
        finally:
            composed.containers()[one].start()
            composed.await_ready()


def test_the_gateway_is_reached_from_outside_by_its_published_port(composed: Suite) -> None:
    assert len(composed.get("/v1/catalog/entries?page_size=200")["entries"]) >= 14


def test_only_the_gateway_publishes_ports(composed: Suite) -> None:
    published = {name: c.attrs["HostConfig"]["PortBindings"] for name, c in composed.containers().items()}
    assert {name for name, ports in published.items() if ports} == {"gateway"}
    assert set(published["gateway"]) == {"8080/tcp", "9090/tcp"}


def test_the_jobs_have_ended_well_and_everything_else_is_healthy(composed: Suite) -> None:
    found = composed.containers()
    assert set(found) == {*JOBS, *PROCESSES, "disclosure-2", *(f"{p}-store" for p in PROCESSES)}
    assert {found[job].wait(timeout=5)["StatusCode"] for job in JOBS} == {0}

    def unwell() -> set[str]:
        health = {n: c.attrs["State"]["Health"]["Status"] for n, c in composed.containers().items() if n not in JOBS}
        return {name for name, status in health.items() if status != "healthy"}

    until(lambda: not unwell(), "every health check succeeds", 60)


def test_every_container_is_configured_with_little(composed: Suite) -> None:
    for name, container in composed.containers().items():
        limits = container.attrs["HostConfig"]
        assert container.attrs["Config"]["User"].split(":")[0] not in ("", "0", "root"), name
        assert limits["ReadonlyRootfs"], name
        assert limits["CapDrop"] == ["ALL"], name
        assert not limits["CapAdd"], name
        assert not limits["Privileged"], name
        assert any(option.startswith("no-new-privileges") for option in limits["SecurityOpt"]), name
        assert 0 < limits["Memory"] <= 2 * 1024**3, name
        assert 0 < limits["PidsLimit"] <= (1024 if name == "gateway" else 512), name


@pytest.mark.parametrize("process", PROCESSES)
def test_a_process_has_no_privilege_and_writes_nowhere_but_in_its_tmpfs(composed: Suite, process: str) -> None:
    found = composed.python(process, _PRIVILEGES)
    assert found["writable"] == []
    assert set(found["Uid"]) == {"10001"}
    assert {*found["CapEff"], *found["CapPrm"], *found["CapBnd"]} == {"0" * 16}
    assert found["NoNewPrivs"] == ["1"]


@pytest.mark.parametrize("process", PROCESSES)
def test_a_store_is_reached_from_its_service_only(composed: Suite, process: str) -> None:
    stores = {owner: f"{composed.address(f'{owner}-store', f'{owner}-store')}:27017" for owner in PROCESSES}
    reached = composed.python(process, _REACHES, *stores.values())
    assert dict(zip(stores, reached, strict=True)) == {owner: owner == process for owner in stores}


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_reaches_the_gateway_inside_only(composed: Suite, service: str) -> None:
    inside, outside = (f"{composed.address('gateway', network)}:8080" for network in ("inner", "edge"))
    assert composed.python(service, _REACHES, inside, outside) == [True, False]


def test_each_process_holds_its_own_secrets_only(composed: Suite) -> None:
    mounts = {name: c.attrs["Mounts"] for name, c in composed.running().items()}
    for process in PROCESSES:
        (secrets,) = (m for m in mounts[process] if m["Type"] == "volume")
        assert secrets["Name"] == f"{composed.project}_{process}-secrets"
        assert not secrets["RW"]
    own = ["key.pem", "store-password"]
    shared = ["field-keys.json", "subject.key"]
    assert composed.python("catalog", _FILES) == own
    assert composed.python("audit", _FILES) == own
    assert composed.python("disclosure", _FILES) == sorted(own + shared)


@pytest.mark.parametrize("service", ["catalog", "gateway"])
def test_a_store_that_is_restarted_has_kept_everything(composed: Suite, service: str) -> None:
    what = "/v1/catalog/entries?page_size=200" if service == "catalog" else "/.well-known/jwks.json"
    before = composed.get(what)
    composed.containers()[f"{service}-store"].restart(timeout=30)
    composed.await_ready()
    assert until(lambda: composed.get(what), "it answers again") == before


def test_a_store_serves_nobody_without_a_name(composed: Suite) -> None:
    # The stand-in asks for names from its second start on.
    composed.containers()["catalog-store"].restart(timeout=30)
    composed.await_ready()
    unauthorized = 13
    assert composed.python("catalog", _NAMELESS, "mongodb://catalog-store:27017", "catalog") == unauthorized


def test_bringing_up_what_is_up_changes_nothing(composed: Suite) -> None:
    before = {name: c.id for name, c in composed.running().items()}
    keys = composed.get("/.well-known/jwks.json")
    assert not composed.up().returncode
    after = composed.containers()
    assert {after[job].wait(timeout=120)["StatusCode"] for job in JOBS} == {0}
    assert {name: c.id for name, c in composed.running().items()} == before
    composed.await_ready()
    assert composed.get("/.well-known/jwks.json") == keys
