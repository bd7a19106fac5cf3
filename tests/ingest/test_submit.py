"""Deliveries over gRPC: each record is recorded exactly once, whatever is repeated."""

import json
from concurrent.futures import ThreadPoolExecutor

import jwt
import pytest

from chengxin_api.ingest.v1 import ingest_pb2 as pb
from services.ingest.store import originals
from services.ingest.store.ingest_store import batch_id
from services.ingest.store.rejects import opened_reject
from tests.ingest.deliveries import REGULATOR, licence, licences, wrong_digit
from tests.ingest.refusals import refused
from tests.ingest.running_ingest import HOUSING, STRANGER, RunningIngest


def test_a_submission_id_that_holds_an_identity_number_is_refused(ingest: RunningIngest) -> None:
    problem = refused(ingest.regulator.submits, licences(1), submission_id="441702189603120024")
    assert problem.code == "INPUT_INVALID"
    assert "441702189603120024" not in str(ingest.audit.events)


def test_a_stream_is_recorded_and_receipted(ingest: RunningIngest) -> None:
    receipt = ingest.regulator.submits(licences(250), submission_id="monthly-2026-11")
    assert (receipt.counts.total, receipt.counts.accepted) == (250, 250)
    assert ingest.ctx.store.records.count_documents({}) == 250
    found = ingest.regulator.submission("monthly-2026-11")
    assert found.state == pb.SUBMISSION_STATE_CLOSED
    assert found.batches_committed == 3
    assert found.receipt == receipt


def test_a_receipt_verifies_offline(ingest: RunningIngest) -> None:
    receipt = ingest.regulator.submits(licences(3))
    [jwk] = ingest.regulator.get("/v1/submissions/keys").json["keys"]
    assert jwt.get_unverified_header(receipt.jws)["kid"] == jwk["kid"]
    signed = jwt.decode(receipt.jws, jwt.PyJWK(jwk).key, algorithms=["EdDSA"])
    assert signed["submission_id"] == receipt.submission_id
    assert signed["provider"] == REGULATOR
    assert signed["counts"] == {"total": 3, "accepted": 3, "amended": 0, "unchanged": 0, "rejected": 0}
    assert signed["content_sha256"] == receipt.content_sha256
    assert (signed["entry_code"], signed["entry_version"]) == ("XZXK", 1)


def test_the_same_delivery_gives_the_same_receipt(ingest: RunningIngest) -> None:
    records = licences(30)
    first = ingest.regulator.submits(records, 10, submission_id="again-and-again")
    again = ingest.regulator.submits(records, 10, submission_id="again-and-again")
    assert again == first
    assert ingest.ctx.store.batches.count_documents({}) == 3


def test_the_same_records_under_another_id_are_unchanged(ingest: RunningIngest) -> None:
    ingest.regulator.submits(licences(20))
    again = ingest.regulator.submits(licences(20))
    assert (again.counts.unchanged, again.counts.accepted) == (20, 0)
    assert ingest.ctx.store.records.count_documents({}) == 20


def test_other_content_is_a_new_version(ingest: RunningIngest) -> None:
    ingest.regulator.submits_batch(licence())
    answer = ingest.regulator.submits_batch(licence(XK_NR="餐饮服务"))
    [outcome] = answer.outcomes
    assert (outcome.outcome, outcome.version) == (pb.OUTCOME_AMENDED, 2)
    [old] = ingest.ctx.store.history(outcome.record_id)
    assert (old["version"], old["items"]["XK_NR"]) == (1, "食品经营")


def test_a_wrong_record_is_rejected_and_the_others_are_recorded(ingest: RunningIngest) -> None:
    code = wrong_digit(licence(2)["XK_XDR_SHXYM"])
    answer = ingest.regulator.submits_batch(licence(1), licence(2, XK_XDR_SHXYM=code), licence(3))
    assert [o.outcome for o in answer.outcomes] == [pb.OUTCOME_ACCEPTED, pb.OUTCOME_REJECTED, pb.OUTCOME_ACCEPTED]
    [violation] = answer.outcomes[1].violations
    assert (violation.item, violation.rule, violation.value) == ("XK_XDR_SHXYM", "uscc.check_digit", code)
    assert "校验码" in violation.message
    listed = ingest.caller(language="en").rpc(
        "ListRejects", pb.ListRejectsRequest(submission_id=answer.receipt.submission_id)
    )
    [reject] = listed.rejects
    assert (reject.row, reject.items["XK_XDR_SHXYM"]) == (2, code)
    assert "check digit" in reject.violations[0].message


_UNSEEN = ["\u202e", "\u2066", "\u200b", "\u200d", "\ufeff", "\u00ad", "\ue000", "\x00", "\U000e0041"]


@pytest.mark.parametrize("item", ["XK_XDR_MC", "XK_NR", "XK_XKWS"])
def test_what_nobody_sees_is_in_no_text(ingest: RunningIngest, item: str) -> None:
    text = licence()[item]
    made = [(c, whole) for c in _UNSEEN for whole in (f"{c}{text}", f"{text[:2]}{c}{text[2:]}", f"{text}{c}")]
    records = [licence(n, **{item: whole}) for n, (_, whole) in enumerate(made, 1)]
    for (unseen, _), outcome in zip(made, ingest.regulator.submits_batch(*records).outcomes, strict=True):
        [violation] = outcome.violations
        assert (violation.item, violation.rule) == (item, "characters")
        assert f"U+{ord(unseen):04X}" in violation.message


def test_what_a_text_may_hold_beside_letters_stays(ingest: RunningIngest) -> None:
    # Line breaks, a rare name by a variation selector, a Han character that is newer than this Python's table.
    text = "食品经营\n餐饮\t服务 邊\U000e0101 \U000323b0"
    [outcome] = ingest.regulator.submits_batch(licence(XK_NR=text)).outcomes
    assert outcome.outcome == pb.OUTCOME_ACCEPTED
    record = ingest.ctx.store.record(outcome.record_id)
    # The character is recorded, and beside it the shape as delivered.
    assert record["items"]["XK_NR"] == text.replace("\U000e0101", "")
    assert record["raw"]["XK_NR"] == text


def test_the_same_submission_twice_at_once_is_recorded_once(ingest: RunningIngest) -> None:
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


def test_several_providers_deliver_at_once(ingest: RunningIngest) -> None:
    with ThreadPoolExecutor(4) as pool:
        organs = [ingest.regulator, ingest.housing] * 2
        deliveries = [pool.submit(o.submits, licences(100, 1 + 100 * n), 20) for n, o in enumerate(organs)]
        assert [d.result().counts.accepted for d in deliveries] == [100] * 4


def test_the_same_key_of_two_providers_is_two_records(ingest: RunningIngest) -> None:
    ingest.regulator.submits_batch(licence(), submission_id="the-same-id")
    answer = ingest.housing.submits_batch(licence(), submission_id="the-same-id")
    assert answer.outcomes[0].outcome == pb.OUTCOME_ACCEPTED
    assert {r["provider"] for r in ingest.ctx.store.records.find()} == {REGULATOR, HOUSING}


def test_who_may_deliver(ingest: RunningIngest) -> None:
    assert refused(ingest.caller(org=STRANGER).submits, licences(1)).code == "NOT_A_PROVIDER"
    assert refused(ingest.centre.submits, licences(1)).code == "ROLE_NOT_ALLOWED"
    assert refused(ingest.regulator.submits, licences(1), entry_code="NONE").code == "DELIVERY_ENTRY_UNKNOWN"
    assert refused(ingest.regulator.submits, licences(1), entry_version=7).code == "DELIVERY_ENTRY_NOT_IN_FORCE"
    codes = [event["details"]["code"] for event in ingest.audit.of("submission.delivered")]
    assert codes == ["NOT_A_PROVIDER", "ROLE_NOT_ALLOWED", "DELIVERY_ENTRY_UNKNOWN", "DELIVERY_ENTRY_NOT_IN_FORCE"]


@pytest.mark.parametrize(
    "large",
    [licence(2) | {f"X_{n}": "x" for n in range(100_000)}, licence(2, XK_NR="许" * (1 << 20)), {"X" * (1 << 20): "x"}],
)
def test_a_record_that_no_reject_could_hold_is_refused_by_its_row(ingest: RunningIngest, large: dict[str, str]) -> None:
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


def test_a_record_within_the_bounds_is_rejected_for_what_is_wrong_with_it(ingest: RunningIngest) -> None:
    large = licence(1) | {f"{n}" + "项" * 1_500: "许" * 500 for n in range(480)}
    answer = ingest.regulator.submits_batch(large)
    assert answer.receipt.counts.rejected == 1
    assert {v.rule for v in answer.outcomes[0].violations} == {"unknown_item"}


def test_identifiers_are_sealed_in_the_store(ingest: RunningIngest) -> None:
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


def test_the_bytes_are_kept_with_their_digest(ingest: RunningIngest) -> None:
    ingest.regulator.submits([licence(1)], submission_id="kept-bytes")
    name = batch_id(f"{REGULATOR}/kept-bytes", 1)
    kept = originals.joined(ingest.ctx.store.pieces(name), ingest.ctx.ring)
    assert json.loads(kept) == [[1, licence(1)]]
    [piece] = ingest.ctx.store.pieces(name)
    assert piece["sha256"] == ingest.ctx.store.batch(f"{REGULATOR}/kept-bytes", 1)["digest"]
