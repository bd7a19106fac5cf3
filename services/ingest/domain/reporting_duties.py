"""Reporting duties: which provider owes which entry from when, by the published catalog versions (Art. 8)."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import zip_longest

from chengxin.values.catalog_contract import TranslatedText
from chengxin.values.clock import shanghai_date
from services.ingest.domain.catalog_entry import DeliveryEntry
from services.ingest.domain.quality import thresholds
from services.ingest.domain.reporting_periods import Span, join_spans, known_cycle


@dataclass(frozen=True)
class ReportingDuty:
    """The duty of one provider to report one entry, with the spans in which it exists."""

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
    """Returns the duties by provider and entry.

    A duty starts after its version was published, and not before `began`, the day on which counting began.
    """
    spans: dict[tuple[str, str], list[Span]] = {}
    names: dict[tuple[str, str], tuple[str, TranslatedText]] = {}
    ordered = sorted(entries, key=lambda e: (e.code, e.version))
    for entry, next_version in zip_longest(ordered, ordered[1:]):
        superseded_on = next_version.effective_from if next_version and next_version.code == entry.code else ""
        span = _make_span(entry, superseded_on, began)
        for provider in entry.providers:
            key = (provider.uscc, entry.code)
            names[key] = (provider.name, entry.name)
            if span is not None:
                spans.setdefault(key, []).append(span)
    return {
        key: ReportingDuty(key[0], name, key[1], title, join_spans(spans.get(key, ())))
        for key, (name, title) in names.items()
    }


def _make_span(entry: DeliveryEntry, superseded_on: str, began: date) -> Span | None:
    """Returns the span of a version; it ends with its retirement, or on the day before the next version starts."""
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
    """The versions of the thresholds; the defaults apply when no version is in force."""

    def __init__(self, versions: Iterable[tuple[str, Mapping[str, int]]]) -> None:
        self._versions = [(begins, thresholds(values)) for begins, values in sorted(versions, reverse=True)]
        self._defaults = thresholds({})

    def on(self, day: date) -> Mapping[str, int]:
        """Returns the thresholds in force on a day."""
        iso_day = day.isoformat()
        return next((values for begins, values in self._versions if begins <= iso_day), self._defaults)
