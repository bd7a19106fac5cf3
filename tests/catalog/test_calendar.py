"""The working-day calendar is data under version control (Art. 33)."""

import json
import re
from datetime import UTC, datetime
from pathlib import Path

import pytest

from services.catalog.domain.holiday_notice import announced_year, year_to_dict
from services.catalog.usecases import initial_data
from services.catalog.usecases.initial_data import seed, seed_daily
from tests.catalog.conftest import RunningCatalog
from tests.support import until


def test_a_process_that_runs_into_the_next_year_gets_the_one_after(catalog: RunningCatalog) -> None:
    task = seed_daily(catalog.ctx, seconds=0.02)
    task.start()
    catalog.clock.instant = datetime(2027, 1, 1, 0, 0, tzinfo=UTC)
    assert until(lambda: catalog.anybody.get("/v1/catalog/calendar/2028").status_code == 200, "2028 is there")
    task.stop()


def test_the_calendar_knows_the_years_that_are_announced_and_says_which_are_not(catalog: RunningCatalog) -> None:
    years = catalog.anybody.get("/v1/catalog/calendar").json["calendar_years"]
    assert [(y["year"], y["announced"]) for y in years] == [(y, y < 2027) for y in range(2018, 2028)]
    assert "2026-02-28" in catalog.anybody.get("/v1/catalog/calendar/2026").json["days_worked"]
    provisional = catalog.anybody.get("/v1/catalog/calendar/2027").json
    assert provisional["days_worked"] == []
    assert "2027-10-01" in provisional["days_off"]
    assert catalog.anybody.get("/v1/catalog/calendar/2030").json["code"] == "CALENDAR_YEAR_ABSENT"


def test_the_authority_loads_the_notice_of_the_state_council(catalog: RunningCatalog) -> None:
    # Days in the form of the notice, which is not published yet.
    notice = {"days_off": ["2027-01-01", "2027-02-08", "2027-10-01"], "days_worked": ["2027-02-14", "2027-10-09"]}
    loaded = catalog.authority.put("/v1/catalog/calendar/2027", notice)
    assert loaded.json == {"year": 2027, "announced": True, **notice}
    assert catalog.authority.put("/v1/catalog/calendar/2027", loaded.json).json == loaded.json
    seed(catalog.ctx)
    assert catalog.anybody.get("/v1/catalog/calendar/2027").json == loaded.json
    events = until(lambda: len(found := catalog.audit.of("calendar.loaded")) == 11 and found, "loaded once")
    assert events[-1]["details"]["days_worked"] == notice["days_worked"]


def test_a_notice_that_contradicts_the_calendar_is_told_day_by_day(catalog: RunningCatalog) -> None:
    wrong = {"days_off": ["2027-01-02", "2026-12-31"], "days_worked": ["2027-02-15"]}
    refused = catalog.authority.put("/v1/catalog/calendar/2027", wrong)
    assert {(e["field"], e["rule"]) for e in refused.json["errors"]} == {
        ("days_off", "calendar.day_off"),
        ("days_off", "calendar.year"),
        ("days_worked", "calendar.day_worked"),
    }
    empty = catalog.authority.put("/v1/catalog/calendar/2028", {"days_off": [], "days_worked": []})
    assert [(e["field"], e["rule"]) for e in empty.json["errors"]] == [("days_off", "calendar.empty")]
    assert catalog.authority.put("/v1/catalog/calendar/1990", wrong).status_code == 400
    assert catalog.authority.put("/v1/catalog/calendar/2027", wrong | {"year": 2028}).status_code == 400


def test_the_example_of_a_notice_is_a_whole_one() -> None:
    page = (Path(__file__).parents[2] / "docs" / "operations" / "catalog.md").read_text()
    example = re.search(r"-d '([^']*)' \$G/calendar/2026", page)
    assert example is not None
    known = announced_year(2026)
    assert known is not None
    told = year_to_dict(known)
    assert json.loads(example[1]) == {name: told[name] for name in ("days_off", "days_worked")}


def test_the_calendar_is_kept_whatever_is_wrong_with_the_other_steps(
    catalog: RunningCatalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_: object) -> None:
        raise ValueError

    monkeypatch.setattr(initial_data, "_STEPS", (broken, *initial_data._STEPS))
    task = seed_daily(catalog.ctx, seconds=0.02)
    task.start()
    catalog.clock.instant = datetime(2028, 1, 1, 0, 0, tzinfo=UTC)
    assert until(lambda: catalog.anybody.get("/v1/catalog/calendar/2029").status_code == 200, "2029 is there")
    task.stop()
