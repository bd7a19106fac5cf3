"""A service knows which tokens are revoked, and refuses every token when its list is too old."""

import time
from collections.abc import Iterable

import pytest

from chengxin.auth.access_tokens import Verifier
from chengxin.auth.principal import Principal, Role
from chengxin.auth.revocation import Revocation, Revocations
from chengxin.errors import Problem
from tests.support import Issuer

LI = Principal("s_li", frozenset({Role.SUBJECT}), client_id="portal", jti="t_1", represented_by="s_her")


class RevocationSource:
    """The list of revocations as a verifier fetches it, with a count of the fetches."""

    def __init__(self, *revoked: Revocation) -> None:
        self.revoked: Iterable[Revocation] = revoked
        self.asked = 0
        self.away = False
        self.now = 100.0

    def fetch(self) -> Iterable[Revocation]:
        self.asked += 1
        if self.away:
            raise OSError("away")
        return self.revoked

    def revocations(self) -> Revocations:
        return Revocations(self.fetch, every=10, stale=30, now=lambda: self.now)


@pytest.mark.parametrize(
    ("revocation", "dead"),
    [
        (Revocation("jti", "t_1"), True),
        (Revocation("jti", "t_2"), False),
        (Revocation("sub", "s_li", 51), True),
        (Revocation("sub", "s_li", 50), False),
        (Revocation("sub", "t_1"), False),
        (Revocation("client_id", "portal", 51), True),
        (Revocation("representation", "s_li.s_her", 51), True),
        (Revocation("representation", "s_li.s_her", 50), False),
        (Revocation("representation", "s_li.s_him"), False),
        (Revocation("representation", ""), False),
        (Revocation("kid", "k1"), True),
        (Revocation("kid", "k2"), False),
    ],
)
def test_a_token_is_dead_by_what_it_names_and_when_it_was_issued(revocation: Revocation, dead: bool) -> None:
    revocations = RevocationSource(revocation).revocations()
    if dead:
        with pytest.raises(Problem, match="revoked"):
            revocations.check(LI, "k1", 50)
    else:
        revocations.check(LI, "k1", 50)


def test_the_gateway_is_asked_now_and_then_not_every_time() -> None:
    gateway = RevocationSource()
    revocations = gateway.revocations()
    for _ in range(100):
        revocations.check(LI, "k1", 50)
    assert gateway.asked == 1
    gateway.now += 10
    revocations.check(LI, "k1", 50)
    assert gateway.asked == 2


def test_who_cannot_hear_refuses_after_a_while_and_serves_again_at_once() -> None:
    gateway = RevocationSource()
    revocations = gateway.revocations()
    revocations.check(LI, "k1", 50)
    gateway.away = True
    gateway.now += 29
    revocations.check(LI, "k1", 50)
    gateway.now += 2
    with pytest.raises(Problem) as refused:
        revocations.check(LI, "k1", 50)
    assert refused.value.code == "UPSTREAM_UNAVAILABLE"
    gateway.away = False
    gateway.now += 2
    revocations.check(LI, "k1", 50)


def test_what_was_revoked_stays_so_while_the_gateway_is_away() -> None:
    gateway = RevocationSource(Revocation("jti", "t_1"))
    revocations = gateway.revocations()
    revocations.refresh()
    gateway.away = True
    gateway.now += 15
    with pytest.raises(Problem, match="revoked"):
        revocations.check(LI, "k1", 50)


def test_a_remembered_token_is_looked_up_every_time(issuer: Issuer) -> None:
    gateway = RevocationSource()
    revocations = gateway.revocations()
    verifier = Verifier("http://issuer.test", "chengxin", lambda: {"keys": [issuer.jwk]}, revocations)
    token = issuer.token("subject", sub="s_li")
    assert verifier.verify(token).sub == "s_li"
    gateway.revoked = [Revocation("sub", "s_li")]
    revocations.refresh()
    with pytest.raises(Problem, match="revoked"):
        verifier.verify(token)


def test_a_token_of_the_same_second_is_dead() -> None:
    # `iat` is in whole seconds: what was issued in the second of the revocation is dead.
    now = int(time.time())
    revocations = RevocationSource(Revocation("client_id", "portal", now + 1)).revocations()
    with pytest.raises(Problem):
        revocations.check(LI, "k", now)
    revocations.check(LI, "k", now + 1)
