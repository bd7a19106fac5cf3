"""Officers sign in with a browser; the session serves the reporting page, and no other site."""

from http.cookies import Morsel, SimpleCookie
from typing import Any
from urllib.parse import urlencode

import pytest

from chengxin_cli.gateway_client import HttpAnswer
from gateway.domain import browser_sessions
from tests.gateway.conftest import LI_NA, PASSWORD, RunningGateway
from tests.support import until

SIGN_IN = "/officers/sign-in"
UPLOAD = "/v1/submissions"


def posted(gate: RunningGateway, path: str, form: dict[str, str], **headers: str) -> HttpAnswer:
    sent = {"Origin": gate.issuer, "Content-Type": "application/x-www-form-urlencoded"} | headers
    return gate.edge.call("POST", path, body=urlencode(form), headers=sent, redirect=False)


def signs_in(gate: RunningGateway, username: str, path: str = SIGN_IN, step: int = 0, **changed: str) -> HttpAnswer:
    form = {"username": username, "password": PASSWORD, "totp": gate.totp(username, step)} | changed
    return posted(gate, path, form)


def morsels(answer: HttpAnswer) -> dict[str, Morsel[str]]:
    found: dict[str, Morsel[str]] = {}
    for line in answer.headers.getlist("Set-Cookie"):  # type: ignore[attr-defined]
        found |= SimpleCookie(line)
    return found


def session(answer: HttpAnswer) -> dict[str, str]:
    """The headers that the page's script sends in this session."""
    set_ = morsels(answer)
    cookie = "; ".join(f"{name}={morsel.value}" for name, morsel in set_.items())
    return {"Cookie": cookie, "X-CSRF-Token": set_[browser_sessions.CSRF_COOKIE].value}


@pytest.fixture(scope="module")
def reporter(gate: RunningGateway) -> dict[str, str]:
    answer = signs_in(gate, "reporter")
    assert (answer.status, answer.headers["Location"]) == (303, "/report"), answer.body
    return session(answer) | {"Origin": gate.issuer}


def asked(
    gate: RunningGateway, who: dict[str, str], method: str = "GET", path: str = UPLOAD, **changed: str
) -> HttpAnswer:
    return gate.edge.call(method, path, headers=who | changed, redirect=False)


def as_whom(answer: HttpAnswer) -> Any:
    """The token that reached the service."""
    return answer.body["headers"]["authorization"].removeprefix("Bearer ")


def token_in(who: dict[str, str]) -> str:
    return SimpleCookie(who["Cookie"])[browser_sessions.SESSION_COOKIE].value


def test_the_session_is_kept_from_scripts_and_its_proof_from_other_sites(gate: RunningGateway) -> None:
    answer = signs_in(gate, "leaver", step=-1)
    assert answer.headers["Cache-Control"] == "no-store"
    set_ = morsels(answer)
    assert set_.keys() == {browser_sessions.SESSION_COOKIE, browser_sessions.CSRF_COOKIE}
    assert {m["samesite"] for m in set_.values()} == {"Strict"}
    assert {m["max-age"] for m in set_.values()} == {"600"}
    assert (
        bool(set_[browser_sessions.SESSION_COOKIE]["httponly"]),
        bool(set_[browser_sessions.CSRF_COOKIE]["httponly"]),
    ) == (
        True,
        False,
    )
    assert set_[browser_sessions.CSRF_COOKIE].value not in set_[browser_sessions.SESSION_COOKIE].value
    # Over TLS both are bound to this host.
    assert browser_sessions.name_of("https://credit.example", browser_sessions.CSRF_COOKIE) == "__Host-chengxin_csrf"


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/report"),
        ("GET", "/v1/submissions"),
        ("GET", "/v1/submissions/november-2026/rejects?format=file"),
        ("POST", "/v1/submissions"),
        ("POST", "/v1/submissions/preview"),
        ("PUT", "/v1/submissions/mappings/QYDJ"),
    ],
)
def test_what_the_page_asks_is_asked_by_the_officer(
    gate: RunningGateway, reporter: dict[str, str], method: str, path: str
) -> None:
    answer = asked(gate, reporter, method, path)
    assert as_whom(answer) == token_in(reporter)
    # The service behind gets no cookies, and its answers are not cached.
    assert not {"cookie", "x-csrf-token"} & answer.body["headers"].keys()
    assert answer.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("PUT", "/v1/submissions/agreements/11000000000000027K"),
        ("POST", "/v1/submissions/findings/1/explain"),
        ("POST", "/v1/submissions/mappings/QYDJ"),
        ("DELETE", "/v1/submissions/november-2026"),
        ("POST", "/report"),
        ("GET", "/report/report.js"),
        ("GET", "/v1/me/records"),
        ("POST", "/v1/objections"),
    ],
)
def test_the_session_is_nothing_anywhere_else(
    gate: RunningGateway, reporter: dict[str, str], method: str, path: str
) -> None:
    answer = asked(gate, reporter, method, path)
    assert as_whom(answer) != token_in(reporter)


def test_the_gateways_own_addresses_take_no_session(gate: RunningGateway, reporter: dict[str, str]) -> None:
    assert asked(gate, reporter, "GET", "/v1/identity/officers").body["code"] == "UNAUTHENTICATED"


@pytest.mark.parametrize(
    "changed",
    [
        {"X-CSRF-Token": ""},
        {"X-CSRF-Token": "x"},
        {"X-CSRF-Token": browser_sessions.csrf_of("another session")},
        {"X-CSRF-Token": "é"},
        {"Origin": ""},
        {"Origin": "null"},
        {"Origin": "https://elsewhere.test"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "cross-site"},
    ],
)
@pytest.mark.parametrize(("method", "path"), [("POST", UPLOAD), ("PUT", "/v1/submissions/mappings/QYDJ")])
def test_nothing_is_changed_that_the_page_did_not_ask(
    gate: RunningGateway, reporter: dict[str, str], method: str, path: str, changed: dict[str, str]
) -> None:
    answer = asked(gate, reporter, method, path, **changed)
    assert (answer.status, answer.body["code"]) == (403, "FOREIGN_FORM")


def test_a_session_is_for_the_page_of_whom_it_is(gate: RunningGateway, reporter: dict[str, str]) -> None:
    citizen = posted(gate, "/sign-in", {"name": LI_NA["name"], "number": LI_NA["identity_number"]})
    assert morsels(citizen).keys() == {browser_sessions.SESSION_COOKIE}
    li_na = {
        "Cookie": f"{browser_sessions.SESSION_COOKIE}={morsels(citizen)[browser_sessions.SESSION_COOKIE].value}",
        "Origin": gate.issuer,
    }
    html = {"Accept": "text/html"}
    for who, page, sign_in in ((li_na, "/report", SIGN_IN), (reporter, "/me", "/sign-in"), ({}, "/report", SIGN_IN)):
        answer = asked(gate, who, path=page, **html)
        assert (answer.status, answer.headers["Location"]) == (303, sign_in)
    assert as_whom(asked(gate, li_na)) != token_in(li_na)


def test_other_sites_forms_sign_nobody_in(gate: RunningGateway) -> None:
    form = {"username": "clumsy", "password": PASSWORD, "totp": gate.totp("clumsy")}
    answer = posted(gate, SIGN_IN, form, Origin="https://elsewhere.test")
    assert (answer.status, answer.body["code"]) == (403, "FOREIGN_FORM")
    assert "Set-Cookie" not in answer.headers


def test_refusals_are_said_on_the_page_and_lock_the_user_name(gate: RunningGateway) -> None:
    for _ in range(5):
        answer = signs_in(gate, "clumsy", SIGN_IN + "?lang=en", password="wrong")
        assert answer.status == 401
        assert "User name, password or code is wrong" in answer.body
        assert '<html lang="en">' in answer.body
    locked = signs_in(gate, "clumsy")
    assert (locked.status, "请在 30 秒后重试" in locked.body) == (429, True)
    assert int(locked.headers["Retry-After"]) <= 30
    assert "Set-Cookie" not in locked.headers
    assert [e for e in gate.grpc_upstream.acts("officer.signed_in", "refused") if e["request_id"] == locked.request_id]


@pytest.mark.parametrize("code", ["", "１２３４５６", "12345x", "é"])
def test_what_is_no_code_is_refused_in_words(gate: RunningGateway, code: str) -> None:
    answer = posted(gate, SIGN_IN, {"username": "nobody-at-all", "password": PASSWORD, "totp": code})
    assert answer.status == 401
    assert "用户名、密码或动态口令不正确" in answer.body


def test_signing_out_ends_the_session_not_only_the_cookies(gate: RunningGateway) -> None:
    leaver = session(signs_in(gate, "leaver", step=1))
    before = alive(gate, "leaver")
    out = posted(gate, "/sign-out?lang=en", {}, Cookie=leaver["Cookie"])
    assert (out.status, out.headers["Location"]) == (303, "/?lang=en")
    assert {(m.value, m["max-age"]) for m in morsels(out).values()} == {("", "0")}
    over(gate, leaver)
    assert len(before - alive(gate, "leaver")) == 1
    assert gate.edge.call("GET", UPLOAD, token_in(leaver)).status == 401


def test_a_session_is_listed_and_ended_by_another_officer(gate: RunningGateway) -> None:
    ended = session(signs_in(gate, "ended"))
    [jti] = alive(gate, "ended")
    done = gate.officer("supervisor").call("DELETE", f"/v1/identity/officers/ended/sessions/{jti}")
    assert done.status == 200
    over(gate, ended)


def test_who_is_suspended_is_out_and_stays_out(gate: RunningGateway) -> None:
    suspended = session(signs_in(gate, "suspended"))
    assert gate.officer("first").call("POST", "/v1/identity/officers/suspended/suspend").status == 200
    over(gate, suspended)
    again = signs_in(gate, "suspended", step=1)
    assert (again.status, "该账号已停用" in again.body) == (403, True)
    assert "Set-Cookie" not in again.headers


def test_an_initial_password_is_changed_on_the_page(gate: RunningGateway) -> None:
    told = gate.officer("first").call("POST", "/v1/identity/officers/forgetful/reset").body
    gate.accounts["officers"] = [
        o | {"totp_secret": told["totp_secret"]} if o["username"] == "forgetful" else o
        for o in gate.accounts["officers"]
    ]
    answer = signs_in(gate, "forgetful", step=-1, password=told["password"])
    assert (answer.status, "<details open>" in answer.body) == (403, True)
    assert "Set-Cookie" not in answer.headers
    chosen = "一个 很长 的 新 密码 呀"
    changed = signs_in(gate, "forgetful", password=told["password"], new_password=chosen)
    assert (changed.status, "新密码已设置" in changed.body) == (403, True)
    path = f"/v1/identity/proposals/{told['proposal']['proposal_id']}/approve"
    assert gate.officer("watcher").call("POST", path).status == 200
    assert signs_in(gate, "forgetful", step=1, password=chosen).status == 303


def alive(gate: RunningGateway, username: str) -> set[str]:
    """The sessions of an officer that are alive, as the authority sees them."""
    shown = gate.officer("first").call("GET", f"/v1/identity/officers/{username}").body
    return {s["jti"] for s in shown["sessions"]}


def over(gate: RunningGateway, who: dict[str, str]) -> None:
    """Waits until a session is over: the page asks to sign in, the script gets a refusal."""
    until(lambda: asked(gate, who).status == 401, "the session is over")
    assert asked(gate, who).body["code"] == "UNAUTHENTICATED"
    page = asked(gate, who, path="/report", Accept="text/html")
    assert (page.status, page.headers["Location"]) == (303, SIGN_IN)
