"""Citizens sign in with a browser; the session opens the citizen's own page only, and ignores other sites' forms."""

from html import unescape
from http.cookies import SimpleCookie
from urllib.parse import parse_qsl, urlencode

import pytest

from chengxin_cli.gateway_client import HttpAnswer
from gateway.domain.browser_sessions import CITIZENS, OFFICERS, PAGES
from tests.gateway.conftest import LI_NA, PASSWORD, RunningGateway

FORM = {"name": LI_NA["name"], "number": LI_NA["identity_number"]}


def posted(gate: RunningGateway, path: str, form: dict[str, object], **headers: str) -> HttpAnswer:
    sent = {"Origin": gate.issuer, "Content-Type": "application/x-www-form-urlencoded"} | headers
    return gate.edge.call("POST", path, body=urlencode(form), headers=sent, redirect=False)


def signed_in(gate: RunningGateway) -> str:
    answer = posted(gate, "/sign-in", FORM)
    assert (answer.status, answer.headers["Location"]) == (303, "/me")
    return next(f"{m.key}={m.value}" for m in SimpleCookie(answer.headers["Set-Cookie"]).values())


def own_page(gate: RunningGateway, cookie: str = "", path: str = "/me", method: str = "GET") -> HttpAnswer:
    headers = {"Accept": "text/html", "Cookie": cookie}
    return gate.edge.call(method, path, headers=headers, redirect=False)


def test_a_session_opens_ones_own_page(gate: RunningGateway) -> None:
    answer = own_page(gate, signed_in(gate))
    assert answer.status == 200
    # The service behind gets the token, never the cookie.
    assert answer.body["headers"]["authorization"].startswith("Bearer ey")
    assert "cookie" not in answer.body["headers"]
    assert answer.headers["Cache-Control"] == "no-store"


def test_the_cookie_is_kept_from_scripts_and_other_sites(gate: RunningGateway) -> None:
    answer = posted(gate, "/sign-in", FORM)
    [cookie] = SimpleCookie(answer.headers["Set-Cookie"]).values()
    assert (cookie["httponly"], cookie["samesite"], cookie["path"]) == (True, "Strict", "/")
    assert int(cookie["max-age"]) == 600
    assert answer.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize("cookie", ["", "chengxin_session=", "chengxin_session=x.y.z", "other=1", ";;=x"])
def test_without_a_good_session_one_is_asked_to_sign_in(gate: RunningGateway, cookie: str) -> None:
    answer = own_page(gate, cookie)
    assert (answer.status, answer.headers["Location"]) == (303, "/sign-in")
    page = own_page(gate, path="/sign-in")
    assert page.status == 200
    assert "<form" in page.body
    assert "frame-ancestors 'none'" in page.headers["Content-Security-Policy"]


@pytest.mark.parametrize("path", PAGES)
def test_a_sign_in_has_the_language_of_the_page_and_leads_back_to_its_place(gate: RunningGateway, path: str) -> None:
    officer = {"username": "returning", "password": PASSWORD, "totp": gate.totp("returning")}
    proof: dict[str, object] = {CITIZENS: FORM, OFFICERS: officer}[PAGES[path]]
    # A link of somebody else's leads to this site's page, whatever it says.
    query = "lang=en&page=a%20b&page=%E7%94%B2&q=%22%3E%3Cb&next=//evil.example"
    asked = own_page(gate, path=f"{path}?{query}")
    asked_by = "" if path == PAGES[path].pages[0] else f"&then={path}"
    assert (asked.status, asked.headers["Location"]) == (303, f"{PAGES[path].sign_in}?{query}{asked_by}")
    form = own_page(gate, path=asked.headers["Location"])
    assert '<html lang="en">' in form.body
    action = unescape(form.body.split('<form class="stacked" action="')[1].split('"')[0])
    refused = posted(gate, action, dict.fromkeys(proof, "x"))
    assert (refused.status, unescape(refused.body).count(action)) == (401, 1)
    answer = posted(gate, action, proof)
    assert answer.status == 303, answer.body
    assert sorted(parse_qsl(answer.headers["Location"].removeprefix(f"{path}?"))) == sorted(parse_qsl(query))
    # The other language is the same place, too.
    query += asked_by
    other = unescape(form.body.split('<a class="language" href="')[1].split('"')[0])
    assert sorted(parse_qsl(other.partition("?")[2])) == sorted(parse_qsl(query.replace("lang=en", "lang=zh-CN")))


@pytest.mark.parametrize("then", ["/report", "//evil.example", "https://evil.example/me", "/me/../report", "/me/x", ""])
def test_a_sign_in_leads_to_no_page_but_those_it_is_for(gate: RunningGateway, then: str) -> None:
    answer = posted(gate, f"/sign-in?{urlencode({'then': then, 'lang': 'en'})}", FORM)
    assert (answer.status, answer.headers["Location"]) == (303, "/me?lang=en")


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/v1/me/records"), ("DELETE", "/v1/me/consents/x"), ("POST", "/me"), ("GET", "/me/x"), ("GET", "/")],
)
def test_a_cookie_is_nothing_anywhere_else(gate: RunningGateway, method: str, path: str) -> None:
    cookie = signed_in(gate)
    token = cookie.partition("=")[2]
    answer = own_page(gate, cookie, path, method)
    assert token not in str(answer.body)


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://elsewhere.test"},
        {"Origin": "null"},
        {"Origin": ""},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
@pytest.mark.parametrize("path", ["/sign-in", "/sign-in/counter", "/sign-out"])
def test_other_sites_forms_are_refused(gate: RunningGateway, path: str, headers: dict[str, str]) -> None:
    answer = posted(gate, path, FORM, **headers)
    assert (answer.status, answer.body["code"]) == (403, "FOREIGN_FORM")
    assert "Set-Cookie" not in answer.headers


def test_who_is_not_confirmed_stays_outside_and_is_on_record(gate: RunningGateway) -> None:
    answer = posted(gate, "/sign-in", FORM | {"name": "王某<script>"})
    assert answer.status == 401
    assert "Set-Cookie" not in answer.headers
    assert "<script>" not in answer.body
    assert [e for e in gate.grpc_upstream.acts("citizen.identified", "refused") if e["request_id"] == answer.request_id]


def test_signing_out_ends_the_token_not_only_the_cookie(gate: RunningGateway) -> None:
    cookie = signed_in(gate)
    out = posted(gate, "/sign-out", {}, Cookie=cookie)
    assert (out.status, out.headers["Location"]) == (303, "/")
    assert own_page(gate, cookie).status == 303
    token = cookie.partition("=")[2]
    assert gate.edge.call("GET", "/v1/me/records", token).status == 401
