"""The suite in containers: a real engine, the images, `docker-compose up`, and everything taken down again."""

import contextlib
import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import docker
import pytest
import urllib3
from docker.models.containers import Container

from chengxin_cli.suite.home import PROCESSES
from tests.support import free_port, until

ROOT = Path(__file__).parents[2]
MAKE_ENGINE = ROOT.parent / "shared" / "docker" / "engine"
MONGOD = 999


@dataclass
class Engine:
    """An engine and where it listens."""

    host: str
    client: docker.DockerClient


@dataclass
class Suite:
    """One composed suite, by its project name."""

    engine: Engine
    project: str
    files: list[str]
    environment: dict[str, str]
    http_port: int
    grpc_port: int
    http: urllib3.PoolManager = field(default_factory=lambda: urllib3.PoolManager(retries=False, timeout=10))

    def compose(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Runs docker-compose on this suite."""
        command = ["docker-compose"] if shutil.which("docker-compose") else ["docker", "compose"]
        files = [part for file in self.files for part in ("-f", file)]
        done = subprocess.run(
            [*command, "-p", self.project, *files, *arguments],
            cwd=ROOT,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=1500,
        )
        if check and done.returncode:
            raise AssertionError(f"docker-compose {arguments[0]}: {done.stdout[-2000:]}{done.stderr[-4000:]}")
        return done

    @cached_property
    def edge(self) -> str:
        """The published HTTP address."""
        return f"http://127.0.0.1:{self.http_port}"

    def get(self, path: str) -> Any:
        """The JSON that anybody gets at an address of the gateway, once it is a 200; None before."""
        with contextlib.suppress(urllib3.exceptions.HTTPError):
            answer = self.http.request("GET", self.edge + path)
            if answer.status == 200:
                return answer.json()
        return None

    def up(self) -> subprocess.CompletedProcess[str]:
        """Starts what is not running, with two containers of disclosure that share its work."""
        return self.compose("up", "-d", "--scale", "disclosure=2", check=False)

    def containers(self) -> dict[str, Container]:
        """Every container by the name of its service, those that have ended too; a second one is `disclosure-2`."""
        found = self.engine.client.containers.list(
            all=True, filters={"label": f"com.docker.compose.project={self.project}"}
        )
        return {_name(c.labels): c for c in found}

    def running(self) -> dict[str, Container]:
        """The containers that run."""
        return {name: c for name, c in self.containers().items() if c.status == "running"}

    def address(self, service: str, network: str) -> str:
        """The address of a container on a network."""
        return str(
            self.containers()[service].attrs["NetworkSettings"]["Networks"][f"{self.project}_{network}"]["IPAddress"]
        )

    def python(self, service: str, program: str, *arguments: str) -> Any:
        """What a program prints, as JSON, in the container of a service."""
        code, output = self.containers()[service].exec_run(["python3", "-c", program, *arguments])
        assert code == 0, output.decode()
        return json.loads(output)

    def await_ready(self, seconds: float = 180) -> None:
        """Until the gateway says that everything behind it is ready."""
        until(lambda: self.get("/readyz"), "the suite is ready", seconds)


def _name(labels: dict[str, str]) -> str:
    number = labels.get("com.docker.compose.container-number", "1")
    return labels["com.docker.compose.service"] + ("" if number == "1" else f"-{number}")


@pytest.fixture(scope="session")
def engine() -> Iterator[Engine]:
    """The engine that answers, or a private one; skips where none can be had."""
    found = _answering(os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock"))
    if found is not None:
        _have_images(found)
        yield found
        found.client.close()
    elif MAKE_ENGINE.exists() and os.geteuid() == 0:
        with _private_engine() as made:
            yield made
    else:
        pytest.skip("no container engine answers, and only root can make one, with ../shared/docker/engine")


def _answering(host: str) -> Engine | None:
    try:
        client = docker.DockerClient(base_url=host)
        client.ping()
        return Engine(host, client)
    except (docker.errors.DockerException, OSError):
        return None


def _have_images(engine: Engine) -> None:
    for name in ("python:3.11-slim", "mongo:8.0"):
        try:
            engine.client.images.get(name)
        except docker.errors.ImageNotFound:
            try:
                engine.client.images.pull(name)
            except docker.errors.APIError as e:
                pytest.skip(f"the engine has no image {name} and gets none: {e}")


@contextlib.contextmanager
def _private_engine() -> Iterator[Engine]:
    # Short: the path of a unix socket has about 100 characters at most.
    directory = Path(tempfile.mkdtemp(prefix="cx-engine-", dir="/tmp"))
    try:
        done = subprocess.run(
            [str(MAKE_ENGINE), "up", str(directory)], capture_output=True, text=True, check=False, timeout=1200
        )
        made = _answering(f"unix://{directory}/docker.sock")
        if done.returncode or made is None:
            pytest.skip(f"../shared/docker/engine made no engine: {(done.stderr or done.stdout)[-600:]}")
        yield made
        made.client.close()
    finally:
        subprocess.run([str(MAKE_ENGINE), "down", str(directory)], capture_output=True, check=False, timeout=120)
        shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture(scope="session")
def composed(engine: Engine) -> Iterator[Suite]:
    """The whole suite with the demonstration world, built from this checkout."""
    if not (shutil.which("docker-compose") or shutil.which("docker")):
        pytest.skip("docker-compose is not installed")
    with tempfile.TemporaryDirectory(prefix="chengxin-stores-") as stores:
        made = _suite(engine, Path(stores))
        try:
            made.compose("build")
            up = made.up()
            if up.returncode or made.containers()["demo"].wait(timeout=300)["StatusCode"]:
                raise AssertionError(f"{up.stderr[-2000:]}\n{_reasons(made)}")
            made.await_ready()
            yield made
        finally:
            made.compose("down", "-v", "--remove-orphans", check=False)
            with contextlib.suppress(docker.errors.APIError):
                engine.client.images.remove(f"chengxin:{made.project}", force=True)


def _suite(engine: Engine, stores: Path) -> Suite:
    http, grpc = free_port(), free_port()
    environment = os.environ | {
        "DOCKER_HOST": engine.host,
        "CHENGXIN_DEMO": "true",
        "CHENGXIN_INTAKE_SHARES": "2",
        "CHENGXIN_HTTP_PORT": str(http),
        "CHENGXIN_GRPC_PORT": str(grpc),
        "CHENGXIN_ISSUER": f"http://127.0.0.1:{http}",
        "CHENGXIN_TAG": (project := f"chengxin-test-{os.getpid()}"),
    }
    files = ["docker-compose.yml"]
    if _stands_in(engine):
        files.append("tests/compose/override.yml")
        environment |= {
            "CHENGXIN_STORE_OPTIONS": "directConnection=true&retryWrites=false",
            "CHENGXIN_TEST_STORES": str(stores),
        }
        stores.chmod(0o755)
        for process in PROCESSES:
            (stores / process).mkdir()
            os.chown(stores / process, MONGOD, MONGOD)
    return Suite(engine, project, files, environment, http, grpc)


def _stands_in(engine: Engine) -> bool:
    """Whether the image mongo:8.0 is only a stand-in; the real one has an entry point."""
    try:
        return not engine.client.images.get("mongo:8.0").attrs["Config"].get("Entrypoint")
    except docker.errors.ImageNotFound:
        return False


def _reasons(suite: Suite) -> str:
    """The last lines of log of each of our containers."""
    ours = {n: c for n, c in suite.containers().items() if not n.endswith("-store")}
    said = {name: c.logs(tail=15).decode(errors="replace") for name, c in ours.items()}
    return "\n".join(f"--- {name} ({ours[name].status})\n{text}" for name, text in said.items())
