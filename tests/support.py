"""What tests of a single service stand on: a real store, a real token issuer, an audit service, free ports, waiting
without sleeping."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import grpc
import jwt
import psutil
import pymongo
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from chengxin.auth.access_tokens import Verifier
from chengxin.values.ids import new_id
from chengxin.values.jwk import public_jwk
from chengxin_api.audit.v1 import audit_pb2, audit_pb2_grpc
from chengxin_cli.suite.home import PDEATHSIG, parent_environment
from chengxin_cli.suite.stores import ENVIRONMENT, command, free_ports

T = TypeVar("T")

# Files in memory (Linux), and the bytes that must be free there: a container may have 64 MB.
_MEMORY = Path("/dev/shm")
_ROOM = 2 << 30

ISSUER = "http://issuer.test"
AUDIENCE = "chengxin"


def free_port() -> int:
    """A TCP port that is unused now and will not be given to an outgoing connection."""
    return free_ports(1)[0]


def until(probe: Callable[[], T], what: str = "", seconds: float = 20) -> T:
    """The first truthy answer of `probe`. Fails when there is none within `seconds`."""
    deadline = time.monotonic() + seconds
    pause = threading.Event()
    while True:
        found = probe()
        if found:
            return found
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds} s: {what or probe}")
        pause.wait(0.02)


class Issuer:
    """A token issuer with a key of its own, as the gateway is one."""

    def __init__(self) -> None:
        self.key = Ed25519PrivateKey.generate()
        self.jwk = public_jwk(self.key)
        self.verifier = Verifier(ISSUER, AUDIENCE, lambda: {"keys": [self.jwk]})

    def token(self, *roles: str, sub: str = "someone", lifetime: int = 600, **claims: Any) -> str:
        """A signed access token with these roles and claims."""
        now = int(time.time())
        if "subject" in roles:
            # The level of people who were verified at the service counter.
            claims = {"acr": "counter"} | claims
            if claims.get("org"):
                # Somebody acts for the organisation.
                claims = {"act": {"sub": "s_representative"}, "capacity": "agent"} | claims
        return jwt.encode(
            {
                "iss": ISSUER,
                "aud": AUDIENCE,
                "sub": sub,
                "iat": now,
                "exp": now + lifetime,
                "jti": new_id("t"),
                "roles": list(roles),
                **claims,
            },
            self.key,
            algorithm="EdDSA",
            headers={"typ": "at+jwt", "kid": self.jwk["kid"]},
        )

    def bearer(self, *roles: str, **claims: Any) -> dict[str, str]:
        """The token as HTTP headers."""
        return {"Authorization": f"Bearer {self.token(*roles, **claims)}"}


def freeze(pid: int) -> None:
    """Stops a process and waits until it stands still: each thread runs on for a moment after the signal."""
    os.kill(pid, signal.SIGSTOP)
    until(lambda: set(_states(pid)) <= set("TtZX"), f"{pid} stands still")


def serving(pid: int) -> int:
    """The process that does the work of a service; the started process only supervises it."""
    children = psutil.Process(pid).children()
    return children[0].pid if children else pid


def _states(pid: int) -> Iterator[str]:
    for status in Path(f"/proc/{pid}/task").glob("*/stat"):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            yield status.read_text().rpartition(")")[2].split()[0]


class RecordingAuditService(audit_pb2_grpc.AuditServiceServicer):
    """Keeps events as the audit service does: those of a position once. It can be away."""

    def __init__(self) -> None:
        self.events: list[dict[str, Any]] = []
        self.away = False
        self._highest = 0

    def Append(self, request: audit_pb2.AppendRequest, context: grpc.ServicerContext) -> audit_pb2.AppendResponse:
        if self.away:
            context.abort(grpc.StatusCode.UNAVAILABLE, "away")
        appended = 0
        positions = list(request.positions) or [0] * len(request.entries)
        known = self._highest
        for position, entry in zip(positions, request.entries, strict=True):
            if position and position <= known:
                continue
            self._highest = max(self._highest, position)
            self.events.append(json.loads(entry))
            appended += 1
        return audit_pb2.AppendResponse(appended=appended)

    def of(self, act: str) -> list[dict[str, Any]]:
        """Events of an act."""
        return [event for event in self.events if event["act"] == act]


class StoreDaemon:
    """A real store over a socket, as `chengxin up` starts one; it can be killed, and comes back with what it has on disk."""

    def __init__(self, directory: Path, cache: str = "64M") -> None:
        self.port = free_port()
        self._directory = directory
        self._cache = cache
        self.process: subprocess.Popen[bytes] | None = None

    def uri(self, database: str) -> str:
        """Where a database is."""
        return f"mongodb://127.0.0.1:{self.port}/{database}?directConnection=true&retryWrites=false"

    def start(self) -> None:
        """Starts it, and waits until it answers."""
        self._directory.mkdir(exist_ok=True)
        program = command(self.port, self._directory, "--cache", self._cache)
        # Even a test run that is killed leaves no store behind.
        ending = [sys.executable, "-I", str(PDEATHSIG), *program]
        self.process = subprocess.Popen(ending, env=parent_environment() | ENVIRONMENT)
        until(self._answers, "the store answers", 60)

    def signal(self, number: signal.Signals) -> None:
        """Sends the process a signal."""
        assert self.process is not None
        if number == signal.SIGSTOP:
            freeze(self.process.pid)
        else:
            self.process.send_signal(number)

    def end(self) -> None:
        """Ends it in good order."""
        self.signal(signal.SIGTERM)
        assert self.process is not None
        self.process.wait(30)

    def kill(self) -> None:
        """Ends it at once, also when it is stopped."""
        self.signal(signal.SIGKILL)
        assert self.process is not None
        self.process.wait(10)

    def _answers(self) -> bool:
        with pymongo.MongoClient[dict[str, Any]](self.uri("admin"), serverSelectionTimeoutMS=200) as client:
            try:
                client.admin.command("ping")
            except pymongo.errors.PyMongoError:
                return False
        return True


@contextlib.contextmanager
def directory_for_stores(prefix: str) -> Iterator[Path]:
    """A temporary directory, in memory where there is room: on a disk a store waits for it at each commit. What a killed
    process had written is there either way."""
    roomy = os.access(_MEMORY, os.W_OK) and shutil.disk_usage(_MEMORY).free > _ROOM
    with tempfile.TemporaryDirectory(prefix=prefix, dir=_MEMORY if roomy else None) as directory:
        yield Path(directory)


@contextlib.contextmanager
def store_daemon() -> Iterator[Callable[[str], str]]:
    """A store with room for the databases of all tests; gives a function from database name to URI."""
    with directory_for_stores("chengxin-store-") as directory:
        daemon = StoreDaemon(directory, "1G")
        daemon.start()
        try:
            yield daemon.uri
        finally:
            daemon.kill()


def figure(name: str, value: float) -> None:
    """Puts a count of this run into `build/figures.json`."""
    file = Path(__file__).parents[1] / "build" / "figures.json"
    file.parent.mkdir(exist_ok=True)
    known = json.loads(file.read_text()) if file.exists() else {}
    file.write_text(json.dumps(known | {name: value}, indent=1, sort_keys=True))
