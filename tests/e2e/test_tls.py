"""The embedded suite with TLS at both edges, set up as docs/operations/identity.md tells it."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import urllib3

from chengxin.errors import Problem
from chengxin_api.disclosure.v1 import disclosure_pb2
from tests.city import City, running_city
from tests.e2e import licences

CHENGXIN = str(Path(sys.executable).with_name("chengxin"))


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[City]:
    """A suite with TLS that asks for clients' certificates."""
    certs = tmp_path_factory.mktemp("certs")
    subprocess.run([CHENGXIN, "keys", "dev-ca", str(certs), "--client", "operator"], check=True, capture_output=True)
    with pytest.MonkeyPatch.context() as environment:
        for name, file in {
            "TLS_CERT": "server.pem",
            "TLS_KEY": "server.key.pem",
            "TLS_CLIENT_CA": "ca.pem",
            "CA": "ca.pem",
            "CLIENT_CERT": "operator.pem",
            "CLIENT_KEY": "operator.key.pem",
        }.items():
            environment.setenv(f"CHENGXIN_{name}_FILE", str(certs / file))
        with running_city() as found:
            yield found


@pytest.mark.long
def test_the_tour_is_walked_over_tls(secured: City) -> None:
    assert secured.edge.http.startswith("https://")
    plain = secured.edge.http.replace("https:", "http:")
    with pytest.raises(urllib3.exceptions.HTTPError):
        urllib3.PoolManager(retries=False, timeout=5).request("GET", f"{plain}/healthz")
    done = secured.chengxin("tour")
    assert done.returncode == 0, done.stdout
    assert "all well" in done.stdout
    assert secured.chengxin("status").returncode == 0
    assert secured.verify_log().returncode == 0


@pytest.mark.long
def test_a_provider_submits_over_tls(secured: City, tmp_path: Path) -> None:
    file = tmp_path / "november.csv"
    licences.write(file, secured.people["licence"], 3)
    done = secured.chengxin("submit", str(file), "--catalog", "XZXK")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "november.csv.receipt.json").exists()


@pytest.mark.long
def test_the_grpc_edge_demands_a_certificate_and_the_http_edge_asks(
    secured: City, monkeypatch: pytest.MonkeyPatch
) -> None:
    query = disclosure_pb2.QueryRequest()
    with pytest.raises(Problem, match="INPUT_INVALID"):
        secured.housing_bureau.rpc("DisclosureService/Query", query)
    monkeypatch.delenv("CHENGXIN_CLIENT_CERT_FILE")
    monkeypatch.delenv("CHENGXIN_CLIENT_KEY_FILE")
    without = City(secured.home, secured.process, type(secured.edge)(secured.edge.http, secured.edge.grpc))
    assert without.anybody.get("/v1/catalog/entries?page_size=1")["entries"]
    with pytest.raises(Problem) as refused:
        without.housing_bureau.rpc("DisclosureService/Query", query)
    assert refused.value.code == "GATEWAY_UNREACHABLE"


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"TLS_CERT": "ca.pem", "TLS_KEY": "ca.pem"}, "CHENGXIN_CA_FILE"),
        ({"CA": "ca.pem"}, "CHENGXIN_TLS_CERT_FILE"),
        ({"TLS_CERT": "ca.pem"}, "CHENGXIN_TLS_KEY_FILE"),
        ({"CA": "none.pem"}, "none.pem"),
        (dict.fromkeys(("TLS_CERT", "TLS_KEY", "CA", "TLS_CLIENT_CA"), "ca.pem"), "CHENGXIN_CLIENT_CERT_FILE"),
    ],
)
def test_settings_with_which_it_could_not_run_are_told(settings: dict[str, str], told: str, tmp_path: Path) -> None:
    (tmp_path / "ca.pem").touch()
    environment = {name: value for name, value in os.environ.items() if not name.startswith("CHENGXIN_")}
    environment |= {f"CHENGXIN_{name}_FILE": str(tmp_path / file) for name, file in settings.items()}
    done = subprocess.run(
        [CHENGXIN, "up", "--home", str(tmp_path / "home")],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )
    assert (done.returncode, told in done.stderr) == (1, True), done.stderr
    assert not (tmp_path / "home").exists()
