"""A rule's roles, assurance level and conditions are applied to every caller, and each face has a rule."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
from flask import Flask

from chengxin.auth.access_tokens import Verifier
from chengxin.auth.admission import Admission
from chengxin.auth.executor import command, query
from chengxin.auth.policy import serves
from chengxin.auth.policy_table import policy_table
from chengxin.auth.powers import Power, anywhere, one
from chengxin.auth.principal import ACR_LEVELS, Assurance, Principal, Role
from chengxin.errors import Problem
from chengxin.store import on_record
from chengxin.store.silent_store import StoreSilence
from chengxin.values.acts import Act
from tests.support import AUDIENCE, ISSUER, Issuer


@dataclass
class Trail:
    refusals: list[tuple[str, str]] = field(default_factory=list)

    def refused(self, act: str, actor: Principal, problem: Problem, asked: Sequence[object] = ()) -> None:
        self.refusals.append((act, problem.code))


@dataclass
class StubContext:
    audit: Any = field(default_factory=Trail)


@command(
    Act.CONSENT_GIVEN,
    roles={Role.SUBJECT, Role.CENTRE},
    articles=("16",),
    assurance=Assurance.IN_PERSON,
    power=Power(anywhere("a test"), one("a test"), "nobody"),
)
def in_person(ctx: StubContext, caller: Principal) -> str:
    """Does it."""
    on_record.enter(1)
    return "done"


@query(Act.CONSENT_LISTED, roles={Role.SUBJECT}, articles=("16",), assurance=Assurance.ONLINE)
def online(ctx: StubContext, caller: Principal) -> str:
    """Reads it."""
    on_record.enter(1)
    return "read"


def caller(role: Role, acr: str) -> Principal:
    return Principal("s_1", frozenset({role}), acr=acr)


@pytest.mark.parametrize(
    ("use_case", "acr", "code"),
    [
        (in_person, "counter", ""),
        (in_person, "demo", ""),
        (in_person, "oidc", "STEP_UP_REQUIRED"),
        (in_person, "", "STEP_UP_REQUIRED"),
        (in_person, "COUNTER", "STEP_UP_REQUIRED"),
        (online, "counter", ""),
        (online, "oidc", ""),
        (online, "pwd+totp", "STEP_UP_REQUIRED"),
        (online, "", "STEP_UP_REQUIRED"),
    ],
)
def test_a_subject_proves_herself_as_the_rule_takes_it(use_case: Any, acr: str, code: str) -> None:
    ctx = StubContext()
    if not code:
        assert use_case(ctx, caller(Role.SUBJECT, acr))
        assert ctx.audit.refusals == []
        return
    with pytest.raises(Problem) as refused:
        use_case(ctx, caller(Role.SUBJECT, acr))
    assert refused.value.code == code
    assert ctx.audit.refusals == [(use_case.rule.act, code)]


def test_it_is_told_how(issuer: Issuer) -> None:
    with pytest.raises(Problem) as refused:
        in_person(StubContext(), caller(Role.SUBJECT, "oidc"))
    assert refused.value.params == {"required": "counter", "acr": "oidc"}
    assert "/v1/identity/counter/token" in refused.value.text("zh-CN")


def test_officers_have_their_own_proofs() -> None:
    assert in_person(StubContext(), caller(Role.CENTRE, "pwd+totp")) == "done"


def test_admission_asks_before_anything_is_read(issuer: Issuer) -> None:
    trail = Trail()

    @serves(in_person)
    def view() -> None: ...

    with pytest.raises(Problem) as refused:
        Admission(issuer.verifier, trail, StoreSilence(lambda: None)).check(caller(Role.SUBJECT, "oidc"), view)
    assert refused.value.code == "STEP_UP_REQUIRED"
    assert trail.refusals == [("consent.given", "STEP_UP_REQUIRED")]


def test_the_demonstrations_identity_is_worth_nothing_outside_it(issuer: Issuer) -> None:
    token = issuer.token("subject", sub="s_1", acr="demo")
    with pytest.raises(Problem) as refused:
        issuer.verifier.verify(token)
    assert refused.value.code == "UNAUTHENTICATED"
    demo = Verifier(ISSUER, AUDIENCE, lambda: {"keys": [issuer.jwk]}, demo=True)
    assert demo.verify(token).assurance == max(ACR_LEVELS.values()) == max(Assurance)


def test_the_table_tells_the_level() -> None:
    app = Flask("x")
    app.add_url_rule("/thing", "thing", serves(in_person)(lambda: ""))
    [row] = policy_table("x", app, [])
    assert (row["face"], row["assurance"], row["roles"]) == ("GET /thing", "in_person", ["centre", "subject"])


def test_a_route_or_method_without_a_rule_fails() -> None:
    app = Flask("x")
    app.add_url_rule("/thing", "thing", lambda: "", methods=["POST"])
    with pytest.raises(LookupError, match="x: POST /thing has no rule"):
        policy_table("x", app, [])

    class Servicer:
        def Forgotten(self, request: object, context: object) -> None: ...

    with pytest.raises(LookupError, match="X/Forgotten has no rule"):
        policy_table("x", Flask("y"), [(Servicer, "chengxin.x.v1.X")])
