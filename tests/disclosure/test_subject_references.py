"""One subject across providers and identifier schemes (Art. 2, 5), through the faces on a real store."""

import pytest

from chengxin.values.clock import rfc3339
from chengxin_api.disclosure.v1 import disclosure_pb2
from services.disclosure.domain.entity_resolution import link_id
from tests.disclosure.running_disclosure import COMPANY, DisclosureCaller, RunningDisclosure
from tests.disclosure.subject_references import CODE, NAME, OTHER, by_code, licence, of_code, records


@pytest.mark.parametrize("code_first", [False, True])
def test_by_the_organisation_code_alone_one_reaches_the_same_subject(city: RunningDisclosure, code_first: bool) -> None:
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
        assert records(city.caller("subject", sub=ref), "/v1/me/records") == ["r_licence", "r_fine"]
    assert [s["subject_ref"] for s in city.found("海陵")] == [city.ref(COMPANY)]
    agency = city.caller("agency", sub="c", purpose="review", org="O")
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


def test_together_in_one_delivery_is_the_same(city: RunningDisclosure) -> None:
    city.delivers(by_code(city), licence(city))
    assert records(city.anybody, f"/v1/public/subjects/{of_code(city)}") == ["r_licence", "r_fine"]


def test_a_record_of_one_subject_beside_the_first_of_another_leaves_the_first_one_whole(
    city: RunningDisclosure, officer: DisclosureCaller
) -> None:
    """A transaction once dropped all groups that it had loaded, not only those whose links it changes."""
    city.delivers(licence(city), by_code(city))
    stranger = city.record("XZXK", OTHER, "阳江市闸坡渔业有限公司", "stranger", XK_WSH="1", XK_YXQZI="2031-01-01")
    city.delivers(licence(city, "second"), stranger)
    for ref in (city.ref(COMPANY), of_code(city)):
        assert records(city.anybody, f"/v1/public/subjects/{ref}") == ["r_second", "r_licence", "r_fine"]
    city.delivers(by_code(city, "third"))
    assert records(city.anybody, f"/v1/public/subjects/{of_code(city)}")[-2:] == ["r_third", "r_fine"]
    assert records(city.anybody, f"/v1/public/subjects/{city.ref(OTHER)}") == ["r_stranger"]


def test_a_code_without_records_has_nothing_again_once_it_is_split_from_those_of_another(
    city: RunningDisclosure, officer: DisclosureCaller
) -> None:
    """The group's strongest reference has no record of its own."""
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


def test_a_subject_that_the_public_knows_only_by_its_code_is_found_under_its_strongest_reference(
    city: RunningDisclosure,
) -> None:
    city.delivers(licence(city), by_code(city))
    city.delivers(licence(city, version=2, revoked=True))
    [found] = city.found("海陵")
    assert found["subject_ref"] == city.ref(COMPANY)
    assert found["uscc"] == COMPANY
    assert records(city.anybody, f"/v1/public/subjects/{city.ref(COMPANY)}") == ["r_fine"]


def test_pages_go_on_from_one_reference_to_the_next(city: RunningDisclosure) -> None:
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
    city: RunningDisclosure, officer: DisclosureCaller
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
    # Amended, the record names another number; no record links this one to the company any more.
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
    # The number in another entry is the same reference.
    city.delivers(licence(city, XK_XDR_GSZC="441702000012345"))
    assert len(records(city.anybody, f"/v1/public/subjects/{number}")) == 3
    both_again.version, both_again.revoked = 4, True
    city.delivers(both_again)
    assert len(records(city.anybody, f"/v1/public/subjects/{number}")) == 2
    city.delivers(licence(city, version=2))
    assert records(city.anybody, f"/v1/public/subjects/{number}") == ["r_old"]


def test_a_code_claimed_for_two_companies_joins_neither_until_an_officer_says(
    city: RunningDisclosure, officer: DisclosureCaller
) -> None:
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
    # It gives the code's records to the other company, so it takes two.
    city.decides(officer, f"/{wrong}/split", {"reason": "代码填错"})
    assert records(city.anybody, f"/v1/public/subjects/{city.ref(COMPANY)}") == ["r_licence", "r_fine"]
    assert officer.get("/v1/subjects/conflicts").json["conflicts"] == []
    # After the undo everything is as before.
    undone = officer.post(f"/v1/subjects/links/{wrong}/undo", {"reason": "待核实"}).json
    assert [link["state"] for link in undone["links"] if link["link_id"] == wrong] == ["conflict"]
    assert records(city.anybody, f"/v1/public/subjects/{city.ref(COMPANY)}") == ["r_licence"]
