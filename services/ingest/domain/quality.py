"""The figures that are counted of deliveries, and the anomalies among them (Art. 11, 12, 30)."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from statistics import median
from typing import Any, Final

import msgspec

from services.ingest.domain.catalog_entry import DeliveryEntry
from services.ingest.domain.record_versioning import ValidatedRecord
from services.ingest.domain.reporting_periods import ReportingPeriod
from services.ingest.domain.submission import OutcomeKind, RecordOutcome

# The rule set of the catalog with the thresholds; for values that it lacks the defaults below apply.
RULE_SET: Final = "ingest_quality"
DEFAULTS: Final[Mapping[str, int]] = {
    # The grace after the end of a period, in working days.
    "realtime_due_working_days": 1,
    "daily_due_working_days": 1,
    "weekly_due_working_days": 2,
    "monthly_due_working_days": 5,
    "quarterly_due_working_days": 10,
    "yearly_due_working_days": 20,
    # A period is compared with the median of this many earlier periods, if there are at least this many.
    "compared_periods": 6,
    "compared_least_periods": 3,
    # A drop means fewer records than this percentage of the median, if the median is at least this high.
    "volume_drop_percent": 50,
    "volume_least_records": 20,
    # The rejection rate differs from the median by this many points, if at least this many records came.
    "rejection_change_points": 20,
    "rejection_least_records": 20,
    # The revocations in a period reach this percentage of the records at its start, and this number.
    "mass_revocation_percent": 10,
    "mass_revocation_least_records": 20,
    # New records count as backdated if their document is this many months old; they reach this percentage and number.
    "backdated_months": 12,
    "backdating_percent": 20,
    "backdating_least_records": 20,
}


def thresholds(values: Mapping[str, int]) -> dict[str, int]:
    """Returns the thresholds of the rules, with defaults for those that they lack."""
    return {name: values.get(name, default) for name, default in DEFAULTS.items()}


class Figures(msgspec.Struct, frozen=True, omit_defaults=True):
    """Counts of what became of some records, of a batch, a day or a period; figures can be added."""

    # The number of transactions that brought records.
    batches: int = 0
    accepted: int = 0
    amended: int = 0
    unchanged: int = 0
    rejected: int = 0
    # The number of optional items that valid records could have had, the number of valid records, and the number of
    # records in which each item was filled.
    optional: int = 0
    valid: int = 0
    filled: dict[str, int] = {}
    # Rule to the number of places where it was broken.
    broken: dict[str, int] = {}
    # Age of the legal document in months to the number of new records.
    ages: dict[int, int] = {}
    # Amendments and revocations of single records (Art. 11): their number, the number after the reporting limit, the
    # number whose lateness is undetermined because a year's calendar is missing, and the lateness in working days, in
    # all and at most.
    changes: int = 0
    late_changes: int = 0
    undetermined_changes: int = 0
    late_working_days: int = 0
    latest_working_days: int = 0
    revoked: int = 0
    # The number of versions that an objection caused.
    corrections: int = 0

    @property
    def total(self) -> int:
        """All records delivered."""
        return self.accepted + self.amended + self.unchanged + self.rejected

    def plus(self, other: "Figures") -> "Figures":
        """Returns the sum of both."""
        sums: dict[str, Any] = {}
        for name in self.__struct_fields__:
            own, theirs = getattr(self, name), getattr(other, name)
            if isinstance(own, dict):
                sums[name] = {key: own.get(key, 0) + theirs.get(key, 0) for key in [*own, *(theirs.keys() - own)]}
            else:
                sums[name] = max(own, theirs) if name == "latest_working_days" else own + theirs
        return Figures(**sums)

    @classmethod
    def sum(cls, many: Iterable["Figures"]) -> "Figures":
        """Returns the sum of all."""
        total = cls()
        for figures in many:
            total = total.plus(figures)
        return total

    def to_dict(self) -> dict[str, Any]:
        """Returns the stored form, in which no field name comes from a value that others chose."""
        body = dict(msgspec.to_builtins(self))
        return body | {
            name: [list(p) for p in body[name].items()] for name in ("filled", "broken", "ages") if body.get(name)
        }

    @classmethod
    def read(cls, body: Mapping[str, Any]) -> "Figures":
        """Reads the values that `to_dict` returned."""
        known = {name: body[name] for name in cls.__struct_fields__ if name in body}
        dicts = {name: dict(map(tuple, body[name])) for name in ("filled", "broken", "ages") if name in body}
        return cls(**(known | dicts))

    def rates(self) -> dict[str, float | None]:
        """Returns shares from 0 to 1; None where there is nothing to count."""
        return {
            "rejection_rate": _share(self.rejected, self.total),
            "unchanged_rate": _share(self.unchanged, self.total),
            "completeness": _share(sum(self.filled.values()), self.optional),
        }


def tally(
    entry: DeliveryEntry, checked: Sequence[ValidatedRecord], outcomes: Sequence[RecordOutcome], today: date
) -> Figures:
    """Returns the figures of a batch, without free text. It costs one count in C for each record."""
    kinds = Counter(outcome.outcome for outcome in outcomes)
    documents = [record.document for record in checked if record.document is not None]
    optional = entry.optional
    filled_counts: Counter[str] = Counter()
    # Records are grouped by their filled items first, because most records of a batch have the same ones.
    for filled, count in Counter(tuple(document["items"]) for document in documents).items():
        filled_counts.update(dict.fromkeys(filled, count))
    broken: Counter[str] = Counter()
    if kinds[OutcomeKind.REJECTED]:
        broken.update(v.rule for outcome in outcomes for v in outcome.violations)
    return Figures(
        batches=1,
        accepted=kinds[OutcomeKind.ACCEPTED],
        amended=kinds[OutcomeKind.AMENDED],
        unchanged=kinds[OutcomeKind.UNCHANGED],
        rejected=kinds[OutcomeKind.REJECTED],
        optional=len(documents) * len(optional),
        valid=len(documents),
        filled={code: filled_counts[code] for code in optional} if documents else {},
        broken=dict(broken),
        ages=_count_ages(entry.document_date, checked, outcomes, today) if kinds[OutcomeKind.ACCEPTED] else {},
    )


def change(late_working_days: int | None, revoked: bool, objection: bool) -> Figures:
    """Returns the figures of an amendment or revocation of one record; a lateness of None is undetermined."""
    late = max(0, late_working_days or 0)
    return Figures(
        changes=1,
        late_changes=int(late > 0),
        undetermined_changes=int(late_working_days is None),
        late_working_days=late,
        latest_working_days=late,
        revoked=int(revoked),
        corrections=int(objection),
    )


def _count_ages(
    item: str, checked: Sequence[ValidatedRecord], outcomes: Sequence[RecordOutcome], today: date
) -> dict[int, int]:
    if not item:
        return {}
    months = Counter(
        record.document["items"].get(item, "")[:7]
        for record, outcome in zip(checked, outcomes, strict=True)
        if outcome.outcome is OutcomeKind.ACCEPTED and record.document is not None
    )
    ages: Counter[int] = Counter()
    for month, count in months.items():
        if month:
            ages[max(0, (today.year - int(month[:4])) * 12 + today.month - int(month[5:]))] += count
    return dict(ages)


def _share(part: int, whole: int) -> float | None:
    return round(part / whole, 4) if whole else None


class AnomalyKind(StrEnum):
    """The kind of an anomaly."""

    VOLUME_DROP = "volume_drop"
    REJECTION_CHANGE = "rejection_change"
    MASS_REVOCATION = "mass_revocation"
    BACKDATING = "backdating"


@dataclass(frozen=True)
class PeriodFigures:
    """A period with its figures, and the facts for judging them."""

    period: ReportingPeriod
    figures: Figures
    # Whether the period has a working day; only such periods count for the usual volume.
    worked: bool
    # The number of records in force when the period began.
    on_record: int
    rules: Mapping[str, int]


@dataclass(frozen=True)
class Anomaly:
    """An anomaly in a period; its figures give the value and what it was compared with."""

    kind: AnomalyKind
    period: ReportingPeriod
    figures: Mapping[str, int | float]


def anomalies(periods: Sequence[PeriodFigures], today: date) -> list[Anomaly]:
    """Returns the anomalies in consecutive periods, each by its own rules.

    Volume and rejections are checked when a period is over, revocations and backdating also while it goes on.
    """
    found: list[Anomaly | None] = []
    for n, period_figures in enumerate(periods):
        if period_figures.period.last < today:
            found += [
                _find_volume_drop(period_figures, periods[:n]),
                _find_rejection_change(period_figures, periods[:n]),
            ]
        found += [_find_mass_revocation(period_figures), _find_backdating(period_figures)]
    return [anomaly for anomaly in found if anomaly is not None]


def _find_volume_drop(current: PeriodFigures, earlier: Sequence[PeriodFigures]) -> Anomaly | None:
    rules = current.rules
    usual = _median_of_latest([e.figures.total for e in earlier if e.worked], rules)
    total = current.figures.total
    # A period without records is on the overdue list, or was declared empty.
    if not total or not current.worked or usual is None or usual < rules["volume_least_records"]:
        return None
    if total * 100 >= usual * rules["volume_drop_percent"]:
        return None
    return Anomaly(AnomalyKind.VOLUME_DROP, current.period, {"records": total, "median": usual})


def _find_rejection_change(current: PeriodFigures, earlier: Sequence[PeriodFigures]) -> Anomaly | None:
    rules = current.rules
    least = max(1, rules["rejection_least_records"])
    usual = _median_of_latest([_rejected_percent(e.figures) for e in earlier if e.figures.total >= least], rules)
    if current.figures.total < least or usual is None:
        return None
    percent = _rejected_percent(current.figures)
    if abs(percent - usual) < max(1, rules["rejection_change_points"]):
        return None
    figures = {
        "records": current.figures.total,
        "rejected_percent": round(percent, 1),
        "median_percent": round(usual, 1),
    }
    return Anomaly(AnomalyKind.REJECTION_CHANGE, current.period, figures)


def _find_mass_revocation(current: PeriodFigures) -> Anomaly | None:
    revoked = current.figures.revoked
    least = max(1, current.rules["mass_revocation_least_records"])
    if revoked < least or revoked * 100 < current.on_record * current.rules["mass_revocation_percent"]:
        return None
    return Anomaly(
        AnomalyKind.MASS_REVOCATION, current.period, {"revoked": revoked, "on_record_before": current.on_record}
    )


def _find_backdating(current: PeriodFigures) -> Anomaly | None:
    rules = current.rules
    old = sum(count for age, count in current.figures.ages.items() if age >= rules["backdated_months"])
    if old < max(1, rules["backdating_least_records"]):
        return None
    if old * 100 < current.figures.accepted * rules["backdating_percent"]:
        return None
    figures = {"backdated": old, "new": current.figures.accepted, "oldest_months": max(current.figures.ages)}
    return Anomaly(AnomalyKind.BACKDATING, current.period, figures)


def _rejected_percent(figures: Figures) -> float:
    return 100 * figures.rejected / figures.total


def _median_of_latest(values: Sequence[float], rules: Mapping[str, int]) -> float | None:
    latest = values[-max(1, rules["compared_periods"]) :]
    return median(latest) if len(latest) >= max(1, rules["compared_least_periods"]) else None
