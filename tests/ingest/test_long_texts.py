"""Ordinary deliveries of long texts leave the store answering: what a transaction writes is bounded in bytes, too."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from chengxin.errors import Problem
from chengxin.tabular.batches import in_batches
from chengxin.tabular.bounds import LONGEST_RECORD, MOST_BYTES_OF_BATCH, bytes_of
from chengxin.tabular.source import SourceRow
from services.ingest.domain.submission import Batch, DeliveredRecord
from tests.ingest.deliveries import licences
from tests.ingest.running_ingest import RunningIngest, make_collections, running_ingest
from tests.support import Issuer, StoreDaemon

LENGTH = 4000


@pytest.fixture
def ingest(tmp_path: Path, issuer: Issuer) -> Iterator[RunningIngest]:
    """On a store with a small cache, which stops easily."""
    daemon = StoreDaemon(tmp_path / "store", "64M")
    daemon.start()
    make_collections(daemon.uri("ingest"))
    yield from running_ingest(daemon.uri("ingest"), issuer)
    daemon.kill()


def long(records: list[dict[str, str]], letter: str) -> list[dict[str, str]]:
    return [record | {"XK_NR": letter * LENGTH} for record in records]


def test_long_texts_delivered_and_amended_leave_the_store_answering(ingest: RunningIngest) -> None:
    """Two batches of 1,000 such records in one transaction stop the store for good."""
    records = licences(2500)
    size = MOST_BYTES_OF_BATCH // bytes_of(long(records, "许")[-1])
    for letter in "许可":
        counts = ingest.regulator.submits(long(records, letter), size, submission_id=f"long-{ord(letter)}").counts
        assert counts.accepted + counts.amended == len(records)
    assert ingest.ctx.store.records.count_documents({"version": 2}) == len(records)


def test_a_batch_of_too_many_bytes_is_refused_and_told(ingest: RunningIngest) -> None:
    with pytest.raises(Problem) as caught:
        ingest.regulator.submits(long(licences(180), "许"), 180)
    problem = caught.value
    assert problem.code == "BATCH_TOO_LARGE"
    assert int(str(problem.params["bytes"])) > int(str(problem.params["most"])) == MOST_BYTES_OF_BATCH


def test_rows_of_any_length_are_cut_into_batches_that_are_taken() -> None:
    full, half = MOST_BYTES_OF_BATCH // 3, MOST_BYTES_OF_BATCH // 6
    lengths = [1, full - 1, 1, 1, half, half, LONGEST_RECORD - 1, *[7] * 1001]
    rows = [SourceRow(n, {"x": "文" * length}) for n, length in enumerate(lengths, 1)]
    cut = list(in_batches(rows))
    assert [row for batch in cut for row in batch] == rows
    assert all(cut)
    for batch in cut:
        # Within the limits of ingest.
        assert Batch(1, [DeliveredRecord(row.number, row.items) for row in batch]).checked()
