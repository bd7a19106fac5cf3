"""The feed: every committed version, in order, once, in messages of bounded size."""

import grpc
import pytest

from chengxin.errors import Problem
from chengxin_api.ingest.v1 import ingest_pb2 as pb
from services.ingest.store.recent_versions import RecentVersions
from tests.ingest.deliveries import licence, licences
from tests.ingest.running_ingest import RunningIngest


def test_every_version_is_told_once_in_order(ingest: RunningIngest) -> None:
    ingest.regulator.submits(licences(1200), 1000)
    ingest.regulator.submits([licence(1, XK_NR="餐饮服务")])
    changes = ingest.watched(1201)
    assert max(len(c.records) for c in changes) == 500
    assert [(len(c.records), c.last) for c in changes] == [(500, False), (500, True), (200, True), (1, True)]
    positions = [c.position for c in changes]
    assert positions == sorted(positions)
    keys = [(r.record_id, r.version) for c in changes for r in c.records]
    assert len(set(keys)) == 1201
    documents = [r.items["XK_WSH"] for c in changes[:3] for r in c.records]
    assert documents == [record["XK_WSH"] for record in licences(1200)]


def test_a_follower_goes_on_where_it_was(ingest: RunningIngest) -> None:
    ingest.regulator.submits(licences(20), 10)
    first, second = ingest.watched(20)
    [again] = ingest.watched(10, after=first.position)
    assert again == second


def test_old_versions_are_told_as_they_were(ingest: RunningIngest) -> None:
    ingest.regulator.submits([licence()])
    ingest.regulator.submits([licence(XK_NR="餐饮服务")])
    told = [r for c in ingest.watched(2) for r in c.records]
    assert [(r.version, r.items["XK_NR"], r.reason) for r in told] == [
        (1, "食品经营", ""),
        (2, "餐饮服务", "resubmission"),
    ]
    assert told[0].items["XK_FR_ZJHM"].startswith("enc:1:")
    assert told[0].subject.scheme == "uscc"
    assert told[0].subject.uscc == licence()["XK_XDR_SHXYM"]
    assert told[0].subject.kind == "enterprise"


def test_what_is_held_in_memory_is_told_as_the_store_has_it(
    ingest: RunningIngest, monkeypatch: pytest.MonkeyPatch
) -> None:
    ingest.clock.instant = ingest.clock.instant.replace(microsecond=123_456)
    first = [licence(n) for n in (1, 2)] + [licence(1, XK_NR="餐饮服务"), licence(3, XK_XDR_SHXYM="无")]
    ingest.regulator.submits(first)
    ingest.regulator.submits([licence(2), licence(3), licence(1, XK_NR="食品零售")])
    held = ingest.watched(5)
    monkeypatch.setattr(ingest.ctx.recent, "of", lambda batch: None)
    assert [[(r.record_id, r.version) for r in c.records] for c in held] == [
        [(r.record_id, r.version) for r in c.records] for c in ingest.watched(5)
    ]
    assert held == ingest.watched(5)


def test_who_follows_comes_past_a_batch_of_which_nothing_was_accepted(ingest: RunningIngest) -> None:
    ingest.regulator.submits([licence(1, XK_XDR_SHXYM="无")])
    ingest.regulator.submits([licence(2)])
    changes = ingest.watched(1)
    assert [(len(c.records), c.last) for c in changes] == [(0, True), (1, True)]
    # A whole batch that was rejected is no lag.
    [rejected, *_] = [row.position for row in ingest.ctx.store.rows(0) if row.changes]
    assert changes[0].position == rejected


def test_memory_holds_the_last_batches_and_no_more() -> None:
    recent = RecentVersions(most=100)
    for n in range(4):
        recent.keep(f"b{n}", [{"n": n}], 40)
    assert [recent.of(f"b{n}") for n in range(4)] == [None, None, [{"n": 2}], [{"n": 3}]]
    recent.keep("large", [{"n": 9}], 101)
    assert recent.of("large") is None
    recent.keep("b5", [{"n": 5}], 60)
    assert recent.of("b5") == [{"n": 5}]


def test_objections_hear_of_every_later_version_and_of_every_hundredth_position(ingest: RunningIngest) -> None:
    ingest.regulator.submits([licence(1), licence(2), licence(3)])
    ids = [r.record_id for c in ingest.watched(3) for r in c.records]
    amended = {"items": licence(1, XK_NR="餐饮服务"), "reason": "更正", "request_id": "amend-0001"}
    ingest.regulator.rpc("Amend", pb.AmendRequest(record_id=ids[0], **amended))
    # Delivered again: one is new, one as it was, one has another version.
    ingest.regulator.submits([licence(4), licence(2), licence(3, XK_NR="餐饮服务")])
    again = len(ingest.ctx.store.rows(0))
    for _ in range(101 - len(ingest.ctx.store.rows(0))):
        ingest.ctx.store.transact(lambda unit: unit.publish("other"))
    revoked = {"reason": "异议成立", "request_id": "revoke-0001", "objection_no": "YY-20261124-0001"}
    ingest.regulator.rpc("Revoke", pb.RevokeRequest(record_id=ids[1], **revoked))
    told = ingest.corrections(3)
    heard = [(c.position, [(r.record_id, r.version, r.objection_no, r.reason) for r in c.records]) for c in told]
    assert [records for position, records in heard if position < 100] == [
        [(ids[0], 2, "", "更正")],
        [(ids[2], 2, "", "resubmission")],
    ]
    assert heard[-2:] == [(100, []), (102, [(ids[1], 2, "YY-20261124-0001", "异议成立")])]
    assert again < 100
    # They compare no values, and are told none.
    assert not any(r.items for c in told for r in c.records)


def test_whose_a_record_is_is_told_to_objection_and_on_record(ingest: RunningIngest) -> None:
    ingest.regulator.submits([licence(1)])
    [record] = [r for c in ingest.watched(1) for r in c.records]
    head = ingest.objection.rpc("GetRecordHead", pb.GetRecordHeadRequest(record_id=record.record_id))
    assert (head.subject_ref, head.version, head.entry_code) == (record.subject.subject_ref, 1, "XZXK")
    assert (head.provider_uscc, head.provider_name) == (record.provider_uscc, record.provider_name)
    assert (head.revoked, list(head.changed_items)) == (False, [])
    [event] = ingest.audit.of("record.head_read")
    assert (event["records"], event["subject_refs"]) == ([record.record_id], [record.subject.subject_ref])
    with pytest.raises(Problem) as unknown:
        ingest.objection.rpc("GetRecordHead", pb.GetRecordHeadRequest(record_id="r_none"))
    assert unknown.value.code == "NOT_FOUND"
    with pytest.raises(Problem) as refused:
        ingest.disclosure.rpc("GetRecordHead", pb.GetRecordHeadRequest(record_id=record.record_id))
    assert refused.value.code == "FEED_NOT_FOR_YOU"


def test_what_changed_in_a_record_since_a_version_is_told_by_items_and_no_value(ingest: RunningIngest) -> None:
    record_id = ingest.regulator.submits_batch(licence(1)).outcomes[0].record_id
    for n, content in enumerate(("餐饮服务", "食品经营", "餐饮服务"), 1):
        change = {"items": licence(1, XK_NR=content, BZ=f"第{n}次"), "reason": "更正", "request_id": f"amend-000{n}"}
        ingest.regulator.rpc("Amend", pb.AmendRequest(record_id=record_id, **change))
    for since, changed in {0: [], 1: ["BZ", "XK_NR"], 2: ["BZ"], 4: [], 9: []}.items():
        request = pb.GetRecordHeadRequest(record_id=record_id, since_version=since)
        assert list(ingest.objection.rpc("GetRecordHead", request).changed_items) == changed
    revoked = {"reason": "撤销", "request_id": "revoke-0001"}
    ingest.regulator.rpc("Revoke", pb.RevokeRequest(record_id=record_id, **revoked))
    request = pb.GetRecordHeadRequest(record_id=record_id, since_version=4)
    head = ingest.objection.rpc("GetRecordHead", request)
    assert (head.revoked, head.version, list(head.changed_items)) == (True, 5, [])


@pytest.mark.parametrize(
    "claims",
    [
        {"sub": "catalog", "client_id": "catalog"},
        {"sub": "objection", "client_id": "objection"},
        {"role": "provider"},
        {"role": "centre"},
    ],
)
def test_the_feed_is_for_disclosure(ingest: RunningIngest, claims: dict[str, str]) -> None:
    claims = {"role": "service"} | claims
    somebody = ingest.caller(claims.pop("role"), **claims)
    metadata = [("authorization", somebody.headers["Authorization"])]
    with pytest.raises(grpc.RpcError) as caught:
        next(somebody.stub.Watch(pb.WatchRequest(), metadata=metadata))
    assert Problem.from_rpc(caught.value).code in ("FEED_NOT_FOR_YOU", "ROLE_NOT_ALLOWED")
