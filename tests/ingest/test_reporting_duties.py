"""What is owed in a period, what is overdue, and that there was nothing to report."""

from tests.ingest.deliveries import REGULATOR, licence, licences
from tests.ingest.quality_inspection import at, goes_to, overdue, owes, post, report
from tests.ingest.running_ingest import HOUSING, RunningIngest
from tests.support import until


def test_a_month_without_a_delivery_is_overdue_until_there_is_one(watched: RunningIngest) -> None:
    owes(watched, "monthly")
    goes_to(watched, "2026-03-06")
    # February ends on a worked Saturday; five working days later it is Friday, 2026-03-06.
    assert overdue(watched.centre) == []
    goes_to(watched, "2026-03-07")
    [found] = watched.centre.get("/v1/submissions/overdue", query_string={"entry": "XZXK"}).json["overdue"][:1]
    assert (found["period"], found["due"], found["working_days_late"]) == ("2026-02", "2026-03-06", 0)
    watched.regulator.submits(licences(3))
    goes_to(watched, "2026-03-09")
    # The delivery counts for March; February stays missing until more comes, or "nothing to report" is declared.
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


def test_spring_festival_makes_nobody_late(watched: RunningIngest) -> None:
    # Licences are due day by day, and come on every working day until the last before the festival, a Saturday.
    for number, day in enumerate(("02-10", "02-11", "02-12", "02-13", "02-14"), 1):
        watched.clock.instant = at(f"2026-{day}")
        watched.regulator.submits([licence(number)])
    goes_to(watched, "2026-02-24")
    told = report(watched.centre, **{"from": "2026-02-13", "until": "2026-02-24"})
    assert (told["periods"]["not_expected"], told["periods"]["delivered"], told["periods"]["overdue"]) == (9, 1, 0)
    # The 14th is awaited until the end of the 24th: the delivery on it was for the 13th.
    assert told["periods"]["awaited"] == 2
    before = overdue(watched.centre)
    assert before[-1] < "2026-02-10"
    goes_to(watched, "2026-02-25")
    assert overdue(watched.centre) == [*before, "2026-02-14"]


def test_national_day_moves_the_quarter_that_ends_before_it(watched: RunningIngest) -> None:
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


def test_a_clock_that_jumps_changes_what_is_said_and_nothing_that_is_kept(watched: RunningIngest) -> None:
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


def test_a_provider_says_that_there_was_nothing_to_report(watched: RunningIngest) -> None:
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


def test_what_is_not_owed_is_not_declared(watched: RunningIngest) -> None:
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
