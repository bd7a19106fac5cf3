"""One subject across providers and identifier schemes (Art. 2, 5), through the faces on a real store."""

from typing import Any

import pytest

from chengxin.values.clock import rfc3339
from chengxin_api.disclosure.v1 import disclosure_pb2
from chengxin_api.ingest.v1 import ingest_pb2
from services.disclosure.domain.entity_resolution import link_id
from services.disclosure.store.documents import LinkRow
from tests.disclosure.conftest import COMPANY, LI_NA, REGULATOR, Desk, Running
from tests.support import until

NAME = "阳江市海陵食品有限公司"
CODE = COMPANY[8:17]
# Another company, whose code contains another organisation code.
OTHER = "91441700MA4W1ABCXT"
COURT = "11441700007332458Y"


@pytest.fixture
def officer(city: Running) -> Desk:
    return city.desk("centre", sub="officer-1")


def licence(
    city: Running, key: str = "licence", identifier: str = COMPANY, called: str = NAME, **items: Any
) -> ingest_pb2.RecordVersion:
    fields = {"XK_WSH": f"阳许字〔2026〕{key}号", "XK_NR": "食品经营", "XK_YXQZI": "2031-01-01"} | items
    return city.record("XZXK", identifier, called, key, **fields)


def by_code(city: Running, key: str = "fine", code: str = CODE, name: str = NAME, **items: Any) -> Any:
    """A penalty by a provider that knows only the organisation code."""
    fields = {"CF_WSH": f"阳处字〔2026〕{key}号", "CF_SY": "超范围经营", "CF_GSJZQ": "2029-01-01"} | items
    made = city.record("XZCF", COMPANY, name, key, **fields)
    made.provider_uscc, made.provider_name = COURT, "阳江市生态环境局"
    del made.items["CF_XDR_SHXYM"]
    made.items["CF_XDR_ZZJG"] = code
    made.subject.scheme, made.subject.uscc = "organisation_code", ""
    made.subject.subject_ref = of_code(city, code)
    return made


def of_code(city: Running, code: str = CODE) -> str:
    return city.ctx.subject_key.subject_ref("organisation_code", code)


def records(desk: Desk, path: str) -> list[str]:
    answer = desk.get(path)
    return [r["record_id"] for r in answer.json["records"]] if answer.status_code == 200 else []


def everything(city: Running, *refs: str) -> dict[str, Any]:
    """What everybody sees under these references."""
    seen: dict[str, Any] = {}
    for ref in refs:
        for name, answer in {
            "public": city.anybody.get(f"/v1/public/subjects/{ref}"),
            "own": city.desk("subject", sub=ref).get("/v1/me/records"),
            "shared": city.desk("agency", sub="c", purpose="review", org="O").post(
                "/v1/shared/queries", {"subject": {"subject_ref": ref}}
            ),
        }.items():
            told = {k: v for k, v in answer.json.items() if k not in ("audit_event_id", "request_id", "instance")}
            seen[f"{name} {ref}"] = told
    seen["search"] = [s | {"n": n} for n, s in enumerate(city.found("海陵"))]
    return seen


@pytest.mark.parametrize("code_first", [False, True])
def test_a_provider_that_knows_only_the_organisation_code_reaches_the_same_subject(
    city: Running, code_first: bool
) -> None:
    delivered = [licence(city), by_code(city)]
    for record in reversed(delivered) if code_first else delivered:
        city.delivers(record)
    for ref in (city.ref(COMPANY), of_code(city)):
        answer = city.anybody.get(f"/v1/public/subjects/{ref}").json
        assert [r["record_id"] for r in answer["records"]] == ["r_licence", "r_fine"]
        assert answer["subject"] | {"kind": ""} == {
            "subject_ref": city.ref(COMPANY),
            "kind": "",
            "name": NAME,
            "uscc": COMPANY,
            "former_names": [],
        }
        assert records(city.desk("subject", sub=ref), "/v1/me/records") == ["r_licence", "r_fine"]
    assert [s["subject_ref"] for s in city.found("海陵")] == [city.ref(COMPANY)]
    agency = city.desk("agency", sub="c", purpose="review", org="O")
    for whom in ({"uscc": COMPANY}, {"organisation_code": CODE}, {"organisation_code": f"{CODE[:8]}-{CODE[8]}"}):
        found = agency.post("/v1/shared/queries", {"subject": whom}).json["records"]
        assert [r["record_id"] for r in found] == ["r_licence", "r_fine"]
        told = city.stub.Query(
            disclosure_pb2.QueryRequest(subject=disclosure_pb2.SubjectSelector(**whom)),
            metadata=city.metadata("agency", sub="c", purpose="review", org="O"),
        )
        assert [r.record_id for r in told.records] == ["r_licence", "r_fine"]
    # The subject finds each query under any of its references.
    for event in city.audit.of("record.queried.public") + city.audit.of("record.queried.shared"):
        assert set(event["subject_refs"]) == {city.ref(COMPANY), of_code(city)}


def test_together_in_one_delivery_is_the_same(city: Running) -> None:
    city.delivers(by_code(city), licence(city))
    assert records(city.anybody, f"/v1/public/subjects/{of_code(city)}") == ["r_licence", "r_fine"]


def test_a_record_of_one_subject_beside_the_first_of_another_leaves_the_first_one_whole(
    city: Running, officer: Desk
) -> None:
    """All groups that a transaction had loaded were taken for those whose links it changes, and dropped."""
    city.delivers(licence(city), by_code(city))
    stranger = city.record("XZXK", OTHER, "阳江市闸坡渔业有限公司", "stranger", XK_WSH="1", XK_YXQZI="2031-01-01")
    city.delivers(licence(city, "second"), stranger)
    for ref in (city.ref(COMPANY), of_code(city)):
        assert records(city.anybody, f"/v1/public/subjects/{ref}") == ["r_second", "r_licence", "r_fine"]
    city.delivers(by_code(city, "third"))
    assert records(city.anybody, f"/v1/public/subjects/{of_code(city)}")[-2:] == ["r_third", "r_fine"]
    assert records(city.anybody, f"/v1/public/subjects/{city.ref(OTHER)}") == ["r_stranger"]


def test_a_code_without_records_has_nothing_again_once_it_is_split_from_those_of_another(
    city: Running, officer: Desk
) -> None:
    """The strongest reference of a group is in it without a record of its own."""
    made = by_code(city, CF_XDR_GSZC="441702000012345")
    made.subject.scheme = "registration_number"
    made.subject.subject_ref = number = city.ctx.subject_key.subject_ref("registration_number", "441702000012345")
    city.delivers(made)
    assert records(city.anybody, f"/v1/public/subjects/{of_code(city)}") == ["r_fine"]
    split = f"/v1/subjects/links/{link_id(of_code(city), number)}/split"
    assert officer.post(split, {"reason": "不是"}).status_code == 200
    assert records(city.anybody, f"/v1/public/subjects/{number}") == ["r_fine"]
    assert city.anybody.get(f"/v1/public/subjects/{of_code(city)}").json["code"] == "SUBJECT_NOT_PUBLIC"
    city.delivers(by_code(city, "own"))
    assert records(city.anybody, f"/v1/public/subjects/{of_code(city)}") == ["r_own"]


def test_a_subject_that_the_public_knows_only_by_its_code_is_found_under_its_strongest_reference(city: Running) -> None:
    city.delivers(licence(city), by_code(city))
    city.delivers(licence(city, version=2, revoked=True))
    [found] = city.found("海陵")
    assert found["subject_ref"] == city.ref(COMPANY)
    assert found["uscc"] == COMPANY
    assert records(city.anybody, f"/v1/public/subjects/{city.ref(COMPANY)}") == ["r_fine"]


def test_pages_go_on_from_one_reference_to_the_next(city: Running) -> None:
    city.delivers(*(licence(city, f"l{n:02}") for n in range(30)), *(by_code(city, f"f{n:02}") for n in range(30)))
    expected = [f"r_l{n:02}" for n in range(29, -1, -1)] + [f"r_f{n:02}" for n in range(29, -1, -1)]
    seen: list[str] = []
    token = ""
    while True:
        answer = city.anybody.get(f"/v1/public/subjects/{of_code(city)}?page_size=7&page_token={token}").json
        seen += [r["record_id"] for r in answer["records"]]
        if not (token := answer["next_page_token"]):
            break
    assert seen == expected


def test_a_registration_number_that_a_record_names_leads_to_the_company_as_long_as_the_record_stands(
    city: Running, officer: Desk
) -> None:
    old = by_code(city, "old", CF_XDR_GSZC="441702000012345")
    old.subject.scheme = "registration_number"
    old.subject.subject_ref = number = city.ctx.subject_key.subject_ref("registration_number", "441702000012345")
    del old.items["CF_XDR_ZZJG"]
    city.delivers(old)
    assert officer.get(f"/v1/subjects/{number}").json["members"][0]["scheme"] == "registration_number"
    both = city.record("XZCF", COMPANY, NAME, "both", CF_XDR_GSZC="441702000012345", CF_GSJZQ="2029-01-01")
    city.delivers(both)
    assert records(city.anybody, f"/v1/public/subjects/{number}") == ["r_both", "r_old"]
    # Amended, it names another number; nothing says any more that this one is the company's.
    city.delivers(
        city.record("XZCF", COMPANY, NAME, "both", version=2, CF_XDR_GSZC="441702000054321", CF_GSJZQ="2029-01-01")
    )
    assert records(city.anybody, f"/v1/public/subjects/{number}") == ["r_old"]
    assert records(city.anybody, f"/v1/public/subjects/{city.ref(COMPANY)}") == ["r_both"]
    both_again = city.record(
        "XZCF", COMPANY, NAME, "both", version=3, CF_XDR_GSZC="441702000012345", CF_GSJZQ="2029-01-01"
    )
    city.delivers(both_again)
    assert records(city.anybody, f"/v1/public/subjects/{city.ref(COMPANY)}") == ["r_both", "r_old"]
    # In another entry the number is the same number.
    city.delivers(licence(city, XK_XDR_GSZC="441702000012345"))
    assert len(records(city.anybody, f"/v1/public/subjects/{number}")) == 3
    both_again.version, both_again.revoked = 4, True
    city.delivers(both_again)
    assert len(records(city.anybody, f"/v1/public/subjects/{number}")) == 2
    city.delivers(licence(city, version=2))
    assert records(city.anybody, f"/v1/public/subjects/{number}") == ["r_old"]


def test_a_code_claimed_for_two_companies_joins_neither_until_an_officer_says(city: Running, officer: Desk) -> None:
    city.delivers(licence(city), by_code(city))
    city.delivers(licence(city, "wrong", OTHER, XK_XDR_ZZJG=CODE, called="另一公司"))
    assert records(city.anybody, f"/v1/public/subjects/{of_code(city)}") == ["r_fine"]
    assert records(city.anybody, f"/v1/public/subjects/{city.ref(COMPANY)}") == ["r_licence"]
    held = officer.get("/v1/subjects/conflicts").json["conflicts"]
    wrong = link_id(city.ref(OTHER), of_code(city))
    assert {link["link_id"] for link in held} == {wrong, link_id(city.ref(COMPANY), of_code(city))}
    assert [link["record_id"] for link in held if link["link_id"] == wrong] == ["r_wrong"]
    about = officer.get(f"/v1/subjects/{city.ref(OTHER)}/conflicts").json
    assert [link["link_id"] for link in about["links"]] == [wrong]
    assert about["links"][0]["conflict_since"] == rfc3339(city.clock.now())
    assert officer.post(f"/v1/subjects/links/{wrong}/split", {"reason": "代码填错"}).status_code == 200
    assert records(city.anybody, f"/v1/public/subjects/{city.ref(COMPANY)}") == ["r_licence", "r_fine"]
    assert officer.get("/v1/subjects/conflicts").json["conflicts"] == []
    # Undone, it is as before.
    undone = officer.post(f"/v1/subjects/links/{wrong}/undo", {"reason": "待核实"}).json
    assert [link["state"] for link in undone["links"] if link["link_id"] == wrong] == ["conflict"]
    assert records(city.anybody, f"/v1/public/subjects/{city.ref(COMPANY)}") == ["r_licence"]


def test_a_merge_is_undone_without_a_trace_in_any_answer(city: Running, officer: Desk) -> None:
    city.delivers(licence(city), licence(city, "other", OTHER, called="阳江市海陵水产有限公司"))
    refs = city.ref(COMPANY), city.ref(OTHER)
    before = everything(city, *refs)
    both = {"subjects": [{"uscc": COMPANY}, {"uscc": OTHER}], "reason": "换发新的统一社会信用代码"}
    merged = officer.post("/v1/subjects/links", both, **{"Idempotency-Key": "merge-1"})
    assert merged.status_code == 201, merged.text
    assert {m["subject_ref"] for m in merged.json["members"]} >= set(refs)
    assert {len(records(city.anybody, f"/v1/public/subjects/{ref}")) for ref in refs} == {2}
    assert len(city.found("海陵")) == 1
    repeated = officer.post("/v1/subjects/links", both, **{"Idempotency-Key": "merge-1"})
    assert repeated.status_code == 201
    assert officer.post("/v1/subjects/links", both).json["code"] == "ONE_SUBJECT_ALREADY"
    number = link_id(*refs)
    [link] = [link for link in merged.json["links"] if link["link_id"] == number]
    assert link["history"][0]["reason"] == both["reason"]
    assert officer.post(f"/v1/subjects/links/{number}/undo", {"reason": "两家公司"}).status_code == 200
    assert everything(city, *refs) == before
    assert officer.post(f"/v1/subjects/links/{number}/undo", {"reason": "再次"}).json["code"] == "NOTHING_TO_UNDO"
    until(lambda: city.audit.of("subject.decision_undone"), "the acts are on record")
    assert len(city.audit.of("subject.merged") + city.audit.of("subject.decision_undone")) == 2
    # The repeat did nothing, but it answered.
    [read] = city.audit.of("subject.identity_read")
    assert set(read["subject_refs"]) >= set(refs)


def test_a_subject_is_found_by_any_of_its_numbers(city: Running, officer: Desk) -> None:
    city.delivers(licence(city), licence(city, "other", OTHER, called="阳江市海陵水产有限公司"))
    both = {"subjects": [{"uscc": COMPANY}, {"uscc": OTHER}], "reason": "换发新的统一社会信用代码"}
    assert officer.post("/v1/subjects/links", both | {"reason": "  "}).status_code == 400
    assert officer.post("/v1/subjects/links", both).status_code == 201
    seen = officer.get(f"/v1/subjects/{city.ref(COMPANY)}").json
    for number in ({"uscc": COMPANY}, {"uscc": OTHER}, {"organisation_code": CODE}, {"subject_ref": city.ref(OTHER)}):
        assert officer.post("/v1/subjects/queries", number).json == seen
    assert officer.get(f"/v1/subjects/{COMPANY}").json["errors"][0]["rule"] == "subject_ref"
    assert city.desk("agency", sub="c", purpose="p", org="O").post("/v1/subjects/queries", {}).status_code == 403


def test_an_officer_of_a_county_does_not_decide_who_is_who_in_the_city(city: Running) -> None:
    """Art. 6: officers act within their region."""
    city.delivers(licence(city), licence(city, "other", OTHER, called="阳江市海陵水产有限公司"))
    both = {"subjects": [{"uscc": COMPANY}, {"uscc": OTHER}], "reason": "换发新的统一社会信用代码"}
    county = city.desk("centre", sub="officer-2", region="441721")
    refused = county.post("/v1/subjects/links", both)
    assert (refused.status_code, refused.json["code"]) == (403, "OUTSIDE_REGION")
    assert city.desk("centre", sub="officer-3", region="441700").post("/v1/subjects/links", both).status_code == 201


def test_acts_are_on_record_with_every_reference_and_without_words(city: Running, officer: Desk) -> None:
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


def test_a_person_and_an_organisation_are_never_one(city: Running, officer: Desk) -> None:
    city.delivers(licence(city), city.record("CFGR", LI_NA, "李娜", "p", CF_WSH="1", CF_GSJZQ="2029-01-01"))
    both = {"subjects": [{"uscc": COMPANY}, {"identity_number": LI_NA}], "reason": "个体户"}
    assert officer.post("/v1/subjects/links", both).json["code"] == "PERSON_AND_ORGANISATION"
    city.delivers(city.record("SDQQF", COMPANY, NAME, "bill", QF_ZJHM=LI_NA))
    assert records(city.person(), "/v1/me/records") == ["r_p"]
    [held] = officer.get("/v1/subjects/conflicts").json["conflicts"]
    assert set(held["schemes"]) == {"uscc", "identity_number"}


@pytest.mark.parametrize("role", ["public", "subject", "agency", "provider", "authority", "supervisor", "statutory"])
def test_only_the_centre_decides_who_is_who(city: Running, role: str) -> None:
    desk = city.desk(role)
    assert desk.get("/v1/subjects/conflicts").status_code == 403
    assert desk.get("/v1/subjects/s_x").status_code == 403
    assert desk.get("/v1/subjects/s_x/conflicts").status_code == 403
    assert desk.post("/v1/subjects/links", {}).status_code == 403
    assert desk.post("/v1/subjects/links/x/split", {}).status_code == 403
    assert desk.post("/v1/subjects/links/x/undo", {}).status_code == 403


def test_what_nobody_named_is_refused_with_a_reason(city: Running, officer: Desk) -> None:
    city.delivers(licence(city))
    assert officer.get("/v1/subjects/s_nobody").json["code"] == "INPUT_INVALID"
    assert officer.get(f"/v1/subjects/{city.ref(OTHER)}").json["code"] == "SUBJECT_UNKNOWN"
    both = {"subjects": [{"uscc": COMPANY}, {"uscc": REGULATOR}], "reason": "x"}
    assert officer.post("/v1/subjects/links", both).json["code"] == "SUBJECT_UNKNOWN"
    assert officer.post("/v1/subjects/links/a.b/split", {"reason": "x"}).json["code"] == "LINK_UNKNOWN"
    assert officer.post("/v1/subjects/links", {**both, "reason": ""}).json["code"] == "INPUT_INVALID"


def test_different_names_at_the_same_time_are_shown_to_the_subject_and_to_officers(
    city: Running, officer: Desk
) -> None:
    city.delivers(city.record("QYDJ", COMPANY, NAME, "register", DJZT="存续"))
    city.delivers(by_code(city, name="海陵食品厂"))
    own = city.desk("subject", sub=city.ref(COMPANY)).get("/v1/me/records").json
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


def test_an_officer_sees_that_a_persons_names_differ_masked(city: Running, officer: Desk) -> None:
    first = city.record("CFGR", LI_NA, "李娜", "a", CF_WSH="1", CF_GSJZQ="2029-01-01")
    second = city.record("CFGR", LI_NA, "李那", "b", CF_WSH="2", CF_GSJZQ="2029-01-01")
    second.provider_uscc = COURT
    city.delivers(first, second)
    [differing] = officer.get(f"/v1/subjects/{city.ref(LI_NA)}/conflicts").json["conflicts"]
    assert [s["value"] for s in differing["statements"]] == ["李**", "李**"]
    [own] = city.person().get("/v1/me/records").json["conflicts"]
    assert {s["value"] for s in own["statements"]} == {"李娜", "李那"}
