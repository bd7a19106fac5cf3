"""The ports that `chengxin up` chooses for its processes."""

import socket
from pathlib import Path

import pytest

from chengxin.cli import stores


def test_no_outgoing_connection_is_given_one_of_them() -> None:
    first = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    chosen = stores.free_ports(200)
    assert len(set(chosen)) == 200
    assert max(chosen) < first
    assert stores.free_ports(0) == []


def test_a_port_that_somebody_uses_is_not_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    [one, other] = stores.free_ports(2)
    monkeypatch.setattr(stores, "_PORTS", (one, other))
    with socket.create_server(("127.0.0.1", one)):
        assert stores.free_ports(1) == [other]
        monkeypatch.setattr(stores, "_PORTS", range(one, one + 1))
        with pytest.raises(OSError, match=f"fewer than 1 ports from {one} to {one} are free"):
            stores.free_ports(1)
