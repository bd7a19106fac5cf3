"""What a token request may get, as rules alone."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pyotp
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chengxin.auth.principal import Role
from chengxin.errors import Problem
from gateway.domain.client_assertions import algorithm_of, assertion_fault
from gateway.domain.clients_and_officers import Agreement, Client, TokenRequest, duties_fault, matching_step
from gateway.domain.sign_in_locks import GUESSES_OF_STRANGERS, lock_seconds, locked_for, strangers_locked_for

NOW = 1_795_500_000.0
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


def _client(*roles: Role, **more: Any) -> Client:
    return Client("c", "name", "11000000MB0000019X", "441700", (), frozenset(roles), **more)


@given(roles=st.frozensets(st.sampled_from(Role), min_size=1), scope=st.text() | st.sampled_from(list(Role)))
def test_no_request_gets_a_role_that_the_client_does_not_have(roles: frozenset[Role], scope: str) -> None:
    client = _client(*roles, agreements=(Agreement("review", "1"),), legal_bases=("law",))
    asked = TokenRequest(scope, purpose="review")
    try:
        granted = client.granted(asked)
    except Problem:
        return
    assert len(granted.roles) == 1
    assert granted.roles <= roles


@given(purpose=st.text(), agreed=st.lists(st.text(min_size=1), min_size=1))
def test_an_agencys_token_always_names_an_agreed_purpose(purpose: str, agreed: list[str]) -> None:
    client = _client(Role.AGENCY, agreements=tuple(Agreement(p, "1") for p in agreed))
    try:
        granted = client.granted(TokenRequest(purpose=purpose))
    except Problem:
        assert purpose not in agreed
        return
    assert granted.purpose in agreed


@given(claims=st.dictionaries(st.sampled_from(["iss", "sub", "aud", "exp", "iat", "nbf", "jti"]), ANYTHING))
def test_of_arbitrary_claims_none_is_accepted_and_none_breaks_the_check(claims: dict[str, Any]) -> None:
    assert assertion_fault(claims, "c", ("https://issuer.example",), NOW)


@given(exp=st.integers(-10_000, 10_000), iat=st.integers(-10_000, 10_000))
def test_an_assertion_is_accepted_in_its_time_only(exp: int, iat: int) -> None:
    claims = {"iss": "c", "sub": "c", "aud": "i", "exp": NOW + exp, "iat": NOW + iat, "jti": "j"}
    in_order = -5 < exp <= 305 and iat <= 5
    assert (assertion_fault(claims, "c", ("i",), NOW) is None) is in_order


@given(roles=st.frozensets(st.sampled_from(Role)))
def test_who_supervises_does_not_operate(roles: frozenset[Role]) -> None:
    if Role.SUPERVISOR in roles and roles & {Role.CENTRE, Role.AUTHORITY, Role.PROVIDER}:
        assert duties_fault(roles)
    if duties_fault(roles) is None:
        assert roles <= {Role.CENTRE, Role.AUTHORITY, Role.PROVIDER} or roles == {Role.SUPERVISOR}


@given(step=st.integers(-5, 5))
def test_a_code_is_accepted_from_half_a_minute_before_to_half_a_minute_after(step: int) -> None:
    secret = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"
    code = pyotp.TOTP(secret).at(int(NOW) + 30 * step)
    found = matching_step(secret, code, NOW)
    assert found == (int(NOW) // 30 + step if abs(step) <= 1 else None)


def test_one_origin_alone_never_uses_up_the_guesses_of_all() -> None:
    # As fast as the locks let it, in an hour.
    seconds = guesses = 0
    while seconds < 3600:
        guesses += 1
        seconds += lock_seconds(guesses)
    assert guesses < GUESSES_OF_STRANGERS


def test_strangers_are_locked_out_for_what_is_left_of_the_hour() -> None:
    now = datetime.fromtimestamp(NOW, UTC)
    ends = now + timedelta(minutes=10)
    assert strangers_locked_for(GUESSES_OF_STRANGERS - 1, ends, now) == 0
    assert strangers_locked_for(GUESSES_OF_STRANGERS, ends, now) == 601
    assert strangers_locked_for(GUESSES_OF_STRANGERS, now, now) == 0
    assert strangers_locked_for(GUESSES_OF_STRANGERS, None, now) == 0


def test_the_lock_grows_and_has_an_end() -> None:
    assert [lock_seconds(n) for n in (0, 4, 5, 6, 7, 10, 1000)] == [0, 0, 30, 60, 120, 900, 900]


@pytest.mark.parametrize(("ahead", "seconds"), [(None, 0), (-1, 0), (0, 0), (29.5, 30), (900, 901), (172_800, 0)])
def test_a_lock_ends_also_when_the_clock_was_set_back(ahead: float | None, seconds: int) -> None:
    now = datetime(2026, 11, 24, tzinfo=UTC)
    assert locked_for(None if ahead is None else now + timedelta(seconds=ahead), now) == seconds


@pytest.mark.parametrize(
    "jwk",
    [
        {"kty": "oct", "k": "AA"},
        {"kty": "RSA", "n": "AA", "e": "AQAB"},
        {"kty": "OKP", "crv": "X25519", "x": "AA"},
        {"kty": "EC", "crv": "P-384", "x": "AA", "y": "AA"},
        {"kty": "OKP", "crv": "Ed25519", "x": "AA", "alg": "HS256"},
        {"kty": "OKP", "crv": "Ed25519", "x": "AA", "d": "AA"},
        {},
    ],
)
def test_other_keys_are_not_registered(jwk: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="key"):
        algorithm_of(jwk)
