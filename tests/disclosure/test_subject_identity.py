"""Officers decide which references are one subject (Art. 2, 5): within their region, and on record."""

from typing import Any

import pytest

from demo.identifiers import demo_uscc
from services.disclosure.domain.entity_resolution import link_id
from services.disclosure.store.documents import LinkRow
from tests.disclosure.running_disclosure import COMPANY, LI_NA, REGULATOR, DisclosureCaller, RunningDisclosure
from tests.disclosure.subject_references import CODE, COURT, NAME, OTHER, by_code, licence, of_code, records
from tests.support import until


def everything(city: RunningDisclosure, *refs: str) -> dict[str, Any]:
    """What each role sees under these references."""
    seen: dict[str, Any] = {}
    for ref in refs:
        for name, answer in {
            "public": city.anybody.get(f"/v1/public/subjects/{ref}"),
            "own": city.caller("subject", sub=ref).get("/v1/me/records"),
            "shared": city.caller("agency", sub="c", purpose="review", org="O").post(
                "/v1/shared/queries", {"subject": {"subject_ref": ref}}
            ),
        }.items():
            told = {k: v for k, v in answer.json.items() if k not in ("audit_event_id", "request_id", "instance")}
            seen[f"{name} {ref}"] = told
    seen["search"] = [s | {"n": n} for n, s in enumerate(city.found("海陵"))]
    return seen


def test_a_merge_is_undone_without_a_trace_in_any_answer(city: RunningDisclosure, officer: DisclosureCaller) -> None:
    city.delivers(licence(city), licence(city, "other", OTHER, called="阳江市海陵水产有限公司"))
    refs = city.ref(COMPANY), city.ref(OTHER)
    before = everything(city, *refs)
    both = {"subjects": [{"uscc": COMPANY}, {"uscc": OTHER}], "reason": "换发新的统一社会信用代码"}
    merged = city.decides(officer, "", both, **{"Idempotency-Key": "merge-1"})
    assert {m["subject_ref"] for m in merged["members"]} >= set(refs)
    assert {len(records(city.anybody, f"/v1/public/subjects/{ref}")) for ref in refs} == {2}
    assert len(city.found("海陵")) == 1
    repeated = officer.post("/v1/subjects/links", both, **{"Idempotency-Key": "merge-1"})
    assert (repeated.status_code, repeated.json["state"]) == (202, "approved")
    assert officer.post("/v1/subjects/links", both).json["code"] == "ONE_SUBJECT_ALREADY"
    number = link_id(*refs)
    [link] = [link for link in merged["links"] if link["link_id"] == number]
    assert link["history"][0]["reason"] == both["reason"]
    assert officer.post(f"/v1/subjects/links/{number}/undo", {"reason": "两家公司"}).status_code == 200
    assert everything(city, *refs) == before
    assert officer.post(f"/v1/subjects/links/{number}/undo", {"reason": "再次"}).json["code"] == "NOTHING_TO_UNDO"
    until(lambda: city.audit.of("subject.decision_undone"), "the acts are on record")
    events = city.audit.of("subject.merged") + city.audit.of("subject.decision_undone")
    assert len([event for event in events if event["outcome"] == "ok"]) == 2


def test_a_subject_is_found_by_any_of_its_numbers(city: RunningDisclosure, officer: DisclosureCaller) -> None:
    city.delivers(licence(city), licence(city, "other", OTHER, called="阳江市海陵水产有限公司"))
    both = {"subjects": [{"uscc": COMPANY}, {"uscc": OTHER}], "reason": "换发新的统一社会信用代码"}
    assert officer.post("/v1/subjects/links", both | {"reason": "  "}).status_code == 400
    city.decides(officer, "", both)
    seen = officer.get(f"/v1/subjects/{city.ref(COMPANY)}").json
    for number in ({"uscc": COMPANY}, {"uscc": OTHER}, {"organisation_code": CODE}, {"subject_ref": city.ref(OTHER)}):
        assert officer.post("/v1/subjects/queries", number).json == seen
    assert officer.get(f"/v1/subjects/{COMPANY}").json["errors"][0]["rule"] == "subject_ref"
    assert city.caller("agency", sub="c", purpose="p", org="O").post("/v1/subjects/queries", {}).status_code == 403


def test_an_officer_of_a_county_does_not_decide_who_is_who_in_the_city(city: RunningDisclosure) -> None:
    """Art. 6: officers act within their region."""
    city.delivers(licence(city), licence(city, "other", OTHER, called="阳江市海陵水产有限公司"))
    both = {"subjects": [{"uscc": COMPANY}, {"uscc": OTHER}], "reason": "换发新的统一社会信用代码"}
    county = city.caller("centre", sub="officer-2", region="441721")
    refused = county.post("/v1/subjects/links", both)
    assert (refused.status_code, refused.json["code"]) == (403, "OUTSIDE_REGION")
    proposed = city.caller("centre", sub="officer-3", region="441700").post("/v1/subjects/links", both)
    assert proposed.status_code == 202
    # Nor does such an officer approve what one of the city proposed.
    approval = county.post(f"/v1/subjects/proposals/{proposed.json['proposal_id']}/approve", None)
    assert (approval.status_code, approval.json["code"]) == (403, "OUTSIDE_REGION")


def test_acts_are_on_record_with_every_reference_and_without_words(
    city: RunningDisclosure, officer: DisclosureCaller
) -> None:
    city.delivers(licence(city), by_code(city))
    number = link_id(city.ref(COMPANY), of_code(city))
    officer.post(f"/v1/subjects/links/{number}/split", {"reason": "张三说不是"})
    [row] = city.ctx.store.store.rows(0)[-1:]
    assert b"subject.split" in row.events[0]
    assert city.ref(COMPANY).encode() in row.events[0]
    assert of_code(city).encode() in row.events[0]
    assert "张三".encode() not in row.events[0]
    kept = city.ctx.store.rows(LinkRow).find_one({"_id": number})
    assert kept is not None
    assert "张三" not in str(kept)
    assert officer.post(f"/v1/subjects/links/{number}/split", {"reason": "再"}).json["code"] == "LINK_SPLIT_ALREADY"
    assert records(city.anybody, f"/v1/public/subjects/{of_code(city)}") == ["r_fine"]


def test_a_person_and_an_organisation_are_never_one(city: RunningDisclosure, officer: DisclosureCaller) -> None:
    city.delivers(licence(city), city.record("CFGR", LI_NA, "李娜", "p", CF_WSH="1", CF_GSJZQ="2029-01-01"))
    both = {"subjects": [{"uscc": COMPANY}, {"identity_number": LI_NA}], "reason": "个体户"}
    assert officer.post("/v1/subjects/links", both).json["code"] == "PERSON_AND_ORGANISATION"
    # It tells the officer what a number that she typed belongs to.
    [event] = city.audit.of("subject.merged")
    assert (event["outcome"], event["details"]["code"]) == ("refused", "PERSON_AND_ORGANISATION")
    assert len(event["details"]["asked"]) == 2
    city.delivers(city.record("SDQQF", COMPANY, NAME, "bill", QF_ZJHM=LI_NA))
    assert records(city.person(), "/v1/me/records") == ["r_p"]
    [held] = officer.get("/v1/subjects/conflicts").json["conflicts"]
    assert set(held["schemes"]) == {"uscc", "identity_number"}


@pytest.mark.parametrize("role", ["public", "subject", "agency", "provider", "authority", "supervisor", "statutory"])
def test_only_the_centre_decides_who_is_who(city: RunningDisclosure, role: str) -> None:
    caller = city.caller(role)
    assert caller.get("/v1/subjects/conflicts").status_code == 403
    # The authority may be the second officer, and looks before it approves.
    refused = 400 if role == "authority" else 403
    assert caller.get("/v1/subjects/s_x").status_code == refused
    assert caller.get("/v1/subjects/s_x/conflicts").status_code == refused
    assert caller.post("/v1/subjects/links", {}).status_code == 403
    assert caller.post("/v1/subjects/links/x/split", {}).status_code == 403
    assert caller.post("/v1/subjects/links/x/undo", {}).status_code == 403


def test_what_nobody_named_is_refused_with_a_reason(city: RunningDisclosure, officer: DisclosureCaller) -> None:
    city.delivers(licence(city))
    assert officer.get("/v1/subjects/s_nobody").json["code"] == "INPUT_INVALID"
    assert officer.get(f"/v1/subjects/{city.ref(OTHER)}").json["code"] == "SUBJECT_UNKNOWN"
    both = {"subjects": [{"uscc": COMPANY}, {"uscc": demo_uscc("11", 5)}], "reason": "x"}
    assert officer.post("/v1/subjects/links", both).json["code"] == "SUBJECT_UNKNOWN"
    assert officer.post("/v1/subjects/links/a.b/split", {"reason": "x"}).json["code"] == "LINK_UNKNOWN"
    assert officer.post("/v1/subjects/links", {**both, "reason": ""}).json["code"] == "INPUT_INVALID"
    refused = {act: [e["details"]["code"] for e in city.audit.of(f"subject.{act}")] for act in ("merged", "split")}
    assert refused == {"merged": ["SUBJECT_UNKNOWN"], "split": ["LINK_UNKNOWN"]}


def test_different_names_at_the_same_time_are_shown_to_the_subject_and_to_officers(
    city: RunningDisclosure, officer: DisclosureCaller
) -> None:
    city.delivers(city.record("QYDJ", COMPANY, NAME, "register", DJZT="存续"))
    city.delivers(by_code(city, name="海陵食品厂"))
    own = city.caller("subject", sub=city.ref(COMPANY)).get("/v1/me/records").json
    [differing] = own["conflicts"]
    assert differing["fact"] == "名称或者姓名"
    assert {(s["provider_uscc"], s["value"]) for s in differing["statements"]} == {
        (REGULATOR, NAME),
        (COURT, "海陵食品厂"),
    }
    assert own["subject"]["name"] == NAME
    seen = officer.get(f"/v1/subjects/{of_code(city)}/conflicts").json
    assert seen["conflicts"] == own["conflicts"]
    assert "conflicts" not in city.anybody.get(f"/v1/public/subjects/{city.ref(COMPANY)}").json


def test_an_officer_sees_that_a_persons_names_differ_masked(city: RunningDisclosure, officer: DisclosureCaller) -> None:
    first = city.record("CFGR", LI_NA, "李娜", "a", CF_WSH="1", CF_GSJZQ="2029-01-01")
    second = city.record("CFGR", LI_NA, "李那", "b", CF_WSH="2", CF_GSJZQ="2029-01-01")
    second.provider_uscc = COURT
    city.delivers(first, second)
    [differing] = officer.get(f"/v1/subjects/{city.ref(LI_NA)}/conflicts").json["conflicts"]
    assert [s["value"] for s in differing["statements"]] == ["李**", "李**"]
    [own] = city.person().get("/v1/me/records").json["conflicts"]
    assert {s["value"] for s in own["statements"]} == {"李娜", "李那"}
