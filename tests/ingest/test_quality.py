"""Quality and timeliness through the faces: what was expected, what came, findings and what is said of them."""

import csv
import io
import threading
from datetime import UTC, datetime
from typing import Any

import pytest
from pymongo.errors import AutoReconnect

from chengxin.errors import Problem
from chengxin_api.catalog.v1 import catalog_pb2
from chengxin_api.ingest.v1 import ingest_pb2 as pb
from services.ingest.usecases.anomalies import QualityInspector
from services.ingest.usecases.count_deliveries import count
from tests.ingest.conftest import (
    HOUSING,
    REGULATOR,
    STRANGER,
    Organ,
    Running,
    demo_entry,
    licence,
    licences,
    wrong_digit,
)
from tests.support import until

# The State Council's notices for 2026 (Spring Festival, National Day), as far as these tests go.
OFF_2026 = [
    *(f"2026-02-{day}" for day in (16, 17, 18, 19, 20, 23)),
    *(f"2026-10-0{day}" for day in (1, 2, 5, 6, 7)),
]
WORKED_2026 = ["2026-02-14", "2026-02-28", "2026-09-20", "2026-10-10"]


def at(day: str, hour: int = 4) -> datetime:
    """An instant of a Shanghai date, before its evening."""
    return datetime.fromisoformat(f"{day}T{hour:02}:00:00").replace(tzinfo=UTC)


@pytest.fixture
def watched(ingest: Running) -> Running:
    """An ingest that began to count on Friday, 2026-01-02, and has the calendars of the year and the next."""
    for year, off, worked in ((2026, OFF_2026, WORKED_2026), (2027, [], [])):
        days = catalog_pb2.CalendarYear(year=year, announced=year == 2026, days_off=off, days_worked=worked)
        changes = ingest.catalog.changes
        changes.append(catalog_pb2.Change(position=len(changes) + 1, calendar_year=days))
    ingest.knows(len(ingest.catalog.changes))
    ingest.clock.instant = at("2026-01-02")
    QualityInspector(ingest.ctx).round()
    return ingest


def goes_to(running: Running, day: str) -> None:
    """It is another day, and the inspector has been round."""
    running.clock.instant = at(day)
    QualityInspector(running.ctx).round()


def owes(running: Running, cycle: str, version: int = 2, begins: str = "2026-01-01") -> None:
    """The licensing entry is due by another cycle."""
    running.knows(running.catalog.publishes(demo_entry("XZXK") | {"update_cycle": cycle}, version, begins))


def supervisor(running: Running) -> Organ:
    return running.organ("supervisor", org="120000000000001742", sub="officer:s", client_id="")


def report(organ: Organ, provider: str = REGULATOR, entry: str = "XZXK", **query: str) -> dict[str, Any]:
    """The report on a provider and an entry."""
    asked = {"entry": entry} | query
    answer = organ.get("/v1/submissions/quality", query_string=asked)
    assert answer.status_code == 200, answer.text
    [found] = [r for r in answer.json["reports"] if r["provider_uscc"] == provider]
    return dict(found)


def overdue(organ: Organ, entry: str = "XZXK", provider: str = REGULATOR) -> list[str]:
    """The overdue periods of a provider and an entry."""
    answer = organ.get("/v1/submissions/overdue", query_string={"entry": entry, "page_size": "200"})
    assert answer.status_code == 200, answer.text
    return [one["period"] for one in answer.json["overdue"] if one["provider_uscc"] == provider]


def post(organ: Organ, path: str, body: dict[str, Any] | None = None, key: str = "") -> Any:
    headers = organ.headers | ({"Idempotency-Key": key} if key else {})
    return organ.client.post(path, json=body, headers=headers)


def test_a_month_without_a_delivery_is_overdue_until_there_is_one(watched: Running) -> None:
    owes(watched, "monthly")
    goes_to(watched, "2026-03-06")
    # February ends on a worked Saturday; five working days later it is Friday, 2026-03-06.
    assert overdue(watched.centre) == []
    goes_to(watched, "2026-03-07")
    [found] = watched.centre.get("/v1/submissions/overdue", query_string={"entry": "XZXK"}).json["overdue"][:1]
    assert (found["period"], found["due"], found["working_days_late"]) == ("2026-02", "2026-03-06", 0)
    watched.regulator.submits(licences(3))
    goes_to(watched, "2026-03-09")
    # It came in March, whose turn it was; what is missing stays missing until more comes, or nothing is declared.
    assert overdue(watched.centre) == ["2026-02"]
    watched.regulator.submits(licences(3, 10))
    goes_to(watched, "2026-03-10")
    assert overdue(watched.centre) == []
    assert report(watched.centre)["periods"] | {"undetermined": 0} == {
        "expected": 2,
        "awaited": 0,
        "delivered": 1,
        "delivered_late": 1,
        "declared": 0,
        "declared_late": 0,
        "overdue": 0,
        "not_expected": 0,
        "undetermined": 0,
    }


def test_spring_festival_makes_nobody_late(watched: Running) -> None:
    # Licences are due day by day, and come on every working day until the last before the festival, a Saturday.
    for number, day in enumerate(("02-10", "02-11", "02-12", "02-13", "02-14"), 1):
        watched.clock.instant = at(f"2026-{day}")
        watched.regulator.submits([licence(number)])
    goes_to(watched, "2026-02-24")
    told = report(watched.centre, **{"from": "2026-02-13", "until": "2026-02-24"})
    assert (told["periods"]["not_expected"], told["periods"]["delivered"], told["periods"]["overdue"]) == (9, 1, 0)
    # The 14th is awaited until the 24th is over: what came on it was for the 13th.
    assert told["periods"]["awaited"] == 2
    before = overdue(watched.centre)
    assert before[-1] < "2026-02-10"
    goes_to(watched, "2026-02-25")
    assert overdue(watched.centre) == [*before, "2026-02-14"]


def test_national_day_moves_the_quarter_that_ends_before_it(watched: Running) -> None:
    owes(watched, "quarterly")
    # Ten working days after 2026-09-30: 8, 9, 10 (a worked Saturday), 12 to 16, 19, 20 October.
    goes_to(watched, "2026-10-20")
    assert overdue(watched.centre) == ["2026-Q2"]
    goes_to(watched, "2026-10-21")
    answer = watched.centre.get("/v1/submissions/overdue", query_string={"entry": "XZXK", "provider": REGULATOR})
    assert [(o["period"], o["due"], o["working_days_late"]) for o in answer.json["overdue"]][-1] == (
        "2026-Q3",
        "2026-10-20",
        1,
    )


def test_a_clock_that_jumps_changes_what_is_said_and_nothing_that_is_kept(watched: Running) -> None:
    owes(watched, "monthly")
    watched.clock.instant = at("2026-02-10")
    watched.regulator.submits(licences(2))
    goes_to(watched, "2027-01-20")
    late = overdue(watched.centre)
    assert late[:2] == ["2026-03", "2026-04"]
    goes_to(watched, "2026-02-20")
    assert overdue(watched.centre) == []
    goes_to(watched, "2025-11-01")
    assert report(watched.centre, **{"from": "2025-01-01", "until": "2026-02-28"})["records"]["total"] == 2
    goes_to(watched, "2027-01-20")
    assert overdue(watched.centre) == late


def test_a_report_counts_what_came_of_deliveries(watched: Running) -> None:
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


def test_a_report_counts_changes_their_lateness_and_corrections(watched: Running) -> None:
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
    watched.centre.rpc("Amend", pb.AmendRequest(record_id=corrected, items=licence(2, XK_NR="餐饮服务"), **change))
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
    # It is the provider's record that was corrected, whoever did it.
    assert (told["corrections"], told["records"]["on_record"], told["correction_rate"]) == (1, 3, round(1 / 3, 4))


def test_a_provider_says_that_there_was_nothing_to_report(watched: Running) -> None:
    owes(watched, "monthly")
    goes_to(watched, "2026-05-11")
    assert overdue(watched.housing, provider=HOUSING) == ["2026-02", "2026-03", "2026-04"]
    body = {"catalog": "XZXK", "period": "2026-02", "through": "2026-03"}
    for _ in range(2):
        answer = post(watched.housing, "/v1/submissions/nothing-to-report", body, key="once")
        assert (answer.status_code, answer.json["periods"]) == (200, ["2026-02", "2026-03"])
    assert overdue(watched.housing, provider=HOUSING) == ["2026-04"]
    assert report(watched.housing, HOUSING, **{"from": "2026-02-01", "until": "2026-04-30"})["periods"] | {} == {
        "expected": 3,
        "awaited": 0,
        "delivered": 0,
        "delivered_late": 0,
        "declared": 0,
        "declared_late": 2,
        "overdue": 1,
        "not_expected": 0,
        "undetermined": 0,
    }
    # Others still owe what they owe.
    assert overdue(watched.centre) == ["2026-02", "2026-03", "2026-04"]
    until(lambda: watched.audit.of("period.declared"), "the relay delivers")
    [event] = watched.audit.of("period.declared")
    assert event["details"] == {"from": "2026-02", "through": "2026-03", "periods": 2}
    assert event["actor"]["org"] == HOUSING


def test_what_is_not_owed_is_not_declared(watched: Running) -> None:
    owes(watched, "monthly")
    goes_to(watched, "2026-05-11")
    for catalog, period, through, code in (
        ("XZXK", "2026-05", "", "PERIOD_NOT_OVER"),
        ("XZXK", "2026-04", "2026-05", "PERIOD_NOT_OVER"),
        ("XZXK", "2026-W07", "", "PERIOD_UNKNOWN"),
        # Before counting began, and after today.
        ("XZXK", "2025-12", "", "PERIOD_UNKNOWN"),
        ("XZXK", "2026-06", "", "PERIOD_UNKNOWN"),
        ("XZXK", "2026-04", "2026-03", "PERIOD_UNKNOWN"),
        ("XZXK", "2026-05-01extra", "", "INPUT_INVALID"),
        ("NO", "2026-04", "", "DELIVERY_ENTRY_UNKNOWN"),
        ("QYDJ", "2026-04-30", "", "NOT_A_PROVIDER"),
    ):
        body = {"catalog": catalog, "period": period, "through": through}
        answer = post(watched.housing, "/v1/submissions/nothing-to-report", body)
        assert answer.json["code"] == code, (body, answer.json)
    assert watched.ctx.quality.series_of(HOUSING) == {}


def weekly_volumes(running: Running, volumes: list[int], organ: Organ | None = None) -> None:
    """A week's delivery after the other, from 2026-04-08 on; then it is the Monday after the last."""
    owes(running, "weekly")
    first = 1
    for week, volume in enumerate(volumes):
        running.clock.instant = at(f"2026-04-{8 + 7 * week:02}")
        (organ or running.regulator).submits(licences(volume, first))
        first += volume
    goes_to(running, f"2026-04-{13 + 7 * (len(volumes) - 1):02}" if len(volumes) < 4 else "2026-05-04")


def listed(organ: Organ, **query: str) -> list[dict[str, Any]]:
    answer = organ.get("/v1/submissions/findings", query_string=query)
    assert answer.status_code == 200, answer.text
    return list(answer.json["findings"])


def test_a_drop_is_found_once_explained_and_closed(watched: Running) -> None:
    weekly_volumes(watched, [60, 60, 60, 20])
    [found] = listed(watched.centre)
    assert (found["kind"], found["period"], found["state"]) == ("volume_drop", "2026-W18", "open")
    assert found["figures"] == {"records": 20, "median": 60}
    assert (found["provider_uscc"], found["entry_code"]) == (REGULATOR, "XZXK")
    assert (found["provider_name"], found["entry_name"]["zh"]) == (
        "阳江市市场监督管理局",
        "行政许可信息（法人及非法人组织）",
    )
    again = post(watched.centre, "/v1/submissions/quality/recompute")
    assert (again.status_code, again.json["raised"]) == (200, 0)
    goes_to(watched, "2026-05-05")
    assert [f["finding_id"] for f in listed(watched.regulator)] == [found["finding_id"]]

    path = f"/v1/submissions/findings/{found['finding_id']}"
    for _ in range(2):
        answer = post(watched.regulator, f"{path}/explain", {"text": "系统升级，停报三日"}, key="mine")
        assert (answer.status_code, answer.json["state"]) == (200, "explained")
    assert [a["text"] for a in watched.centre.get(path).json["acts"]] == ["系统升级，停报三日"]
    answer = post(supervisor(watched), f"{path}/close", {"text": "已核实"})
    assert (answer.json["state"], [a["act"] for a in answer.json["acts"]]) == ("closed", ["explained", "closed"])
    assert post(watched.regulator, f"{path}/explain", {"text": "再说"}).json["code"] == "FINDING_CLOSED"
    assert post(supervisor(watched), f"{path}/close", {"text": "再办"}).json["code"] == "FINDING_CLOSED"
    goes_to(watched, "2026-05-06")
    assert [f["state"] for f in listed(watched.centre)] == ["closed"]

    acts = ("finding.raised", "finding.explained", "finding.closed")
    until(lambda: all(len(watched.audit.of(act)) == 1 for act in acts), "the relay delivers")
    for act in acts:
        [event] = watched.audit.of(act)
        assert event["details"] == {"finding": found["finding_id"], "provider": REGULATOR}
        assert "系统升级" not in str(event)
        assert "已核实" not in str(event)


def test_weeks_without_anything_are_declared_and_no_drop(watched: Running) -> None:
    weekly_volumes(watched, [60, 60, 60, 60])
    goes_to(watched, "2026-05-12")
    before = overdue(watched.centre)
    assert "2026-W19" not in before
    goes_to(watched, "2026-05-13")
    assert overdue(watched.centre) == [*before, "2026-W19"]
    goes_to(watched, "2026-05-18")
    body = {"catalog": "XZXK", "period": "2026-W19", "through": "2026-W20"}
    assert post(watched.regulator, "/v1/submissions/nothing-to-report", body).json["periods"] == [
        "2026-W19",
        "2026-W20",
    ]
    goes_to(watched, "2026-05-25")
    assert overdue(watched.centre) == before
    latest = {p["period"]: p["state"] for p in report(watched.centre)["latest_periods"]}
    assert (latest["2026-W19"], latest["2026-W20"]) == ("declared_late", "declared")
    assert listed(watched.centre) == []


def test_what_is_looked_at_at_once_is_found_on_the_same_day(watched: Running) -> None:
    goes_to(watched, "2026-11-24")
    assert listed(watched.centre) == []
    watched.regulator.submits([licence(n, XK_JDRQ="2022-01-04", XK_YXQZ="2022-01-04") for n in range(1, 41)])
    QualityInspector(watched.ctx).round()
    assert [f["kind"] for f in listed(watched.centre)] == ["backdating"]
    searched = len(watched.audit.of("quality.recomputed"))
    watched.regulator.submits([licence(n, XK_JDRQ="2022-01-04", XK_YXQZ="2022-01-04") for n in range(41, 51)])
    QualityInspector(watched.ctx).round()
    [found] = listed(watched.centre)
    assert (found["figures"]["backdated"], len(watched.audit.of("quality.recomputed"))) == (50, searched)


def test_mass_revocation_and_backdating_are_found_while_the_week_goes_on(watched: Running) -> None:
    owes(watched, "weekly")
    watched.clock.instant = at("2026-04-08")
    kept = watched.regulator.submits_batch(*licences(60)).outcomes
    goes_to(watched, "2026-04-15")
    assert listed(watched.centre) == []
    for outcome in kept[:20]:
        watched.regulator.rpc("Revoke", pb.RevokeRequest(record_id=outcome.record_id, reason="撤销"))
    old = [licence(n, XK_JDRQ="2021-06-01", XK_YXQZ="2021-06-01") for n in range(100, 125)]
    watched.regulator.submits([*old, *licences(40, 200)])
    goes_to(watched, "2026-04-16")
    found = {f["kind"]: f for f in listed(watched.centre)}
    assert found.keys() == {"mass_revocation", "backdating"}
    assert found["mass_revocation"]["figures"] == {"revoked": 20, "on_record_before": 60}
    assert found["backdating"]["figures"] == {"backdated": 25, "new": 65, "oldest_months": 58}
    # It goes on: the same finding, with the figures of now.
    watched.regulator.rpc("Revoke", pb.RevokeRequest(record_id=kept[20].record_id, reason="撤销"))
    goes_to(watched, "2026-04-17")
    after = {f["kind"]: f for f in listed(watched.centre, kind="mass_revocation")}
    assert after["mass_revocation"]["figures"]["revoked"] == 21
    assert after["mass_revocation"]["first_seen"] == found["mass_revocation"]["first_seen"]


def test_a_sudden_rejection_rate_is_found(watched: Running) -> None:
    weekly_volumes(watched, [30, 30, 30])
    watched.clock.instant = at("2026-04-29")
    broken = [licence(n, XK_XDR_SHXYM=wrong_digit(licence(n)["XK_XDR_SHXYM"])) for n in range(500, 510)]
    watched.regulator.submits([*licences(30, 400), *broken])
    goes_to(watched, "2026-05-04")
    [found] = listed(watched.centre)
    assert (found["kind"], found["figures"]) == (
        "rejection_change",
        {"records": 40, "rejected_percent": 25.0, "median_percent": 0.0},
    )


def test_thresholds_are_rules_of_the_catalog(watched: Running) -> None:
    changes = watched.catalog.changes
    values = {"volume_drop_percent": 30, "weekly_due_working_days": 4}
    for rules in (
        catalog_pb2.RuleSet(name="ingest_quality", version=1, effective_from="2026-01-01", values=values),
        catalog_pb2.RuleSet(name="other", version=9, effective_from="2026-01-01", values={"volume_drop_percent": 99}),
    ):
        changes.append(catalog_pb2.Change(position=len(changes) + 1, rule_set=rules))
    watched.knows(len(changes))
    weekly_volumes(watched, [60, 60, 60, 20])
    # A third is no drop by these rules.
    assert listed(watched.centre) == []
    told = report(watched.centre, **{"from": "2026-04-06", "until": "2026-04-12"})
    assert told["latest_periods"][0]["due"] == "2026-04-16"


def test_a_provider_is_shown_its_own(watched: Running) -> None:
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
    assert listed(watched.organ(org=STRANGER)) == []


def test_who_may_do_what(ingest: Running) -> None:
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
            organ = ingest.organ(role)
            answer = organ.client.open(f"/v1/submissions/{path}", method=method, json={}, headers=organ.headers)
            refused = answer.status_code == 403 and answer.json["code"] == "ROLE_NOT_ALLOWED"
            assert refused == (role not in roles), (path, role, answer.json)


def test_pages_hold_everything_once_and_so_does_the_file(watched: Running) -> None:
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


def test_no_cell_of_a_file_becomes_a_formula(watched: Running) -> None:
    weekly_volumes(watched, [60, 60, 60, 20])
    [found] = listed(watched.regulator)
    path = f"/v1/submissions/findings/{found['finding_id']}/explain"
    assert post(watched.regulator, path, {"text": '=HYPERLINK("http://x")'}).status_code == 200
    answer = supervisor(watched).get("/v1/submissions/findings", query_string={"format": "csv"})
    [line] = csv.DictReader(io.StringIO(answer.data.decode("utf-8-sig")))
    assert line["last_remark"] == '\'=HYPERLINK("http://x")'
    assert line["figures"] == "records=20 median=60"
    assert (line["provider_name"], line["entry_name"]) == ("阳江市市场监督管理局", "行政许可信息（法人及非法人组织）")


def test_a_question_that_makes_no_sense_is_told_so(ingest: Running) -> None:
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


def test_nothing_is_answered_without_the_audit_service(watched: Running) -> None:
    watched.audit.away = True
    for path in ("quality", "overdue", "findings"):
        assert watched.centre.get(f"/v1/submissions/{path}").json["code"] == "AUDIT_UNAVAILABLE"
    watched.audit.away = False
    assert watched.centre.get("/v1/submissions/overdue").status_code == 200
    [event] = watched.audit.of("overdue.listed")
    assert event["actor"]["roles"] == ["centre"]


def test_every_batch_is_counted_once_whoever_counts_and_whatever_breaks(
    watched: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    watched.regulator.submits(licences(300), batch=5)
    quality = watched.ctx.quality
    put = quality.put_series

    def breaks(*arguments: Any) -> None:
        put(*arguments)
        monkeypatch.undo()
        raise AutoReconnect("the store went away")

    monkeypatch.setattr(quality, "put_series", breaks)
    with pytest.raises(AutoReconnect):
        count(watched.ctx)
    # Four count at once; the place is kept with the figures, so that none counts what another did.
    workers = [threading.Thread(target=QualityInspector(watched.ctx).round) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert count(watched.ctx) == 0
    assert report(watched.centre)["records"]["accepted"] == 300


def test_the_inspector_counts_beside_the_deliveries(watched: Running) -> None:
    inspector = QualityInspector(watched.ctx, seconds=0.05)
    inspector.start()
    watched.regulator.submits(licences(30), batch=10)
    until(lambda: report(watched.centre)["records"]["accepted"] == 30, "it is counted")
    inspector.stop()
    until(lambda: not inspector._thread.is_alive(), "the inspector ends")


def test_the_region_is_that_of_the_client(watched: Running) -> None:
    watched.organ(region="441702").submits(licences(2))
    goes_to(watched, "2026-01-05")
    for region, providers in (("441702", {REGULATOR}), ("441781", set())):
        answer = watched.centre.get("/v1/submissions/quality", query_string={"region": region, "entry": "XZXK"})
        assert {r["provider_uscc"] for r in answer.json["reports"]} == providers


def test_no_submission_takes_the_name_of_an_address(ingest: Running) -> None:
    for name in ("findings", "nothing-to-report"):
        with pytest.raises(Problem) as caught:
            ingest.regulator.submits(licences(1), submission_id=name)
        assert caught.value.code == "INPUT_INVALID"
    assert ingest.regulator.submits(licences(1), submission_id="findings-1").counts.accepted == 1
