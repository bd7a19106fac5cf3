"""Whoever guesses an officer's secrets keeps nobody else out, and does not get far."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from chengxin.concurrency.shares import Claimant, Shares
from chengxin.errors import Problem
from chengxin_cli.gateway_client import Edge, HttpAnswer
from gateway.domain.sign_in_locks import GUESSES_OF_STRANGERS
from gateway.store.passwords import HASHES, Passwords
from tests.gateway.conftest import PASSWORD, RunningGateway
from tests.gateway.flooded import impatient

ATTACKER, HOME, OFFICE = "198.51.100.7", "203.0.113.20", "203.0.113.21"


@pytest.fixture(scope="module")
def edge(gate: RunningGateway) -> Iterator[Edge]:
    with impatient(gate) as running:
        yield running


def sign_in(edge: Edge, username: str, origin: str, password: str = "wrong", code: str = "000000") -> HttpAnswer:
    body = {"username": username, "password": password, "totp": code}
    headers = {"X-Forwarded-For": origin}
    return edge.call("POST", "/v1/identity/officers/sign-in", json=body, headers=headers)


def guess(edge: Edge, username: str, origins: list[str]) -> list[int]:
    return [sign_in(edge, username, origin).status for origin in origins]


def test_guesses_from_one_origin_lock_that_origin_and_no_other(edge: Edge, gate: RunningGateway) -> None:
    assert guess(edge, "guessed", [ATTACKER] * 6) == [401] * 5 + [429]
    assert sign_in(edge, "guessed", ATTACKER, PASSWORD, gate.totp("guessed")).body["code"] == "SIGN_IN_LOCKED"
    assert sign_in(edge, "guessed", HOME, PASSWORD, gate.totp("guessed")).status == 200
    # The officer's success says nothing of who guesses.
    assert sign_in(edge, "guessed", ATTACKER).status == 429


def test_guesses_from_everywhere_come_to_an_end_but_not_for_whom_is_known(edge: Edge, gate: RunningGateway) -> None:
    assert sign_in(edge, "hunted", OFFICE, PASSWORD, gate.totp("hunted")).status == 200
    botnet = [f"192.0.2.{n}" for n in range(1, GUESSES_OF_STRANGERS + 2)]
    assert guess(edge, "hunted", botnet) == [401] * GUESSES_OF_STRANGERS + [429]
    locked = sign_in(edge, "hunted", HOME, PASSWORD, gate.totp("hunted", step=1))
    assert (locked.status, locked.body["code"]) == (429, "SIGN_IN_LOCKED")
    assert 0 < int(locked.headers["Retry-After"]) <= 3601
    assert sign_in(edge, "hunted", OFFICE, PASSWORD, gate.totp("hunted", step=1)).status == 200


def test_addresses_of_one_ipv6_network_are_one_origin(edge: Edge) -> None:
    origins = [f"2001:db8:0:7::{n:x}" for n in range(1, 7)]
    assert guess(edge, "nobody of that network", origins) == [401] * 5 + [429]


def test_sign_ins_of_one_address_keep_nobody_else_out() -> None:
    places = Shares(replace(HASHES, total=4, share=2, strangers=3))
    passwords = Passwords(places)
    stored = passwords.hash("right")
    flooding, known = Claimant(ATTACKER), Claimant(OFFICE, proven=True)
    with ThreadPoolExecutor(12) as pool:
        begin = threading.Barrier(12)

        def attempt() -> bool:
            begin.wait()
            return passwords.matches(stored, "guess", flooding)

        attempts = [pool.submit(attempt) for _ in range(12)]
        refused = [a.exception() for a in attempts if a.exception() is not None]
        assert refused
        assert {error.code for error in refused if isinstance(error, Problem)} == {"SIGN_IN_BUSY"}
    held = [places.take(Claimant(f"192.0.2.{n}")) for n in range(3)]
    assert all(held)
    with pytest.raises(Problem, match="SIGN_IN_BUSY"):
        passwords.matches(stored, "right", Claimant(HOME))
    assert passwords.matches(stored, "right", known)
