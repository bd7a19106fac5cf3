"""The ports that `chengxin up` chooses for its processes."""

import json
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from chengxin_cli.suite import stores


def test_no_outgoing_connection_is_given_one_of_them() -> None:
    first = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    chosen = stores.free_ports(200)
    assert len(set(chosen)) == 200
    assert max(chosen) < first
    assert stores.free_ports(0) == []


@pytest.fixture
def only_two(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """There are only two ports, and this process releases them."""
    ports = stores.free_ports(2)
    stores._HELD.clear()
    monkeypatch.setattr(stores, "_PORTS", ports)
    return ports


def test_a_port_that_somebody_uses_is_not_chosen(only_two: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    one, other = only_two
    with socket.create_server(("127.0.0.1", one)):
        assert stores.free_ports(1) == [other]
        monkeypatch.setattr(stores, "_PORTS", range(one, one + 1))
        with pytest.raises(OSError, match=f"fewer than 1 ports from {one} to {one} are free"):
            stores.free_ports(1)


def test_a_port_that_was_chosen_is_nobody_elses_before_its_service_listens(
    only_two: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two suites that started together once chose the same port, and the store of one could never start."""
    another_suite = [
        *(sys.executable, "-c"),
        "import sys; from chengxin_cli.suite import stores; stores._PORTS = [int(p) for p in sys.argv[1:]];"
        "print(stores.free_ports(1), flush=True); sys.stdin.read()",
        *map(str, only_two),
    ]
    with subprocess.Popen(another_suite, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert other.stdin is not None
        [theirs] = json.loads(other.stdout.readline())
        [ours] = stores.free_ports(1)
        assert {ours, theirs} == set(only_two)
        for taken in only_two:
            monkeypatch.setattr(stores, "_PORTS", range(taken, taken + 1))
            with pytest.raises(OSError, match="fewer than 1 ports"):
                stores.free_ports(1)
        # The process that it was chosen for can bind it.
        socket.create_server(("127.0.0.1", theirs)).close()
        other.stdin.close()
