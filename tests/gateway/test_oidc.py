"""Citizens prove who they are at an OpenID Connect provider, which is a process of its own."""

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from html import unescape
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import jwt
import pytest
import urllib3

from chengxin_cli.gateway_client import Edge, HttpAnswer
from tests.gateway.conftest import LI_NA, RunningGateway, answers
from tests.support import free_port, until

PATH = "/v1/identity/oidc"


@dataclass
class OidcBrowser:
    """A citizen's browser, at a gateway with an OpenID Connect provider."""

    edge: Edge
    provider: str
    http: urllib3.PoolManager

    def begin(self, uscc: str = "") -> tuple[str, str]:
        """Where the gateway redirects, and the cookie."""
        answer = self.http.request("GET", f"{self.edge.http}{PATH}/sign-in?uscc={uscc}", redirect=False)
        assert answer.status == 302
        cookie = answer.headers["Set-Cookie"]
        assert "HttpOnly" in cookie
        assert "SameSite=Lax" in cookie
        return answer.headers["Location"], cookie.partition(";")[0]

    def consent(self, location: str, sub: str = "li_na") -> dict[str, str]:
        """Signs in at the provider; the parameters with which it redirects back."""
        answer = self.http.request("POST", location, fields={"sub": sub}, encode_multipart=False, redirect=False)
        assert answer.status == 302, answer.data
        return {k: v[0] for k, v in parse_qs(urlsplit(answer.headers["Location"]).query).items()}

    def come_back(self, given: dict[str, str], cookie: str) -> HttpAnswer:
        """Returns to the gateway."""
        query = "&".join(f"{k}={v}" for k, v in given.items())
        return self.edge.call("GET", f"{PATH}/callback?{query}", headers={"Cookie": cookie})


@pytest.fixture(scope="module")
def browser(gate: RunningGateway, tmp_path_factory: pytest.TempPathFactory) -> Iterator[OidcBrowser]:
    port, http, grpc = free_port(), f"127.0.0.1:{free_port()}", f"127.0.0.1:{free_port()}"
    users = [
        {"sub": "li_na", "name": LI_NA["name"], "identity_number": LI_NA["identity_number"]},
        {"sub": "nameless", "name": "某"},
    ]
    arguments = [a for u in users for a in ("--user-claims", json.dumps(u))]
    provider = subprocess.Popen(
        [str(Path(sys.executable).with_name("oidc-provider-mock")), "-p", str(port), *arguments],
        stderr=subprocess.DEVNULL,
    )
    secret = tmp_path_factory.mktemp("oidc") / "secret"
    secret.write_text("a secret")
    settings = {
        "CHENGXIN_OIDC_ISSUER": f"http://127.0.0.1:{port}",
        "CHENGXIN_OIDC_CLIENT_ID": "chengxin",
        "CHENGXIN_OIDC_CLIENT_SECRET_FILE": str(secret),
    }
    process = gate.start(CHENGXIN_HTTP_LISTEN=http, CHENGXIN_GRPC_LISTEN=grpc, CHENGXIN_DEMO="false", **settings)
    pool = urllib3.PoolManager(retries=False)
    found = OidcBrowser(Edge(f"http://{http}", grpc), settings["CHENGXIN_OIDC_ISSUER"], pool)
    try:
        until(lambda: answers(found.edge), "the gateway answers")
        until(lambda: _answers(pool, found.provider), "the provider answers")
        yield found
    finally:
        for one in (process, provider):
            one.terminate()
            one.wait(10)


def _answers(pool: urllib3.PoolManager, url: str) -> bool:
    try:
        return pool.request("GET", f"{url}/.well-known/openid-configuration").status == 200
    except urllib3.exceptions.HTTPError:
        return False


def _refused(answer: HttpAnswer) -> str:
    assert (answer.status, answer.body["code"]) == (401, "OIDC_REFUSED"), answer.body
    assert "access_token" not in answer.body
    return str(answer.body["params"]["reason"])


def test_she_signs_in_at_the_provider_and_is_her_pseudonym(gate: RunningGateway, browser: OidcBrowser) -> None:
    location, cookie = browser.begin()
    asked = parse_qs(urlsplit(location).query)
    assert asked["code_challenge_method"] == ["S256"]
    assert asked["response_type"] == ["code"]
    answer = browser.come_back(browser.consent(location), cookie)
    assert answer.status == 200, answer.body
    claims: dict[str, Any] = jwt.decode(answer.body["access_token"], options={"verify_signature": False})
    assert claims["sub"] == gate.subject_key.subject_ref("identity_number", str(LI_NA["identity_number"]))
    assert (claims["acr"], claims["roles"]) == ("oidc", ["subject"])
    assert browser.edge.call("GET", "/v1/me/records", answer.body["access_token"]).status == 200
    assert [e for e in gate.grpc_upstream.acts("citizen.identified") if e["request_id"] == answer.request_id]


def test_her_browser_gets_a_session_and_goes_on_to_her_own_page(browser: OidcBrowser) -> None:
    form = browser.edge.call("GET", "/sign-in?lang=en", headers={"Accept": "text/html"})
    # Outside the demonstration world nobody signs in by a name; the two ways that prove something are there.
    assert 'action="/sign-in?' not in form.body
    assert f'action="{PATH}/sign-in" method="get"' in form.body
    assert 'action="/sign-in/counter?lang=en" method="post"' in form.body
    # Browsers follow no redirect of a form to another site (`form-action` of the pages' policy).
    left = browser.edge.call("GET", f"{PATH}/sign-in?uscc=", headers={"Accept": "text/html"}, redirect=False)
    assert left.status == 200
    location = unescape(left.body.split('content="0; url=')[1].split('"')[0])
    given = browser.consent(location)
    query = "&".join(f"{k}={v}" for k, v in given.items())
    cookie = left.headers["Set-Cookie"].partition(";")[0]
    headers = {"Cookie": cookie, "Accept": "text/html", "Accept-Language": "en"}
    answer = browser.edge.call("GET", f"{PATH}/callback?{query}", headers=headers)
    assert answer.status == 200, answer.body
    assert answer.headers["Cache-Control"] == "no-store"
    assert "SameSite=Strict" in answer.headers["Set-Cookie"]
    # The page goes on by itself: a redirect would still be the other site's, and the strict cookie not sent.
    assert 'http-equiv="refresh" content="0; url=/me?lang=en"' in answer.body
    assert "eyJ" not in answer.body
    session = next(c for c in answer.headers["Set-Cookie"].split(", ") if c.startswith("chengxin_session="))
    own = browser.edge.call("GET", "/me", headers={"Cookie": session.partition(";")[0], "Accept": "text/html"})
    assert own.status == 200, own.body


def test_another_browser_cannot_finish_what_she_began(browser: OidcBrowser) -> None:
    location, _ = browser.begin()
    _, cookie = browser.begin()
    assert "another browser" in _refused(browser.come_back(browser.consent(location), cookie))


def test_a_state_is_good_once(browser: OidcBrowser) -> None:
    location, cookie = browser.begin()
    given = browser.consent(location)
    assert browser.come_back(given, cookie).status == 200
    assert "not begun here" in _refused(browser.come_back(given, cookie))


def test_a_forged_state_and_a_forged_code_lead_nowhere(browser: OidcBrowser) -> None:
    location, cookie = browser.begin()
    given = browser.consent(location)
    assert "not begun here" in _refused(browser.come_back(given | {"state": "forged"}, cookie))
    assert "not exchanged" in _refused(browser.come_back(given | {"code": "forged"}, cookie))


def test_a_code_from_another_sign_in_is_refused(browser: OidcBrowser) -> None:
    # Injection: the citizen's code in an attacker's sign-in. PKCE at the provider, or the nonce here, stops it.
    hers, _ = browser.begin()
    mine, cookie = browser.begin()
    state = parse_qs(urlsplit(mine).query)["state"][0]
    assert _refused(browser.come_back({"state": state, "code": browser.consent(hers)["code"]}, cookie))


def test_whoever_is_asserted_without_a_number_is_not_confirmed(browser: OidcBrowser) -> None:
    location, cookie = browser.begin()
    assert "identity number" in _refused(browser.come_back(browser.consent(location, "nameless"), cookie))


def test_for_an_organisation_she_must_be_its_representative(browser: OidcBrowser) -> None:
    location, cookie = browser.begin("11000000MA00000315")
    answer = browser.come_back(browser.consent(location), cookie)
    assert (answer.status, answer.body["code"]) == (403, "NOT_REPRESENTATIVE")


def test_without_a_provider_there_is_no_address_for_it(gate: RunningGateway) -> None:
    assert gate.edge.call("GET", f"{PATH}/sign-in").status == 404


def test_a_provider_that_is_set_up_by_half_ends_the_process(gate: RunningGateway) -> None:
    process = gate.start(
        CHENGXIN_HTTP_LISTEN=f"127.0.0.1:{free_port()}",
        CHENGXIN_GRPC_LISTEN=f"127.0.0.1:{free_port()}",
        CHENGXIN_OIDC_ISSUER="http://127.0.0.1:1",
    )
    assert process.wait(20) != 0
