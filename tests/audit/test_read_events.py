"""Who reads events, what a search finds, and that reading is itself on record."""

import json
from typing import Any

import pytest

from chengxin.auth.principal import Principal, Role
from chengxin_api.audit.v1 import audit_pb2
from services.audit.__main__ import policy
from tests.audit.actors import BUREAU
from tests.audit.conftest import RunningAudit, an_event

LI_NA = "s_" + "l" * 26
REQUEST = "req_" + "0" * 26
OTHERS = [f"s_{letter * 26}" for letter in "abcdefghij"]
COURT = Principal(
    "client:court", frozenset({Role.STATUTORY}), "court", "1131", legal_basis="民诉法", case_no="（2026）1号"
)


def test_supervisors_find_events(audit: RunningAudit) -> None:
    audit.append(
        [
            an_event(at="2026-11-20T00:00:00.000000Z", request_id=REQUEST, subject_refs=[LI_NA]),
            an_event("record.queried.shared", actor=BUREAU, at="2026-11-21T00:00:00.000000Z", subject_refs=[LI_NA]),
            an_event("submission.delivered", at="2026-11-22T00:00:00.000000Z"),
        ]
    )
    events = [json.loads(logged.entry) for logged in audit.entries()]

    def found(query: str) -> list[int]:
        return [e["index"] for e in audit.supervisor(f"/v1/audit/events?{query}")["events"] if e["index"] < 3]

    assert found("") == [2, 1, 0]
    assert found(f"subject_ref={LI_NA}") == [1, 0]
    assert found("actor=client:housing") == [1]
    assert found("act=submission.delivered") == [2]
    assert found(f"request_id={REQUEST}") == [0]
    assert found(f"event_id={events[1]['event_id']}") == [1]
    assert found("from=2026-11-21T00:00:00Z") == [2, 1]
    assert found("until=2026-11-21T00:00:00Z") == [0]
    assert found(f"from=2026-11-21T00:00:00Z&until=2026-11-22T00:00:00Z&subject_ref={LI_NA}") == [1]
    assert found(f"subject_ref={LI_NA}&act=submission.delivered") == []
    listed = audit.supervisor("/v1/audit/events?act=events.listed")["events"][0]["event"]
    assert listed["actor"]["sub"] == "officer:supervisor"
    assert listed["service"] == "audit"
    assert audit.get("/v1/audit/events?from=yesterday", "supervisor").json["errors"][0]["field"] == "from"


def test_pages_go_through_segments_without_gap_or_repetition(audit: RunningAudit) -> None:
    """More events than a segment holds, so that a search reads both memory and store."""
    size = 9_000
    for start in range(0, size, 1_000):
        audit.append([an_event(actor=BUREAU, subject_refs=[OTHERS[n % 10]]) for n in range(start, start + 1_000)])
    audit.entries()
    assert audit.ctx.store.segments()
    seen: list[int] = []
    token = ""
    while True:
        page = audit.supervisor(f"/v1/audit/events?subject_ref={OTHERS[3]}&page_size=400&page_token={token}")
        seen += [e["index"] for e in page["events"]]
        if not (token := page["next_page_token"]):
            break
    assert seen == list(range(8_993, -1, -10))
    assert audit.get("/v1/audit/events?page_token=bm9uc2Vuc2U", "supervisor").status_code == 400


def test_an_event_is_found_at_once(audit: RunningAudit) -> None:
    """A search waits for events that are durable already."""
    for n in range(20):
        asked = f"req_{n:026}"
        audit.append([an_event(request_id=asked)])
        assert len(audit.supervisor(f"/v1/audit/events?request_id={asked}")["events"]) == 1


def test_a_subject_learns_who_looked(audit: RunningAudit) -> None:
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
    # The supervisor's search is on record too.
    assert len(audit.supervisor(f"/v1/audit/events?subject_ref={LI_NA}&act=accesses.listed")["events"]) == 3


CLOSED = {
    "/v1/audit/events": "supervisor",
    "/tlog/tile/entries/000.p/1": "supervisor",
    "/v1/me/accesses": "subject",
}


@pytest.mark.parametrize(("path", "role"), CLOSED.items())
def test_others_are_refused_and_that_is_on_record(audit: RunningAudit, path: str, role: str) -> None:
    audit.append([an_event()])
    audit.published(1)
    assert audit.get(path).status_code == 401
    for other in Role:
        expected = 200 if other == role else 403
        assert audit.get(path, other, sub=f"x:{other}").status_code == expected, other
    refused = [e for logged in audit.entries() if (e := json.loads(logged.entry))["outcome"] == "refused"]
    assert {e["actor"]["sub"] for e in refused} == {f"x:{other}" for other in Role if other != role}


def test_events_over_grpc(audit: RunningAudit) -> None:
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
