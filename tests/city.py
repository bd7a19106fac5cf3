"""One small city: the whole suite as a process, with its people and organs under the names that tests use."""

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import grpc
import jwt
import pymongo
from google.protobuf import descriptor_pool

from chengxin.auth.principal import Role
from chengxin.grpc.rpc import make_channel
from chengxin_api.audit.v1 import audit_pb2  # noqa: F401  for its descriptor
from chengxin_cli.gateway_client import Caller, Edge
from chengxin_cli.suite.home import PDEATHSIG, Home
from services.disclosure.store.generations import reached
from tests.support import directory_for_stores, free_port, until

# What the court's client is registered with in the demonstration world.
LEGAL_BASIS = "《中华人民共和国民事诉讼法》第二百五十三条"


@dataclass
class City:
    """A running suite with the demonstration world."""

    home: Path
    process: subprocess.Popen[bytes]
    edge: Edge
    channels: dict[str, grpc.Channel] = field(default_factory=dict)

    @cached_property
    def people(self) -> dict[str, Any]:
        """Credentials of the demonstration people."""
        return dict(json.loads((self.home / "demo" / "credentials.json").read_text()))

    @property
    def suite(self) -> dict[str, Any]:
        """Addresses of the suite, as its home tells them."""
        return dict(json.loads((self.home / "suite.json").read_text()))

    @cached_property
    def anybody(self) -> Caller:
        """A caller without a token."""
        return self.edge.anonymous()

    @cached_property
    def li_na(self) -> Caller:
        """A citizen."""
        return self.citizen("li_na")

    @cached_property
    def centre(self) -> Caller:
        """An officer of the credit centre."""
        return self.officer("centre")

    @cached_property
    def authority(self) -> Caller:
        """An officer of the authority."""
        return self.officer("authority")

    @cached_property
    def supervisor(self) -> Caller:
        """An officer who supervises."""
        return self.officer("supervisor")

    @cached_property
    def market_regulator(self) -> Caller:
        """A provider."""
        return self.machine("market_regulator", scope="provider")

    @cached_property
    def housing_bureau(self) -> Caller:
        """An agency that reviews qualifications."""
        return self.machine("housing_bureau", scope="agency", purpose="qualification_review")

    @cached_property
    def statutory(self) -> Caller:
        """An organ that may query without consent by law, in a case."""
        return self.machine(
            "court", scope="statutory", legal_basis=LEGAL_BASIS, case_no="（2026）演1702执1号", officer="F0001"
        )

    def service(self, name: str) -> Caller:
        """One of the services, with its own key."""
        return self.edge.machine(name, Home(self.home).key_file(name), scope="service")

    def channel_of(self, caller: Caller, method: str) -> grpc.Channel:
        """The channel on which a caller calls a method (`chengxin.<service>.v1.…`): the edge's, but a service is inside."""
        token = caller.token()
        roles = jwt.decode(token, options={"verify_signature": False})["roles"] if token else ()
        return self.inside(method.split(".")[1]) if Role.SERVICE in roles else self.edge.channel

    def inside(self, service: str) -> grpc.Channel:
        """A channel to a service itself, as the other services have it."""
        if service not in self.channels:
            self.channels[service] = make_channel(self.suite["inner"][service])
        return self.channels[service]

    def store(self, service: str) -> Any:
        """The database of a service, as an administrator of its machine reaches it."""
        client: Any = pymongo.MongoClient(
            self.store_uri(service), w="majority", journal=True, uuidRepresentation="standard"
        )
        return client.get_default_database()

    def last_change(self, service: str) -> int:
        """The position of the newest change in a service's feed; positions after it hold audit events only."""
        database = self.store(service)
        counter = database["counters"].find_one({"_id": "outbox"})
        for position in range(counter["n"] if counter else 0, 0, -1):
            row = database["outbox"].find_one({"_id": position}, {"changes": {"$slice": 1}})
            if row and row["changes"]:
                return position
        return 0

    def await_disclosure(self, position: int, seconds: float = 200) -> None:
        """Waits until disclosure has applied ingest's feed up to a position."""
        database = self.store("disclosure")

        def followed() -> bool:
            number = database["generations"].find_one({"_id": "current"})["number"]
            return reached(database, "ingest", number) >= position

        until(followed, "disclosure has followed", seconds)

    def store_uri(self, service: str) -> str:
        """Where a service's store is."""
        return str(json.loads((self.home / "keys" / "store-uris.json").read_text())[service])

    def citizen(self, name: str, uscc: str = "") -> Caller:
        """A citizen by name, alone or for an organisation that the citizen represents."""
        proof = self.people["citizens"][name]
        return self.edge.citizen(proof["name"], proof["identity_number"], uscc)

    def officer(self, name: str) -> Caller:
        """An officer by username."""
        proof = self.people["officers"][name]
        return self.edge.officer(proof["username"], proof["password"], proof["totp_secret"])

    def machine(self, organisation: str, **parameters: str) -> Caller:
        """The system of an organisation, in one capacity."""
        client = self.people["clients"][organisation]
        return self.edge.machine(client["client_id"], self.home / "demo" / client["key_file"], **parameters)

    @staticmethod
    def method(full_name: str) -> Any:
        """The descriptor of a gRPC method, `chengxin.<service>.v1.<Service>/<Method>`."""
        service, _, name = full_name.partition("/")
        return descriptor_pool.Default().FindServiceByName(service).methods_by_name[name]

    def chengxin(self, *arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
        """Runs the command `chengxin` against this city."""
        command = Path(sys.executable).with_name("chengxin")
        environment = os.environ | {"CHENGXIN_HOME": str(self.home)}
        return subprocess.run(
            [str(command), *arguments],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
            **options,
        )

    def verify_log(self) -> subprocess.CompletedProcess[str]:
        """`chengxin audit verify` with the supervisor's token in hand: signing in anew takes a new code each time."""
        file = self.home / "supervisor-token"
        file.write_text(self.supervisor.token())
        return self.chengxin("audit", "verify", "--token-file", str(file))

    def pids(self) -> dict[str, int]:
        """The pid of each process of the suite."""
        done = self.chengxin("status", "--json")
        return {p["name"]: p["pid"] for p in json.loads(done.stdout)["processes"]}


@contextlib.contextmanager
def running_city(home: Path | None = None) -> Iterator[City]:
    """Starts the suite with the demonstration world, on free ports, in a directory of its own; stops it at the end."""
    with directory_for_stores("chengxin-city-") as temporary:
        where = home or temporary
        http, grpc = free_port(), free_port()
        command = Path(sys.executable).with_name("chengxin")
        ports = ["--http-port", str(http), "--grpc-port", str(grpc)]
        where.mkdir(exist_ok=True)
        (where / "up.log").touch()
        before = (where / "up.log").stat().st_size
        with (where / "up.log").open("ab") as log:
            # Even a test run that is killed leaves no suite behind.
            process = subprocess.Popen(
                [sys.executable, "-I", str(PDEATHSIG), str(command), "up", "--demo", "--home", str(where), *ports],
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        try:

            def up() -> bool:
                text = (where / "up.log").read_bytes()[before:].decode()
                if process.poll() is not None:
                    raise AssertionError(f"chengxin up ended: {text[-2000:]}")
                return "Ctrl-C stops everything" in text

            until(up, f"the suite is up: {where / 'up.log'}", 240)
            known = json.loads((where / "suite.json").read_text())
            yield City(where, process, Edge(known["http"], known["grpc"]))
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(60)
