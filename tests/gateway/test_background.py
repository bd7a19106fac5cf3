"""The gateway's background work: when one task fails, the others still run."""

import threading
from datetime import UTC, datetime
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from grpc_health.v1 import health, health_pb2

from gateway.edge import grpc
from gateway.store.signing_keys import _readable
from tests.support import until

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


def test_calls_of_revoked_tokens_end_and_health_is_told_whatever_goes_wrong_with_one_room(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Live:
        ended = 0

        def end_revoked(self) -> None:
            self.ended += 1
            if self.ended == 1:
                raise RuntimeError

    def look(service: str, stub: Any) -> Any:
        if service.endswith("CatalogService"):
            raise ValueError
        return health_pb2.HealthCheckResponse.SERVING

    monkeypatch.setattr(grpc, "_health", look)
    monkeypatch.setattr(grpc, "_HEALTH_SECONDS", 0.01)
    live, healthy = Live(), health.HealthServicer()
    watch = grpc.HealthWatch.__new__(grpc.HealthWatch)
    watch._healthy, watch._live, watch._stubs = healthy, live, dict.fromkeys(grpc._NAMES)  # type: ignore[assignment]
    watch._stopped = threading.Event()
    watch._thread = threading.Thread(target=watch._run, daemon=True)
    watch.start()
    until(lambda: live.ended >= 3, "it goes on")
    serving = {name for name, status in healthy._server_status.items() if status == 1}
    assert {name for name in grpc._NAMES if not name.endswith("CatalogService")} <= serving
    watch.stop()
