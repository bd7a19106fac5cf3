"""The authorization table, cell by cell: every HTTP route and gRPC method, asked in every capacity (principle 1)."""

import contextlib
import json
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import grpc
import pytest

from chengxin.auth.principal import Role
from chengxin.errors import Problem
from chengxin_cli.gateway_client import Caller, HttpAnswer
from gateway.edge.routes import prefix_of
from tests.city import City
from tests.e2e.policy_expectations import CONFINED, confined, has_owner, in_order, is_kept_inside
from tests.e2e.policy_world import GIVEN_UNTIL, PolicyWorld, Side
from tests.support import figure

# Refusals of access: by role, by condition, or for a missing token.
ROLE_NOT_ALLOWED = "ROLE_NOT_ALLOWED"
SERVICE_TOKEN_OUTSIDE = "SERVICE_TOKEN_OUTSIDE"
_REFUSED = {ROLE_NOT_ALLOWED, "UNAUTHENTICATED", "STEP_UP_REQUIRED"}
# What a call is refused for before its owner is looked at.
_INPUT_REFUSED = {"INPUT_INVALID", "CONTENT_TYPE_UNSUPPORTED"}


@pytest.fixture(scope="module")
def table(city: City) -> list[dict[str, Any]]:
    """`chengxin policy --json`."""
    done = city.chengxin("policy", "--json")
    assert done.returncode == 0, done.stderr
    return list(json.loads(done.stdout))


@pytest.fixture(scope="module")
def capacities(city: City, world: PolicyWorld) -> dict[Role, Caller]:
    """A caller of this city in each role that a client or a person can have."""
    return {
        Role.PUBLIC: city.machine("credit_agency", scope="public"),
        Role.SUBJECT: city.li_na,
        Role.SUBJECT_AUTHORIZED: world.caller(Role.SUBJECT_AUTHORIZED, world.owner),
        Role.STATUTORY: city.statutory,
        Role.AGENCY: city.housing_bureau,
        Role.PROVIDER: city.market_regulator,
        Role.CENTRE: city.centre,
        Role.AUTHORITY: city.authority,
        Role.SUPERVISOR: city.supervisor,
        Role.SERVICE: city.service("objection"),
    }


@pytest.fixture(scope="module")
def world(city: City) -> PolicyWorld:
    """Things with owners."""
    return PolicyWorld(city)


@pytest.fixture(scope="module")
def cells() -> Iterator[dict[str, int]]:
    """How many cells each test asked, for `build/figures.json`."""
    counted: dict[str, int] = {}
    yield counted
    figure("policy.cells", sum(counted.values()))


def test_every_cell_of_the_table_is_as_it_says(
    city: City, table: list[dict[str, Any]], capacities: dict[Role, Caller], cells: dict[str, int]
) -> None:
    wrong = []
    cells["as somebody"] = 0
    for row in table:
        for role, caller in capacities.items():
            for code in _asked(city, row, caller):
                cells["as somebody"] += 1
                allowed = "open_to_all" in row or role in row["roles"]
                # Refusals after the rule (conditions, input, existence) are not tested here.
                if is_kept_inside(row, role):
                    if code != SERVICE_TOKEN_OUTSIDE:
                        wrong.append(f"{row['face']} as {role}, from outside: {code or 'let in'}")
                elif allowed == (code == ROLE_NOT_ALLOWED) and not (allowed and row.get("conditions")):
                    wrong.append(f"{row['face']} as {role}: {code or 'let in'}")
    assert not wrong, "\n".join(wrong)
    assert cells["as somebody"] > 300


def test_an_answer_that_depends_on_the_language_says_so(
    city: City, table: list[dict[str, Any]], world: PolicyWorld
) -> None:
    """Else a cache between gives everybody the first one's (RFC 9110, 12.5.5)."""
    wrong, speaking = [], set()
    for row in table:
        path = world.path(row["face"])
        if not row["face"].startswith("GET ") or (row["service"] != "gateway" and prefix_of(path) is None):
            continue
        caller = world.caller(next(role for role in Role if role in (row.get("roles") or [Role.PUBLIC])), world.owner)
        chinese, english = _read(caller, path), _read(caller, path, "en")
        told = [(a.headers.get("Content-Language"), a.headers.get("Vary")) for a in (chinese, english)]
        # A problem is a page to those who prefer one.
        vary = "Accept, Accept-Language" if chinese.status >= 400 else "Accept-Language"
        if told == [("zh-CN", vary), ("en", vary)]:
            speaking.add(row["face"])
        # What is another at each reading, as the log is or a page with a nonce, tells nothing.
        elif _lasting(english.body) != _lasting(chinese.body) == _lasting(_read(caller, path)):
            wrong.append(f"{row['face']}: {told}")
    assert not wrong, "\n".join(wrong)
    assert {"GET /v1/me/records", "GET /v1/public/subjects/<subject_ref>", "GET /v1/me/accesses"} <= speaking
    assert "GET /v1/catalog/entries" not in speaking


def _read(caller: Caller, path: str, language: str = "zh-CN") -> HttpAnswer:
    return caller.call("GET", path, headers={"Accept-Language": language})


def _lasting(body: Any) -> Any:
    return {k: v for k, v in body.items() if k != "audit_event_id"} if isinstance(body, dict) else body


def test_without_a_token_one_is_the_public_over_http_and_nobody_over_grpc(
    city: City, table: list[dict[str, Any]]
) -> None:
    wrong = []
    for row in table:
        if "open_to_all" in row:
            continue
        for code in _asked(city, row, city.anybody):
            if " " in row["face"]:
                right = (Role.PUBLIC in row["roles"]) == (code != "UNAUTHENTICATED") and code != ROLE_NOT_ALLOWED
            else:
                right = code == "UNAUTHENTICATED"
            if not right:
                wrong.append(f"{row['face']} without a token: {code or 'let in'}")
    assert not wrong, "\n".join(wrong)


def test_what_belongs_to_somebody_is_not_for_others(
    city: City, table: list[dict[str, Any]], world: PolicyWorld, cells: dict[str, int]
) -> None:
    conditions = {condition for row in table for condition in row.get("conditions", ())}
    assert CONFINED.keys() <= conditions
    wrong = []
    cells["own and other"] = 0
    for row in in_order([row for row in table if has_owner(row)]):
        for role in Role:
            for side in (world.other, world.owner):
                for code in _asked_about(city, world, row, role, side):
                    cells["own and other"] += 1
                    right = _for_its_role(row, role) or confined(row, role)
                    if right in (ROLE_NOT_ALLOWED, SERVICE_TOKEN_OUTSIDE) or (right and side is world.other):
                        # A face whose input this test does not know may check the input before the owner.
                        good = code == right or (code in _INPUT_REFUSED and not world.knows(row["face"]))
                    else:
                        good = code not in {*_REFUSED, right or ROLE_NOT_ALLOWED}
                    if not good:
                        whose = "own" if side is world.owner else "other"
                        wrong.append(f"{row['face']} as {role}, {whose}: {code or 'let in'}, not {right or 'let in'}")
    assert not wrong, "\n".join(wrong)
    assert cells["own and other"] > 500


def test_a_token_that_is_not_good_opens_no_face(
    city: City, table: list[dict[str, Any]], world: PolicyWorld, cells: dict[str, int]
) -> None:
    bad = {f"expired as {role}": world.caller(role, world.owner, lifetime=-6) for role in Role}
    bad["revoked"] = _revoked(city)
    with _suspended(city, world) as bad["of a suspended client"]:
        wrong = []
        cells["not good"] = 0
        for row in table:
            for state, caller in bad.items() if "open_to_all" not in row else ():
                for code in _asked(city, row, caller):
                    cells["not good"] += 1
                    if code != "UNAUTHENTICATED":
                        wrong.append(f"{row['face']} with a token {state}: {code or 'let in'}")
    assert not wrong, "\n".join(wrong)


def test_whose_identity_is_not_verified_does_nothing_that_takes_it(
    city: City, table: list[dict[str, Any]], world: PolicyWorld, cells: dict[str, int]
) -> None:
    wrong = []
    cells["not verified"] = 0
    for row in table:
        if Role.SUBJECT in row.get("roles", ()):
            for code in _asked(city, row, world.caller(Role.SUBJECT, world.owner, acr="")):
                cells["not verified"] += 1
                if (code == "STEP_UP_REQUIRED") != (row["assurance"] != "none"):
                    wrong.append(f"{row['face']}, identity not verified: {code or 'let in'}")
    assert not wrong, "\n".join(wrong)


def test_a_withdrawn_consent_opens_nothing(
    city: City, table: list[dict[str, Any]], world: PolicyWorld, cells: dict[str, int]
) -> None:
    subject = world.caller(Role.SUBJECT, world.owner)
    terms = {"grantee": world.owner.organisation, "purpose": "loan_application", "valid_to": GIVEN_UNTIL}
    consent_id = subject.post("/v1/me/consents", terms)["consent_id"]
    grantee = world.caller(Role.SUBJECT_AUTHORIZED, world.owner, consent_id=consent_id)
    by_consent = [r for r in table if r.get("act") in ("record.queried.authorized", "record.queried")]
    assert [code for r in by_consent for code in _asked(city, r, grantee)] == ["", ""]
    assert subject.call("DELETE", f"/v1/me/consents/{consent_id}").status == 200
    found = [code for r in by_consent for code in _asked(city, r, grantee)]
    cells["withdrawn consent"] = len(found)
    assert found == ["CONSENT_WITHDRAWN"] * 2


def test_a_closed_objection_is_closed_to_everybody(
    city: City, table: list[dict[str, Any]], world: PolicyWorld, cells: dict[str, int]
) -> None:
    subject = world.caller(Role.SUBJECT, world.owner)
    # Whether it is still open depends on which tests ran before.
    subject.call("POST", f"/v1/me/objections/{world.ids['objection_no']}/withdraw", json={})
    wrong = []
    cells["closed objection"] = 0
    for row in table:
        changes = row["face"].startswith("POST ") or row["face"].endswith(
            ("/AnswerTask", "/RequestExtension", "/RetractAnswer")
        )
        if not (changes and row["service"] == "objection" and row.get("roles") and _about_one(row["face"])):
            continue
        for role in Role:
            for code in _asked_about(city, world, row, role, world.owner):
                cells["closed objection"] += 1
                right = {_for_its_role(row, role) or "OBJECTION_CLOSED"}
                # A second withdrawal answers as the first.
                if code not in right and not (row["face"].endswith("/withdraw") and code == ""):
                    wrong.append(f"{row['face']} as {role}, closed: {code or 'let in'}")
    assert not wrong, "\n".join(wrong)
    assert cells["closed objection"] > 50


def _for_its_role(row: dict[str, Any], role: Role) -> str:
    """The code that a caller gets because of the role alone; empty when the role is right."""
    if is_kept_inside(row, role):
        return SERVICE_TOKEN_OUTSIDE
    return "" if role in row["roles"] else ROLE_NOT_ALLOWED


def _about_one(face: str) -> bool:
    return "<objection_no>" in face or face.endswith(("/AnswerTask", "/RequestExtension", "/RetractAnswer"))


def _revoked(city: City) -> Caller:
    token = city.citizen("li_na").token()
    assert city.edge.call("POST", "/oauth/revoke", fields={"token": token}, encode_multipart=False).status == 200
    return Caller(city.edge, lambda: token)


@contextlib.contextmanager
def _suspended(city: City, world: PolicyWorld) -> Iterator[Caller]:
    """A client's token from before it was suspended; it is resumed at the end."""
    token = city.machine("youth_league", scope="provider").token()
    authority = world.caller(Role.AUTHORITY, world.owner)
    authority.post("/v1/identity/clients/youth_league/suspend")
    yield Caller(city.edge, lambda: token)
    resumed = authority.post("/v1/identity/clients/youth_league/resume")
    supervisor = world.caller(Role.SUPERVISOR, world.owner, sub="officer:second")
    supervisor.post(f"/v1/identity/proposals/{resumed['proposal_id']}/approve")


def _asked(city: City, row: dict[str, Any], caller: Caller) -> Iterator[str]:
    """The code of the refusal, empty when there is none; nothing for a face that is not reachable from outside."""
    method, space, path = row["face"].partition(" ")
    if not space:
        yield _rpc_code(city, row["face"], caller)
    elif row["service"] == "gateway" or prefix_of(path) is not None:
        yield _http_code(method, re.sub(r"<[^>]*>", "1", path), caller)


def _asked_about(city: City, world: PolicyWorld, row: dict[str, Any], role: Role, side: Side) -> Iterator[str]:
    """As `_asked`, with the things of `world`."""
    caller = world.serving(row, role, side)
    method, space, _ = row["face"].partition(" ")
    # A caller who passes the rule changes as little as possible.
    whole = (side is world.other and confined(row, role)) or row["service"] == "objection"
    if not space:
        yield _rpc_code(city, row["face"], caller, world.message(row["face"]))
    elif row["service"] == "gateway" or prefix_of(world.path(row["face"])) is not None:
        yield _http_code(method, world.path(row["face"]), caller, world.body(row["face"]) if whole else None)


def _http_code(method: str, path: str, caller: Caller, body: dict[str, Any] | None = None) -> str:
    answer = caller.call(method, path, **({} if method in ("GET", "DELETE") else body or {"json": {}}))
    return str(answer.body.get("code", "")) if answer.status >= 400 and isinstance(answer.body, dict) else ""


def _rpc_code(city: City, method: str, caller: Caller, messages: Sequence[Any] = ()) -> str:
    described = city.method(method)
    channel = city.channel_of(caller, method)
    kinds: dict[tuple[bool, bool], Callable[..., Any]] = {
        (False, False): channel.unary_unary,
        (False, True): channel.unary_stream,
        (True, False): channel.stream_unary,
        (True, True): channel.stream_stream,
    }
    call = kinds[described.client_streaming, described.server_streaming](f"/{method}")
    sent = [message.SerializeToString() for message in messages] or [b""]
    request = iter(sent) if described.client_streaming else sent[0]
    try:
        answer = call(request, metadata=caller.metadata(), timeout=3)
        if described.server_streaming:
            next(answer, None)
            answer.cancel()
    except grpc.RpcError as e:
        # A caller whose watch is accepted and empty waits until its deadline.
        return "" if e.code() is grpc.StatusCode.DEADLINE_EXCEEDED else Problem.from_rpc(e).code
    return ""
