"""What the faces take, refuse, find and put on record."""

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import grpc
import pytest

from chengxin.audit.trail import AuditTrail
from chengxin.auth.principal import Principal, Role
from chengxin.errors import Problem
from chengxin.tlog import merkle
from chengxin.tlog.signed_note import Checkpoint, VerifierKey
from chengxin.values.clock import FixedClock
from chengxin_api.audit.v1 import audit_pb2
from services.audit.__main__ import policy
from tests.audit.conftest import NOW, Running, an_event

LI_NA = "s_" + "l" * 26
BUREAU = Principal(
    "client:housing", frozenset({Role.AGENCY}), "housing", "11310000MB2F3000XX", purpose="review", officer="A17"
)
COURT = Principal(
    "client:court", frozenset({Role.STATUTORY}), "court", "1131", legal_basis="民诉法", case_no="（2026）1号"
)


def refusal(audit: Running, entries: list[bytes], positions: tuple[int, ...] = (), **caller: str) -> Problem:
    with pytest.raises(grpc.RpcError) as caught:
        audit.append(entries, positions, **caller)
    return Problem.from_rpc(caught.value)


def test_only_services_append_and_only_their_own(audit: Running) -> None:
    assert refusal(audit, [an_event()], role="supervisor").code == "ROLE_NOT_ALLOWED"
    assert refusal(audit, [an_event(), an_event(service="catalog")]).code == "EVENT_OF_ANOTHER_SERVICE"
    problem = refusal(audit, [an_event(), b'{"v":1}', an_event() + b" "])
    assert problem.code == "INPUT_INVALID"
    assert [f.field for f in problem.fields] == ["entries[1].event_id", "entries[2]"]
    # Nothing of a refused call is on the log, but the refusal of the supervisor is.
    assert [json.loads(logged.entry)["act"] for logged in audit.entries()] == ["audit.appended"]


def test_positions_that_cannot_be(audit: Running) -> None:
    for positions in ((1,), (2, 1), (0, 1), (1, 2, 3), (-1, 2)):
        problem = refusal(audit, [an_event(), an_event()], positions)
        assert (problem.code, problem.fields[0].field) == ("INPUT_INVALID", "positions")
    assert audit.entries() == []


def test_an_event_that_is_refused_fails_no_other(audit: Running) -> None:
    """Events of concurrent queries travel together."""
    metadata = audit.metadata("service", sub="disclosure")
    trail = AuditTrail("disclosure", audit.stub, lambda: metadata, FixedClock(NOW))
    timeless = replace(trail.event("record.queried.own", BUREAU), at="never")

    def record(n: int) -> bool:
        try:
            trail.record(timeless if n == 20 else trail.event("record.queried.own", BUREAU))
        except Problem:
            return False
        return True

    with ThreadPoolExecutor(40) as pool:
        answered = list(pool.map(record, range(40)))
    assert answered == [n != 20 for n in range(40)]
    assert len(audit.entries()) == 39


def test_what_a_relay_delivers_again_is_recognised(audit: Running) -> None:
    events = [an_event(details={"n": n}) for n in range(4)]
    assert audit.append(events[:3], (1, 1, 2)).appended == 3
    assert audit.append(events[:3], (1, 1, 2)).appended == 0
    assert audit.append(events, (1, 1, 2, 3)).appended == 1
    assert audit.append([an_event(service="ingest")], (1,), caller="ingest").appended == 1
    assert [logged.entry for logged in audit.entries()][:4] == events


def test_a_service_whose_positions_began_again_loses_nothing(audit: Running) -> None:
    """A store that was restored from a backup numbers its outbox from where the backup was."""
    before = [an_event(details={"n": n}) for n in range(3)]
    audit.append(before, (1, 2, 3))
    after = [before[1], an_event(details={"n": "new"})]
    assert audit.append(after, (2, 3)).appended == 1
    assert audit.append(after, (2, 3)).appended == 0
    assert [logged.entry for logged in audit.entries()] == [*before, after[1]]


def test_a_call_of_more_than_a_group_is_whole(audit: Running) -> None:
    events = [an_event(details={"n": n}) for n in range(4_500)]
    answer = audit.append(events, [7] * len(events))
    assert answer.appended == 4_500
    assert audit.append(events, [7] * len(events)).appended == 0
    assert [logged.entry for logged in audit.entries()] == events
    assert audit.ctx.store.last_group() == 3


def test_supervisors_find_events(audit: Running) -> None:
    audit.append(
        [
            an_event(at="2026-11-20T00:00:00.000000Z", request_id="req_1", subject_refs=[LI_NA]),
            an_event("record.queried.shared", actor=BUREAU, at="2026-11-21T00:00:00.000000Z", subject_refs=[LI_NA]),
            an_event("record.received", at="2026-11-22T00:00:00.000000Z"),
        ]
    )
    events = [json.loads(logged.entry) for logged in audit.entries()]

    def found(query: str) -> list[int]:
        return [e["index"] for e in audit.supervisor(f"/v1/audit/events?{query}")["events"] if e["index"] < 3]

    assert found("") == [2, 1, 0]
    assert found(f"subject_ref={LI_NA}") == [1, 0]
    assert found("actor=client:housing") == [1]
    assert found("act=record.received") == [2]
    assert found("request_id=req_1") == [0]
    assert found(f"event_id={events[1]['event_id']}") == [1]
    assert found("from=2026-11-21T00:00:00Z") == [2, 1]
    assert found("until=2026-11-21T00:00:00Z") == [0]
    assert found(f"from=2026-11-21T00:00:00Z&until=2026-11-22T00:00:00Z&subject_ref={LI_NA}") == [1]
    assert found(f"subject_ref={LI_NA}&act=record.received") == []
    listed = audit.supervisor("/v1/audit/events?act=events.listed")["events"][0]["event"]
    assert listed["actor"]["sub"] == "officer:supervisor"
    assert listed["service"] == "audit"
    assert audit.get("/v1/audit/events?from=yesterday", "supervisor").json["errors"][0]["field"] == "from"


def test_pages_go_through_segments_without_gap_or_repetition(audit: Running) -> None:
    """More than a segment, so that searching goes through memory and store."""
    size = 9_000
    for start in range(0, size, 1_000):
        audit.append([an_event(actor=BUREAU, subject_refs=[f"s_{n % 10}"]) for n in range(start, start + 1_000)])
    audit.entries()
    assert audit.ctx.store.segments()
    seen: list[int] = []
    token = ""
    while True:
        page = audit.supervisor(f"/v1/audit/events?subject_ref=s_3&page_size=400&page_token={token}")
        seen += [e["index"] for e in page["events"]]
        if not (token := page["next_page_token"]):
            break
    assert seen == list(range(8_993, -1, -10))
    assert audit.get("/v1/audit/events?page_token=bm9uc2Vuc2U", "supervisor").status_code == 400


def test_an_event_is_found_at_once(audit: Running) -> None:
    """A search waits for what is durable already."""
    for n in range(20):
        audit.append([an_event(request_id=f"req_{n}")])
        assert len(audit.supervisor(f"/v1/audit/events?request_id=req_{n}")["events"]) == 1


def test_a_subject_learns_who_looked(audit: Running) -> None:
    audit.append(
        [
            an_event(actor=Principal(LI_NA, frozenset({Role.SUBJECT})), subject_refs=[LI_NA], entries=["XZXK"]),
            an_event("record.queried.shared", actor=BUREAU, subject_refs=[LI_NA, "s_other"], entries=["XZCF"]),
            an_event("record.queried.statutory", actor=COURT, subject_refs=[LI_NA], outcome="refused"),
            an_event("record.received", subject_refs=[LI_NA]),
            an_event("record.queried.shared", actor=BUREAU, subject_refs=["s_other"]),
        ]
    )
    answer = audit.get("/v1/me/accesses", "subject", sub=LI_NA)
    assert answer.headers["Cache-Control"] == "private, no-store"
    court, bureau, own = answer.json["accesses"]
    assert (own["own"], own["description"]) == (True, "您本人查询了您的记录")
    assert (bureau["org"], bureau["purpose"], bureau["entries"]) == (BUREAU.org, "review", ["XZCF"])
    assert bureau["description"] == f"按协议共享信息的机关（{BUREAU.org}）查询了您的记录，用途：review"
    assert (court["outcome"], court["legal_basis"], court["case_no"]) == ("refused", "民诉法", "（2026）1号")
    assert "A17" not in answer.text
    english = audit.get("/v1/me/accesses?page_size=2", "subject", sub=LI_NA, language="en").json
    assert english["accesses"][1]["description"].startswith("an agency under its sharing agreement")
    rest = audit.get(f"/v1/me/accesses?page_token={english['next_page_token']}", "subject", sub=LI_NA).json
    assert [a["index"] for a in rest["accesses"]] == [own["index"]]
    assert audit.get("/v1/me/accesses", "subject", sub="s_nobody").json["accesses"] == []
    # That she looked is on record too.
    assert len(audit.supervisor(f"/v1/audit/events?subject_ref={LI_NA}&act=accesses.listed")["events"]) == 3


CLOSED = {
    "/v1/audit/events": "supervisor",
    "/tlog/tile/entries/000.p/1": "supervisor",
    "/v1/me/accesses": "subject",
}


@pytest.mark.parametrize(("path", "role"), CLOSED.items())
def test_others_are_refused_and_that_is_on_record(audit: Running, path: str, role: str) -> None:
    audit.append([an_event()])
    audit.published(1)
    assert audit.get(path).status_code == 401
    for other in Role:
        expected = 200 if other == role else 403
        assert audit.get(path, other, sub=f"x:{other}").status_code == expected, other
    refused = [e for logged in audit.entries() if (e := json.loads(logged.entry))["outcome"] == "refused"]
    assert {e["actor"]["sub"] for e in refused} == {f"x:{other}" for other in Role if other != role}


def test_hashes_are_for_everybody(audit: Running) -> None:
    events = [an_event(details={"n": n}) for n in range(300)]
    audit.append(events)
    audit.published(300)
    key = VerifierKey.parse(audit.get("/tlog/key").text)
    checkpoint = audit.get("/tlog/checkpoint")
    assert checkpoint.content_type == "text/plain; charset=utf-8"
    assert Checkpoint.open(checkpoint.text, key).size == 300
    full = audit.get("/tlog/tile/0/000")
    assert full.data == b"".join(map(merkle.leaf_hash, events[:256]))
    assert "immutable" in full.headers["Cache-Control"]
    assert audit.get("/tlog/tile/0/001.p/44").data == b"".join(map(merkle.leaf_hash, events[256:]))
    assert audit.get("/tlog/tile/0/000.p/3").data == full.data[:96]
    assert audit.get("/tlog/tile/1/000.p/1").data == merkle.subtree_root(merkle.split(full.data))
    bundle = audit.get("/tlog/tile/entries/001.p/44", "supervisor")
    assert merkle.unpack_bundle(bundle.data) == events[256:]
    for absent in (
        "0/001",
        "0/001.p/45",
        "0/002",
        "1/000",
        "1/000.p/2",
        "2/000.p/1",
        "00/000",
        "64/000",
        "0/0",
        "x/000",
    ):
        assert audit.get(f"/tlog/tile/{absent}").json["code"] == "TILE_NOT_FOUND", absent


def test_proofs_hold_at_every_size(audit: Running) -> None:
    events = [an_event(details={"n": n}) for n in range(260)]
    for start in range(0, 260, 13):
        audit.append(events[start : start + 13])
    audit.published(260)
    leaves = [merkle.leaf_hash(e) for e in events]
    frontier, roots = merkle.Frontier(), []
    for leaf in leaves:
        frontier.append(leaf)
        roots.append(frontier.root())
    for size in (1, 2, 3, 7, 64, 255, 256, 257, 260):
        for index in {0, size // 2, size - 1}:
            request = audit_pb2.GetInclusionProofRequest(index=index, tree_size=size)
            proof = audit.stub.GetInclusionProof(request, metadata=audit.metadata("public"))
            assert proof.root_hash == roots[size - 1]
            assert merkle.verify_inclusion(index, size, leaves[index], list(proof.path), proof.root_hash)
        body = audit.get(f"/v1/audit/proofs/consistency?first_size={size}", "public").json
        path = [bytes.fromhex(h) for h in body["path"]]
        assert merkle.verify_consistency(size, 260, roots[size - 1], roots[-1], path)
    checkpoint = audit.stub.GetCheckpoint(audit_pb2.GetCheckpointRequest(), metadata=audit.metadata("public"))
    assert (checkpoint.tree_size, checkpoint.root_hash) == (260, roots[-1])


UNPROVABLE = {
    "inclusion": (400, "INPUT_INVALID"),
    "inclusion?index=0&event_id=ev_1": (400, "INPUT_INVALID"),
    "inclusion?index=9": (404, "EVENT_NOT_FOUND"),
    "inclusion?event_id=ev_nothing": (404, "EVENT_NOT_FOUND"),
    "inclusion?index=1&tree_size=1": (400, "INPUT_INVALID"),
    "inclusion?index=0&tree_size=99": (400, "INPUT_INVALID"),
    "consistency?first_size=0": (400, "INPUT_INVALID"),
    "consistency?first_size=3": (400, "INPUT_INVALID"),
    "consistency?first_size=2&second_size=1": (400, "INPUT_INVALID"),
}


def test_what_cannot_be_proved(audit: Running) -> None:
    audit.append([an_event(), an_event()])
    audit.published(2)
    for path, expected in UNPROVABLE.items():
        answer = audit.get(f"/v1/audit/proofs/{path}", "public")
        assert (answer.status_code, answer.json["code"]) == expected, path


def test_events_over_grpc(audit: Running) -> None:
    audit.append([an_event(at="2026-11-20T00:00:00.000000Z"), an_event(at="2026-11-22T00:00:00.000000Z")])
    request: Any = audit_pb2.ListEventsRequest(act="record.queried.own", page_size=1)
    getattr(request, "from").FromJsonString("2026-11-19T00:00:00Z")
    request.until.FromJsonString("2026-11-22T00:00:00Z")
    answer = audit.stub.ListEvents(request, metadata=audit.metadata("supervisor"))
    assert [(e.index, json.loads(e.entry)["at"]) for e in answer.events] == [(0, "2026-11-20T00:00:00.000000Z")]
    assert answer.next_page_token == ""


def test_every_face_has_a_rule() -> None:
    faces = {row["face"]: row for row in policy()}
    assert faces["GET /v1/me/accesses"]["roles"] == ["subject"]
    assert faces["chengxin.audit.v1.AuditService/Append"]["roles"] == ["service"]
    assert {f for f, row in faces.items() if "open_to_all" in row and f.startswith("GET /tlog")} == {
        "GET /tlog/checkpoint",
        "GET /tlog/key",
        "GET /tlog/tile/<level>/<path:number>",
    }
