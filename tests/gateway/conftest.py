"""A gateway as it runs: a process on a real store, with fake services behind it."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import jwt
import pyotp
import pytest
import urllib3
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from pymongo import MongoClient

from chengxin.auth.access_tokens import ASSERTION_TYPE, CONSENT_CODE, TOKEN_EXCHANGE, load_private_key
from chengxin.errors import Problem
from chengxin.values.ids import SubjectKey, new_id
from chengxin.values.jwk import public_jwk
from chengxin_cli.gateway_client import Caller, Edge, HttpAnswer
from chengxin_cli.suite.home import Home
from tests.gateway.administered_gateway import contexts as contexts
from tests.gateway.administered_gateway import gateway as gateway
from tests.gateway.grpc_upstreams import GrpcUpstream
from tests.gateway.upstreams import HttpUpstream
from tests.support import free_port, until

SERVICES = ("catalog", "ingest", "disclosure", "objection", "audit")
PASSWORD = "正确 的 马 电池 订书钉"
LI_NA = {"name": "李娜", "identity_number": "441702188803020023", "represents": ["11000000MA00000019"]}
BANK = "91000000MA0000242C"
OFFICERS = {
    "centre": ["centre"],
    "authority": ["authority"],
    "supervisor": ["supervisor"],
    "hasty": ["centre"],
    "locked": ["centre"],
    "guessed": ["centre"],
    "hunted": ["centre"],
    "patient": ["centre"],
    "unrecorded": ["centre"],
    "timed": ["centre"],
    "first": ["authority"],
    "second": ["authority"],
    "watcher": ["supervisor"],
    "operator": ["centre"],
    "district": ["authority"],
    "clerk": ["centre"],
    "deputy": ["authority"],
    "inspector": ["supervisor"],
    "clerk2": ["authority"],
    "deputy2": ["authority"],
    # Providers' officers, each for tests that end that officer's session or use up the codes.
    **{name: ["provider"] for name in ("reporter", "leaver", "ended", "suspended", "forgetful", "clumsy", "returning")},
}


@dataclass
class RunningGateway:
    """The running gateway, with what its tests need to know of it."""

    home: Home
    environment: dict[str, str]
    edge: Edge
    http_upstream: HttpUpstream
    grpc_upstream: GrpcUpstream
    accounts: dict[str, Any]
    keys: dict[str, Any] = field(default_factory=dict)
    # Where the process that the fixture starts gives its metrics.
    metrics: str = field(default_factory=lambda: f"127.0.0.1:{free_port()}")
    signed_in: dict[str, Caller] = field(default_factory=dict)

    def officer(self, username: str) -> Caller:
        """An officer, signed in once."""
        if username not in self.signed_in:
            secret = next(o["totp_secret"] for o in self.accounts["officers"] if o["username"] == username)
            self.signed_in[username] = self.edge.officer(username, PASSWORD, secret)
        return self.signed_in[username]

    @property
    def issuer(self) -> str:
        return self.edge.http

    @property
    def subject_key(self) -> SubjectKey:
        return SubjectKey(self.home.subject_key.read_bytes())

    def claims(self, client_id: str, **changed: Any) -> dict[str, Any]:
        """What an assertion says; a claim changed to None is left out."""
        now = int(time.time())
        claims = {
            "iss": client_id,
            "sub": client_id,
            "aud": f"{self.issuer}/oauth/token",
            "iat": now,
            "exp": now + 60,
            "jti": new_id("ca"),
        } | changed
        return {k: v for k, v in claims.items() if v is not None}

    def assertion(self, client_id: str, **changed: Any) -> str:
        """A good assertion of a client, but for changed claims."""
        key = self.keys[client_id]
        algorithm = "ES256" if isinstance(key, ec.EllipticCurvePrivateKey) else "EdDSA"
        # Signed as bytes: PyJWT would not let some of the faults through.
        return jwt.api_jws.encode(json.dumps(self.claims(client_id, **changed)).encode(), key, algorithm=algorithm)

    def assertion_with(self, claims: dict[str, Any], client_id: str = "market_regulator") -> str:
        """A good assertion with more claims, whatever they are."""
        whole = json.dumps(self.claims(client_id) | claims).encode()
        return jwt.api_jws.encode(whole, self.keys[client_id], algorithm="EdDSA")

    def token_with(self, **claims: Any) -> str:
        """An access token for an assertion with more claims."""
        answer = self.ask(self.assertion_with(claims), scope="provider")
        assert answer.status == 200, answer.body
        return str(answer.body["access_token"])

    def ask(self, assertion: str, **parameters: str) -> HttpAnswer:
        """A token request."""
        form = {
            "grant_type": "client_credentials",
            "client_assertion_type": ASSERTION_TYPE,
            "client_assertion": assertion,
        } | parameters
        return self.edge.call("POST", "/oauth/token", fields=form, encode_multipart=False)

    def token(self, client_id: str, **parameters: str) -> str:
        """An access token of a client."""
        answer = self.ask(self.assertion(client_id), **parameters)
        assert answer.status == 200, answer.body
        return str(answer.body["access_token"])

    def sign_in(self, username: str, password: str = PASSWORD, totp: str = "", step: int = 0) -> HttpAnswer:
        """An officer signs in, with the present code unless another is given."""
        if not totp:
            totp = self.totp(username, step)
        body = {"username": username, "password": password, "totp": totp}
        return self.edge.call("POST", "/v1/identity/officers/sign-in", json=body)

    def totp(self, username: str, step: int = 0) -> str:
        """The code of an officer, now or some steps away."""
        secret = next(o["totp_secret"] for o in self.accounts["officers"] if o["username"] == username)
        return pyotp.TOTP(secret).at(int(time.time()) + 30 * step)

    def start(self, **environment: str) -> subprocess.Popen[bytes]:
        """Starts a gateway process."""
        return subprocess.Popen([sys.executable, "-m", "gateway"], env=self.environment | environment)


def exchange(code: str) -> dict[str, str]:
    """What exchanges a consent code (RFC 8693)."""
    return {"grant_type": TOKEN_EXCHANGE, "subject_token": code, "subject_token_type": CONSENT_CODE}


@pytest.fixture(scope="session")
def gate(stores: Callable[[str], str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningGateway]:
    """The gateway with its accounts written, running."""
    home = Home(tmp_path_factory.mktemp("gateway"))
    home.make()
    http, grpc_port = free_port(), free_port()
    http_upstream, grpc_upstream = HttpUpstream(), GrpcUpstream()
    environment = os.environ | {
        "CHENGXIN_MONGO_URI": stores("gateway"),
        "CHENGXIN_HTTP_LISTEN": f"127.0.0.1:{http}",
        "CHENGXIN_GRPC_LISTEN": f"127.0.0.1:{grpc_port}",
        "CHENGXIN_ISSUER": f"http://127.0.0.1:{http}",
        "CHENGXIN_KEY_FILE": str(home.key_file("gateway")),
        "CHENGXIN_FIELD_KEYS_FILE": str(home.field_keys),
        "CHENGXIN_SUBJECT_KEY_FILE": str(home.subject_key),
        "CHENGXIN_DEMO": "true",
        **{f"CHENGXIN_{service.upper()}_HTTP": http_upstream.address for service in SERVICES},
        **{f"CHENGXIN_{service.upper()}_GRPC": grpc_upstream.address for service in SERVICES},
        # No server listens there.
        "CHENGXIN_CATALOG_HTTP": f"127.0.0.1:{free_port()}",
        "CHENGXIN_CATALOG_GRPC": f"127.0.0.1:{free_port()}",
    }
    keys = _keys(home)
    accounts = _accounts(home, keys)
    file = home.path / "accounts.json"
    file.write_text(json.dumps(accounts))
    subprocess.run([sys.executable, "-m", "gateway", "bootstrap", str(file)], env=environment, check=True)
    edge = Edge(f"http://127.0.0.1:{http}", f"127.0.0.1:{grpc_port}")
    gate = RunningGateway(home, environment, edge, http_upstream, grpc_upstream, accounts, keys)
    process = gate.start(CHENGXIN_METRICS_LISTEN=gate.metrics)
    try:
        until(lambda: answers(edge), "the gateway answers")
        yield gate
    finally:
        process.terminate()
        process.wait(20)
        http_upstream.close()
        grpc_upstream.close()


def answers(edge: Edge) -> bool:
    """Whether a gateway is up."""
    try:
        return edge.call("GET", "/healthz").status == 200
    except (urllib3.exceptions.HTTPError, Problem):
        return False


def _keys(home: Home) -> dict[str, Any]:
    keys: dict[str, Any] = {name: load_private_key(home.key_file(name)) for name in SERVICES}
    for name in ("market_regulator", "housing_bureau", "court", "credit_agency", "bank", "suspended", "frozen"):
        keys[name] = Ed25519PrivateKey.generate()
    keys["p256"] = ec.generate_private_key(ec.SECP256R1())
    return keys


def _accounts(home: Home, keys: dict[str, Any]) -> dict[str, Any]:
    def client(client_id: str, roles: list[str], **more: Any) -> dict[str, Any]:
        key = keys[client_id]
        if isinstance(key, ec.EllipticCurvePrivateKey):
            jwk = json.loads(jwt.algorithms.ECAlgorithm.to_jwk(key.public_key()))
        else:
            jwk = public_jwk(key)
        found = {"client_id": client_id, "name": client_id, "org": "11000000MB0000019X", "region": "441700"}
        return found | {"jwk": jwk, "roles": roles} | more

    reviews = [
        {"purpose": "qualification_review", "agreement": "协议〔2026〕1号"},
        {"purpose": "routine_supervision", "agreement": "协议〔2026〕2号"},
    ]
    return {
        "services": home.service_clients(),
        "clients": [
            client("market_regulator", ["provider"]),
            client("p256", ["provider"]),
            client("suspended", ["provider"]),
            client("frozen", ["provider"]),
            client("housing_bureau", ["agency", "provider"], purposes=reviews),
            client("court", ["statutory"], legal_bases=["民事诉讼法第二百五十三条"]),
            client("credit_agency", ["public"]),
            client("bank", ["public", "subject_authorized"], org=BANK),
        ],
        "officers": [
            {
                "username": username,
                "name": "王某",
                "roles": roles,
                "org": "11000000MB0000019X",
                "region": "441702" if username == "district" else "441700",
                "password": PASSWORD,
                "totp_secret": pyotp.random_base32(),
            }
            for username, roles in OFFICERS.items()
        ],
        "citizens": [LI_NA],
    }


@pytest.fixture
def suspend(gate: RunningGateway) -> Callable[[str], None]:
    """Suspends a client, as an operator would in the store."""

    def suspended(client_id: str) -> None:
        client: MongoClient[dict[str, Any]] = MongoClient(gate.environment["CHENGXIN_MONGO_URI"])
        client["gateway"]["clients"].update_one({"_id": client_id}, {"$set": {"suspended": True}})
        client.close()

    return suspended


@pytest.fixture
def rerun_bootstrap(gate: RunningGateway) -> Callable[[], None]:
    """Writes the accounts file again, as every start of an embedded suite does."""

    def again() -> None:
        file = gate.home.path / "accounts.json"
        command = [sys.executable, "-m", "gateway", "bootstrap", str(file)]
        subprocess.run(command, env=gate.environment, check=True)

    return again
