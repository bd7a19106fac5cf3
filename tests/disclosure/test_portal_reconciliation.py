"""The report of differences (Art. 15): what a provider's portal shows is compared with what the platform shows."""

from typing import Any

import pytest

from tests.disclosure.provider_portal import Portal, compared, licence, provider
from tests.disclosure.running_disclosure import REGULATOR, RunningDisclosure
from tests.disclosure.subject_references import COURT, by_code


def test_a_portal_is_told_what_is_missing_outdated_and_to_be_taken_down(city: RunningDisclosure) -> None:
    city.delivers(*(licence(city, key) for key in "abcd"), by_code(city))
    city.delivers(licence(city, "b", version=2), licence(city, "c", version=2, revoked=True))
    # A portal may not show another provider's record, whatever it is.
    assert compared(city, {"r_a": 1, "r_b": 1, "r_c": 1, "r_fine": 1, "r_unknown": 1}) == {
        "missing": [{"record_id": "r_d", "version": 1}],
        "outdated": [{"record_id": "r_b", "version": 2, "shown_version": 1}],
        "take_down": ["r_c", "r_fine", "r_unknown"],
        "same": 1,
        "through": "",
    }
    assert compared(city, {"r_fine": 1}, COURT)["same"] == 1
    [event, _] = city.audit.of("feed.compared")
    assert event["details"] == {"told": 5, "public": 3, "missing": 1, "outdated": 1, "take_down": 3}


def test_a_portal_that_follows_differs_in_nothing(city: RunningDisclosure) -> None:
    portal = Portal(city.anybody, REGULATOR, 7)
    city.delivers(*(licence(city, str(n)) for n in range(60)), by_code(city))
    city.delivers(*(licence(city, str(n), version=2, revoked=n % 3 == 0) for n in range(30)))
    shows = {i: r["version"] for i, r in portal.follow().items()}
    report = compared(city, shows)
    assert (report["missing"], report["outdated"], report["take_down"], report["same"]) == ([], [], [], 50)


def test_a_large_portal_asks_slice_by_slice(city: RunningDisclosure) -> None:
    city.delivers(*(licence(city, f"{n:02}") for n in range(20)))
    first = compared(city, {"r_03": 1}, through="r_09")
    assert [m["record_id"] for m in first["missing"]] == [f"r_{n:02}" for n in range(10) if n != 3]
    second = compared(city, {"r_15": 2}, after="r_09")
    assert len(second["missing"]) == 9
    assert second["outdated"] == [{"record_id": "r_15", "version": 1, "shown_version": 2}]
    outside = provider(city).post(
        "/v1/public/feed/differences", {"after": "r_09", "records": [{"record_id": "r_05", "version": 1}]}
    )
    assert (outside.status_code, outside.json["errors"][0]["rule"]) == (400, "range")


def test_a_report_says_how_far_it_goes(city: RunningDisclosure, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.disclosure.usecases.portal_reconciliation.GREATEST_SIZE", 8)
    city.delivers(*(licence(city, f"{n:02}") for n in range(20)))
    shows = {"r_03": 1, "r_15": 1, "r_99": 1}
    missing, taken, through = [], [], ""
    for _ in range(3):
        report = compared(city, {i: v for i, v in shows.items() if i > through}, after=through)
        missing += [m["record_id"] for m in report["missing"]]
        taken += report["take_down"]
        if not (through := report["through"]):
            break
    assert missing == [f"r_{n:02}" for n in range(20) if n not in (3, 15)]
    assert taken == ["r_99"]


def test_a_report_takes_thousands_of_records(city: RunningDisclosure) -> None:
    city.delivers(licence(city))
    shows = {f"r_{n:026}": 1 for n in range(5000)}
    assert len(compared(city, shows)["take_down"]) == 5000
    more = [{"record_id": f"r_{n:026}", "version": 1} for n in range(5001)]
    refused = provider(city).post("/v1/public/feed/differences", {"records": more})
    assert (refused.status_code, refused.json["code"]) == (400, "INPUT_INVALID")


@pytest.mark.parametrize(
    "records",
    [
        [{"record_id": "r_a", "version": 1}] * 2,
        [{"record_id": "x", "version": 1}],
        [{"record_id": "r_a", "version": 0}],
    ],
)
def test_a_report_of_nonsense_is_refused(city: RunningDisclosure, records: list[dict[str, Any]]) -> None:
    answer = provider(city).post("/v1/public/feed/differences", {"records": records})
    assert (answer.status_code, answer.json["code"]) == (400, "INPUT_INVALID")


@pytest.mark.parametrize("role", ["public", "agency", "centre", "subject"])
def test_a_report_is_for_providers(city: RunningDisclosure, role: str) -> None:
    answer = city.caller(role, sub="s", org=REGULATOR).post("/v1/public/feed/differences", {"records": []})
    assert (answer.status_code, answer.json["code"]) == (403, "ROLE_NOT_ALLOWED")
