"""Forged tokens are refused; while the gateway is away, tokens signed with known keys stay good."""

import base64
import json
import re
import threading
import time
from collections.abc import Callable
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from chengxin.auth.access_tokens import TokenSource, Verifier
from chengxin.auth.principal import Role
from chengxin.errors import UNAUTHENTICATED, UPSTREAM_UNAVAILABLE, Problem
from chengxin.values.clock import Expiry
from chengxin.values.jwk import public_jwk
from tests.support import AUDIENCE, ISSUER, Issuer, until


def now() -> int:
    """The time in seconds: a module may be read long before its tests run."""
    return int(time.time())


def part(value: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


def claims(**changes: Any) -> dict[str, Any]:
    found = {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": "her",
        "iat": now(),
        "exp": now() + 600,
        "jti": "t1",
        "roles": ["centre"],
    }
    return {k: v for k, v in (found | changes).items() if v is not None}


def signed(issuer: Issuer, headers: dict[str, Any] | None = None, **changes: Any) -> str:
    header = {"typ": "at+jwt", "kid": issuer.jwk["kid"]} | (headers or {})
    return jwt.encode(claims(**changes), issuer.key, algorithm="EdDSA", headers=header)


def _unsigned(issuer: Issuer) -> str:
    return f"{part({'alg': 'none', 'typ': 'at+jwt', 'kid': issuer.jwk['kid']})}.{part(claims())}."


def _by_public_key(issuer: Issuer) -> str:
    """The old confusion: an HMAC keyed with the public key."""
    public = issuer.key.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
    return jwt.encode(claims(), public, algorithm="HS256", headers={"typ": "at+jwt", "kid": issuer.jwk["kid"]})


def _by_another_curve(issuer: Issuer) -> str:
    key = ec.generate_private_key(ec.SECP256R1())
    return jwt.encode(claims(), key, algorithm="ES256", headers={"typ": "at+jwt", "kid": issuer.jwk["kid"]})


def _by_a_stranger(issuer: Issuer) -> str:
    header = {"typ": "at+jwt", "kid": issuer.jwk["kid"]}
    return jwt.encode(claims(), Ed25519PrivateKey.generate(), algorithm="EdDSA", headers=header)


def _with_its_own_key(issuer: Issuer) -> str:
    key = Ed25519PrivateKey.generate()
    header = {"typ": "at+jwt", "kid": "mine", "jwk": public_jwk(key)}
    return jwt.encode(claims(), key, algorithm="EdDSA", headers=header)


def _other_claims(issuer: Issuer) -> str:
    header, _, signature = signed(issuer).split(".")
    return f"{header}.{part(claims(roles=['supervisor']))}.{signature}"


FORGED: dict[str, Callable[[Issuer], str]] = {
    "empty": lambda _: "",
    "no token": lambda _: "a.b.c",
    "one word": lambda _: "secret",
    "padded wrongly": lambda i: "x" + signed(i),
    "without a whole header": lambda i: signed(i)[12:],
    "with a header that is no object": lambda i: f"{part([])}.{signed(i).partition('.')[2]}",
    "not ASCII": lambda _: "é.é.é",
    "unsigned": _unsigned,
    "signed with the public key": _by_public_key,
    "signed on another curve": _by_another_curve,
    "signed by a stranger": _by_a_stranger,
    "bringing its own key": _with_its_own_key,
    "with other claims": _other_claims,
    "without a signature": lambda i: signed(i).rpartition(".")[0] + ".",
    "of another type": lambda i: signed(i, {"typ": "JWT"}),
    "expired": lambda i: signed(i, exp=now() - 60),
    "not yet good": lambda i: signed(i, nbf=now() + 600),
    "from the future": lambda i: signed(i, iat=now() + 600),
    "of another issuer": lambda i: signed(i, iss="https://elsewhere"),
    "for another audience": lambda i: signed(i, aud="elsewhere"),
    "without expiry": lambda i: signed(i, exp=None),
    "without subject": lambda i: signed(i, sub=None),
    "without identity": lambda i: signed(i, jti=None),
    "too long": lambda i: signed(i, sub="x" * 9000),
    "with a strange key id": lambda i: signed(i, {"kid": "../../etc"}),
}


@pytest.mark.parametrize("name", FORGED)
def test_a_forged_token_is_refused(issuer: Issuer, name: str) -> None:
    verifier = Verifier(ISSUER, AUDIENCE, lambda: {"keys": [issuer.jwk]})
    verifier.verify(signed(issuer))
    with pytest.raises(Problem) as refused:
        verifier.verify(FORGED[name](issuer))
    assert refused.value.type is UNAUTHENTICATED
    # In both languages, and not in the words of a library, which tell its holder nothing.
    assert re.fullmatch(r"[一-鿿，]+ / [a-z ;]+", refused.value.params["reason"]), refused.value.params


def test_a_good_token_names_its_caller_and_an_unknown_role_gives_nothing(issuer: Issuer) -> None:
    caller = issuer.verifier.verify(signed(issuer, roles=["centre", "god"], org="11000000000000027K"))
    assert (caller.sub, caller.roles, caller.org) == ("her", {Role.CENTRE}, "11000000000000027K")


class KeySource:
    """The gateway's keys, which can be unavailable."""

    def __init__(self, *keys: dict[str, str]) -> None:
        self.keys, self.asked, self.away = list(keys), 0, False

    def __call__(self) -> dict[str, Any]:
        self.asked += 1
        if self.away:
            raise OSError("away")
        return {"keys": self.keys}


def test_known_keys_stay_good_while_the_gateway_is_away_and_it_is_not_asked_by_every_token(issuer: Issuer) -> None:
    gateway = KeySource(issuer.jwk)
    verifier = Verifier(ISSUER, AUDIENCE, gateway)
    verifier.verify(signed(issuer))
    gateway.away, verifier._fetched = True, float("-inf")
    for n in range(20):
        assert verifier.verify(signed(issuer, jti=f"t{n}")).sub == "her"
    assert gateway.asked == 2
    gateway.away, verifier._failed = False, float("-inf")
    verifier.verify(signed(issuer, jti="again"))
    assert gateway.asked == 3


def test_before_the_gateway_has_answered_nobody_is_called_a_forger(issuer: Issuer) -> None:
    gateway = KeySource(issuer.jwk)
    gateway.away = True
    verifier = Verifier(ISSUER, AUDIENCE, gateway)
    for _ in range(2):
        with pytest.raises(Problem) as refused:
            verifier.verify(signed(issuer))
        assert refused.value.type is UPSTREAM_UNAVAILABLE
    gateway.away, verifier._failed = False, float("-inf")
    assert verifier.verify(signed(issuer)).sub == "her"


def test_unknown_keys_do_not_make_a_flood_of_questions(issuer: Issuer) -> None:
    gateway = KeySource(issuer.jwk)
    verifier = Verifier(ISSUER, AUDIENCE, gateway)
    verifier.verify(signed(issuer))
    for n in range(50):
        with pytest.raises(Problem, match="signing key is unknown"):
            verifier.verify(signed(issuer, {"kid": f"k{n}"}))
    assert gateway.asked == 1


def test_a_gateway_that_does_not_answer_does_not_hold_up_tokens_that_are_known(issuer: Issuer) -> None:
    asked, go_on = threading.Event(), threading.Event()
    slow = False

    def jwks() -> dict[str, Any]:
        if slow:
            asked.set()
            assert go_on.wait(20)
        return {"keys": [issuer.jwk]}

    verifier = Verifier(ISSUER, AUDIENCE, jwks)
    known = signed(issuer)
    verifier.verify(known)
    slow, verifier._fetched = True, float("-inf")
    waiting = threading.Thread(target=lambda: verifier.verify(signed(issuer, jti="new")))
    waiting.start()
    assert asked.wait(10)
    assert verifier.verify(known).sub == "her"
    assert waiting.is_alive()
    go_on.set()
    waiting.join(10)
    assert not waiting.is_alive()


class Endpoint(TokenSource):
    """A token source whose endpoint answers as the test says."""

    def __init__(self, *answers: Any) -> None:
        super().__init__("http://127.0.0.1:1/oauth/token", ISSUER, "catalog", Ed25519PrivateKey.generate())
        self.answers = list(answers)

    def _obtain(self) -> tuple[str, float]:
        answer = self.answers.pop(0)
        if isinstance(answer, Problem):
            raise answer
        return answer  # type: ignore[no-any-return]


def test_a_token_is_used_until_it_has_to_be_renewed() -> None:
    source = Endpoint(("first", 600.0), ("second", 600.0))
    assert [source.token() for _ in range(3)] == ["first"] * 3
    source.forget()
    assert source.token() == "second"


def test_while_the_gateway_is_away_the_last_token_serves_as_long_as_it_is_good() -> None:
    source = Endpoint(("first", 600.0), UPSTREAM_UNAVAILABLE(), ("second", 600.0))
    source.token()
    source._renewal = Expiry(0)
    assert source.token() == "first"
    until(lambda: len(source.answers) == 1 and not source._lock.locked(), "it has asked")
    # The endpoint is not asked again at once.
    assert source.token() == "first"
    source._renewal = Expiry(0)
    until(lambda: source.token() == "second", "the next one")


def test_nobody_waits_for_a_gateway_that_does_not_answer_while_the_last_token_is_good() -> None:
    answers, asked = threading.Event(), []

    class SlowEndpoint(Endpoint):
        def _obtain(self) -> tuple[str, float]:
            if asked:
                assert answers.wait(20)
            asked.append(1)
            return super()._obtain()

    source = SlowEndpoint(("first", 600.0), ("second", 600.0))
    source.token()
    source._renewal = Expiry(0)
    assert [source.token() for _ in range(5)] == ["first"] * 5
    answers.set()
    until(lambda: source.token() == "second", "the next one")
    assert len(asked) == 2


def test_without_a_thread_for_the_next_token_the_last_one_serves_and_the_next_caller_tries_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    source = Endpoint(("first", 600.0), ("second", 600.0))
    source.token()
    source._renewal = Expiry(0)

    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as scarce:
        scarce.setattr(threading.Thread, "start", refuse)
        assert [source.token() for _ in range(2)] == ["first"] * 2
    until(lambda: source.token() == "second", "the next one")


def test_a_token_that_has_expired_or_is_refused_does_not_serve() -> None:
    refused = UNAUTHENTICATED(reason="key revoked")
    source = Endpoint(("first", 600.0), UPSTREAM_UNAVAILABLE(), refused, refused)
    source.token()
    source._renewal = source._expiry = Expiry(0)
    with pytest.raises(Problem, match="UPSTREAM_UNAVAILABLE"):
        source.token()
    source._expiry = Expiry(3600)
    # It is found in the background, and every caller is told from then on.
    source.token()
    until(lambda: not source._lock.locked() and source._expiry.has_come(), "it is refused")
    with pytest.raises(Problem, match="UNAUTHENTICATED"):
        source.token()
