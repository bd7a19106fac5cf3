"""Who sees what of a record (Art. 14 to 18), through the faces."""

import json

import grpc
import pytest

from chengxin.errors import Problem
from chengxin_api.disclosure.v1 import disclosure_pb2 as pb
from services.disclosure.usecases.view_reader import strongest_first
from tests.disclosure.running_disclosure import COMPANY, LI_NA, RunningDisclosure

BANK = "91000000MA0009028J"


def penalty(city: RunningDisclosure, **items: str) -> None:
    """A penalty of a natural person."""
    fields = {"CF_WSH": "阳处字〔2026〕1号", "CF_SY": "无证经营", "CF_GSJZQ": "2027-11-20", "BZ": "内部备注"} | items
    city.delivers(city.record("CFGR", LI_NA, "李娜", "fine", **fields))


def licence(city: RunningDisclosure, **items: str) -> None:
    fields = {"XK_WSH": "阳许字〔2026〕1号", "XK_NR": "食品经营", "XK_YXQZI": "2031-01-01", "XK_FR_ZJHM": LI_NA} | items
    city.delivers(city.record("XZXK", COMPANY, "阳江市海陵食品有限公司", "licence", **fields))


def test_the_public_sees_what_the_catalog_makes_public_and_no_more(city: RunningDisclosure) -> None:
    licence(city, BZ="内部备注")
    answer = city.anybody.get(f"/v1/public/subjects/{city.ref(COMPANY)}").json
    [record] = answer["records"]
    assert answer["subject"]["name"] == "阳江市海陵食品有限公司"
    assert answer["subject"]["uscc"] == COMPANY
    assert record["items"]["XK_NR"] == "食品经营"
    assert record["items"]["XK_XDR_SHXYM"] == COMPANY
    assert not {"XK_FR_ZJHM", "BZ"} & set(record["items"])
    assert record["disclosed_until"] == "2031-01-01"
    assert record["provider_name"] == "阳江市市场监督管理局"
    assert record["information_class"] == "licensing_and_penalty"


def test_a_person_fined_is_public_under_a_masked_name(city: RunningDisclosure) -> None:
    penalty(city)
    answer = city.anybody.get(f"/v1/public/subjects/{city.ref(LI_NA)}").json
    assert answer["subject"]["name"] == "李**"
    assert answer["records"][0]["items"]["CF_XDR_MC"] == "李**"
    assert LI_NA not in json.dumps(answer, ensure_ascii=False)


def test_the_subject_sees_everything_about_herself_in_full(city: RunningDisclosure) -> None:
    penalty(city)
    answer = city.person().get("/v1/me/records").json
    assert answer["subject"] | {"former_names": []} == {
        "subject_ref": city.ref(LI_NA),
        "kind": "individual",
        "name": "李娜",
        "uscc": "",
        "former_names": [],
    }
    items = answer["records"][0]["items"]
    assert items["CF_XDR_ZJHM"] == LI_NA
    assert items["CF_XDR_MC"] == "李娜"
    assert items["BZ"] == "内部备注"


def test_an_agency_gets_the_shared_view_for_its_purpose(city: RunningDisclosure) -> None:
    penalty(city)
    query = pb.QueryRequest(subject=pb.SubjectSelector(identity_number=LI_NA))
    caller = city.metadata("agency", sub="c-housing", purpose="qualification_review", org="ORG")
    answer = city.stub.Query(query, metadata=caller)
    [record] = answer.records
    assert answer.subject.name == "李**"
    assert record.items["CF_XDR_ZJHM"] == "441702********0020"
    assert record.items["BZ"] == "内部备注"
    [event] = city.audit.of("record.queried.shared")
    assert event["event_id"] == answer.audit_event_id
    assert event["purpose"] == "qualification_review"
    assert event["subject_refs"] == [city.ref(LI_NA)]
    assert event["entries"] == ["CFGR"]
    assert event["records"] == ["r_fine"]


def test_an_agency_without_a_purpose_is_refused(city: RunningDisclosure) -> None:
    penalty(city)
    query = pb.QueryRequest(subject=pb.SubjectSelector(identity_number=LI_NA))
    assert refusal(lambda: city.stub.Query(query, metadata=city.metadata("agency"))) == "PURPOSE_REQUIRED"
    assert city.audit.of("record.queried.shared")[0]["outcome"] == "refused"


@pytest.mark.parametrize("missing", ["legal_basis", "case_no", "officer"])
def test_a_statutory_query_names_law_case_and_officer(city: RunningDisclosure, missing: str) -> None:
    penalty(city)
    grounds = {"legal_basis": "《民事诉讼法》", "case_no": "（2026）演1702执1号", "officer": "F0001"}
    query = pb.QueryRequest(subject=pb.SubjectSelector(identity_number=LI_NA))
    answer = city.stub.Query(query, metadata=city.metadata("statutory", **grounds))
    assert answer.records[0].items["CF_XDR_ZJHM"] == LI_NA
    assert answer.subject.name == "李娜"
    del grounds[missing]
    assert refusal(lambda: city.stub.Query(query, metadata=city.metadata("statutory", **grounds))) == "CASE_REQUIRED"


def test_both_faces_answer_the_same(city: RunningDisclosure) -> None:
    penalty(city)
    grounds = {"legal_basis": "《民事诉讼法》", "case_no": "（2026）演1702执1号", "officer": "F0001"}
    body = {"subject": {"identity_number": LI_NA}}
    over_http = city.caller("statutory", **grounds).post("/v1/statutory/queries", body).json
    assert over_http["records"][0]["items"]["CF_XDR_ZJHM"] == LI_NA
    shared = city.caller("agency", purpose="p").post("/v1/shared/queries", body).json
    assert shared["records"][0]["items"]["CF_XDR_ZJHM"] == "441702********0020"


def test_the_wrong_role_is_refused_and_that_is_on_record(city: RunningDisclosure) -> None:
    answer = city.caller("provider").get("/v1/me/records")
    assert (answer.status_code, answer.json["code"]) == (403, "ROLE_NOT_ALLOWED")
    query = pb.QueryRequest(subject=pb.SubjectSelector(identity_number=LI_NA))
    assert refusal(lambda: city.stub.Query(query, metadata=city.metadata("provider"))) == "ROLE_NOT_ALLOWED"
    assert [e["outcome"] for e in city.audit.events] == ["refused", "refused"]


def test_an_entry_shared_only_is_not_public(city: RunningDisclosure) -> None:
    city.delivers(city.record("SDQQF", COMPANY, "阳江市海陵食品有限公司", "water", QF_DH="1", QF_HH="2"))
    for asked in ("", "?entry=SDQQF", "?page_size=1"):
        answer = city.anybody.get(f"/v1/public/subjects/{city.ref(COMPANY)}{asked}")
        assert answer.json["code"] == "SUBJECT_NOT_PUBLIC"
    assert city.found("海陵食品") == []
    shared = city.caller("agency", purpose="p").post("/v1/shared/queries", {"subject": {"uscc": COMPANY}}).json
    assert [r["entry_code"] for r in shared["records"]] == ["SDQQF"]


def test_only_entries_asked_for_are_answered(city: RunningDisclosure) -> None:
    licence(city)
    city.delivers(city.record("SDQQF", COMPANY, "阳江市海陵食品有限公司", "water", QF_DH="1", QF_HH="2"))
    body = {"subject": {"uscc": COMPANY}, "entries": ["XZXK"]}
    shared = city.caller("agency", purpose="p").post("/v1/shared/queries", body).json
    assert [r["entry_code"] for r in shared["records"]] == ["XZXK"]


def test_an_entry_that_there_is_not_is_refused_in_every_query(city: RunningDisclosure) -> None:
    """With a slip in the code, the subject would seem to be clean."""
    grounds = {"legal_basis": "《民事诉讼法》", "case_no": "（2026）演1702执1号", "officer": "F0001"}
    agency, court = ("agency", {"purpose": "p"}), ("statutory", grounds)
    licence(city)
    given = city.person(COMPANY).post(
        "/v1/me/consents", {"grantee": BANK, "purpose": "loan_application", "valid_to": "2026-12-31", "uses": 1}
    )
    claims = {"org": BANK, "purpose": "loan_application", "consent_id": given.json["consent_id"]}
    bank = ("subject_authorized", claims)
    subject, ref = {"uscc": COMPANY}, city.ref(COMPANY)
    for code in ("NOPE", "xzxk", "", "XZXK:1", "441702189603120024", "Z" * 40):
        for path, (role, claims) in (("shared", agency), ("statutory", court), ("authorized", bank)):
            asked = {"subject": subject, "entries": ["XZXK", code]}
            found = city.caller(role, **claims).post(f"/v1/{path}/queries", asked)
            assert (found.status_code, [e["field"] for e in found.json["errors"]]) == (400, ["entries"]), path
            assert "XZXK" in found.json["errors"][0]["message"]
            query = pb.QueryRequest(subject=pb.SubjectSelector(uscc=COMPANY), entries=[code])
            metadata = city.metadata(role, **claims)
            assert (
                refusal(lambda query=query, metadata=metadata: city.stub.Query(query, metadata=metadata))
                == "INPUT_INVALID"
            )
        for caller, path in ((city.anybody, f"/v1/public/subjects/{ref}"), (city.person(COMPANY), "/v1/me/records")):
            found = caller.get(f"{path}?entry={code}")
            assert (found.status_code, [e["field"] for e in found.json.get("errors", [])]) == (
                (400, ["entry"]) if code else (200, [])
            )
    # One that is there now, one that has ended, and a use of the consent that was not used up.
    city.publishes("CFGR", effective_to="2026-11-01")
    for code in ("XZXK", "CFGR"):
        assert (
            city.caller(agency[0], **agency[1])
            .post("/v1/shared/queries", {"subject": subject, "entries": [code]})
            .status_code
            == 200
        )
    assert city.caller(bank[0], **bank[1]).post("/v1/authorized/queries", {"entries": ["XZXK"]}).status_code == 200


def test_an_entry_that_has_just_been_published_is_known(city: RunningDisclosure) -> None:
    agency = city.caller("agency", purpose="p")
    body = {"subject": {"uscc": COMPANY}, "entries": ["ZDSSWF"]}
    assert agency.post("/v1/shared/queries", body).status_code == 400
    city.publishes("ZDSSWF")
    assert agency.post("/v1/shared/queries", body).status_code == 200


def test_an_unknown_subject_is_a_clear_empty_list(city: RunningDisclosure) -> None:
    answer = city.caller("agency", purpose="p").post("/v1/shared/queries", {"subject": {"uscc": COMPANY}})
    assert answer.json["records"] == []
    assert city.audit.of("record.queried.shared")[0]["subject_refs"] == [city.ref(COMPANY)]
    assert city.person().get("/v1/me/records").json["records"] == []


@pytest.mark.parametrize(
    "whom",
    [
        {},
        {"uscc": COMPANY, "subject_ref": "s_x"},
        {"identity_number": LI_NA[:-1] + ("1" if LI_NA[-1] != "1" else "2")},
        {"uscc": "12"},
        # A value that is not a pseudonym would be on record for ever.
        {"subject_ref": LI_NA},
    ],
)
def test_whom_a_query_is_about_is_said_once_and_rightly(city: RunningDisclosure, whom: dict[str, str]) -> None:
    answer = city.caller("agency", purpose="p").post("/v1/shared/queries", {"subject": whom})
    assert (answer.status_code, answer.json["code"]) == (400, "INPUT_INVALID")


def test_an_identity_number_reaches_neither_audit_nor_the_store_in_plain(city: RunningDisclosure) -> None:
    penalty(city)
    city.caller("agency", purpose="p").post("/v1/shared/queries", {"subject": {"identity_number": LI_NA}})
    city.person().get("/v1/me/records")
    city.anybody.get(f"/v1/public/subjects?q={LI_NA}")
    assert LI_NA not in json.dumps(city.audit.events)
    db = city.ctx.store.store.db
    for name in db.list_collection_names():
        for document in db[name].find():
            assert LI_NA not in unpacked(document), name


def unpacked(document: dict[str, object]) -> str:
    """A document as text; blobs are MessagePack, some compressed, in which texts appear unchanged."""
    import zlib

    texts = [str(document)]
    for blob in (value for value in document.values() if isinstance(value, bytes)):
        texts.append((zlib.decompress(blob) if blob[:1] == b"x" else blob).decode(errors="replace"))
    return "\n".join(texts)


ASKING = {
    "own": lambda c: c.person().get("/v1/me/records"),
    "public": lambda c: c.anybody.get(f"/v1/public/subjects/{c.ref(LI_NA)}"),
    "page": lambda c: c.anybody.get(f"/subjects/{c.ref(LI_NA)}"),
    "search": lambda c: c.anybody.get("/v1/public/subjects?q=李娜 010020"),
    "portal": lambda c: c.anybody.get("/?q=李娜 010020"),
    "shared": lambda c: c.caller("agency", purpose="p").post(
        "/v1/shared/queries", {"subject": {"identity_number": LI_NA}}
    ),
    "statutory": lambda c: c.caller("statutory", legal_basis="l", case_no="c", officer="o").post(
        "/v1/statutory/queries", {"subject": {"identity_number": LI_NA}}
    ),
}


@pytest.mark.parametrize("way", ASKING)
def test_without_the_audit_service_nothing_is_answered(city: RunningDisclosure, way: str) -> None:
    penalty(city)
    assert ASKING[way](city).status_code == 200
    city.audit.away = True
    answer = ASKING[way](city)
    assert answer.status_code == 503
    assert "李**" not in answer.text
    assert "CF_" not in answer.text
    city.audit.away = False
    assert ASKING[way](city).status_code == 200


@pytest.mark.parametrize(
    ("way", "act"),
    [
        ("own", "record.queried.own"),
        ("public", "record.queried.public"),
        ("page", "record.queried.public"),
        ("search", "subject.searched.public"),
        ("portal", "subject.searched.public"),
        ("statutory", "record.queried.statutory"),
    ],
)
def test_each_query_is_one_event_that_names_the_subject(city: RunningDisclosure, way: str, act: str) -> None:
    penalty(city)
    ASKING[way](city)
    [event] = city.audit.events
    assert event["act"] == act
    assert event["subject_refs"] == [city.ref(LI_NA)]


def refusal(call: object) -> str:
    with pytest.raises(grpc.RpcError) as caught:
        call()  # type: ignore[operator]
    return Problem.from_rpc(caught.value).code


def test_of_many_references_those_by_which_subjects_ask_come_first() -> None:
    subjects = [["a1", "a2", "a3"], ["b1"], [], ["c1", "a2"]]
    assert strongest_first(subjects) == ["a1", "b1", "c1", "a2", "a3"]
