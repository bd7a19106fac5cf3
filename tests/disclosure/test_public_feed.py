"""How the public feed is asked (Art. 15): page by page, resumed anywhere, waited for, and as a stream."""

import random
import threading
from typing import Any

import grpc
import pytest

from chengxin.concurrency.shares import Claimant
from chengxin.errors import Problem
from chengxin_api.disclosure.v1 import disclosure_pb2 as pb
from tests.disclosure.provider_portal import OTHER, Portal, changes, feed, licence, on_page, provider
from tests.disclosure.running_disclosure import COMPANY, LI_NA, REGULATOR, RunningDisclosure
from tests.disclosure.subject_references import COURT, by_code
from tests.support import until


def test_a_provider_gets_its_own(city: RunningDisclosure) -> None:
    city.delivers(licence(city), by_code(city), licence(city, "b", OTHER))
    assert changes(city.anybody, f"?provider={REGULATOR}") == [("r_a", True), ("r_b", True)]
    assert changes(city.anybody, f"?provider={COURT}") == [("r_fine", True)]
    city.delivers(by_code(city, "fine", version=2, revoked=True))
    assert changes(city.anybody, f"?provider={COURT}") == [("r_fine", False)]
    answer = feed(city.anybody, f"?provider={OTHER}")
    assert (answer["changes"], answer["more"]) == ([], False)
    assert answer["position"] == feed(city.anybody)["position"]


def test_many_rows_of_others_are_passed_over_and_never_again(city: RunningDisclosure) -> None:
    for n in range(230):
        city.delivers(licence(city, str(n)))
    city.delivers(by_code(city))
    answer = feed(city.anybody, f"?provider={COURT}")
    assert [c["record_id"] for c in answer["changes"]] == ["r_fine"]
    assert feed(city.anybody, f"?provider={COURT}&after={answer['position']}")["changes"] == []
    portal = Portal(city.anybody, size=200)
    assert len(portal.follow()) == 231


@pytest.mark.parametrize("size", [1, 3, 7])
def test_a_portal_resumes_anywhere_without_gap(city: RunningDisclosure, size: int) -> None:
    """Also within a delivery of many records, and whatever happens between two answers."""
    chance = random.Random(size)
    versions: dict[str, int] = {}
    gone: set[str] = set()
    portal = Portal(city.anybody, size=size)
    for _ in range(12):
        batch = []
        for key in chance.sample([str(n) for n in range(40)], 10):
            if key in gone:
                continue
            versions[key] = versions.get(key, 0) + 1
            revoked = versions[key] > 1 and chance.random() < 0.3
            gone |= {key} if revoked else set()
            identifier = COMPANY if int(key) % 2 else OTHER
            batch.append(licence(city, key, identifier, version=versions[key], revoked=revoked))
        city.delivers(*batch)
        answer = feed(city.anybody, f"?after={portal.position}&page_size={size}")
        assert [c["position"] for c in answer["changes"]] == sorted(c["position"] for c in answer["changes"])
        if chance.random() < 0.5:
            portal.follow()
    portal.follow()
    assert portal.positions == sorted(set(portal.positions))
    assert portal.shows == on_page(city) | on_page(city, OTHER)
    begun_later = Portal(city.anybody, size=size)
    assert begun_later.follow() == portal.shows


@pytest.mark.parametrize(
    "query",
    [
        "after=-1",
        "after=x",
        "after=9007199254740992",
        "page_size=0",
        "page_size=201",
        "wait=31",
        "wait=-1",
        "provider=x",
    ],
)
def test_what_cannot_be_asked_is_refused(city: RunningDisclosure, query: str) -> None:
    answer = city.anybody.get(f"/v1/public/feed?{query}")
    assert (answer.status_code, answer.json["code"]) == (400, "INPUT_INVALID")


def test_a_position_of_another_feed_is_refused(city: RunningDisclosure, portal: Portal) -> None:
    """A portal that followed what was lost and restored from a backup is told to begin again."""
    city.delivers(licence(city))
    portal.follow()
    assert feed(city.anybody, f"?after={portal.position}")["changes"] == []
    ahead = portal.position + (5 << 20)
    refused = city.anybody.get(f"/v1/public/feed?after={ahead}")
    assert (refused.status_code, refused.json["code"]) == (409, "FEED_POSITION_UNKNOWN")
    # What was sent, not a row of the store.
    assert refused.json["params"] == {"after": str(ahead)}
    for position in (ahead, 2**62):
        request = pb.WatchPublicRequest(after=position)
        with pytest.raises(grpc.RpcError) as told:
            next(city.stub.WatchPublic(request, metadata=city.metadata("public", sub="p")))
        problem = Problem.from_rpc(told.value)
        assert (problem.code, problem.params) == ("FEED_POSITION_UNKNOWN", {"after": str(position)})


def test_who_waits_is_answered_when_there_is_something(city: RunningDisclosure) -> None:
    answers: list[dict[str, Any]] = []
    asked = threading.Thread(target=lambda: answers.append(feed(city.anybody, f"?wait=30&provider={COURT}")))
    asked.start()
    until(lambda: city.ctx.waiting._held_in_total, "it waits")
    city.delivers(licence(city))
    city.delivers(by_code(city))
    asked.join(20)
    assert [c["record_id"] for c in answers[0]["changes"]] == ["r_fine"]
    assert city.ctx.waiting._held_in_total == 0


def test_who_finds_no_place_to_wait_in_is_answered_at_once(city: RunningDisclosure) -> None:
    taken = [city.ctx.waiting.take(Claimant(str(n))) for n in range(4)]
    assert feed(city.anybody, "?wait=30")["changes"] == []
    for held in taken:
        assert held
        held.release()


def test_a_stream_begins_from_nothing_goes_on_and_resumes(city: RunningDisclosure) -> None:
    metadata = city.metadata("provider", sub="c", client_id="c", org=REGULATOR)
    city.delivers(licence(city), by_code(city))
    call = city.stub.WatchPublic(pb.WatchPublicRequest(provider_uscc=REGULATOR), metadata=metadata, timeout=30)
    first = next(call)
    [change] = first.changes
    shown = on_page(city)["r_a"]
    assert (change.record_id, change.entry_code, change.subject_ref) == ("r_a", "XZXK", city.ref(COMPANY))
    assert dict(change.record.items) == shown["items"]
    assert change.record.disclosed_until == shown["disclosed_until"] == "2031-01-01"
    city.delivers(licence(city, version=2, revoked=True))
    second = next(part for part in call if part.changes)
    call.cancel()
    assert not second.changes[0].HasField("record")
    assert second.position >= second.changes[0].position > first.position
    again = city.stub.WatchPublic(pb.WatchPublicRequest(after=first.position), metadata=metadata, timeout=30)
    told = next(part for part in again if part.changes)
    again.cancel()
    assert [c.record_id for c in told.changes] == ["r_a"]
    until(lambda: not city.ctx.following._held_in_total, "ended streams give their places back")


def follows(city: RunningDisclosure, *roles: str, **claims: str) -> Any:
    """A stream of the public feed that has begun."""
    call = city.stub.WatchPublic(pb.WatchPublicRequest(), metadata=city.metadata(*roles, **claims), timeout=30)
    next(call)
    return call


def is_refused(city: RunningDisclosure, *roles: str, **claims: str) -> bool:
    """Whether the feed has no place for a caller."""
    with pytest.raises(grpc.RpcError) as refused:
        follows(city, *roles, **claims)
    return Problem.from_rpc(refused.value).code == "FEED_BUSY"


def test_one_caller_leaves_streams_to_the_others(city: RunningDisclosure) -> None:
    city.delivers(licence(city))
    own = [follows(city, "public", sub="p") for _ in range(4)]
    assert is_refused(city, "public", sub="p")
    strangers = [follows(city, "public", sub=f"p{n}") for n in range(8)]
    assert is_refused(city, "public", sub="another")
    known = [follows(city, "provider", sub=f"c{n}", client_id=f"c{n}", org=REGULATOR) for n in range(4)]
    # Its clients have one share together.
    assert is_refused(city, "provider", sub="c4", client_id="c4", org=REGULATOR)
    for call in (*own, *strangers, *known):
        call.cancel()
    until(lambda: not city.ctx.following._held_in_total, "ended streams give their places back")
    follows(city, "public", sub="p").cancel()


def test_what_is_given_out_is_on_record_first(city: RunningDisclosure) -> None:
    city.delivers(licence(city), city.record("CFGR", LI_NA, "李娜", "fine", CF_WSH="1", CF_GSJZQ="2027-01-01"))
    answer = feed(city.anybody)
    [event] = city.audit.of("feed.read.public")
    assert event["event_id"] == answer["audit_event_id"]
    assert set(event["subject_refs"]) == {city.ref(COMPANY), city.ref(LI_NA)}
    assert event["records"] == ["r_a", "r_fine"]
    assert event["details"] == {"position": answer["position"], "changes": 2, "public": 2}
    assert city.anybody.get("/v1/public/records/r_a").json["record"] == on_page(city)["r_a"]
    assert city.audit.of("record.read.public")[0]["subject_refs"] == [city.ref(COMPANY)]
    city.audit.away = True
    for path in ("/v1/public/feed", "/v1/public/records/r_a"):
        refused = city.anybody.get(path)
        assert (refused.status_code, refused.json["code"]) == (503, "AUDIT_UNAVAILABLE")
    refused = provider(city).post("/v1/public/feed/differences", {"records": []})
    assert (refused.status_code, refused.json["code"]) == (503, "AUDIT_UNAVAILABLE")
    with pytest.raises(grpc.RpcError) as away:
        next(city.stub.WatchPublic(pb.WatchPublicRequest(), metadata=city.metadata("public", sub="p"), timeout=10))
    assert Problem.from_rpc(away.value).code == "AUDIT_UNAVAILABLE"
