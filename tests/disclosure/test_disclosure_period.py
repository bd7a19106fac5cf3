"""How long a record is disclosed (Art. 18)."""

from datetime import date

import pytest

from services.disclosure.domain.catalog_entry import DisclosurePeriodRule
from services.disclosure.domain.disclosure_period import disclosed_until, is_over


@pytest.mark.parametrize(
    ("period", "items", "until"),
    [
        (DisclosurePeriodRule("unlimited"), {}, ""),
        (DisclosurePeriodRule("until_revoked"), {}, ""),
        (DisclosurePeriodRule("until_item", "D"), {"D": "2027-01-31"}, "2027-01-31"),
        (DisclosurePeriodRule("until_item", "D"), {"D": "2099-12-31"}, ""),
        (DisclosurePeriodRule("until_item", "D"), {}, ""),
        (DisclosurePeriodRule("years_from_item", "D", 3), {"D": "2024-03-01"}, "2027-03-01"),
        (DisclosurePeriodRule("years_from_item", "D", 1), {"D": "2024-02-29"}, "2025-02-28"),
        (DisclosurePeriodRule("years_from_item", "D", 2), {}, "2028-11-24"),
    ],
)
def test_how_long_a_record_is_disclosed(period: DisclosurePeriodRule, items: dict[str, str], until: str) -> None:
    assert disclosed_until(period, items, date(2026, 11, 24)) == until


def test_the_last_day_of_disclosure_counts() -> None:
    assert not is_over("2026-11-24", "2026-11-24")
    assert is_over("2026-11-24", "2026-11-25")
    assert not is_over("", "2999-01-01")
