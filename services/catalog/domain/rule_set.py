"""Management rules as data with effective dates (Art. 29, 33): a change never alters past decisions."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

from chengxin.errors import precondition
from services.catalog.domain.effective_dates import must_be_plausible
from services.catalog.domain.entry_validation import Finding

RULES_BACKDATED = precondition(
    "RULES_BACKDATED",
    "生效日期 {effective_from} 早于今日（{today}），规则变更不溯及既往，请选择今日或以后的日期",
    "The rules would be effective from {effective_from}, before today ({today}); choose today or later",
)
RULES_OVERLAP = precondition(
    "RULES_OVERLAP",
    "规则集 {name} 第 {version} 版自 {effective_from} 起生效，新版本的生效日期必须晚于该日",
    "Version {version} of rule set {name} is effective from {effective_from}; a new one must begin later than that",
)


@dataclass(frozen=True)
class RuleSetForm:
    """The values that a service reads from a rule set; the service does not notice a value with another name."""

    values: tuple[str, ...]
    # Whether a version gives every value; else the service has defaults for those that a version lacks.
    complete: bool = True


# The rule set by which the catalog itself decides, and its value: 0 lets the authority publish a draft without review,
# any other value requires the review.
CATALOG_RULES: Final = "catalog"
REVIEW_REQUIRED: Final = "review_required"

# A form for every rule set that a service reads (tests/catalog/test_rule_set.py compares them with the services); other
# rule sets may hold any values.
FORMS: Final[Mapping[str, RuleSetForm]] = {
    "objection": RuleSetForm(
        (
            "acceptance_working_days",
            "verification_working_days",
            "answer_working_days",
            "answer_extended_working_days",
            "conclusion_working_days",
        )
    ),
    CATALOG_RULES: RuleSetForm((REVIEW_REQUIRED,)),
    "ingest_quality": RuleSetForm(
        (
            "realtime_due_working_days",
            "daily_due_working_days",
            "weekly_due_working_days",
            "monthly_due_working_days",
            "quarterly_due_working_days",
            "yearly_due_working_days",
            "compared_periods",
            "compared_least_periods",
            "volume_drop_percent",
            "volume_least_records",
            "rejection_change_points",
            "rejection_least_records",
            "mass_revocation_percent",
            "mass_revocation_least_records",
            "backdated_months",
            "backdating_percent",
            "backdating_least_records",
        ),
        complete=False,
    ),
}

# What a rule set and each of its values is called, and may be.
NAME: Final = "^[a-z][a-z0-9_]{1,63}$"
GREATEST: Final = 1_000_000
MOST_VALUES: Final = 200


@dataclass(frozen=True)
class RuleSet:
    """One version of a rule set; it is in force until the next version is."""

    name: str
    effective_from: date
    values: Mapping[str, int]
    # The version number; 0 until the rules are published.
    version: int = 0

    def to_dict(self) -> dict[str, Any]:
        """Returns the plain values for the contract's JSON."""
        return {
            "name": self.name,
            "version": self.version,
            "effective_from": self.effective_from.isoformat(),
            "values": dict(self.values),
        }

    def findings(self) -> Iterator[Finding]:
        """Yields every fault of the rules."""
        if not re.fullmatch(NAME, self.name):
            yield Finding("name", "rules.name")
        if not self.values:
            yield Finding("values", "empty")
        if len(self.values) > MOST_VALUES:
            yield Finding("values", "too_many", {"limit": MOST_VALUES})
        form = FORMS.get(self.name)
        for key, value in self.values.items():
            if not re.fullmatch(NAME, key):
                yield Finding(f"values.{key}", "rules.name")
            if not 0 <= value <= GREATEST:
                yield Finding(f"values.{key}", "rules.value", {"most": GREATEST})
            if form and key not in form.values:
                yield Finding(f"values.{key}", "rules.unknown", {"set": self.name, "value": key})
        for key in form.values if form and form.complete else ():
            if key not in self.values:
                yield Finding("values", "rules.missing", {"set": self.name, "value": key})

    def changes(self, before: "RuleSet | None") -> list[dict[str, Any]]:
        """Returns the differences from an earlier version, by value; None stands for a value that is missing."""
        old = before.values if before else {}
        return [
            {"name": name, "before": old.get(name), "after": self.values.get(name)}
            for name in sorted({*old, *self.values})
            if old.get(name) != self.values.get(name)
        ]

    def loosens(self, before: "RuleSet") -> bool:
        """Whether drafts need no review any more, which they needed before."""
        reviewed, wanted = (rules.values.get(REVIEW_REQUIRED, 0) > 0 for rules in (before, self))
        return self.name == CATALOG_RULES and reviewed and not wanted

    def following(self, before: "RuleSet | None", today: date) -> "RuleSet":
        """Returns these rules as the version after `before`, the newest one.

        The first version of a name may start on any past day: no decision was made without it.
        Raises RULES_BACKDATED, RULES_OVERLAP, EFFECTIVE_IMPLAUSIBLE.
        """
        must_be_plausible(self.effective_from, today)
        if before is None:
            return RuleSet(self.name, self.effective_from, self.values, 1)
        if self.effective_from < today:
            raise RULES_BACKDATED(effective_from=self.effective_from, today=today)
        if self.effective_from <= before.effective_from:
            raise RULES_OVERLAP(name=self.name, version=before.version, effective_from=before.effective_from)
        return RuleSet(self.name, self.effective_from, self.values, before.version + 1)


def read_rule_set(plain: Mapping[str, Any]) -> RuleSet:
    """Reads rules from their JSON."""
    return RuleSet(plain["name"], date.fromisoformat(plain["effective_from"]), dict(plain["values"]), plain["version"])
