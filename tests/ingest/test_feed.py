"""The feed: every committed version, in order, once, in messages of bounded size."""

import grpc
import pytest

from chengxin.errors import Problem
from chengxin.ingest.v1 import ingest_pb2 as pb
from tests.ingest.conftest import Running, licence, licences


def test_every_version_is_told_once_in_order(ingest: Running) -> None:
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


def test_a_follower_goes_on_where_it_was(ingest: Running) -> None:
    ingest.regulator.submits(licences(20), 10)
    first, second = ingest.watched(20)
    [again] = ingest.watched(10, after=first.position)
    assert again == second


def test_old_versions_are_told_as_they_were(ingest: Running) -> None:
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


@pytest.mark.parametrize(
    "claims", [{"sub": "catalog", "client_id": "catalog"}, {"role": "provider"}, {"role": "centre"}]
)
def test_the_feed_is_for_two_services(ingest: Running, claims: dict[str, str]) -> None:
    claims = {"role": "service"} | claims
    somebody = ingest.organ(claims.pop("role"), **claims)
    metadata = [("authorization", somebody.headers["Authorization"])]
    with pytest.raises(grpc.RpcError) as caught:
        next(somebody.stub.Watch(pb.WatchRequest(), metadata=metadata))
    assert Problem.from_rpc(caught.value).code in ("FEED_NOT_FOR_YOU", "ROLE_NOT_ALLOWED")
