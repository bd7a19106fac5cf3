"""A provider's officer with a browser and nothing else: signs in, delivers a file, mends its rejects, gets its receipt."""

import csv
import io
import time
from http.cookies import SimpleCookie
from typing import Any
from urllib.parse import urlencode

import pyotp
import pytest

from chengxin_cli.gateway_client import HttpAnswer
from chengxin_cli.submission import verified
from demo.world import organs
from tests.city import City
from tests.e2e.registrations import registrations, with_another_digit

LABEL, CODE = "企业全称", "统一社会信用代码"


class ReportingBrowser:
    """A browser on this site's pages, with its cookies."""

    def __init__(self, city: City) -> None:
        self._city = city
        self.jar: dict[str, str] = {}

    def asks(self, method: str, path: str, **options: Any) -> HttpAnswer:
        told = {"Origin": self._city.edge.http} if method != "GET" else {}
        sent = told | {"Cookie": "; ".join(f"{name}={value}" for name, value in self.jar.items())}
        answer = self._city.edge.call(
            method, path, headers=sent | options.pop("headers", {}), redirect=False, **options
        )
        for line in answer.headers.getlist("Set-Cookie"):  # type: ignore[attr-defined]
            for name, morsel in SimpleCookie(line).items():
                self.jar[name] = morsel.value
                if morsel["max-age"] == "0":
                    del self.jar[name]
        return answer

    def scripted(self, method: str, path: str, **options: Any) -> HttpAnswer:
        """As the page's script asks."""
        return self.asks(method, path, headers={"X-CSRF-Token": self.jar["chengxin_csrf"]}, **options)

    def sends(self, form: dict[str, str], path: str) -> HttpAnswer:
        """As a form is sent."""
        return self.asks(
            "POST", path, body=urlencode(form), headers={"Content-Type": "application/x-www-form-urlencoded"}
        )

    def signs_in(self, username: str) -> None:
        secret = self._city.people["officers"][username]
        # A code is good once: another test may have used the one of now.
        for ahead in (0, 30):
            code = pyotp.TOTP(secret["totp_secret"]).at(int(time.time()) + ahead)
            form = {"username": username, "password": secret["password"], "totp": code}
            answer = self.sends(form, "/officers/sign-in")
            if answer.status == 303:
                break
        assert (answer.status, answer.headers["Location"]) == (303, "/report")


@pytest.fixture(scope="module")
def clerk(city: City) -> ReportingBrowser:
    """The market regulator's officer."""
    browser = ReportingBrowser(city)
    assert browser.asks("GET", "/report", headers={"Accept": "text/html"}).headers["Location"] == "/officers/sign-in"
    browser.signs_in("clerk")
    return browser


def test_a_file_is_delivered_mended_and_receipted(city: City, clerk: ReportingBrowser) -> None:
    assert 'value="QYDJ"' in clerk.asks("GET", "/report").body
    rows = [{LABEL if k == "主体名称" else k: v for k, v in row.items()} for row in registrations(5, first=77001)]
    right = {row[LABEL]: row[CODE] for row in rows}
    for row in rows[1::2]:
        row[CODE] = with_another_digit(row[CODE])

    seen = clerk.scripted("POST", "/v1/submissions/preview", fields=as_file(rows)).body
    assert [c["label"] for c in seen["columns"] if c["found_by"] == "unknown"] == [LABEL]
    mapping = "/v1/submissions/mappings/QYDJ"
    columns = clerk.asks("GET", mapping).body["columns"] | {LABEL: "ZTMC"}
    assert clerk.scripted("PUT", mapping, json={"columns": columns}).status == 200
    seen = clerk.scripted("POST", "/v1/submissions/preview", fields=as_file(rows)).body
    assert [bool(row["violations"]) for row in seen["rows"]] == [False, True, False, True, False]

    taken = clerk.scripted("POST", "/v1/submissions", fields=as_file(rows))
    assert taken.status == 201, taken.body
    assert (taken.body["counts"]["accepted"], taken.body["counts"]["rejected"]) == (3, 2)
    address = f"/v1/submissions/{taken.body['submission_id']}"
    rejects = clerk.asks("GET", f"{address}/rejects?format=file").body
    mended = list(csv.DictReader(io.StringIO(rejects.removeprefix("\ufeff"))))
    assert "校验码" in mended[0]["退回原因"]
    for row in mended:
        row[CODE] = right[row[LABEL]]
    again = clerk.scripted("POST", "/v1/submissions", fields=as_file(mended)).body
    assert (again["counts"]["accepted"], again["counts"]["rejected"]) == (2, 0)

    receipt = clerk.asks("GET", f"{address}/receipt").body
    says = verified(receipt["jws"], city.anybody.get("/v1/submissions/keys"))
    assert (says["provider"], says["counts"]["rejected"]) == (organs()["market_regulator"].uscc, 2)
    listed = clerk.asks("GET", "/report").body
    assert listed.index(f"/v1/submissions/{again['submission_id']}/receipt") < listed.index(f"{address}/rejects")


def test_the_session_is_nothing_without_its_proof_and_over_when_she_leaves(city: City) -> None:
    browser = ReportingBrowser(city)
    browser.signs_in("centre")
    # An officer of the centre sees what was delivered, and delivers nothing: the page gives no right.
    assert 'id="choose"' not in browser.asks("GET", "/report").body
    refused = browser.scripted("POST", "/v1/submissions", fields=as_file(registrations(1, first=77101)))
    assert (refused.status, refused.body["code"]) == (403, "ROLE_NOT_ALLOWED")
    forged = browser.asks("POST", "/v1/submissions", fields=as_file(registrations(1, first=77101)))
    assert (forged.status, forged.body["code"]) == (403, "FOREIGN_FORM")
    kept = dict(browser.jar)
    assert browser.sends({}, "/sign-out").status == 303
    assert browser.jar == {}
    browser.jar = kept
    assert browser.asks("GET", "/v1/submissions").body["code"] == "UNAUTHENTICATED"


def as_file(rows: list[dict[str, str]]) -> dict[str, Any]:
    """The form with a file of these rows."""
    text = io.StringIO()
    writer = csv.DictWriter(text, rows[0].keys())
    writer.writeheader()
    writer.writerows(rows)
    return {"catalog": "QYDJ", "file": ("november.csv", text.getvalue().encode("gb18030"), "text/csv")}
