"""Reporting duties: which provider owes which entry from when, by the published catalog versions (Art. 8)."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import zip_longest

from chengxin.values.catalog_contract import TranslatedText
from chengxin.values.clock import shanghai_date
from services.ingest.domain.catalog_entry import DeliveryEntry, begun_versions
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
    # The update cycle of today, of a duty that is yet to begin its first one; empty when no version has one.
    cycle: str = ""


def all_owed(entries: Iterable[DeliveryEntry], began: date, today: date) -> dict[tuple[str, str], ReportingDuty]:
    """Returns the duties by provider and entry, named as on `today`.

    A duty starts after its version was published, and not before `began`, the day on which counting began.
    """
    spans: dict[tuple[str, str], list[Span]] = {}
    names: dict[tuple[str, str], str] = {}
    ordered = sorted(entries, key=lambda e: (e.code, e.version))
    begun = begun_versions(ordered, today.isoformat())
    titles = {entry.code: entry.name for entry in begun}
    begun_numbers = {(entry.code, entry.version) for entry in begun}
    for entry, next_version in zip_longest(ordered, ordered[1:]):
        superseded_on = next_version.effective_from if next_version and next_version.code == entry.code else ""
        span = _make_span(entry, superseded_on, began)
        for provider in entry.providers:
            key = (provider.uscc, entry.code)
            if (entry.code, entry.version) in begun_numbers or key not in names:
                names[key] = provider.name
            if span is not None:
                spans.setdefault(key, []).append(span)
    return {
        key: ReportingDuty(key[0], name, key[1], titles[key[1]], joined, _cycle_on(today, joined))
        for key, name in names.items()
        for joined in [join_spans(spans.get(key, ()))]
    }


def _cycle_on(day: date, spans: Sequence[Span]) -> str:
    """Returns the cycle of the last span that has begun, or else of the first."""
    begun = [span for span in spans if span.first <= day] or spans[:1]
    return begun[-1].cycle if begun else ""


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
