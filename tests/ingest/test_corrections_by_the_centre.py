"""The centre corrects a record for an objection, and it takes two officers (Art. 16, 25, 29; decision 34)."""

import json
from collections.abc import Callable
from datetime import date
from typing import Any

import pytest

from chengxin_api.ingest.v1 import ingest_pb2 as pb
from demo.identifiers import demo_identity_number
from tests.ingest.deliveries import IDENTIFIER, licence, visible
from tests.ingest.refusals import refused
from tests.ingest.running_ingest import RunningIngest, demo_entry
from tests.ingest.test_signed_deliveries import approves
from tests.support import until

WHY = {"reason": "系统录入错误", "objection_no": "YY-20261124-0007"}
ASKED = {"Amend": pb.AmendRequest(items=visible(XK_NR="餐饮服务"), **WHY), "Revoke": pb.RevokeRequest(**WHY)}
ACTS = {"Amend": "record.amended", "Revoke": "record.revoked"}


@pytest.fixture
def record_id(ingest: RunningIngest) -> str:
    """A recorded licence."""
    return str(ingest.regulator.submits_batch(licence()).outcomes[0].record_id)


def asks(ingest: RunningIngest, method: str, record_id: str, **what: Any) -> pb.RecordOutcome:
    request = type(ASKED[method])()
    request.CopyFrom(ASKED[method])
    request.record_id = record_id
    for name, value in what.items():
        setattr(request, name, value)
    return ingest.centre.rpc(method, request)


def amends(ingest: RunningIngest, record_id: str, items: dict[str, str]) -> pb.RecordOutcome:
    return ingest.centre.rpc("Amend", pb.AmendRequest(record_id=record_id, items=items, **WHY))


def listed(ingest: RunningIngest) -> list[Any]:
    return list(ingest.centre.get("/v1/submissions/proposals").json["proposals"])


@pytest.mark.parametrize("method", ASKED)
def test_one_officer_alone_changes_no_record(ingest: RunningIngest, record_id: str, method: str) -> None:
    became = asks(ingest, method, record_id)
    assert (became.outcome, became.version, became.receipt) == (pb.OUTCOME_PROPOSED, 1, "")
    before = ingest.ctx.store.record(record_id)
    assert before["version"] == 1
    alone = ingest.centre.post(f"/v1/submissions/proposals/{became.proposal_id}/approve", None)
    assert (alone.status_code, alone.json["code"]) == (403, "FOUR_EYES")
    approves(ingest, became.proposal_id)
    record = ingest.ctx.store.record(record_id)
    assert (record["version"], record["objection_no"], record["reason"]) == (2, WHY["objection_no"], WHY["reason"])
    assert (record["changed_by"], record["provider"]) == ("officer:second", before["provider"])
    [event] = until(lambda: ingest.audit.of(ACTS[method]), "the relay delivers")
    assert (event["actor"]["sub"], event["details"]["proposed_by"]) == ("officer:second", "officer:centre")
    assert event["details"]["claimed_objection_no"] == WHY["objection_no"]


def test_the_second_officer_sees_all_that_changes(ingest: RunningIngest) -> None:
    name = ingest.regulator.submits_batch(licence(BZ="旧备注")).outcomes[0].record_id
    amends(ingest, name, visible(XK_NR="餐饮服务", XK_ZT="无效"))
    [shown] = listed(ingest)
    # As it is to be recorded; empty for what is no more.
    assert json.loads(shown["words"].pop("items")) == {"XK_NR": "餐饮服务", "XK_ZT": "2", "BZ": ""}
    assert shown["words"] == {"reason": WHY["reason"]}
    assert (shown["target"], shown["asked"]["based_on_version"]) == (name, 1)
    assert "餐饮服务" not in str(ingest.ctx.store.store.db["proposals"].find_one())
    approves(ingest, shown["proposal_id"])
    own = ingest.regulator.get(f"/v1/records/{name}").json["versions"][1]
    assert own["items"] == licence(XK_NR="餐饮服务", XK_ZT="2")
    [made] = until(lambda: ingest.audit.of("proposal.made"), "the relay delivers")
    assert made["details"]["asked"]["claimed_objection_no"] == WHY["objection_no"]
    assert not [text for text in ("餐饮服务", "旧备注", WHY["reason"]) if text in str(made)]


def test_the_centre_neither_alters_an_identifier_nor_tries_one_out(ingest: RunningIngest, record_id: str) -> None:
    """Else one officer gives the record to another person, unseen by the second; or learns whose it is (decision 16)."""
    answers = [
        refused(amends, ingest, record_id, visible() | {IDENTIFIER: number})
        for number in (licence()[IDENTIFIER], demo_identity_number(date(1890, 3, 7), 451), "")
    ]
    assert {(a.code, tuple((f.field, f.rule, f.message) for f in a.fields)) for a in answers} == {
        ("INPUT_INVALID", ((IDENTIFIER, "withheld", answers[0].fields[0].message),))
    }
    assert listed(ingest) == []


def test_both_faces_answer_with_the_proposal(ingest: RunningIngest, record_id: str) -> None:
    for path, what in (("revocation", WHY), ("amendments", WHY | {"items": visible(XK_NR="餐饮服务")})):
        answer = ingest.centre.post(f"/v1/records/{record_id}/{path}", what)
        assert (answer.status_code, answer.json["state"], answer.json["target"]) == (202, "open", record_id)
    assert len(listed(ingest)) == 2


@pytest.mark.parametrize("method", ASKED)
def test_a_lost_answer_is_asked_for_again(ingest: RunningIngest, record_id: str, method: str) -> None:
    """So is that of the second officer, who is told that it is approved, not that the record has another version."""
    proposal_id = asks(ingest, method, record_id, request_id="once").proposal_id
    assert asks(ingest, method, record_id, request_id="once").proposal_id == proposal_id
    approves(ingest, proposal_id)
    again = asks(ingest, method, record_id, request_id="once")
    assert (again.outcome, again.proposal_id, again.version) == (pb.OUTCOME_PROPOSED, proposal_id, 1)
    told = approves(ingest, proposal_id, 409)
    assert (told["code"], told["params"]) == ("PROPOSAL_DECIDED", {"state": "approved", "state_zh": "已获批准"})
    assert ingest.ctx.store.record(record_id)["version"] == 2


def revised(ingest: RunningIngest, record_id: str) -> None:
    change = pb.AmendRequest(record_id=record_id, items=licence(XK_NR="其他"), reason="录入错误")
    ingest.regulator.rpc("Amend", change)


def revoked(ingest: RunningIngest, record_id: str) -> None:
    ingest.regulator.rpc("Revoke", pb.RevokeRequest(record_id=record_id, reason="决定被撤销"))


def delivered_again(ingest: RunningIngest, record_id: str) -> None:
    assert ingest.regulator.submits_batch(licence(XK_NR="其他")).outcomes[0].record_id == record_id


def corrected(ingest: RunningIngest, record_id: str) -> None:
    approves(ingest, amends(ingest, record_id, visible(XK_NR="其他")).proposal_id)


@pytest.mark.parametrize("happens", [revised, revoked, delivered_again, corrected])
@pytest.mark.parametrize("method", ASKED)
def test_what_was_proposed_of_an_older_version_is_outdated(
    ingest: RunningIngest, record_id: str, method: str, happens: Callable[[RunningIngest, str], None]
) -> None:
    proposal_id = asks(ingest, method, record_id).proposal_id
    happens(ingest, record_id)
    assert approves(ingest, proposal_id, 409)["code"] == "PROPOSAL_OUTDATED"
    assert ingest.ctx.store.record(record_id)["version"] == 2


def test_what_was_proposed_under_another_version_of_the_catalog_is_outdated(
    ingest: RunningIngest, record_id: str
) -> None:
    """It may have another standard form for what the second officer saw."""
    amendment, revocation = (asks(ingest, method, record_id).proposal_id for method in ASKED)
    ingest.knows(ingest.catalog.publishes(demo_entry("XZXK"), version=2, begins="2026-11-01"))
    assert approves(ingest, amendment, 409)["code"] == "PROPOSAL_OUTDATED"
    approves(ingest, revocation)


def test_what_could_not_be_done_is_not_proposed(ingest: RunningIngest, record_id: str) -> None:
    def code(**items: str) -> str:
        return refused(amends, ingest, record_id, visible(**items)).code

    assert code(XK_JDRQ="2026-02-30") == "RECORD_INVALID"
    assert code(XK_WSH="演许字〔2026〕99号") == "RECORD_KEY_CHANGED"
    # Proposals are listed with all that they say; bytes count, not characters.
    large = refused(amends, ingest, record_id, visible(XK_NR="餐" * 3900, BZ="餐" * 3900))
    assert [(f.field, f.rule) for f in large.fields] == [("items", "size")]
    assert refused(asks, ingest, "Revoke", record_id, based_on_version=2).code == "RECORD_CHANGED_SINCE"
    # Its word would be on no receipt.
    assert refused(asks, ingest, "Revoke", record_id, signature="a.b.c").code == "SIGNATURE_INVALID"
    assert listed(ingest) == []
