"""The last day of disclosure of a record that is not archived, by its entry (Art. 18)."""

from typing import Any


def last_day(entry: dict[str, Any], record: dict[str, str]) -> str:
    """`YYYY-MM-DD`; empty when there is none yet."""
    period = entry["disclosure_period"]
    day = record.get(period["item"], "")
    if not day or period["rule"] == "until_item":
        return day
    return f"{int(day[:4]) + period['years']}{day[4:]}"
