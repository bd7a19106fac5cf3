"""Deadlines in working days, by the calendar and the rules of the catalog (Art. 24 to 27, 29, 33)."""

from datetime import UTC, datetime

import pytest

from chengxin_api.catalog.v1 import catalog_pb2
from tests.objection.conftest import RunningObjection
from tests.support import until

# Days in the form of the notice, which is not published yet.
NOTICE_2027 = catalog_pb2.CalendarYear(
    year=2027, announced=True, days_off=["2027-01-01", "2027-01-04", "2027-10-01"], days_worked=["2027-01-09"]
)


@pytest.mark.parametrize(
    ("filed", "due", "provisional"),
    [
        # Tuesday: Wednesday, Thursday, Friday.
        ("2026-11-24", "2026-11-27", False),
        # Thursday: over the weekend.
        ("2026-11-26", "2026-12-01", False),
        # The day before National Day: the week is off, Saturday the 10th is worked.
        ("2026-09-30", "2026-10-10", False),
        # In the middle of it.
        ("2026-10-03", "2026-10-10", False),
        # A weekend day that is worked counts: Saturday the 28th of February after the Spring Festival.
        ("2026-02-26", "2026-03-02", False),
        # Mid-Autumn Festival is on a Friday.
        ("2026-09-23", "2026-09-29", False),
        # From the 25th of December on next year's notice decides.
        ("2026-12-24", "2026-12-29", True),
        # Into a year without a notice.
        ("2026-12-30", "2027-01-05", True),
    ],
)
def test_acceptance_is_due_within_three_working_days(
    city: RunningObjection, filed: str, due: str, provisional: bool
) -> None:
    city.on(filed)
    case = city.company.files().json
    assert (case["due"], case["provisional"]) == (due, provisional)


def test_the_day_is_that_of_shanghai(city: RunningObjection) -> None:
    # 23:30 in London on Monday is Tuesday morning here.
    city.clock.instant = datetime(2026, 11, 23, 23, 30, tzinfo=UTC)
    filed = city.company.files().json
    assert (filed["objection_no"], filed["due"]) == ("YY-20261124-0001", "2026-11-27")


def test_the_provider_has_ten_working_days_and_twenty_in_a_complex_case(city: RunningObjection) -> None:
    number = city.task()
    task = city.regulator.get(f"/v1/objections/tasks/{number}").json
    assert (task["answer_due"], task["extended"], task["provisional"]) == ("2026-12-08", False, False)
    city.on("2026-12-08")
    longer = city.regulator.does("extension", number, reason="跨部门核查")
    # Counted from the notification, not from the extension.
    assert (longer["answer_due"], longer["extended"]) == ("2026-12-22", True)
    assert city.regulator.does("extension", number, reason="跨部门核查") == longer
    again = city.regulator.post(f"/v1/objections/{number}/extension", {"reason": "还要"})
    assert (again.status_code, again.json["code"]) == (409, "EXTENSION_ALREADY_GRANTED")


def test_an_extension_after_the_time_is_over_is_refused(city: RunningObjection) -> None:
    number = city.task()
    city.on("2026-12-09")
    late = city.regulator.post(f"/v1/objections/{number}/extension", {"reason": "忙"})
    assert (late.status_code, late.json["code"], late.json["params"]["due"]) == (
        409,
        "EXTENSION_TOO_LATE",
        "2026-12-08",
    )


def test_lateness_is_shown_while_it_lasts_and_stays_on_the_step(city: RunningObjection) -> None:
    number = city.task()
    early = city.filed(items=["XK_WSH"])
    # Its last day.
    city.on("2026-11-27")
    assert city.centre.get("/v1/objections?overdue=true").json["objections"] == []
    city.on("2026-12-09")
    overdue = city.centre.get("/v1/objections?overdue=true").json["objections"]
    assert [c["objection_no"] for c in overdue] == [number, early]
    assert city.regulator.get(f"/v1/objections/tasks/{number}").json["late"] is True
    city.regulator.does("answer", number, finding="right", evidence="档案")
    course = city.supervisor.get(f"/v1/objections/{number}/course").json
    assert course["overdue"] is False
    assert {p["step"]: p["late"] for p in course["periods"]} == {
        "acceptance": False,
        "verification": False,
        "answer": True,
        "conclusion": False,
    }
    courses = city.supervisor.get("/v1/objections/courses?overdue=true").json["objections"]
    assert [c["objection_no"] for c in courses] == [early]


def test_a_case_keeps_the_rules_that_it_was_filed_under(city: RunningObjection) -> None:
    number = city.filed()
    city.catalog.rules(2, "2026-11-25", verification_working_days=1, acceptance_working_days=5)
    city.caught_up()
    assert city.filed(items=["XK_WSH"])  # still today's rules
    city.on("2026-11-25")
    assert city.centre.does("accept", number)["due"] == "2026-11-30"
    newer = city.company.files(items=["XK_XDR_MC"]).json
    assert (newer["rules_version"], newer["due"]) == (2, "2026-12-02")
    guideline = city.caller("public").get("/v1/objections/guideline").json
    assert (guideline["rules_version"], guideline["deadlines"]["acceptance_working_days"]) == (2, 5)
    assert "收到之日起 5 个工作日" in guideline["zh"]


def test_a_years_notice_counts_provisional_deadlines_again_on_record(city: RunningObjection) -> None:
    city.on("2026-12-30")
    number = city.filed()
    # Over by the time the notice comes, and closed: both stay as they were.
    withdrawn = city.filed(items=["XK_WSH"])
    city.company.post(f"/v1/me/objections/{withdrawn}/withdraw")
    city.on("2026-12-31")
    accepted = city.filed(items=["XK_XDR_MC"])
    city.centre.does("accept", accepted)
    before = {n: city.centre.get(f"/v1/objections/{n}").json for n in (number, withdrawn, accepted)}
    assert before[number]["due"] == "2027-01-05"

    city.catalog.year(NOTICE_2027)
    city.caught_up()
    after = {n: city.centre.get(f"/v1/objections/{n}").json for n in before}
    assert (after[number]["due"], after[number]["provisional"]) == ("2027-01-06", False)
    assert after[withdrawn] == before[withdrawn]
    assert after[accepted]["periods"][0] == before[accepted]["periods"][0]
    assert (before[accepted]["due"], after[accepted]["due"]) == ("2027-01-06", "2027-01-07")
    assert after[number]["rules_version"] == 1

    event = city.event("deadline.recounted", 2)
    events = {e["details"]["objection_no"]: e for e in city.audit.of("deadline.recounted")}
    assert event["actor"]["sub"] == "objection"
    assert events[number]["details"] | {} == {
        "objection_no": number,
        "state": "filed",
        "year": 2027,
        "step": "acceptance",
        "from": "2027-01-05",
        "to": "2027-01-06",
        "provisional": False,
    }
    assert events[number]["records"] == [before[number]["record_id"]]


def test_the_same_notice_again_changes_nothing(city: RunningObjection) -> None:
    city.on("2026-12-30")
    number = city.filed()
    city.catalog.year(NOTICE_2027)
    city.caught_up()
    case = city.centre.get(f"/v1/objections/{number}").json
    city.catalog.year(NOTICE_2027)
    city.caught_up()
    assert city.centre.get(f"/v1/objections/{number}").json == case
    city.event("deadline.recounted")


def test_days_off_that_reach_into_an_unknown_year_do_not_stop_the_feed(city: RunningObjection) -> None:
    city.on("2027-12-28")
    number = city.filed()
    due = city.centre.get(f"/v1/objections/{number}").json["due"]
    assert due == "2027-12-31"
    off = [f"2027-12-{day}" for day in (29, 30, 31)]
    city.catalog.year(catalog_pb2.CalendarYear(year=2027, announced=True, days_off=off))
    city.caught_up()
    assert city.centre.get(f"/v1/objections/{number}").json["due"] == due
    # Nor is a deadline guessed for a new case.
    waiting = city.company.files(items=["XK_WSH"])
    assert (waiting.status_code, waiting.json["code"]) == (503, "DEADLINE_UNKNOWN")
    city.catalog.year(catalog_pb2.CalendarYear(year=2028, announced=True, days_off=["2028-01-03"]))
    city.caught_up()
    assert city.centre.get(f"/v1/objections/{number}").json["due"] == "2028-01-06"


def test_before_the_rules_have_arrived_nothing_is_filed(city: RunningObjection) -> None:
    city.ctx.store.store.db["rules"].delete_many({})
    waiting = city.company.files()
    assert (waiting.status_code, waiting.json["code"], waiting.headers["Retry-After"]) == (503, "DEADLINE_UNKNOWN", "5")
    assert city.caller("public").get("/v1/objections/guideline").json["code"] == "DEADLINE_UNKNOWN"
    assert city.company.get("/v1/me/objections").json["objections"] == []


def test_the_readiness_names_both_feeds(city: RunningObjection) -> None:
    ready = until(lambda: (r := city.caller("public").get("/readyz")).status_code == 200 and r.json, "ready")
    assert ready.pop("lag")["consumers"].keys() == {"relay.audit", "feed.catalog", "feed.ingest"}
    needs = ("store", "token", "feed.catalog", "feed.ingest", "quarantine", "on_record")
    assert ready == dict.fromkeys(needs, True)
