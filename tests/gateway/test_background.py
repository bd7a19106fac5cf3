"""The gateway's background work: when one task fails, the others still run."""

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, Final, cast

import grpc
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from gateway.edge.grpc_open_calls import HealthWatch
from gateway.edge.open_streams import OpenStreams
from gateway.store.signing_keys import _readable
from tests.support import until

_SERVING: Final = health_pb2.HealthCheckResponse.SERVING
NOW = datetime(2026, 11, 24, 4, 0, tzinfo=UTC)


def _pem() -> bytes:
    return Ed25519PrivateKey.generate().private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def test_a_signing_key_that_cannot_be_read_keeps_no_other_from_being_used() -> None:
    pems = [(_pem(), NOW), (b"spoilt", NOW), (_pem(), NOW)]
    assert len(_readable(pems)) == 2
    with pytest.raises(ValueError, match="no signing key"):
        _readable([(b"spoilt", NOW)])


class StubChannel:
    """A channel to a service whose health check answers, or fails in an unexpected way."""

    def __init__(self, fails: bool = False) -> None:
        self._fails = fails

    def unary_unary(self, *_: Any, **__: Any) -> Any:
        def check(*_: Any, **__: Any) -> health_pb2.HealthCheckResponse:
            if self._fails:
                raise ValueError
            return health_pb2.HealthCheckResponse(status=health_pb2.HealthCheckResponse.SERVING)

        return check

    unary_stream = unary_unary


class StubStreams:
    """The open streams; the first look at their tokens fails."""

    looks = 0

    def end_revoked(self) -> None:
        self.looks += 1
        if self.looks == 1:
            raise RuntimeError


def _is_serving(healthy: health.HealthServicer, service: str) -> bool:
    context = cast(grpc.ServicerContext, SimpleNamespace(set_code=lambda code: None))
    return bool(healthy.Check(health_pb2.HealthCheckRequest(service=service), context).status == _SERVING)


def test_calls_of_revoked_tokens_end_and_health_is_told_whatever_goes_wrong_with_one_service() -> None:
    live, healthy = StubStreams(), health.HealthServicer()
    services = ("catalog", "ingest", "disclosure", "objection", "audit")
    stubs = {_full_name(name): health_pb2_grpc.HealthStub(StubChannel(fails=name == "catalog")) for name in services}
    watch = HealthWatch(healthy, stubs, cast(OpenStreams, live), seconds=0)
    watch.start()
    until(lambda: live.looks >= 3, "it goes on")
    serving = {service: _is_serving(healthy, _full_name(service)) for service in services}
    assert serving == {service: service != "catalog" for service in services}
    assert _is_serving(healthy, "")
    watch.stop()
    assert not _is_serving(healthy, "")


def _full_name(service: str) -> str:
    return f"chengxin.{service}.v1.{service.title()}Service"
