"""An ingest of its own for each test."""

from collections.abc import Callable, Iterator

import pytest

from chengxin_api.catalog.v1 import catalog_pb2
from services.ingest.usecases.anomalies import QualityInspector
from tests.databases import lent
from tests.ingest.quality_inspection import OFF_2026, WORKED_2026, at
from tests.ingest.running_ingest import RunningIngest, make_collections, running_ingest
from tests.support import Issuer


@pytest.fixture
def ingest(stores: Callable[[str], str], issuer: Issuer) -> Iterator[RunningIngest]:
    """A new ingest that knows the demonstration catalog, on an empty database."""
    with lent(stores, "ingest", make_collections) as uri:
        yield from running_ingest(uri, issuer)


@pytest.fixture
def watched(ingest: RunningIngest) -> RunningIngest:
    """An ingest that began to count on Friday, 2026-01-02, and has the calendars of the year and the next."""
    for year, off, worked in ((2026, OFF_2026, WORKED_2026), (2027, [], [])):
        days = catalog_pb2.CalendarYear(year=year, announced=year == 2026, days_off=off, days_worked=worked)
        changes = ingest.catalog.changes
        changes.append(catalog_pb2.Change(position=len(changes) + 1, calendar_year=days))
    ingest.knows(len(ingest.catalog.changes))
    ingest.clock.instant = at("2026-01-02")
    QualityInspector(ingest.ctx).round()
    return ingest
