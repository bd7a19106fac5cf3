"""Who owes which entry from when, by the published versions of the catalog (Art. 8). Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import zip_longest

from chengxin.values.catalog_contract import TranslatedText
from chengxin.values.clock import shanghai_date
from services.ingest.domain.catalog_entry import DeliveryEntry
from services.ingest.domain.quality import thresholds
from services.ingest.domain.reporting_periods import Span, joined, known_cycle


@dataclass(frozen=True)
class ReportingDuty:
    """What one provider owes of one entry."""

    provider: str
    provider_name: str
    entry_code: str
    entry_name: TranslatedText
    spans: Sequence[Span]

    @property
    def cycle(self) -> str:
        """The update cycle of the latest version; empty when none has one."""
        return self.spans[-1].cycle if self.spans else ""


def all_owed(entries: Iterable[DeliveryEntry], began: date) -> dict[tuple[str, str], ReportingDuty]:
    """What is owed, by provider and entry. Nothing is before a version was published, nor before counting began."""
    spans: dict[tuple[str, str], list[Span]] = {}
    named: dict[tuple[str, str], tuple[str, TranslatedText]] = {}
    ordered = sorted(entries, key=lambda e: (e.code, e.version))
    for entry, following in zip_longest(ordered, ordered[1:]):
        superseded_on = following.effective_from if following and following.code == entry.code else ""
        span = _span(entry, superseded_on, began)
        for provider in entry.providers:
            key = (provider.uscc, entry.code)
            named[key] = (provider.name, entry.name)
            if span is not None:
                spans.setdefault(key, []).append(span)
    return {
        key: ReportingDuty(key[0], name, key[1], title, joined(spans.get(key, ())))
        for key, (name, title) in named.items()
    }


def _span(entry: DeliveryEntry, superseded_on: str, began: date) -> Span | None:
    """The days of a version; it ends with its retirement, or on the day before the next version's first."""
    if not known_cycle(entry.update_cycle):
        return None
    first = max(began, date.fromisoformat(entry.effective_from))
    if entry.published_at:
        first = max(first, shanghai_date(datetime.fromisoformat(entry.published_at)))
    ends = [date.fromisoformat(entry.effective_to)] if entry.effective_to else []
    if superseded_on:
        ends.append(date.fromisoformat(superseded_on) - timedelta(days=1))
    last = min(ends, default=None)
    return None if last is not None and last < first else Span(entry.update_cycle, first, last)


class Thresholds:
    """The versions of the thresholds; without one in force the defaults."""

    def __init__(self, versions: Iterable[tuple[str, Mapping[str, int]]]) -> None:
        self._versions = [(begins, thresholds(values)) for begins, values in sorted(versions, reverse=True)]
        self._defaults = thresholds({})

    def on(self, day: date) -> Mapping[str, int]:
        """The thresholds in force on a day."""
        name = day.isoformat()
        return next((values for begins, values in self._versions if begins <= name), self._defaults)
