"""A provider that asks for what another provider delivered is refused, and the refusal is on record, on every route."""

from collections.abc import Callable
from typing import Any

import pytest

from chengxin.errors import Problem
from chengxin_api.ingest.v1 import ingest_pb2 as pb
from tests.ingest.deliveries import REGULATOR, licence, licences
from tests.ingest.quality_inspection import listed, supervisor, weekly_volumes
from tests.ingest.running_ingest import HOUSING, STRANGER, IngestCaller, RunningIngest, head

SUBMISSION = "sub-of-another"
KEY = {code: licence()[code] for code in ("XK_WSH", "XK_XDR_SHXYM", "XK_XDR_MC")}

Ask = Callable[[IngestCaller, str], Any]


def get(path: str) -> Ask:
    return lambda caller, thing: caller.get(path.format(thing)).json["code"]


def post(path: str, body: dict[str, Any]) -> Ask:
    return lambda caller, thing: caller.post(path.format(thing), body).json["code"]


def rpc(method: str, make: Callable[[str], Any]) -> Ask:
    def ask(caller: IngestCaller, thing: str) -> str:
        with pytest.raises(Problem) as refused:
            caller.rpc(method, make(thing))
        return refused.value.code

    return ask


CHANGE = {"reason": "录入错误", "items": licence()}
# Each with the act that it is on record as.
SUBMISSIONS: list[tuple[str, Ask]] = [
    ("submission.read", get("/v1/submissions/{}")),
    ("submission.read", get(f"/v1/submissions/{{}}?provider={REGULATOR}")),
    ("submission.read", rpc("GetSubmission", lambda name: pb.GetSubmissionRequest(submission_id=name))),
    (
        "submission.read",
        rpc("GetSubmission", lambda name: pb.GetSubmissionRequest(submission_id=name, provider_uscc=REGULATOR)),
    ),
    ("receipt.read", get("/v1/submissions/{}/receipt")),
    ("receipt.read", get(f"/v1/submissions/{{}}/receipt?provider={REGULATOR}")),
    ("rejects.read", get("/v1/submissions/{}/rejects")),
    ("rejects.read", get("/v1/submissions/{}/rejects?format=file")),
    ("rejects.read", rpc("ListRejects", lambda name: pb.ListRejectsRequest(submission_id=name))),
]
RECORDS: list[tuple[str, str, Ask]] = [
    ("record.queried.delivered", "NOT_FOUND", get("/v1/records/{}")),
    ("record.queried.delivered", "NOT_FOUND", rpc("GetRecord", lambda name: pb.GetRecordRequest(record_id=name))),
    ("record.queried.delivered", "NOT_FOUND", post("/v1/records/queries", {"catalog": "XZXK", "key": KEY})),
    ("record.amended", "RECORD_NOT_YOURS", post("/v1/records/{}/amendments", CHANGE)),
    (
        "record.amended",
        "RECORD_NOT_YOURS",
        rpc("Amend", lambda name: pb.AmendRequest(record_id=name, reason="更正", items=licence())),
    ),
    ("record.revoked", "RECORD_NOT_YOURS", post("/v1/records/{}/revocation", {"reason": "撤销"})),
    ("record.revoked", "RECORD_NOT_YOURS", rpc("Revoke", lambda name: pb.RevokeRequest(record_id=name, reason="撤销"))),
]
FINDINGS: list[tuple[str, Ask]] = [
    ("finding.read", get("/v1/submissions/findings/{}")),
    ("finding.explained", post("/v1/submissions/findings/{}/explain", {"text": "不是我的"})),
]


def refusals(ingest: RunningIngest, act: str, org: str = HOUSING) -> list[str]:
    """The codes with which an organisation was refused an act."""
    return [
        event["details"]["code"]
        for event in ingest.audit.of(act)
        if event["actor"].get("org") == org and event["outcome"] == "refused"
    ]


def test_that_a_provider_asked_for_the_submission_of_another_is_on_record(ingest: RunningIngest) -> None:
    ingest.regulator.submits([*licences(2), licence(3, XK_ZT="9")], submission_id=SUBMISSION)
    for name in (SUBMISSION, "sub-of-nobody"):
        for act, ask in SUBMISSIONS:
            before = len(refusals(ingest, act))
            assert ask(ingest.housing, name) == "NOT_FOUND"
            assert refusals(ingest, act)[before:] == ["NOT_FOUND"], (act, name)


def test_that_a_provider_asked_for_the_record_of_another_is_on_record(ingest: RunningIngest) -> None:
    record_id = str(ingest.regulator.submits_batch(licence()).outcomes[0].record_id)
    for act, code, ask in RECORDS:
        before = len(refusals(ingest, act))
        assert ask(ingest.housing, record_id) == code
        assert refusals(ingest, act)[before:] == [code], act
    for act, _, ask in RECORDS:
        before = len(refusals(ingest, act))
        assert ask(ingest.housing, "r_nothing") == "NOT_FOUND"
        assert refusals(ingest, act)[before:] == ["NOT_FOUND"], act
    assert ingest.ctx.store.record(record_id)["version"] == 1


def test_that_a_provider_asked_for_the_finding_of_another_is_on_record(watched: RunningIngest) -> None:
    weekly_volumes(watched, [60, 60, 60, 20])
    [finding] = listed(supervisor(watched))
    for name in (finding["finding_id"], "fnd_nothing"):
        for act, ask in FINDINGS:
            before = len(refusals(watched, act))
            assert ask(watched.housing, name) == "NOT_FOUND"
            assert refusals(watched, act)[before:] == ["NOT_FOUND"], (act, name)
    before = len(refusals(watched, "finding.closed", "120000000000001742"))
    assert (
        post("/v1/submissions/findings/{}/close", {"text": "办结"})(supervisor(watched), "fnd_nothing") == "NOT_FOUND"
    )
    assert refusals(watched, "finding.closed", "120000000000001742")[before:] == ["NOT_FOUND"]
    assert listed(supervisor(watched)) == [finding]


def test_that_another_provider_delivered_for_an_entry_is_on_record(ingest: RunningIngest) -> None:
    stranger = ingest.caller(org=STRANGER)
    rows = [pb.Record(row=1, items=licence())]
    asked: list[tuple[str, Any]] = [
        ("submission.delivered", stranger.uploads(b"A\r\n1\r\n").json["code"]),
        ("mapping.read", stranger.get("/v1/submissions/mappings/XZXK").json["code"]),
        (
            "period.declared",
            post("/v1/submissions/nothing-to-report", {"catalog": "XZXK", "period": "2026-10"})(stranger, ""),
        ),
        (
            "submission.delivered",
            rpc("SubmitBatch", lambda _: pb.SubmitBatchRequest(header=head(), records=rows))(stranger, ""),
        ),
        ("submission.delivered", rpc("Submit", lambda _: iter([pb.SubmitRequest(header=head())]))(stranger, "")),
    ]
    assert {code for _, code in asked} == {"NOT_A_PROVIDER"}
    for act in {act for act, _ in asked}:
        expected = [code for one, code in asked if one == act]
        assert refusals(ingest, act, STRANGER) == expected, act


def test_a_repeat_is_answered_only_to_a_provider_that_may_still_act(ingest: RunningIngest) -> None:
    """The answer to a change is kept; its provider asks again with the same request id."""
    record_id = str(ingest.regulator.submits_batch(licence()).outcomes[0].record_id)
    request = pb.RevokeRequest(record_id=record_id, reason="撤销", request_id="the-same-request")
    first = ingest.regulator.rpc("Revoke", request)
    assert ingest.regulator.rpc("Revoke", request) == first
    ingest.ctx.store.records.update_one({"_id": record_id}, {"$set": {"provider": HOUSING}})
    with pytest.raises(Problem) as refused:
        ingest.regulator.rpc("Revoke", request)
    assert refused.value.code == "RECORD_NOT_YOURS"
    assert refusals(ingest, "record.revoked", REGULATOR) == ["RECORD_NOT_YOURS"]
