"""The versions of a delivered record: who sees them, in which form, and what stays encrypted."""

import json
from typing import Any

import pytest

from chengxin.errors import Problem
from chengxin.values.page_tokens import encode_page_token
from chengxin_api.ingest.v1 import ingest_pb2 as pb
from tests.ingest.deliveries import licence, wrong_digit
from tests.ingest.running_ingest import HOUSING, IngestCaller, RunningIngest, demo_entry
from tests.support import until

IDENTIFIER = "XK_FR_ZJHM"


@pytest.fixture
def record_id(ingest: RunningIngest) -> str:
    """A licence that was delivered in other forms than the standard, amended for an objection, and revoked."""
    delivered = licence(XK_JDRQ="2026/1/2", **{IDENTIFIER: f" {licence()[IDENTIFIER]}"})
    answer = ingest.regulator.submits_batch(delivered, submission_id="sub-of-november")
    name = str(answer.outcomes[0].record_id)
    change = {"record_id": name, "document_number": "演更字〔2026〕1号", "effective_date": "2026-09-01"}
    items = licence(XK_NR="餐饮服务", XK_ZT="有效")
    amended = pb.AmendRequest(**change, items=items, reason="录入错误", objection_no="YY-20261124-0001")
    ingest.regulator.rpc("Amend", amended)
    ingest.regulator.rpc("Revoke", pb.RevokeRequest(record_id=name, reason="决定被撤销"))
    return name


def seen(caller: IngestCaller, record_id: str) -> Any:
    answer = caller.get(f"/v1/records/{record_id}")
    assert answer.status_code == 200, answer.text
    return answer.json


def test_its_provider_sees_every_version_as_recorded_and_as_delivered(ingest: RunningIngest, record_id: str) -> None:
    found = seen(ingest.regulator, record_id)
    assert (found["record_id"], found["entry_code"], found["provider_uscc"]) == (
        record_id,
        "XZXK",
        licence()["XK_XKJGDM"],
    )
    first, second, third = found["versions"]
    assert [v["version"] for v in found["versions"]] == [1, 2, 3]
    assert first["items"] == licence()
    assert first["raw"] == {"XK_JDRQ": "2026/1/2", IDENTIFIER: f" {licence()[IDENTIFIER]}"}
    assert (first["submission_id"], first["row"], first["reason"]) == ("sub-of-november", 1, "")
    assert second["items"] == licence(XK_NR="餐饮服务")
    assert second["raw"] == {"XK_ZT": "有效"}
    assert (second["reason"], second["document_number"], second["effective_date"], second["objection_no"]) == (
        "录入错误",
        "演更字〔2026〕1号",
        "2026-09-01",
        "YY-20261124-0001",
    )
    assert second["late_working_days"] > 0
    assert (second["submission_id"], second["row"], second["revoked"]) == ("", 0, False)
    assert (third["revoked"], third["reason"], third["objection_no"]) == (True, "决定被撤销", "")
    assert {v["recorded_at"] for v in found["versions"]} == {"2026-11-24T04:00:00.000000Z"}
    assert [v["withheld"] for v in found["versions"]] == [[], [], []]


@pytest.mark.parametrize("role", ["centre", "authority", "supervisor"])
def test_the_organs_see_any_record_but_no_personal_identifier(ingest: RunningIngest, record_id: str, role: str) -> None:
    caller = ingest.caller(role, org="120000000000001742", sub=f"officer:{role}", client_id="")
    found = seen(caller, record_id)
    assert [v["withheld"] for v in found["versions"]] == [[IDENTIFIER]] * 3
    assert found["versions"][0]["items"] == {k: v for k, v in licence().items() if k != IDENTIFIER}
    assert found["versions"][0]["raw"] == {"XK_JDRQ": "2026/1/2"}
    assert licence()[IDENTIFIER] not in json.dumps(found)
    assert "enc:" not in json.dumps(found)


def test_both_faces_tell_the_same(ingest: RunningIngest, record_id: str) -> None:
    for caller in (ingest.regulator, ingest.centre):
        told = seen(caller, record_id)
        message = caller.rpc("GetRecord", pb.GetRecordRequest(record_id=record_id))
        assert [(v.version, dict(v.items), dict(v.raw), list(v.withheld)) for v in message.versions] == [
            (v["version"], v["items"], v["raw"], v["withheld"]) for v in told["versions"]
        ]
        second = message.versions[1]
        assert (second.reason, second.objection_no, second.late_working_days) == (
            told["versions"][1]["reason"],
            "YY-20261124-0001",
            told["versions"][1]["late_working_days"],
        )
        assert second.recorded_at.ToDatetime().isoformat() == "2026-11-24T04:00:00"


def test_to_another_provider_there_is_no_such_record_and_that_is_on_record(
    ingest: RunningIngest, record_id: str
) -> None:
    for name in (record_id, "r_nothing"):
        assert ingest.housing.get(f"/v1/records/{name}").json["code"] == "NOT_FOUND"
        with pytest.raises(Problem) as refused:
            ingest.housing.rpc("GetRecord", pb.GetRecordRequest(record_id=name))
        assert refused.value.code == "NOT_FOUND"
    for role in ("agency", "statutory", "service"):
        assert ingest.caller(role).get(f"/v1/records/{record_id}").json["code"] == "ROLE_NOT_ALLOWED"
    acts = ingest.audit.of("record.queried.delivered")
    # The record of another and one that is nowhere, on both faces.
    assert [e["outcome"] for e in acts if e["actor"].get("org") == HOUSING] == ["refused"] * 4


def test_it_is_on_record_before_it_is_answered_and_its_subject_finds_it(ingest: RunningIngest, record_id: str) -> None:
    seen(ingest.centre, record_id)
    [event] = until(lambda: ingest.audit.of("record.queried.delivered"))
    subject = ingest.ctx.store.record(record_id)["subject"]["ref"]
    assert (event["records"], event["subject_refs"], event["entries"]) == ([record_id], [subject], ["XZXK"])
    assert event["details"] == {"versions": 3}
    ingest.audit.away = True
    answer = ingest.centre.get(f"/v1/records/{record_id}")
    assert (answer.status_code, answer.json["code"]) == (503, "AUDIT_UNAVAILABLE")


def test_versions_come_page_by_page_also_while_more_are_made(ingest: RunningIngest) -> None:
    name = str(ingest.regulator.submits_batch(licence()).outcomes[0].record_id)

    def amended(number: int) -> None:
        items = licence(XK_NR=f"第{number}次变更")
        ingest.regulator.rpc("Amend", pb.AmendRequest(record_id=name, items=items, reason="变更"))

    for number in range(2, 6):
        amended(number)
    told: list[int] = []
    token = ""
    while True:
        page = ingest.regulator.get(f"/v1/records/{name}?page_size=2&page_token={token}").json
        told += [version["version"] for version in page["versions"]]
        if len(told) == 4:
            amended(6)
        if not (token := page["next_page_token"]):
            break
    assert told == [1, 2, 3, 4, 5, 6]
    message = ingest.regulator.rpc("GetRecord", pb.GetRecordRequest(record_id=name, page_size=4))
    assert [version.version for version in message.versions] == [1, 2, 3, 4]
    request = pb.GetRecordRequest(record_id=name, page_size=2, page_token=message.next_page_token)
    rest = ingest.regulator.rpc("GetRecord", request)
    assert ([version.version for version in rest.versions], rest.next_page_token) == ([5, 6], "")
    for wrong in ("page_size=0", "page_size=201", "page_token=xx", f"page_token={encode_page_token(['1'])}"):
        assert ingest.regulator.get(f"/v1/records/{name}?{wrong}").json["code"] == "INPUT_INVALID"
    until(lambda: ingest.audit.of("record.queried.delivered"))
    assert ingest.audit.of("record.queried.delivered")[0]["details"] == {"versions": 2}


KEY = {code: licence()[code] for code in ("XK_WSH", "XK_XDR_SHXYM", "XK_XDR_MC")}


def found(caller: IngestCaller, key: dict[str, str], catalog: str = "XZXK", **page: Any) -> Any:
    return caller.post("/v1/records/queries", {"catalog": catalog, "key": key, **page}).json


def test_a_provider_finds_its_record_by_what_identifies_it(ingest: RunningIngest, record_id: str) -> None:
    assert found(ingest.regulator, KEY) == seen(ingest.regulator, record_id)
    # As the provider's own system may write it.
    assert found(ingest.regulator, KEY | {"XK_XDR_MC": f" {KEY['XK_XDR_MC']} "})["record_id"] == record_id
    page = found(ingest.regulator, KEY, page_size=2)
    rest = found(ingest.regulator, KEY, page_token=page["next_page_token"])
    assert [v["version"] for v in page["versions"] + rest["versions"]] == [1, 2, 3]
    [*_, event] = until(lambda: ingest.audit.of("record.queried.delivered"))
    assert event["records"] == [record_id]
    assert KEY["XK_WSH"] not in str(ingest.audit.events)


def test_nobody_finds_what_is_not_its_own_by_its_key(ingest: RunningIngest, record_id: str) -> None:
    for caller, key in ((ingest.housing, KEY), (ingest.regulator, KEY | {"XK_WSH": "演许字〔2026〕2号"})):
        answer = found(caller, key)
        assert answer["code"] == "NOT_FOUND"
        assert not any(value in str(answer) for value in key.values())
    for role in ("centre", "authority", "supervisor", "agency"):
        assert found(ingest.caller(role), KEY)["code"] == "ROLE_NOT_ALLOWED"
    assert found(ingest.regulator, KEY, catalog="NONE")["code"] == "DELIVERY_ENTRY_UNKNOWN"
    assert "XK_XDR_SHXYM" in found(ingest.regulator, {c: KEY[c] for c in ("XK_WSH", "XK_XDR_MC")})["detail"]


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        (dict.fromkeys(KEY, ""), {f"key.{code}": "required" for code in KEY}),
        ({"XK_WSH": " "}, {"key.XK_WSH": "required"}),
        ({"XK_NR": "食品经营"}, {"key.XK_NR": "natural_key"}),
        ({"XK_WSH": "", "NONE": "1"}, {"key.NONE": "natural_key", "key.XK_WSH": "required"}),
    ],
)
def test_a_key_is_told_what_it_lacks_and_what_it_has_too_much(
    ingest: RunningIngest, record_id: str, changed: dict[str, str], told: dict[str, str]
) -> None:
    answer = found(ingest.regulator, KEY | changed)
    assert answer["code"] == "INPUT_INVALID"
    assert {e["field"]: e["rule"] for e in answer["errors"]} == told
    assert all("XK_XDR_SHXYM" in e["message"] for e in answer["errors"])


def test_a_key_that_no_record_can_have_is_told_why(ingest: RunningIngest, record_id: str) -> None:
    wrong = {"XK_XDR_SHXYM": wrong_digit(KEY["XK_XDR_SHXYM"]), "XK_XDR_MC": "李**"}
    answer = found(ingest.regulator, KEY | wrong)
    assert answer["code"] == "INPUT_INVALID"
    told = {e["field"]: e["rule"] for e in answer["errors"]}
    assert told == {"key.XK_XDR_SHXYM": "uscc.check_digit", "key.XK_XDR_MC": "name.masked"}
    assert not any(value in str(answer) for value in wrong.values())


def test_a_record_is_found_also_when_its_entry_identifies_records_otherwise_since(ingest: RunningIngest) -> None:
    name = str(ingest.regulator.submits_batch(licence()).outcomes[0].record_id)
    other = demo_entry("XZXK") | {"natural_key": ["XK_WSH"]}
    ingest.knows(ingest.catalog.publishes(other, 2, begins="2026-11-01"))
    assert found(ingest.regulator, KEY)["record_id"] == name
    assert found(ingest.regulator, {"XK_WSH": KEY["XK_WSH"]})["code"] == "NOT_FOUND"
