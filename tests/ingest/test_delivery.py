"""Deliveries over gRPC: each record exactly once, whatever is repeated, in whatever order."""

import json
import re
from concurrent.futures import ThreadPoolExecutor

import jwt
import pytest

from chengxin.errors import Problem
from chengxin.values.ids import new_id
from chengxin_api.ingest.v1 import ingest_pb2 as pb
from services.ingest.domain.submission import Batch, DeliveredRecord
from services.ingest.store import originals
from services.ingest.store.rejects import opened_reject
from services.ingest.store.submissions import batch_id
from tests.ingest.conftest import HOUSING, REGULATOR, STRANGER, Running, head, licence, licences, stream, wrong_digit
from tests.support import until


def refused(call, *arguments, **options) -> Problem:
    with pytest.raises(Problem) as caught:
        call(*arguments, **options)
    return caught.value


def test_a_submission_id_that_holds_an_identity_number_is_refused(ingest: Running) -> None:
    problem = refused(ingest.regulator.submits, licences(1), submission_id="441702189603120024")
    assert problem.code == "INPUT_INVALID"
    assert "441702189603120024" not in str(ingest.audit.events)


def test_a_stream_is_recorded_and_receipted(ingest: Running) -> None:
    receipt = ingest.regulator.submits(licences(250), submission_id="monthly-2026-11")
    assert (receipt.counts.total, receipt.counts.accepted) == (250, 250)
    assert ingest.ctx.store.records.count_documents({}) == 250
    found = ingest.regulator.submission("monthly-2026-11")
    assert found.state == pb.SUBMISSION_STATE_CLOSED
    assert found.batches_committed == 3
    assert found.receipt == receipt


def test_a_receipt_verifies_offline(ingest: Running) -> None:
    receipt = ingest.regulator.submits(licences(3))
    [jwk] = ingest.regulator.get("/v1/submissions/keys").json["keys"]
    assert jwt.get_unverified_header(receipt.jws)["kid"] == jwk["kid"]
    signed = jwt.decode(receipt.jws, jwt.PyJWK(jwk).key, algorithms=["EdDSA"])
    assert signed["submission_id"] == receipt.submission_id
    assert signed["provider"] == REGULATOR
    assert signed["counts"] == {"total": 3, "accepted": 3, "amended": 0, "unchanged": 0, "rejected": 0}
    assert signed["content_sha256"] == receipt.content_sha256
    assert (signed["entry_code"], signed["entry_version"]) == ("XZXK", 1)


def test_the_same_delivery_gives_the_same_receipt(ingest: Running) -> None:
    records = licences(30)
    first = ingest.regulator.submits(records, 10, submission_id="again-and-again")
    again = ingest.regulator.submits(records, 10, submission_id="again-and-again")
    assert again == first
    assert ingest.ctx.store.batches.count_documents({}) == 3


def test_the_same_records_under_another_id_are_unchanged(ingest: Running) -> None:
    ingest.regulator.submits(licences(20))
    again = ingest.regulator.submits(licences(20))
    assert (again.counts.unchanged, again.counts.accepted) == (20, 0)
    assert ingest.ctx.store.records.count_documents({}) == 20


def test_other_content_is_a_new_version(ingest: Running) -> None:
    ingest.regulator.submits_batch(licence())
    answer = ingest.regulator.submits_batch(licence(XK_NR="餐饮服务"))
    [outcome] = answer.outcomes
    assert (outcome.outcome, outcome.version) == (pb.OUTCOME_AMENDED, 2)
    [old] = ingest.ctx.store.history(outcome.record_id)
    assert (old["version"], old["items"]["XK_NR"]) == (1, "食品经营")


def test_a_batch_may_hold_two_versions_of_a_record(ingest: Running) -> None:
    answer = ingest.regulator.submits_batch(licence(), licence(XK_NR="餐饮服务"), licence(XK_NR="餐饮服务"))
    outcomes = [(o.outcome, o.version) for o in answer.outcomes]
    assert outcomes == [(pb.OUTCOME_ACCEPTED, 1), (pb.OUTCOME_AMENDED, 2), (pb.OUTCOME_UNCHANGED, 2)]
    versions = [r.version for change in ingest.watched(2) for r in change.records]
    assert versions == [1, 2]


def test_a_wrong_record_is_rejected_and_the_others_are_recorded(ingest: Running) -> None:
    code = wrong_digit(licence(2)["XK_XDR_SHXYM"])
    answer = ingest.regulator.submits_batch(licence(1), licence(2, XK_XDR_SHXYM=code), licence(3))
    assert [o.outcome for o in answer.outcomes] == [pb.OUTCOME_ACCEPTED, pb.OUTCOME_REJECTED, pb.OUTCOME_ACCEPTED]
    [violation] = answer.outcomes[1].violations
    assert (violation.item, violation.rule, violation.value) == ("XK_XDR_SHXYM", "uscc.check_digit", code)
    assert "校验码" in violation.message
    listed = ingest.organ(language="en").rpc(
        "ListRejects", pb.ListRejectsRequest(submission_id=answer.receipt.submission_id)
    )
    [reject] = listed.rejects
    assert (reject.row, reject.items["XK_XDR_SHXYM"]) == (2, code)
    assert "check digit" in reject.violations[0].message


_UNSEEN = ["\u202e", "\u2066", "\u200b", "\u200d", "\ufeff", "\u00ad", "\ue000", "\x00", "\U000e0041"]


@pytest.mark.parametrize("item", ["XK_XDR_MC", "XK_NR", "XK_XKWS"])
def test_what_nobody_sees_is_in_no_text(ingest: Running, item: str) -> None:
    text = licence()[item]
    made = [(c, whole) for c in _UNSEEN for whole in (f"{c}{text}", f"{text[:2]}{c}{text[2:]}", f"{text}{c}")]
    records = [licence(n, **{item: whole}) for n, (_, whole) in enumerate(made, 1)]
    for (unseen, _), outcome in zip(made, ingest.regulator.submits_batch(*records).outcomes, strict=True):
        [violation] = outcome.violations
        assert (violation.item, violation.rule) == (item, "characters")
        assert f"U+{ord(unseen):04X}" in violation.message


def test_what_a_text_may_hold_beside_letters_stays(ingest: Running) -> None:
    # Line breaks, a rare name by a variation selector, a Han character that is newer than this Python's table.
    text = "食品经营\n餐饮\t服务 邊\U000e0101 \U000323b0"
    [outcome] = ingest.regulator.submits_batch(licence(XK_NR=text)).outcomes
    assert outcome.outcome == pb.OUTCOME_ACCEPTED
    assert ingest.ctx.store.record(outcome.record_id)["items"]["XK_NR"] == text


def test_rejects_come_in_pages(ingest: Running) -> None:
    wrong = [licence(n, XK_ZT="9") for n in range(1, 8)]
    receipt = ingest.regulator.submits(wrong, 3)
    rows, token = [], ""
    while True:
        request = pb.ListRejectsRequest(submission_id=receipt.submission_id, page_size=2, page_token=token)
        page = ingest.regulator.rpc("ListRejects", request)
        rows += [r.row for r in page.rejects]
        if not (token := page.next_page_token):
            break
    assert rows == [1, 2, 3, 4, 5, 6, 7]


def test_a_retry_after_a_lost_answer_gives_the_same_outcomes(ingest: Running) -> None:
    records = (licence(1), licence(2, XK_ZT="9"), licence(1, XK_NR="餐饮服务"))
    first = ingest.regulator.submits_batch(*records, submission_id="lost-answer")
    again = ingest.regulator.submits_batch(*records, submission_id="lost-answer")
    assert again == first


def test_other_content_under_a_committed_batch_is_a_conflict(ingest: Running) -> None:
    ingest.regulator.submits(licences(20), 10, submission_id="conflicting")
    problem = refused(ingest.regulator.submits, licences(20, first=5), 10, submission_id="conflicting")
    assert problem.code == "BATCH_CONFLICT"
    problem = refused(ingest.regulator.submits, licences(30), 10, submission_id="conflicting")
    assert problem.code == "SUBMISSION_CLOSED"


def test_an_id_belongs_to_one_entry(ingest: Running) -> None:
    ingest.regulator.submits(licences(2), submission_id="one-entry-only")
    problem = refused(ingest.regulator.submits, licences(2), submission_id="one-entry-only", entry_code="QYDJ")
    assert problem.code == "SUBMISSION_CONFLICT"


def test_batches_come_in_order_and_a_broken_delivery_goes_on(ingest: Running) -> None:
    parts = [*stream(licences(50), 10, submission_id="broken-off", record_count=50)]
    assert refused(ingest.regulator.rpc, "Submit", iter(parts[:3])).code == "DELIVERY_BROKEN_OFF"
    assert ingest.regulator.submission("broken-off").batches_committed == 2
    problem = refused(ingest.regulator.rpc, "Submit", iter([parts[0], *parts[4:]]))
    assert (problem.code, problem.params["expected"]) == ("BATCH_OUT_OF_ORDER", "3")
    receipt = ingest.regulator.rpc("Submit", iter([parts[0], *parts[3:]]))
    assert receipt.counts.accepted == 50


def test_a_lost_connection_never_closes_a_submission(ingest: Running) -> None:
    parts = [*stream(licences(30), 10, submission_id="without-count")]
    for cut in (2, 3, 4):
        problem = refused(ingest.regulator.rpc, "Submit", iter(parts[:cut]))
        assert (problem.code, problem.params["committed"]) == ("DELIVERY_END_MISSING", str(cut - 1))
        assert ingest.regulator.submission("without-count").state == pb.SUBMISSION_STATE_OPEN
    assert ingest.regulator.rpc("Submit", iter([parts[0], parts[-1]])).counts.accepted == 30


def test_nothing_follows_the_end(ingest: Running) -> None:
    parts = [*stream(licences(20), 10, submission_id="after-the-end")]
    problem = refused(ingest.regulator.rpc, "Submit", iter([*parts[:2], parts[-1], parts[2]]))
    assert problem.fields[0].field == "batch"
    assert ingest.regulator.submission("after-the-end").state == pb.SUBMISSION_STATE_OPEN


def test_the_count_told_first_holds_when_a_delivery_is_resumed(ingest: Running) -> None:
    parts = [*stream(licences(30), 10, submission_id="told-at-first", record_count=30)]
    assert refused(ingest.regulator.rpc, "Submit", iter(parts[:2])).code == "DELIVERY_BROKEN_OFF"
    assert ingest.regulator.submission("told-at-first").record_count == 30
    untold = [*stream(licences(30), 10, submission_id="told-at-first")]
    assert refused(ingest.regulator.rpc, "Submit", iter([*untold[:2], untold[-1]])).code == "DELIVERY_BROKEN_OFF"
    other = stream(licences(30), 10, submission_id="told-at-first", record_count=31)
    assert refused(ingest.regulator.rpc, "Submit", other).code == "SUBMISSION_CONFLICT"
    assert ingest.regulator.rpc("Submit", iter(untold)).counts.accepted == 30


def test_a_batch_that_goes_over_the_count_is_refused_and_the_rest_of_the_delivery_goes_on(ingest: Running) -> None:
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


def test_a_delivery_that_was_announced_as_larger_is_ended_by_the_right_count(ingest: Running) -> None:
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


def test_a_delivery_in_one_call_has_the_records_that_its_header_tells(ingest: Running) -> None:
    for count in (1, 3):
        problem = refused(ingest.regulator.submits_batch, licence(1), licence(2), record_count=count)
        assert problem.fields[0].field == "record_count"
    assert ingest.regulator.submits_batch(licence(1), licence(2), record_count=2).receipt.counts.total == 2


def test_the_same_submission_twice_at_once_is_recorded_once(ingest: Running) -> None:
    records = licences(200)
    with ThreadPoolExecutor(3) as pool:
        deliveries = [
            pool.submit(ingest.regulator.submits, records, 20, submission_id="twice-at-once") for _ in range(3)
        ]
        receipts = [d.result() for d in deliveries]
    assert receipts[0] == receipts[1] == receipts[2]
    assert receipts[0].counts.accepted == 200
    assert ingest.ctx.store.records.count_documents({}) == 200
    assert ingest.ctx.store.versions.count_documents({}) == 0


def test_several_providers_deliver_at_once(ingest: Running) -> None:
    with ThreadPoolExecutor(4) as pool:
        organs = [ingest.regulator, ingest.housing] * 2
        deliveries = [pool.submit(o.submits, licences(100, 1 + 100 * n), 20) for n, o in enumerate(organs)]
        assert [d.result().counts.accepted for d in deliveries] == [100] * 4


def test_the_same_key_of_two_providers_is_two_records(ingest: Running) -> None:
    ingest.regulator.submits_batch(licence(), submission_id="the-same-id")
    answer = ingest.housing.submits_batch(licence(), submission_id="the-same-id")
    assert answer.outcomes[0].outcome == pb.OUTCOME_ACCEPTED
    assert {r["provider"] for r in ingest.ctx.store.records.find()} == {REGULATOR, HOUSING}


def test_who_may_deliver(ingest: Running) -> None:
    assert refused(ingest.organ(org=STRANGER).submits, licences(1)).code == "NOT_A_PROVIDER"
    assert refused(ingest.centre.submits, licences(1)).code == "ROLE_NOT_ALLOWED"
    assert refused(ingest.regulator.submits, licences(1), entry_code="NONE").code == "DELIVERY_ENTRY_UNKNOWN"
    assert refused(ingest.regulator.submits, licences(1), entry_version=7).code == "DELIVERY_ENTRY_NOT_IN_FORCE"
    codes = [event["details"]["code"] for event in ingest.audit.of("submission.delivered")]
    assert codes == ["NOT_A_PROVIDER", "ROLE_NOT_ALLOWED"]


def test_headers_and_batches_are_checked(ingest: Running) -> None:
    assert refused(ingest.regulator.submits, licences(1), submission_id="short").fields[0].field == "submission_id"
    assert refused(ingest.regulator.submits, []).code == "SUBMISSION_EMPTY"
    assert refused(ingest.regulator.rpc, "Submit", iter([])).fields[0].field == "header"
    assert refused(ingest.regulator.submits, licences(1001), 1001).code == "BATCH_TOO_LARGE"
    with pytest.raises(Problem, match="TOO_MANY_BATCHES"):
        Batch(10_001, [DeliveredRecord(1, licences(1)[0])]).checked()
    assert refused(ingest.regulator.submits_batch).fields[0].field == "records"


@pytest.mark.parametrize(
    "large",
    [licence(2) | {f"X_{n}": "x" for n in range(100_000)}, licence(2, XK_NR="许" * (1 << 20)), {"X" * (1 << 20): "x"}],
)
def test_a_record_that_no_reject_could_hold_is_refused_by_its_row(ingest: Running, large: dict[str, str]) -> None:
    for call, records in (
        (ingest.regulator.submits, ([licence(1), large],)),
        (ingest.regulator.submits_batch, (licence(1), large)),
    ):
        problem = refused(call, *records)
        assert (problem.code, problem.params["row"], problem.params["most"]) == ("RECORD_TOO_LARGE", "2", "500")
    name = str(ingest.regulator.submits_batch(licence(1)).outcomes[0].record_id)
    problem = refused(ingest.regulator.rpc, "Amend", pb.AmendRequest(record_id=name, items=large, reason="变更"))
    assert problem.fields[0].field == "items"
    assert ingest.ctx.store.records.count_documents({}) == 1


def test_a_record_within_the_bounds_is_rejected_for_what_is_wrong_with_it(ingest: Running) -> None:
    large = licence(1) | {f"{n}" + "项" * 1_500: "许" * 500 for n in range(480)}
    answer = ingest.regulator.submits_batch(large)
    assert answer.receipt.counts.rejected == 1
    assert {v.rule for v in answer.outcomes[0].violations} == {"unknown_item"}


def test_a_provider_sees_only_its_own(ingest: Running) -> None:
    ingest.regulator.submits(licences(2), submission_id="not-for-others")
    assert refused(ingest.housing.submission, "not-for-others").code == "NOT_FOUND"
    assert ingest.housing.get("/v1/submissions/not-for-others").status_code == 404
    assert ingest.housing.get("/v1/submissions").json["submissions"] == []
    assert ingest.housing.get(f"/v1/submissions?provider={REGULATOR}").status_code == 404
    [listed] = ingest.centre.get("/v1/submissions").json["submissions"]
    assert listed["provider_uscc"] == REGULATOR
    assert ingest.centre.get(f"/v1/submissions/not-for-others?provider={REGULATOR}").json["counts"]["accepted"] == 2
    ask = pb.GetSubmissionRequest(submission_id="not-for-others", provider_uscc=REGULATOR)
    for role in ("centre", "authority", "supervisor", "provider"):
        assert ingest.organ(role).rpc("GetSubmission", ask).counts.accepted == 2
    assert refused(ingest.centre.submission, "not-for-others").code == "NOT_FOUND"
    assert refused(ingest.housing.rpc, "GetSubmission", ask).code == "NOT_FOUND"
    assert ingest.centre.get("/v1/submissions/not-for-others/rejects").status_code == 403


def test_submissions_come_in_pages_latest_first(ingest: Running) -> None:
    for n in range(5):
        ingest.regulator.submits(licences(1), submission_id=f"page-test-{n}")
    seen, token = [], ""
    while True:
        page = ingest.regulator.get(f"/v1/submissions?page_size=2&page_token={token}").json
        seen += [s["submission_id"] for s in page["submissions"]]
        if not (token := page["next_page_token"]):
            break
    assert seen == [f"page-test-{n}" for n in (4, 3, 2, 1, 0)]


def test_nothing_is_read_without_an_audit(ingest: Running) -> None:
    ingest.regulator.submits(licences(1, 1), submission_id="fail-closed")
    ingest.audit.away = True
    for path in ("", "/fail-closed", "/fail-closed/rejects", "/fail-closed/rejects?format=csv", "/fail-closed/receipt"):
        answer = ingest.regulator.get(f"/v1/submissions{path}")
        assert (answer.status_code, answer.json["code"]) == (503, "AUDIT_UNAVAILABLE"), path
    ingest.audit.away = False
    until(lambda: ingest.regulator.get("/v1/submissions").status_code == 200, "the audit is back")


def test_a_delivery_is_on_record_without_identifiers(ingest: Running) -> None:
    person = licence()["XK_FR_ZJHM"]
    receipt = ingest.regulator.submits([licence(), licence(2, XK_FR_ZJHM="")], submission_id="on-record")
    until(lambda: ingest.audit.of("submission.closed"), "the relay delivers")
    [event] = ingest.audit.of("submission.delivered")
    assert event["entries"] == ["XZXK"]
    assert event["details"]["counts"]["accepted"] == 1
    assert event["details"]["counts"]["rejected"] == 1
    [closed] = ingest.audit.of("submission.closed")
    assert closed["details"]["content_sha256"] == receipt.content_sha256
    text = json.dumps(ingest.audit.events, ensure_ascii=False)
    assert person not in text
    assert licence()["XK_XDR_MC"] not in text


def test_identifiers_are_sealed_in_the_store(ingest: Running) -> None:
    person = licence()["XK_FR_ZJHM"]
    receipt = ingest.regulator.submits([licence(1), licence(2, XK_ZT="9")])
    store = ingest.ctx.store
    for collection in (store.records, store.rejects, store.originals, store.batches, store.submissions):
        for document in collection.find():
            assert person not in str(document)
            assert person.encode() not in b"".join(v for v in document.values() if isinstance(v, bytes))
    [reject] = store.rejects.find()
    assert opened_reject(ingest.ctx.ring, reject).items["XK_FR_ZJHM"] == person
    assert receipt.counts.rejected == 1


def test_the_bytes_are_kept_with_their_digest(ingest: Running) -> None:
    ingest.regulator.submits([licence(1)], submission_id="kept-bytes")
    name = batch_id(f"{REGULATOR}/kept-bytes", 1)
    kept = originals.joined(ingest.ctx.store.pieces(name), ingest.ctx.ring)
    assert json.loads(kept) == [[1, licence(1)]]
    [piece] = ingest.ctx.store.pieces(name)
    assert piece["sha256"] == ingest.ctx.store.batch(f"{REGULATOR}/kept-bytes", 1)["digest"]


def test_what_is_no_request_id_of_the_gateways_goes_on_no_record(ingest: Running) -> None:
    """A call past the gateway, with a token that is good."""
    ingest.regulator.submits_batch(licence(), submission_id="sub-that-is-there")
    given = new_id("req")
    said = ["req_forged", f"{given}\u0041", licence()["XK_FR_ZJHM"], f"x{given}", ""]
    for request_id in (given, *said):
        organ = ingest.regulator
        organ.headers["X-Request-Id"] = request_id
        assert organ.get("/v1/submissions").status_code == 200
        assert organ.submission("sub-that-is-there").counts.accepted == 1
    for act in ("submission.listed", "submission.read"):
        told = [event["request_id"] for event in ingest.audit.of(act)]
        assert (told[0], len(set(told))) == (given, 1 + len(said))
        assert all(re.fullmatch(r"req_[0-9a-v]{26}", one) for one in told)
