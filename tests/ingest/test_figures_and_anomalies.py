"""Figures of a batch, and anomalies among periods: examples and properties."""

from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ingest.domain.catalog_entry import DeliveryEntry, DeliveryItem, LegalDocument
from services.ingest.domain.quality import (
    DEFAULTS,
    AnomalyKind,
    Figures,
    PeriodFigures,
    anomalies,
    change,
    tally,
    thresholds,
)
from services.ingest.domain.record_versioning import ValidatedRecord
from services.ingest.domain.reporting_periods import period_of
from services.ingest.domain.submission import OutcomeKind, RecordOutcome
from services.ingest.domain.validator import Violation

ENTRY = DeliveryEntry(
    "E",
    1,
    items=(
        DeliveryItem("A", required=True),
        DeliveryItem("B"),
        DeliveryItem("C"),
        DeliveryItem("D", type="date", required=True),
    ),
    legal_document=LegalDocument("D"),
)
TODAY = date(2026, 11, 24)

names = st.text("ABC.$", min_size=1, max_size=3)
counts = st.integers(0, 1000)
figures = st.builds(
    Figures,
    **dict.fromkeys(("batches", "accepted", "amended", "unchanged", "rejected", "optional", "valid"), counts),
    filled=st.dictionaries(names, counts, max_size=3),
    broken=st.dictionaries(names, counts, max_size=3),
    ages=st.dictionaries(counts, counts, max_size=3),
    **dict.fromkeys(("changes", "late_changes", "latest_working_days", "revoked", "corrections"), counts),
)


@given(figures, figures, figures)
def test_figures_add_up_in_whatever_order(a: Figures, b: Figures, c: Figures) -> None:
    assert a.plus(b) == b.plus(a)
    assert a.plus(b).plus(c) == a.plus(b.plus(c))
    assert a.plus(Figures()) == a
    assert Figures.sum([a, b, c]).total == a.total + b.total + c.total


@given(figures)
def test_figures_are_read_as_they_were_stored(found: Figures) -> None:
    body = found.to_dict()
    assert Figures.read(body) == found
    # No key of the stored document is a name that others chose.
    assert set(body) <= set(Figures.__struct_fields__)


def test_a_batch_is_counted_by_outcome_item_rule_and_age() -> None:
    documents = [
        {"items": {"A": "1", "B": "2", "D": "2026-11-01"}},
        {"items": {"A": "1", "D": "2024-10-31"}},
        {"items": {"A": "1", "B": "2", "C": "3", "D": "2020-01-01"}},
    ]
    checked = [ValidatedRecord(n, d) for n, d in enumerate(documents)] + [ValidatedRecord(3, None)]
    wrong = (Violation("A", "required", "", ""), Violation("B", "length", "", ""))
    outcomes = [
        RecordOutcome(0, OutcomeKind.ACCEPTED),
        RecordOutcome(1, OutcomeKind.ACCEPTED),
        RecordOutcome(2, OutcomeKind.UNCHANGED),
        RecordOutcome(3, OutcomeKind.REJECTED, violations=wrong),
    ]
    found = tally(ENTRY, checked, outcomes, TODAY)
    assert (found.accepted, found.amended, found.unchanged, found.rejected) == (2, 0, 1, 1)
    assert (found.valid, found.optional, found.filled) == (3, 6, {"B": 2, "C": 1})
    assert found.broken == {"required": 1, "length": 1}
    # Only new records count: a repeated delivery is not backdated.
    assert found.ages == {0: 1, 25: 1}
    assert found.rates() == {"rejection_rate": 0.25, "unchanged_rate": 0.25, "completeness": 0.5}


def test_nothing_has_no_rates() -> None:
    assert set(Figures().rates().values()) == {None}
    nothing = tally(ENTRY, [ValidatedRecord(1, None)], [RecordOutcome(1, OutcomeKind.REJECTED)], TODAY)
    assert (nothing.optional, nothing.filled, nothing.ages, nothing.rejected) == (0, {}, {}, 1)


def test_a_change_counts_its_lateness() -> None:
    both = change(3, True, False).plus(change(0, False, True)).plus(change(8, False, False))
    assert (both.changes, both.late_changes, both.late_working_days, both.latest_working_days) == (3, 2, 11, 8)
    assert (both.undetermined_changes, both.plus(change(None, False, False)).undetermined_changes) == (0, 1)
    assert (both.revoked, both.corrections) == (1, 1)


def test_thresholds_take_only_known_names_over() -> None:
    assert thresholds({"volume_drop_percent": 10, "of_others": 1}) == {**DEFAULTS, "volume_drop_percent": 10}


def row(*found: Figures, on_record: int = 1000, worked: bool = True, **rules: int) -> list[PeriodFigures]:
    """Weeks that follow each other, the last before this one."""
    period = period_of("weekly", TODAY - timedelta(days=7 * len(found)))
    counted = []
    for one in found:
        counted.append(PeriodFigures(period, one, worked, on_record, thresholds(rules)))
        period = period_of("weekly", period.last + timedelta(days=1))
    return counted


def kinds(*found: Figures, today: date = TODAY, **options: Any) -> list[AnomalyKind]:
    """The anomalies of the last week."""
    counted = row(*found, **options)
    return [a.kind for a in anomalies(counted, today) if a.period == counted[-1].period]


def new(number: int, **more: Any) -> Figures:
    return Figures(accepted=number, **more)


@pytest.mark.parametrize(
    ("volumes", "found"),
    [
        ((100, 100, 100, 49), [AnomalyKind.VOLUME_DROP]),
        ((100, 100, 100, 50), []),
        ((100, 100, 49), []),
        ((100, 100, 100, 0), []),
        ((19, 19, 19, 1), []),
        ((10, 300, 300, 300, 120), [AnomalyKind.VOLUME_DROP]),
        ((9000, 40, 40, 40, 40, 40, 40, 30), []),
    ],
)
def test_a_volume_is_compared_with_the_median_before_it(volumes: tuple[int, ...], found: list[AnomalyKind]) -> None:
    assert kinds(*map(new, volumes)) == found


def test_weeks_without_a_working_day_are_neither_compared_nor_looked_at() -> None:
    counted = row(*map(new, (100, 100, 100, 1, 1, 1, 100)))
    holidays = [PeriodFigures(c.period, c.figures, n not in (3, 4, 5), 0, c.rules) for n, c in enumerate(counted)]
    assert anomalies(holidays, TODAY) == []
    # Four weeks of hardly anything hide no drop after them.
    counted = row(*map(new, (100, 100, 100, 1, 1, 1, 1, 40)))
    holidays = [PeriodFigures(c.period, c.figures, n not in (3, 4, 5, 6), 0, c.rules) for n, c in enumerate(counted)]
    assert [(a.kind, a.figures["median"]) for a in anomalies(holidays, TODAY)] == [(AnomalyKind.VOLUME_DROP, 100)]


def test_a_period_that_goes_on_has_no_volume_yet() -> None:
    assert kinds(*map(new, (100, 100, 100, 1)), today=TODAY - timedelta(days=7)) == []


def test_a_rejection_rate_is_compared_in_both_directions() -> None:
    good, bad = Figures(accepted=95, rejected=5), Figures(accepted=70, rejected=30)
    assert kinds(good, good, good, bad) == [AnomalyKind.REJECTION_CHANGE]
    assert kinds(bad, bad, bad, good) == [AnomalyKind.REJECTION_CHANGE]
    assert kinds(good, good, good, Figures(accepted=90, rejected=24)) == []
    assert kinds(good, good, bad) == []
    few = Figures(accepted=1, rejected=18)
    assert AnomalyKind.REJECTION_CHANGE not in kinds(good, good, good, few)


def test_many_revocations_are_told_while_the_period_goes_on() -> None:
    assert kinds(Figures(changes=100, revoked=100), today=TODAY - timedelta(days=7)) == [AnomalyKind.MASS_REVOCATION]
    assert kinds(Figures(changes=99, revoked=99)) == []
    assert kinds(Figures(changes=19, revoked=19), on_record=19) == []
    assert kinds(Figures(changes=20, revoked=20), on_record=0) == [AnomalyKind.MASS_REVOCATION]


def test_many_new_records_from_long_ago_are_told() -> None:
    assert kinds(new(100, ages={0: 80, 12: 20})) == [AnomalyKind.BACKDATING]
    assert kinds(new(101, ages={0: 81, 12: 20})) == []
    assert kinds(new(19, ages={40: 19})) == []
    assert kinds(new(100, ages={0: 80, 12: 20}), backdated_months=13) == []


@given(st.lists(figures, max_size=10), st.integers(0, 2000))
def test_each_anomaly_is_told_once_in_a_period(found: list[Figures], on_record: int) -> None:
    counted = row(*found, on_record=on_record)
    told = [(a.kind, a.period) for a in anomalies(counted, TODAY)]
    assert len(set(told)) == len(told)
    assert anomalies(counted, TODAY) == anomalies(counted, TODAY)


@given(st.integers(1, 10_000), st.integers(1, 12))
def test_who_delivers_the_same_every_time_stands_out_in_nothing(volume: int, weeks: int) -> None:
    assert anomalies(row(*[Figures(accepted=volume, rejected=volume // 3)] * weeks), TODAY) == []
