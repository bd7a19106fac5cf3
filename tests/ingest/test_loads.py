"""A delivery reads nothing more often than its transactions need."""

from tests.ingest.deliveries import licences
from tests.ingest.running_ingest import RunningIngest
from tests.loads import counted_loads


def test_a_delivery_of_one_batch(ingest: RunningIngest) -> None:
    ingest.regulator.submits(licences(3))
    with counted_loads() as loads:
        ingest.regulator.submits(licences(5), submission_id="loads-of-one")
    # The entry: to be delivered to, and judged by. The submission: when it is opened, before and in the
    # transactions of its batch and of its end.
    assert loads == {"entries": 1, "agreements": 1, "submissions": 5, "records": 1, "batches": 1}
