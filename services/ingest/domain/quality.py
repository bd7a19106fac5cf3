"""What is counted of deliveries and which figures are out of the ordinary (Art. 11, 12, 30). Pure."""

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

# The rule set of the catalog with the thresholds. What it does not say is as here.
RULE_SET: Final = "ingest_quality"
DEFAULTS: Final[Mapping[str, int]] = {
    # Grace after the end of a period, in working days.
    "realtime_due_working_days": 1,
    "daily_due_working_days": 1,
    "weekly_due_working_days": 2,
    "monthly_due_working_days": 5,
    "quarterly_due_working_days": 10,
    "yearly_due_working_days": 20,
    # A period is compared with the median of so many before it, when there are at least so many.
    "compared_periods": 6,
    "compared_least_periods": 3,
    # Fewer records than this percentage of the median, when the median is at least so many.
    "volume_drop_percent": 50,
    "volume_least_records": 20,
    # The rejection rate is away from the median by so many points, when at least so many records came.
    "rejection_change_points": 20,
    "rejection_least_records": 20,
    # So many revocations in a period, and this percentage of what was on record when it began.
    "mass_revocation_percent": 10,
    "mass_revocation_least_records": 20,
    # So many new records whose document is from so many months ago, and this percentage of the new records.
    "backdated_months": 12,
    "backdating_percent": 20,
    "backdating_least_records": 20,
}


def thresholds(values: Mapping[str, int]) -> dict[str, int]:
    """The thresholds that rules give, defaults for what they do not say."""
    return {name: values.get(name, default) for name, default in DEFAULTS.items()}


class Figures(msgspec.Struct, frozen=True, omit_defaults=True):
    """What became of some records: of a batch, of a day, of a period. Adds up."""

    # Transactions that brought records.
    batches: int = 0
    accepted: int = 0
    amended: int = 0
    unchanged: int = 0
    rejected: int = 0
    # Optional items that valid records could have had, and by item in how many they were filled.
    optional: int = 0
    valid: int = 0
    filled: dict[str, int] = {}
    # By rule in how many places it was broken.
    broken: dict[str, int] = {}
    # By age of the legal document in months, how many new records.
    ages: dict[int, int] = {}
    # Amendments and revocations of single records (Art. 11): how many, how many after their reporting limit, by how
    # many working days in all and at most; of how many that cannot be told, for a year's calendar is missing.
    changes: int = 0
    late_changes: int = 0
    undetermined_changes: int = 0
    late_working_days: int = 0
    latest_working_days: int = 0
    revoked: int = 0
    # Versions that an objection brought about.
    corrections: int = 0

    @property
    def total(self) -> int:
        """All records delivered."""
        return self.accepted + self.amended + self.unchanged + self.rejected

    def plus(self, other: "Figures") -> "Figures":
        """Both together."""
        added: dict[str, Any] = {}
        for name in self.__struct_fields__:
            mine, theirs = getattr(self, name), getattr(other, name)
            if isinstance(mine, dict):
                added[name] = {key: mine.get(key, 0) + theirs.get(key, 0) for key in [*mine, *(theirs.keys() - mine)]}
            else:
                added[name] = max(mine, theirs) if name == "latest_working_days" else mine + theirs
        return Figures(**added)

    @classmethod
    def sum(cls, many: Iterable["Figures"]) -> "Figures":
        """All together."""
        total = cls()
        for one in many:
            total = total.plus(one)
        return total

    def to_dict(self) -> dict[str, Any]:
        """As it is stored: no name of a field is made of what others chose."""
        body = dict(msgspec.to_builtins(self))
        return body | {
            name: [list(p) for p in body[name].items()] for name in ("filled", "broken", "ages") if body.get(name)
        }

    @classmethod
    def read(cls, body: Mapping[str, Any]) -> "Figures":
        """What `plain` gave."""
        known = {name: body[name] for name in cls.__struct_fields__ if name in body}
        dicts = {name: dict(map(tuple, body[name])) for name in ("filled", "broken", "ages") if name in body}
        return cls(**(known | dicts))

    def rates(self) -> dict[str, float | None]:
        """Shares from 0 to 1; None of nothing."""
        return {
            "rejection_rate": _share(self.rejected, self.total),
            "unchanged_rate": _share(self.unchanged, self.total),
            "completeness": _share(sum(self.filled.values()), self.optional),
        }


def tally(
    entry: DeliveryEntry, checked: Sequence[ValidatedRecord], outcomes: Sequence[RecordOutcome], today: date
) -> Figures:
    """The figures of a batch. Costs a count in C for each record; texts of people are nowhere in it."""
    became = Counter(one.outcome for one in outcomes)
    documents = [one.document for one in checked if one.document is not None]
    optional = entry.optional
    counted: Counter[str] = Counter()
    # Most records of a batch have the same items filled.
    for filled, count in Counter(tuple(document["items"]) for document in documents).items():
        counted.update(dict.fromkeys(filled, count))
    broken: Counter[str] = Counter()
    if became[OutcomeKind.REJECTED]:
        broken.update(v.rule for one in outcomes for v in one.violations)
    return Figures(
        batches=1,
        accepted=became[OutcomeKind.ACCEPTED],
        amended=became[OutcomeKind.AMENDED],
        unchanged=became[OutcomeKind.UNCHANGED],
        rejected=became[OutcomeKind.REJECTED],
        optional=len(documents) * len(optional),
        valid=len(documents),
        filled={code: counted[code] for code in optional} if documents else {},
        broken=dict(broken),
        ages=_ages(entry.document_date, checked, outcomes, today) if became[OutcomeKind.ACCEPTED] else {},
    )


def change(late_working_days: int | None, revoked: bool, objection: bool) -> Figures:
    """The figures of an amendment or revocation of one record; a lateness of None is undetermined."""
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


def _ages(
    item: str, checked: Sequence[ValidatedRecord], outcomes: Sequence[RecordOutcome], today: date
) -> dict[int, int]:
    if not item:
        return {}
    months = Counter(
        one.document["items"].get(item, "")[:7]
        for one, became in zip(checked, outcomes, strict=True)
        if became.outcome is OutcomeKind.ACCEPTED and one.document is not None
    )
    ages: Counter[int] = Counter()
    for month, count in months.items():
        if month:
            ages[max(0, (today.year - int(month[:4])) * 12 + today.month - int(month[5:]))] += count
    return dict(ages)


def _share(part: int, whole: int) -> float | None:
    return round(part / whole, 4) if whole else None


class AnomalyKind(StrEnum):
    """What is out of the ordinary."""

    VOLUME_DROP = "volume_drop"
    REJECTION_CHANGE = "rejection_change"
    MASS_REVOCATION = "mass_revocation"
    BACKDATING = "backdating"


@dataclass(frozen=True)
class PeriodFigures:
    """A period with its figures, and what is known of it."""

    period: ReportingPeriod
    figures: Figures
    # Whether a day of it was worked; only such periods tell of the volume that is usual.
    worked: bool
    # Records in force when it began.
    on_record: int
    rules: Mapping[str, int]


@dataclass(frozen=True)
class Anomaly:
    """Something out of the ordinary in a period; its figures say how much, and against what."""

    kind: AnomalyKind
    period: ReportingPeriod
    figures: Mapping[str, int | float]


def anomalies(periods: Sequence[PeriodFigures], today: date) -> list[Anomaly]:
    """What is out of the ordinary in periods that follow each other, each by the rules of its own.

    Volume and rejections are looked at when a period is over, revocations and backdating while it goes on.
    """
    found: list[Anomaly | None] = []
    for n, one in enumerate(periods):
        if one.period.last < today:
            found += [_volume_drop(one, periods[:n]), _rejection_change(one, periods[:n])]
        found += [_mass_revocation(one), _backdating(one)]
    return [anomaly for anomaly in found if anomaly is not None]


def _volume_drop(one: PeriodFigures, earlier: Sequence[PeriodFigures]) -> Anomaly | None:
    rules = one.rules
    usual = _median([e.figures.total for e in earlier if e.worked], rules)
    total = one.figures.total
    # A period without anything is on the overdue list, or declared to be empty.
    if not total or not one.worked or usual is None or usual < rules["volume_least_records"]:
        return None
    if total * 100 >= usual * rules["volume_drop_percent"]:
        return None
    return Anomaly(AnomalyKind.VOLUME_DROP, one.period, {"records": total, "median": usual})


def _rejection_change(one: PeriodFigures, earlier: Sequence[PeriodFigures]) -> Anomaly | None:
    rules = one.rules
    least = max(1, rules["rejection_least_records"])
    usual = _median([_percent(e.figures) for e in earlier if e.figures.total >= least], rules)
    if one.figures.total < least or usual is None:
        return None
    now = _percent(one.figures)
    if abs(now - usual) < max(1, rules["rejection_change_points"]):
        return None
    figures = {"records": one.figures.total, "rejected_percent": round(now, 1), "median_percent": round(usual, 1)}
    return Anomaly(AnomalyKind.REJECTION_CHANGE, one.period, figures)


def _mass_revocation(one: PeriodFigures) -> Anomaly | None:
    revoked = one.figures.revoked
    least = max(1, one.rules["mass_revocation_least_records"])
    if revoked < least or revoked * 100 < one.on_record * one.rules["mass_revocation_percent"]:
        return None
    return Anomaly(AnomalyKind.MASS_REVOCATION, one.period, {"revoked": revoked, "on_record_before": one.on_record})


def _backdating(one: PeriodFigures) -> Anomaly | None:
    rules = one.rules
    old = sum(count for age, count in one.figures.ages.items() if age >= rules["backdated_months"])
    if old < max(1, rules["backdating_least_records"]):
        return None
    if old * 100 < one.figures.accepted * rules["backdating_percent"]:
        return None
    figures = {"backdated": old, "new": one.figures.accepted, "oldest_months": max(one.figures.ages)}
    return Anomaly(AnomalyKind.BACKDATING, one.period, figures)


def _percent(figures: Figures) -> float:
    return 100 * figures.rejected / figures.total


def _median(values: Sequence[float], rules: Mapping[str, int]) -> float | None:
    latest = values[-max(1, rules["compared_periods"]) :]
    return median(latest) if len(latest) >= max(1, rules["compared_least_periods"]) else None
