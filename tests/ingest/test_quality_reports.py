"""Reports of quality and timeliness: what came, how late, with which corrections; who reads them."""

import csv
import io

import pytest

from chengxin.errors import Problem
from chengxin_api.ingest.v1 import ingest_pb2 as pb
from tests.ingest.deliveries import REGULATOR, licence, licences, visible, wrong_digit
from tests.ingest.quality_inspection import at, goes_to, listed, post, report, supervisor, weekly_volumes
from tests.ingest.running_ingest import HOUSING, STRANGER, RunningIngest
from tests.ingest.test_signed_deliveries import approves


def test_a_report_counts_what_came_of_deliveries(watched: RunningIngest) -> None:
    watched.clock.instant = at("2026-11-24")
    wrong = [licence(n, XK_XDR_SHXYM=wrong_digit(licence(n)["XK_XDR_SHXYM"])) for n in (8, 9)]
    missing = {code: value for code, value in licence(10).items() if code != "XK_NR"}
    answer = watched.regulator.submits([*licences(7), *wrong, missing])
    assert answer.counts.rejected == 3
    watched.regulator.submits(licences(7))
    goes_to(watched, "2026-11-24")
    told = report(watched.regulator)
    assert told["records"] == {
        **{"total": 17, "accepted": 7, "amended": 0, "unchanged": 7, "rejected": 3},
        "on_record": 7,
    }
    assert told["rejection_rate"] == round(3 / 17, 4)
    assert told["unchanged_rate"] == round(7 / 17, 4)
    # 4 of the 12 items that may be empty are filled in every licence of these tests.
    assert told["completeness"] == round(4 / 12, 4)
    assert {i["filled"] for i in told["least_filled"]} == {0.0}
    rules = {r["rule"]: r["count"] for r in told["broken_rules"]}
    assert sum(rules.values()) == 3
    assert sorted(rules.values()) == [1, 2]


def test_a_report_counts_changes_their_lateness_and_corrections(watched: RunningIngest) -> None:
    watched.clock.instant = at("2026-11-02")
    outcomes = watched.regulator.submits_batch(*licences(4)).outcomes
    late, corrected, revoked, in_time = (o.record_id for o in outcomes)
    watched.clock.instant = at("2026-11-24")
    # The limit is seven working days; from 2026-11-03 to the 24th there are 15.
    change = {"reason": "变更", "effective_date": "2026-11-03"}
    watched.regulator.rpc("Amend", pb.AmendRequest(record_id=late, items=licence(1, XK_NR="餐饮服务"), **change))
    change["effective_date"] = "2026-11-20"
    watched.regulator.rpc("Amend", pb.AmendRequest(record_id=in_time, items=licence(4, XK_NR="餐饮服务"), **change))
    change = {"reason": "异议更正", "objection_no": "YY-20261124-0001"}
    asked = pb.AmendRequest(record_id=corrected, items=visible(2, XK_NR="餐饮服务"), **change)
    approves(watched, watched.centre.rpc("Amend", asked).proposal_id)
    # There is no calendar of that year.
    watched.regulator.rpc("Revoke", pb.RevokeRequest(record_id=revoked, reason="撤销", effective_date="2016-01-05"))
    goes_to(watched, "2026-11-24")
    told = report(watched.centre)
    assert told["changes"] == {
        "total": 4,
        "revoked": 1,
        "late": 1,
        "undetermined": 1,
        "late_working_days": 8,
        "latest_working_days": 8,
    }
    # The correction counts for the record's provider, whoever made it.
    assert (told["corrections"], told["records"]["on_record"], told["correction_rate"]) == (1, 3, round(1 / 3, 4))


def test_a_provider_is_shown_its_own(watched: RunningIngest) -> None:
    weekly_volumes(watched, [60, 60, 60, 20])
    [found] = listed(watched.regulator)
    assert listed(watched.housing) == []
    assert {r["provider_uscc"] for r in watched.housing.get("/v1/submissions/quality").json["reports"]} == {HOUSING}
    assert {o["provider_uscc"] for o in watched.housing.get("/v1/submissions/overdue").json["overdue"]} == {HOUSING}
    for path in ("quality", "overdue", "findings"):
        answer = watched.housing.get(f"/v1/submissions/{path}", query_string={"provider": REGULATOR})
        assert (answer.status_code, answer.json["code"]) == (404, "NOT_FOUND")
    one = f"/v1/submissions/findings/{found['finding_id']}"
    assert watched.housing.get(one).status_code == 404
    assert post(watched.housing, f"{one}/explain", {"text": "不是我"}).status_code == 404
    assert listed(watched.caller(org=STRANGER)) == []


def test_who_may_do_what(ingest: RunningIngest) -> None:
    organs = {"provider", "centre", "authority", "supervisor"}
    others = ("public", "subject", "agency", "statutory", "service")
    for method, path, roles in (
        ("GET", "quality", organs),
        ("GET", "overdue", organs),
        ("GET", "findings", organs),
        ("GET", "findings/fnd_0", organs),
        ("POST", "findings/fnd_0/explain", {"provider"}),
        ("POST", "findings/fnd_0/close", {"supervisor"}),
        ("POST", "nothing-to-report", {"provider"}),
        ("POST", "quality/recompute", {"centre", "authority", "supervisor"}),
    ):
        for role in (*organs, *others):
            caller = ingest.caller(role)
            answer = caller.client.open(f"/v1/submissions/{path}", method=method, json={}, headers=caller.headers)
            refused = answer.status_code == 403 and answer.json["code"] == "ROLE_NOT_ALLOWED"
            assert refused == (role not in roles), (path, role, answer.json)


def test_pages_hold_everything_once_and_so_does_the_file(watched: RunningIngest) -> None:
    goes_to(watched, "2026-01-15")
    every: dict[str, list[tuple[str, ...]]] = {}
    for path, name, key in (
        ("quality", "reports", ("provider_uscc", "entry_code")),
        ("overdue", "overdue", ("provider_uscc", "entry_code", "period")),
    ):
        found, token = [], ""
        while True:
            query = {"page_size": "7", "page_token": token}
            answer = watched.centre.get(f"/v1/submissions/{path}", query_string=query).json
            assert len(answer[name]) <= 7
            found += [tuple(one[k] for k in key) for one in answer[name]]
            if not (token := answer["next_page_token"]):
                break
        assert found == sorted(set(found))
        whole = watched.centre.get(f"/v1/submissions/{path}", query_string={"format": "csv"})
        assert whole.mimetype == "text/csv"
        lines = list(csv.DictReader(io.StringIO(whole.data.decode("utf-8-sig"))))
        assert [tuple(line[k] for k in key) for line in lines] == found
        every[path] = found
    assert len(every["quality"]) == 9
    # Nine obligations, eight working days each that are over with their grace.
    assert len(every["overdue"]) == 9 * 8


def test_no_cell_of_a_file_becomes_a_formula(watched: RunningIngest) -> None:
    weekly_volumes(watched, [60, 60, 60, 20])
    [found] = listed(watched.regulator)
    path = f"/v1/submissions/findings/{found['finding_id']}/explain"
    assert post(watched.regulator, path, {"text": '=HYPERLINK("http://x")'}).status_code == 200
    answer = supervisor(watched).get("/v1/submissions/findings", query_string={"format": "csv"})
    [line] = csv.DictReader(io.StringIO(answer.data.decode("utf-8-sig")))
    assert line["last_remark"] == '\'=HYPERLINK("http://x")'
    assert line["figures"] == "records=20 median=60"
    assert (line["provider_name"], line["entry_name"]) == ("阳江市市场监督管理局", "行政许可信息（法人及非法人组织）")


def test_a_question_that_makes_no_sense_is_told_so(ingest: RunningIngest) -> None:
    for query in (
        {"from": "2026-02-01", "until": "2026-01-01"},
        {"from": "2020-01-01", "until": "2026-01-01"},
        {"until": "0001-01-01"},
        {"from": "yesterday"},
        {"page_token": "bm8"},
        {"page_token": "WzEsMl0"},
        {"format": "xlsx"},
    ):
        answer = ingest.centre.get("/v1/submissions/quality", query_string=query)
        assert (answer.status_code, answer.json["code"]) == (400, "INPUT_INVALID"), query


def test_an_entry_and_a_region_that_there_are_not_are_refused(watched: RunningIngest) -> None:
    watched.caller(region="441702").submits(licences(2))
    goes_to(watched, "2026-01-05")
    for path in ("quality", "overdue", "findings"):
        for name, value in (("entry", "NOPE"), ("entry", "xzxk"), ("region", "999999"), ("region", "000000")):
            for caller in (watched.centre, watched.regulator):
                answer = caller.get(f"/v1/submissions/{path}", query_string={name: value})
                assert (answer.status_code, [e["field"] for e in answer.json["errors"]]) == (400, [name]), (path, value)
        assert watched.centre.get(f"/v1/submissions/{path}?entry=XZXK&region=441702").status_code == 200
    told = watched.centre.get("/v1/submissions/overdue?entry=xzxk").json["errors"][0]["message"]
    assert "XZXK" in told


def test_nothing_is_answered_without_the_audit_service(watched: RunningIngest) -> None:
    watched.audit.away = True
    for path in ("quality", "overdue", "findings"):
        assert watched.centre.get(f"/v1/submissions/{path}").json["code"] == "AUDIT_UNAVAILABLE"
    watched.audit.away = False
    assert watched.centre.get("/v1/submissions/overdue").status_code == 200
    [event] = (e for e in watched.audit.of("overdue.listed") if e["outcome"] == "ok")
    assert event["actor"]["roles"] == ["centre"]


def test_the_region_is_that_of_the_client(watched: RunningIngest) -> None:
    watched.caller(region="441702").submits(licences(2))
    goes_to(watched, "2026-01-05")
    for region, providers in (("441702", {REGULATOR}), ("441781", set())):
        answer = watched.centre.get("/v1/submissions/quality", query_string={"region": region, "entry": "XZXK"})
        assert {r["provider_uscc"] for r in answer.json["reports"]} == providers


def test_no_submission_takes_the_name_of_an_address(ingest: RunningIngest) -> None:
    for name in ("findings", "nothing-to-report"):
        with pytest.raises(Problem) as caught:
            ingest.regulator.submits(licences(1), submission_id=name)
        assert caught.value.code == "INPUT_INVALID"
    assert ingest.regulator.submits(licences(1), submission_id="findings-1").counts.accepted == 1
