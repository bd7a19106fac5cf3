"""Batches of a delivery: in order, resumed after a break, and as many records as the header says."""

import pytest

from chengxin.errors import Problem
from chengxin_api.ingest.v1 import ingest_pb2 as pb
from services.ingest.domain.submission import Batch, DeliveredRecord
from tests.ingest.deliveries import licence, licences
from tests.ingest.refusals import refused
from tests.ingest.running_ingest import RunningIngest, head, stream


def test_a_batch_may_hold_two_versions_of_a_record(ingest: RunningIngest) -> None:
    answer = ingest.regulator.submits_batch(licence(), licence(XK_NR="餐饮服务"), licence(XK_NR="餐饮服务"))
    outcomes = [(o.outcome, o.version) for o in answer.outcomes]
    assert outcomes == [(pb.OUTCOME_ACCEPTED, 1), (pb.OUTCOME_AMENDED, 2), (pb.OUTCOME_UNCHANGED, 2)]
    versions = [r.version for change in ingest.watched(2) for r in change.records]
    assert versions == [1, 2]


def test_a_retry_after_a_lost_answer_gives_the_same_outcomes(ingest: RunningIngest) -> None:
    records = (licence(1), licence(2, XK_ZT="9"), licence(1, XK_NR="餐饮服务"))
    first = ingest.regulator.submits_batch(*records, submission_id="lost-answer")
    again = ingest.regulator.submits_batch(*records, submission_id="lost-answer")
    assert again == first


def test_other_content_under_a_committed_batch_is_a_conflict(ingest: RunningIngest) -> None:
    ingest.regulator.submits(licences(20), 10, submission_id="conflicting")
    problem = refused(ingest.regulator.submits, licences(20, first=5), 10, submission_id="conflicting")
    assert problem.code == "BATCH_CONFLICT"
    problem = refused(ingest.regulator.submits, licences(30), 10, submission_id="conflicting")
    assert problem.code == "SUBMISSION_CLOSED"


def test_an_id_belongs_to_one_entry(ingest: RunningIngest) -> None:
    ingest.regulator.submits(licences(2), submission_id="one-entry-only")
    problem = refused(ingest.regulator.submits, licences(2), submission_id="one-entry-only", entry_code="QYDJ")
    assert problem.code == "SUBMISSION_CONFLICT"


def test_batches_come_in_order_and_a_broken_delivery_goes_on(ingest: RunningIngest) -> None:
    parts = [*stream(licences(50), 10, submission_id="broken-off", record_count=50)]
    assert refused(ingest.regulator.rpc, "Submit", iter(parts[:3])).code == "DELIVERY_BROKEN_OFF"
    assert ingest.regulator.submission("broken-off").batches_committed == 2
    problem = refused(ingest.regulator.rpc, "Submit", iter([parts[0], *parts[4:]]))
    assert (problem.code, problem.params["expected"]) == ("BATCH_OUT_OF_ORDER", "3")
    receipt = ingest.regulator.rpc("Submit", iter([parts[0], *parts[3:]]))
    assert receipt.counts.accepted == 50


def test_a_lost_connection_never_closes_a_submission(ingest: RunningIngest) -> None:
    parts = [*stream(licences(30), 10, submission_id="without-count")]
    for cut in (2, 3, 4):
        problem = refused(ingest.regulator.rpc, "Submit", iter(parts[:cut]))
        assert (problem.code, problem.params["committed"]) == ("DELIVERY_END_MISSING", str(cut - 1))
        assert ingest.regulator.submission("without-count").state == pb.SUBMISSION_STATE_OPEN
    assert ingest.regulator.rpc("Submit", iter([parts[0], parts[-1]])).counts.accepted == 30


def test_nothing_follows_the_end(ingest: RunningIngest) -> None:
    parts = [*stream(licences(20), 10, submission_id="after-the-end")]
    problem = refused(ingest.regulator.rpc, "Submit", iter([*parts[:2], parts[-1], parts[2]]))
    assert problem.fields[0].field == "batch"
    assert ingest.regulator.submission("after-the-end").state == pb.SUBMISSION_STATE_OPEN


def test_the_count_told_first_holds_when_a_delivery_is_resumed(ingest: RunningIngest) -> None:
    parts = [*stream(licences(30), 10, submission_id="told-at-first", record_count=30)]
    assert refused(ingest.regulator.rpc, "Submit", iter(parts[:2])).code == "DELIVERY_BROKEN_OFF"
    assert ingest.regulator.submission("told-at-first").record_count == 30
    untold = [*stream(licences(30), 10, submission_id="told-at-first")]
    assert refused(ingest.regulator.rpc, "Submit", iter([*untold[:2], untold[-1]])).code == "DELIVERY_BROKEN_OFF"
    other = stream(licences(30), 10, submission_id="told-at-first", record_count=31)
    assert refused(ingest.regulator.rpc, "Submit", other).code == "SUBMISSION_CONFLICT"
    assert ingest.regulator.rpc("Submit", iter(untold)).counts.accepted == 30


def test_a_batch_that_goes_over_the_count_is_refused_and_the_rest_of_the_delivery_goes_on(
    ingest: RunningIngest,
) -> None:
    counted = head(submission_id="over-the-count", record_count=20)
    records = [pb.Record(row=n, items=items) for n, items in enumerate(licences(40), 1)]

    def sent(*sizes: int):
        parts, start = [pb.SubmitRequest(header=counted)], 0
        for number, size in enumerate(sizes, 1):
            batch = pb.RecordBatch(number=number, records=records[start : start + size])
            parts, start = [*parts, pb.SubmitRequest(batch=batch)], start + size
        return ingest.regulator.rpc("Submit", iter(parts))

    problem = refused(sent, 21)
    assert (problem.code, problem.params) == ("DELIVERY_OVER_COUNT", {"told": "20", "number": "1", "reached": "21"})
    assert refused(ingest.regulator.submission, "over-the-count").code == "NOT_FOUND"
    for _ in range(2):
        problem = refused(sent, 5, 35)
        assert (problem.code, problem.params) == ("DELIVERY_OVER_COUNT", {"told": "20", "number": "2", "reached": "40"})
        found = ingest.regulator.submission("over-the-count")
        assert (found.state, found.batches_committed, found.counts.total) == (pb.SUBMISSION_STATE_OPEN, 1, 5)
    assert sent(5, 15).counts.accepted == 20


def test_a_delivery_that_was_announced_as_larger_is_ended_by_the_right_count(ingest: RunningIngest) -> None:
    parts = [*stream(licences(5), submission_id="announced-larger", record_count=20), pb.SubmitRequest(end=pb.End())]
    problem = refused(ingest.regulator.rpc, "Submit", iter(parts))
    assert (problem.code, problem.params) == ("DELIVERY_BROKEN_OFF", {"committed": "1", "records": "5"})
    right = pb.SubmitRequest(header=head(submission_id="announced-larger", record_count=5))
    more = pb.RecordBatch(number=2, records=[pb.Record(row=6, items=licence(6))])
    problem = refused(ingest.regulator.rpc, "Submit", iter([right, pb.SubmitRequest(batch=more)]))
    assert problem.code == "DELIVERY_OVER_COUNT"
    receipt = ingest.regulator.rpc("Submit", iter([right]))
    assert receipt.counts.total == 5
    found = ingest.regulator.submission("announced-larger")
    assert (found.state, found.record_count) == (pb.SUBMISSION_STATE_CLOSED, 5)
    assert ingest.regulator.rpc("Submit", iter([right])) == receipt


def test_a_delivery_in_one_call_has_the_records_that_its_header_tells(ingest: RunningIngest) -> None:
    for count in (1, 3):
        problem = refused(ingest.regulator.submits_batch, licence(1), licence(2), record_count=count)
        assert problem.fields[0].field == "record_count"
    assert ingest.regulator.submits_batch(licence(1), licence(2), record_count=2).receipt.counts.total == 2


def test_headers_and_batches_are_checked(ingest: RunningIngest) -> None:
    assert refused(ingest.regulator.submits, licences(1), submission_id="short").fields[0].field == "submission_id"
    assert refused(ingest.regulator.submits, []).code == "SUBMISSION_EMPTY"
    assert refused(ingest.regulator.rpc, "Submit", iter([])).fields[0].field == "header"
    assert refused(ingest.regulator.submits, licences(1001), 1001).code == "BATCH_TOO_LARGE"
    with pytest.raises(Problem, match="TOO_MANY_BATCHES"):
        Batch(10_001, [DeliveredRecord(1, licences(1)[0])]).checked()
    assert refused(ingest.regulator.submits_batch).fields[0].field == "records"
