"""The report of differences (Art. 15): what a provider's portal shows is compared with what the platform shows."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final

import pytest

from services.disclosure.context import OWN
from services.disclosure.domain.entity_resolution import link_id
from services.disclosure.usecases.archive_records import archive
from tests.disclosure.provider_portal import Portal, compared, licence, provider
from tests.disclosure.running_disclosure import COMPANY, REGULATOR, DisclosureCaller, RunningDisclosure
from tests.disclosure.subject_references import COURT, by_code, of_code
from tests.disclosure.test_discretion import publishes, record

# In Yangjiang, after the last day of November.
MIDNIGHT: Final = datetime(2026, 11, 30, 16, 0, tzinfo=UTC)


def test_a_portal_is_told_what_is_missing_outdated_and_to_be_taken_down(
    city: RunningDisclosure, portal: Portal
) -> None:
    city.delivers(*(licence(city, key) for key in "abcd"), by_code(city))
    portal.follow()
    etags = portal.etags
    city.delivers(licence(city, "b", version=2), licence(city, "c", version=2, revoked=True))
    # A portal may not show another provider's record, whatever it is.
    assert compared(city, {i: etags.get(i, "") for i in ("r_a", "r_b", "r_c", "r_fine", "r_unknown")}) == {
        "missing": [{"record_id": "r_d", "version": 1}],
        "outdated": [{"record_id": "r_b", "version": 2}],
        "take_down": ["r_c", "r_fine", "r_unknown"],
        "same": 1,
        "through": "",
    }
    assert compared(city, {"r_fine": etags["r_fine"]}, COURT)["same"] == 1
    [event, _] = city.audit.of("feed.compared")
    assert event["details"] == {"told": 5, "public": 3, "missing": 1, "outdated": 1, "take_down": 3}


def test_a_portal_that_follows_differs_in_nothing(city: RunningDisclosure) -> None:
    portal = Portal(city.anybody, REGULATOR, 7)
    city.delivers(*(licence(city, str(n)) for n in range(60)), by_code(city))
    city.delivers(*(licence(city, str(n), version=2, revoked=n % 3 == 0) for n in range(30)))
    portal.follow()
    report = compared(city, portal.etags)
    assert (report["missing"], report["outdated"], report["take_down"], report["same"]) == ([], [], [], 50)


def test_a_report_tells_whatever_is_shown_otherwise(
    city: RunningDisclosure, officer: DisclosureCaller, portal: Portal
) -> None:
    """Just the records that a portal which follows the feed would be given: another version, an objection's mark, another
    form of a person's name, another subject's page, an end."""
    publishes(city, "CFGR", 2, "masked")
    publishes(city, "ZYZG", 2, "full")
    fine = by_code(city)
    fine.provider_uscc = REGULATOR
    standing = (licence(city, "a"), licence(city, "b"), licence(city, "ends", XK_YXQZI="2026-11-30"))
    city.delivers(*standing, fine, record(city, "ZYZG"))
    link = link_id(city.ref(COMPANY), of_code(city))
    changes: dict[str, Callable[[], object]] = {
        "a version": lambda: city.delivers(licence(city, "a", version=2)),
        "an objection": lambda: city.objection("Y1", "a", True),
        "its end": lambda: city.objection("Y1", "a", False),
        "a name is masked": lambda: city.delivers(record(city, "CFGR")),
        "it is in full again": lambda: city.delivers(record(city, "CFGR", version=2, revoked=True)),
        "another subject": lambda: officer.post(f"/v1/subjects/links/{link}/split", {"reason": "另有其企业"}),
        "one subject again": lambda: city.decides(officer, f"/{link}/undo", {"reason": "核对后确认"}),
        "a new one": lambda: city.delivers(licence(city, "c")),
        "the end of its period": lambda: (setattr(city.clock, "instant", MIDNIGHT), archive(city.ctx, OWN)),
    }
    portal.follow()
    for what, change in changes.items():
        change()
        report = compared(city, portal.etags)
        before = {i: (r, portal.pages[i]) for i, r in portal.shows.items()}
        after = {i: (r, portal.pages[i]) for i, r in portal.follow().items()}
        assert before != after, what
        assert {r["record_id"] for r in report["missing"]} == after.keys() - before.keys(), what
        assert set(report["take_down"]) == before.keys() - after.keys(), what
        otherwise = {i for i in before.keys() & after.keys() if before[i] != after[i]}
        assert {r["record_id"] for r in report["outdated"]} == otherwise, what
        assert compared(city, portal.etags)["same"] == len(after), what
    for record_id, etag in portal.etags.items():
        assert city.anybody.get(f"/v1/public/records/{record_id}").json["etag"] == etag


def test_a_large_portal_asks_slice_by_slice(city: RunningDisclosure) -> None:
    city.delivers(*(licence(city, f"{n:02}") for n in range(20)))
    first = compared(city, {"r_03": ""}, through="r_09")
    assert [m["record_id"] for m in first["missing"]] == [f"r_{n:02}" for n in range(10) if n != 3]
    second = compared(city, {"r_15": "another"}, after="r_09")
    assert len(second["missing"]) == 9
    assert second["outdated"] == [{"record_id": "r_15", "version": 1}]
    outside = provider(city).post(
        "/v1/public/feed/differences", {"after": "r_09", "records": [{"record_id": "r_05", "etag": ""}]}
    )
    assert (outside.status_code, outside.json["errors"][0]["rule"]) == (400, "range")


def test_a_report_says_how_far_it_goes(city: RunningDisclosure, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.disclosure.usecases.portal_reconciliation.GREATEST_SIZE", 8)
    city.delivers(*(licence(city, f"{n:02}") for n in range(20)))
    shows = {"r_03": "", "r_15": "", "r_99": ""}
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
    shows = {f"r_{n:026}": "" for n in range(5000)}
    assert len(compared(city, shows)["take_down"]) == 5000
    more = [{"record_id": f"r_{n:026}", "etag": ""} for n in range(5001)]
    refused = provider(city).post("/v1/public/feed/differences", {"records": more})
    assert (refused.status_code, refused.json["code"]) == (400, "INPUT_INVALID")


@pytest.mark.parametrize(
    "records",
    [
        [{"record_id": "r_a", "etag": ""}] * 2,
        [{"record_id": "x", "etag": ""}],
        [{"record_id": "r_a", "etag": "e" * 65}],
    ],
)
def test_a_report_of_nonsense_is_refused(city: RunningDisclosure, records: list[dict[str, Any]]) -> None:
    answer = provider(city).post("/v1/public/feed/differences", {"records": records})
    assert (answer.status_code, answer.json["code"]) == (400, "INPUT_INVALID")


@pytest.mark.parametrize("role", ["public", "agency", "centre", "subject"])
def test_a_report_is_for_providers(city: RunningDisclosure, role: str) -> None:
    answer = city.caller(role, sub="s", org=REGULATOR).post("/v1/public/feed/differences", {"records": []})
    assert (answer.status_code, answer.json["code"]) == (403, "ROLE_NOT_ALLOWED")
