"""How figures are made: interleaved rounds, medians, ratios to what was measured beside them in the same run."""

import statistics
from collections.abc import Callable
from typing import Any

ROUNDS = 6


def figure(name: str, values: list[float], unit: str, against: str = "", floor: list[float] | None = None) -> Any:
    """One line: the median, and its ratio to the median of what it is measured against."""
    value = statistics.median(values)
    ratio = round(value / statistics.median(floor), 3) if floor else None
    return {
        "name": name,
        "value": round(value, 3 if value < 10 else 1),
        "unit": unit,
        "against": against or None,
        "ratio": ratio,
    }


def interleaved(measures: dict[str, Callable[[], float]], rounds: int = ROUNDS) -> dict[str, list[float]]:
    """Each measure once a round, so that whatever else the machine does falls on all of them."""
    for measure in measures.values():
        measure()
    rates: dict[str, list[float]] = {name: [] for name in measures}
    for _ in range(rounds):
        for name, measure in measures.items():
            rates[name].append(measure())
    return rates
