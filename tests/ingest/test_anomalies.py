"""Anomalies are found once, explained by the provider, and closed."""

from typing import Any

from chengxin_api.catalog.v1 import catalog_pb2
from chengxin_api.ingest.v1 import ingest_pb2 as pb
from services.ingest.usecases.anomalies import QualityInspector
from tests.ingest.deliveries import REGULATOR, licence, licences, wrong_digit
from tests.ingest.quality_inspection import at, goes_to, listed, overdue, owes, post, report, supervisor, weekly_volumes
from tests.ingest.running_ingest import RunningIngest
from tests.support import until


def done(watched: RunningIngest, act: str) -> list[dict[str, Any]]:
    """The events of an act that was not refused."""
    return [event for event in watched.audit.of(act) if event["outcome"] == "ok"]


def test_a_drop_is_found_once_explained_and_closed(watched: RunningIngest) -> None:
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
    until(lambda: all(done(watched, act) for act in acts), "the relay delivers")
    for act in acts:
        [event] = done(watched, act)
        assert event["details"] == {"finding": found["finding_id"], "provider": REGULATOR}
        assert "系统升级" not in str(event)
        assert "已核实" not in str(event)


def test_weeks_without_anything_are_declared_and_no_drop(watched: RunningIngest) -> None:
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


def test_what_is_looked_at_at_once_is_found_on_the_same_day(watched: RunningIngest) -> None:
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


def test_mass_revocation_and_backdating_are_found_while_the_week_goes_on(watched: RunningIngest) -> None:
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
    # It continues: the same finding, with the present figures.
    watched.regulator.rpc("Revoke", pb.RevokeRequest(record_id=kept[20].record_id, reason="撤销"))
    goes_to(watched, "2026-04-17")
    after = {f["kind"]: f for f in listed(watched.centre, kind="mass_revocation")}
    assert after["mass_revocation"]["figures"]["revoked"] == 21
    assert after["mass_revocation"]["first_seen"] == found["mass_revocation"]["first_seen"]


def test_a_sudden_rejection_rate_is_found(watched: RunningIngest) -> None:
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


def test_thresholds_are_rules_of_the_catalog(watched: RunningIngest) -> None:
    changes = watched.catalog.changes
    values = {"volume_drop_percent": 30, "weekly_due_working_days": 4}
    for rules in (
        catalog_pb2.RuleSet(name="ingest_quality", version=1, effective_from="2026-01-01", values=values),
        catalog_pb2.RuleSet(name="other", version=9, effective_from="2026-01-01", values={"volume_drop_percent": 99}),
    ):
        changes.append(catalog_pb2.Change(position=len(changes) + 1, rule_set=rules))
    watched.knows(len(changes))
    weekly_volumes(watched, [60, 60, 60, 20])
    # A third fewer is no drop by these rules.
    assert listed(watched.centre) == []
    told = report(watched.centre, **{"from": "2026-04-06", "until": "2026-04-12"})
    assert told["latest_periods"][0]["due"] == "2026-04-16"
