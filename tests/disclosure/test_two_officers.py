"""What shows a subject another's records takes two officers; what only takes apart takes one (Art. 5, 6, 31)."""

import json
from collections.abc import Callable
from itertools import product

import pytest

from chengxin.proposals.decisions import APPROVALS
from chengxin.values.acts import Act
from services.disclosure.__main__ import policy
from services.disclosure.domain.entity_resolution import link_id
from tests.disclosure.running_disclosure import COMPANY, DisclosureCaller, RunningDisclosure
from tests.disclosure.subject_references import CODE, OTHER, by_code, licence, of_code, records

REASON = {"reason": "张三核实为同一主体"}
BOTH = {"subjects": [{"uscc": COMPANY}, {"uscc": OTHER}], **REASON}


def merges(city: RunningDisclosure) -> str:
    """Two companies that are to be one."""
    city.delivers(licence(city), licence(city, "other", OTHER, called="阳江市海陵水产有限公司"))
    return ""


def undoes_a_split(city: RunningDisclosure) -> str:
    """A code that is split from its company, and is to be joined with it again."""
    city.delivers(licence(city), by_code(city))
    number = link_id(city.ref(COMPANY), of_code(city))
    assert city.caller("centre", sub="officer-0").post(f"/v1/subjects/links/{number}/split", REASON).status_code == 200
    return f"/{number}/undo"


def splits_what_another_claims(city: RunningDisclosure) -> str:
    """A code that records name with two companies: split from one, it falls to the other."""
    city.delivers(licence(city), by_code(city), licence(city, "wrong", OTHER, XK_XDR_ZZJG=CODE, called="另一公司"))
    return f"/{link_id(city.ref(OTHER), of_code(city))}/split"


# How one officer proposes each act of disclosure that takes two; one that is not here fails the first test.
PROPOSE: dict[Act, Callable[[RunningDisclosure], str]] = {
    Act.SUBJECT_MERGED: merges,
    Act.SUBJECT_DECISION_UNDONE: undoes_a_split,
    Act.SUBJECT_SPLIT: splits_what_another_claims,
}


def seen_refs(city: RunningDisclosure) -> set[str]:
    """The references of the companies and of the code."""
    return {city.ref(COMPANY), city.ref(OTHER), of_code(city)}


def seen(city: RunningDisclosure) -> list[list[str]]:
    """What the public finds under each reference."""
    refs = (city.ref(COMPANY), city.ref(OTHER), of_code(city))
    return [records(city.anybody, f"/v1/public/subjects/{ref}") for ref in refs]


def test_each_act_of_two_officers_is_tried_here() -> None:
    policy()
    acts = {act: approval.carry_out.__module__ for act, approval in APPROVALS.items()}
    ours = {act for act, module in acts.items() if module.startswith("services.disclosure")}
    assert ours == PROPOSE.keys()


@pytest.mark.parametrize("act", PROPOSE)
def test_one_officer_alone_joins_nothing_and_a_second_one_has_it_done(
    city: RunningDisclosure, officer: DisclosureCaller, act: Act
) -> None:
    path = PROPOSE[act](city)
    before = seen(city)
    body = BOTH if act is Act.SUBJECT_MERGED else REASON
    proposed = officer.post(f"/v1/subjects/links{path}", body, **{"Idempotency-Key": "once"})
    assert (proposed.status_code, proposed.json["state"], proposed.json["act"]) == (202, "open", act)
    assert officer.post(f"/v1/subjects/links{path}", body, **{"Idempotency-Key": "once"}).json == proposed.json
    # Whoever may approve reads first whom it is about.
    for role, ref in product(APPROVALS[act].approvers, proposed.json["target"].split(".")):
        assert city.caller(role).get(f"/v1/subjects/{ref}").json["subject_ref"] in seen_refs(city)
    # The second officer reads why; the log and the store do not tell.
    second = city.caller("centre", sub="officer-2")
    [listed] = second.get("/v1/subjects/proposals?state=open").json["proposals"]
    assert listed == proposed.json
    assert listed["words"] == REASON
    kept = [*city.ctx.store.store.db["proposals"].find(), *city.ctx.store.store.rows(0)]
    assert "张三" not in str(kept)
    assert "张三".encode() not in b"".join(e for row in city.ctx.store.store.rows(0) for e in row.events)
    approve = f"/v1/subjects/proposals/{proposed.json['proposal_id']}/approve"
    alone = officer.post(approve, None)
    assert (alone.status_code, alone.json["code"]) == (403, "FOUR_EYES")
    assert seen(city) == before
    city.approves(proposed.json["proposal_id"])
    assert seen(city) != before
    # Both officers are on record, and in the history of the link.
    [row] = [row for row in city.ctx.store.store.rows(0) if any(b'"proposal.approved"' in e for e in row.events)]
    [done] = [event for event in map(json.loads, row.events) if event["act"] == act]
    assert (done["actor"]["sub"], done["details"]["proposed_by"]) == ("officer-2", "officer-1")
    assert city.ref(COMPANY) in done["subject_refs"]
    history = officer.get(f"/v1/subjects/{city.ref(COMPANY)}").json["links"]
    acts = [a for link in history if link["link_id"] == proposed.json["target"] for a in link["history"]]
    assert "officer-2" in (acts[-1]["approved_by"], acts[-1]["undoing_approved_by"])
    again = second.post(approve, None)
    assert again.json["code"] == "PROPOSAL_DECIDED"


@pytest.mark.parametrize("act", PROPOSE)
def test_what_is_no_longer_as_it_was_proposed_is_not_done(
    city: RunningDisclosure, officer: DisclosureCaller, act: Act
) -> None:
    path = PROPOSE[act](city)
    body = BOTH if act is Act.SUBJECT_MERGED else REASON
    first, other = (officer.post(f"/v1/subjects/links{path}", body).json["proposal_id"] for _ in range(2))
    city.approves(first)
    before = seen(city)
    outdated = city.caller("centre", sub="officer-2").post(f"/v1/subjects/proposals/{other}/approve", None)
    assert (outdated.status_code, outdated.json["code"]) == (409, "PROPOSAL_OUTDATED")
    assert seen(city) == before


@pytest.mark.parametrize("act", PROPOSE)
def test_a_proposal_that_was_left_over_joins_nothing_again(
    city: RunningDisclosure, officer: DisclosureCaller, act: Act
) -> None:
    path = PROPOSE[act](city)
    body = BOTH if act is Act.SUBJECT_MERGED else REASON
    left, other = (officer.post(f"/v1/subjects/links{path}", body).json for _ in range(2))
    city.approves(other["proposal_id"])
    back = "undo" if act is not Act.SUBJECT_DECISION_UNDONE else "split"
    assert officer.post(f"/v1/subjects/links/{left['target']}/{back}", REASON).status_code in (200, 202)
    before = seen(city)
    answer = city.caller("centre", sub="officer-2").post(f"/v1/subjects/proposals/{left['proposal_id']}/approve", None)
    assert (answer.status_code, answer.json["code"]) == (409, "PROPOSAL_OUTDATED")
    assert seen(city) == before


def test_what_only_takes_apart_is_done_at_once(city: RunningDisclosure, officer: DisclosureCaller) -> None:
    merges(city)
    city.decides(officer, "", BOTH)
    number = link_id(city.ref(COMPANY), city.ref(OTHER))
    assert officer.post(f"/v1/subjects/links/{number}/undo", REASON).status_code == 200
    assert seen(city)[:2] == [["r_licence"], ["r_other"]]
    # To take that back would join again.
    city.decides(officer, "", BOTH)
    assert officer.post(f"/v1/subjects/links/{number}/split", REASON).status_code == 200
    assert officer.post(f"/v1/subjects/links/{number}/undo", REASON).status_code == 202
    assert seen(city)[:2] == [["r_licence"], ["r_other"]]
