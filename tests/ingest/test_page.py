"""The page for direct reporting: what an officer needs beside the API, and the organisation's last submissions."""

import json
import re
from html import unescape

import pytest

from chengxin.errors import Problem
from services.ingest.http.pages import SCRIPT
from tests.ingest.deliveries import REGULATOR, licences
from tests.ingest.files import registration, table
from tests.ingest.running_ingest import HOUSING, STRANGER, IngestCaller, RunningIngest, demo_entry
from tests.ingest.test_signed_deliveries import approves


def page(caller: IngestCaller, path: str = "/report") -> str:
    answer = caller.get(path)
    assert answer.status_code == 200, answer.text
    assert answer.content_type == "text/html; charset=utf-8"
    return str(answer.text)


def test_it_offers_the_entries_that_name_her_organisation(ingest: RunningIngest) -> None:
    html = page(ingest.regulator)
    assert '<html lang="zh-CN">' in html
    assert "<span>阳江市市场监督管理局</span>" in html
    assert '<option value="QYDJ">企业登记信息 (QYDJ)</option>' in html
    assert 'value="XZXK"' in html
    housing = page(ingest.housing)
    assert 'value="XZXK"' in housing
    assert 'value="QYDJ"' not in housing
    # An entry that is retired, or not in force yet, accepts no deliveries.
    ingest.knows(ingest.catalog.publishes(demo_entry("QYDJ"), begins="2020-01-01", ends="2026-11-23"))
    ingest.knows(ingest.catalog.publishes(demo_entry("QYDJ"), version=2, begins="2026-11-25"))
    assert 'value="QYDJ"' not in page(ingest.regulator)


def test_a_version_that_is_not_in_force_yet_does_not_name_what_was_delivered(ingest: RunningIngest) -> None:
    ingest.regulator.uploads(table([registration(1)]), "一.csv", "QYDJ")
    renamed = demo_entry("QYDJ") | {"name": {"zh": "明年的名称", "en": "Next year's"}}
    renamed["providers"] = [p | {"name": f"{p['name']}（明年）"} for p in renamed["providers"]]
    ingest.knows(ingest.catalog.publishes(renamed, version=2, begins="2027-01-01"))
    html = page(ingest.regulator)
    assert "企业登记信息" in html
    assert "明年" not in html


def test_who_has_nothing_to_deliver_is_told(ingest: RunningIngest) -> None:
    html = page(ingest.caller(org=STRANGER))
    assert "没有由贵单位提供的条目" in html
    assert "还没有报送过数据" in html
    assert "<script" not in html


def test_her_organisations_last_submissions_are_listed_with_what_became_of_them(ingest: RunningIngest) -> None:
    rows = [registration(n) for n in range(1, 4)]
    rows[0]["登记状态"] = "没有"
    taken = ingest.regulator.uploads(table(rows), "十一月<b>.csv", "QYDJ").json
    address = f"/v1/submissions/{taken['submission_id']}"
    html = page(ingest.regulator)
    # 04:00 UTC is noon in Shanghai.
    assert ">2026-11-24 12:00</time>" in html
    assert "十一月&lt;b&gt;.csv" in html
    assert "已办结" in html
    assert f'href="{address}/receipt" download="{taken["submission_id"]}.receipt.json"' in html
    assert f'href="{address}/rejects?format=file"' in html
    assert '<td data-label="总数">3</td>' in html
    assert '<td data-label="退回">1</td>' in html
    # No other provider's submissions.
    assert taken["submission_id"] not in page(ingest.caller(org=HOUSING))
    assert [e["actor"]["org"] for e in ingest.audit.of("submission.listed")] == [REGULATOR, HOUSING]


def test_one_that_is_open_has_no_receipt_to_offer(ingest: RunningIngest) -> None:
    # A stream that was broken off: its batch is recorded, its end is not.
    with pytest.raises(Problem, match="DELIVERY_BROKEN_OFF"):
        ingest.regulator.submits(licences(2), record_count=4, submission_id="open-submission")
    html = page(ingest.regulator)
    assert "未完成" in html
    assert "open-submission/receipt" not in html


def test_older_ones_are_on_further_pages(ingest: RunningIngest) -> None:
    for number in range(1, 22):
        ingest.regulator.uploads(table([registration(number)]), f"{number}.csv", "QYDJ")
    first = page(ingest.regulator)
    assert first.count("/receipt") == 20
    following = re.search(r'rel="next" href="([^"]*)"', first)
    assert following is not None
    assert page(ingest.regulator, unescape(following[1])).count("/receipt") == 1
    assert ingest.regulator.get("/report?page=x").json["code"] == "INPUT_INVALID"


def test_organs_see_everybodys_and_deliver_nothing(ingest: RunningIngest) -> None:
    ingest.regulator.uploads(table([registration()]), "a.csv", "QYDJ")
    html = page(ingest.centre)
    narrowed = f"/report?lang=zh-CN&amp;provider={REGULATOR}"
    assert f'<td><a href="{narrowed}">阳江市市场监督管理局</a></td>' in html
    assert "<span>信用中心 120000000000001742</span>" in html
    assert "阳江市市场监督管理局</a></td>" in page(ingest.centre, unescape(narrowed))
    assert "还没有报送过数据" in page(ingest.centre, f"/report?provider={HOUSING}")
    assert ingest.regulator.get(f"/report?provider={HOUSING}").json["code"] == "NOT_FOUND"
    assert f"/receipt?provider={REGULATOR}" in html
    assert "<script" not in html
    assert 'id="choose"' not in html


def test_a_browser_is_told_on_a_page_why_there_is_none(ingest: RunningIngest) -> None:
    caller = ingest.regulator
    caller.headers["Accept"] = "text/html,application/xhtml+xml,*/*;q=0.8"
    for path, status in (("/report?page=zzz", 400), (f"/report?provider={HOUSING}", 404)):
        answer = caller.get(path)
        assert (answer.status_code, answer.content_type) == (status, "text/html; charset=utf-8")
        assert '<a href="/report">重新打开此页</a>' in answer.text
    assert "next_page_token" in caller.get("/report?page=zzz").text
    assert '<a href="/report?lang=en">Open this page again' in caller.get("/report?page=zzz&lang=en").text


def test_who_must_sign_is_told_before_a_file_is_chosen(ingest: RunningIngest) -> None:
    assert 'id="sign"' not in page(ingest.regulator)
    address = f"/v1/submissions/agreements/{REGULATOR}"
    for required in (True, False):
        body = {"signature_required": required, "document": "归集协议 2026-7 <乙>"}
        put = ingest.centre.client.put(address, json=body, headers=ingest.centre.headers)
        if put.status_code == 202:
            approves(ingest, put.json["proposal_id"])
        html = page(ingest.regulator)
        assert ("归集协议 2026-7 &lt;乙&gt;" in html and "chengxin submit 报送" in html) is required
        assert 'id="sign"' not in page(ingest.housing)


def test_it_is_nobody_elses_and_not_shown_unrecorded(ingest: RunningIngest) -> None:
    for role in ("public", "subject", "agency"):
        assert ingest.caller(role).get("/report").json["code"] == "ROLE_NOT_ALLOWED"
    ingest.audit.away = True
    assert ingest.regulator.get("/report").json["code"] == "AUDIT_UNAVAILABLE"


def test_it_is_in_english_too_and_so_is_its_script(ingest: RunningIngest) -> None:
    for html in (page(ingest.regulator, "/report?lang=en"), page(ingest.caller(language="en"))):
        assert '<html lang="en">' in html
        assert "Company registration (QYDJ)" in html
    used = set(re.findall(r'say\("([\w.]+)"', SCRIPT.read_text())) | {"sending", "reading", "taking"}
    for path in ("/report", "/report?lang=en"):
        told = re.search(r'data-words="([^"]*)"', page(ingest.regulator, path))
        assert told is not None
        known = {key.removeprefix("js.") for key in json.loads(unescape(told[1]))}
        assert used <= known
        assert known - used == {f"found.{how}" for how in ("mapping", "code", "name", "not_read", "unknown")}


def test_its_script_is_a_file_and_nothing_on_the_page_is_one(ingest: RunningIngest) -> None:
    html = page(ingest.regulator)
    assert re.findall(r"<script[^>]*>", html) == ['<script src="/report/report.js">']
    assert not re.search(r'\son\w+="|\sstyle="|javascript:', html)
    script = ingest.caller("public").get("/report/report.js")
    assert (script.status_code, script.mimetype) == (200, "text/javascript")
    # Values from files and answers are inserted as text.
    assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(", script.text)


@pytest.mark.parametrize("typed", ["张三", "4" * 19, "441702 19520618 0014", "\u200b"])
def test_what_is_no_code_of_an_organisation_is_not_looked_for(ingest: RunningIngest, typed: str) -> None:
    for path in ("/report", "/v1/submissions", "/v1/submissions/quality", "/v1/submissions/findings"):
        answer = ingest.centre.get(path, query_string={"provider": typed})
        assert (answer.status_code, answer.json["code"]) == (400, "INPUT_INVALID"), path
    assert not any(typed in json.dumps(event, ensure_ascii=False) for event in ingest.audit.events)
