"""Every batch is counted once, whoever counts."""

import threading
from typing import Any

import pytest
from pymongo.errors import AutoReconnect

from services.ingest.usecases.anomalies import QualityInspector
from services.ingest.usecases.count_deliveries import count
from tests.ingest.deliveries import licences
from tests.ingest.quality_inspection import report
from tests.ingest.running_ingest import RunningIngest
from tests.support import until


def test_every_batch_is_counted_once_whoever_counts_and_whatever_breaks(
    watched: RunningIngest, monkeypatch: pytest.MonkeyPatch
) -> None:
    watched.regulator.submits(licences(300), batch=5)
    quality = watched.ctx.quality
    put = quality.put_series

    def breaks(*arguments: Any) -> None:
        put(*arguments)
        monkeypatch.undo()
        raise AutoReconnect("the store went away")

    monkeypatch.setattr(quality, "put_series", breaks)
    with pytest.raises(AutoReconnect):
        count(watched.ctx)
    # Four count at once; the position is stored with the figures, so that none counts a batch that another counted.
    workers = [threading.Thread(target=QualityInspector(watched.ctx).round) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert count(watched.ctx) == 0
    assert report(watched.centre)["records"]["accepted"] == 300


def test_the_inspector_counts_beside_the_deliveries(watched: RunningIngest) -> None:
    inspector = QualityInspector(watched.ctx, seconds=0.05)
    inspector.start()
    watched.regulator.submits(licences(30), batch=10)
    assert until(lambda: report(watched.centre)["records"]["accepted"] == 30, "it is counted")
    inspector.stop()
    assert inspector.ended(30)
