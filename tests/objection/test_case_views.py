"""Who sees what of a case, and that texts written by people stay in the case (Art. 4, 31)."""

import json
from typing import Any

import pymongo

from tests.objection.conftest import COMPANY, RECORD, TEXT, RunningObjection
from tests.objection.sources import OTHER_ORGAN
from tests.support import until


def test_only_the_subject_of_a_record_objects_to_it(city: RunningObjection) -> None:
    refused = city.li_na.files()
    assert (refused.status_code, refused.json["code"]) == (403, "NOT_YOUR_RECORD")
    assert city.event("objection.filed")["details"] == {"code": "NOT_YOUR_RECORD", "asked": [RECORD]}
    assert city.company.get("/v1/me/objections").json["objections"] == []


def test_a_subject_objects_to_a_record_that_came_under_another_of_its_identifiers(city: RunningObjection) -> None:
    city.ingest.record("r_by_code", "s_company_by_code")
    city.caught_up()
    assert city.company.files(record_id="r_by_code").json["code"] == "NOT_YOUR_RECORD"
    city.disclosure.together = {COMPANY, "s_company_by_code"}
    assert city.li_na.files(record_id="r_by_code").json["code"] == "NOT_YOUR_RECORD"
    asked = city.disclosure.asked
    filed = city.company.files(record_id="r_by_code")
    assert filed.status_code == 201, filed.text
    number = filed.json["objection_no"]
    assert city.disclosure.asked == asked + 1
    # The case belongs to the caller now; later requests ask disclosure nothing.
    assert [c["objection_no"] for c in city.company.get("/v1/me/objections").json["objections"]] == [number]
    assert city.company.get(f"/v1/me/objections/{number}").status_code == 200
    assert city.company.files(record_id="r_by_code").json["code"] == "OBJECTION_OPEN"
    assert city.company.files().status_code == 201
    assert city.disclosure.asked == asked + 2
    # Two are refused because the record is another's, one because an objection is open.
    city.event("objection.filed", 5)
    filings = [event for event in city.audit.of("objection.filed") if event["outcome"] == "ok"]
    assert [event["subject_refs"] for event in filings] == [[COMPANY], [COMPANY]]


def test_who_is_not_verified_objects_to_nothing(city: RunningObjection) -> None:
    unverified = city.caller("subject", sub=COMPANY, acr="")
    answer = unverified.post("/v1/me/objections", {})
    assert (answer.status_code, answer.json["code"]) == (403, "STEP_UP_REQUIRED")
    assert city.audit.events[-1]["details"]["code"] == "STEP_UP_REQUIRED"


def test_to_others_there_is_no_such_objection(city: RunningObjection) -> None:
    number = city.filed()
    stranger = city.li_na
    answers = [
        stranger.get(f"/v1/me/objections/{number}"),
        stranger.get(f"/v1/me/objections/{number}/evidence/1"),
        stranger.post(f"/v1/me/objections/{number}/withdraw"),
        stranger.post(f"/v1/me/objections/{number}/supplement", {"statement": "x"}),
        stranger.get("/v1/me/objections/YY-19990101-0001"),
    ]
    assert {(a.status_code, a.json["code"]) for a in answers} == {(404, "OBJECTION_UNKNOWN")}
    assert stranger.get("/v1/me/objections").json["objections"] == []
    assert len([e for e in city.audit.events if e["outcome"] == "refused"]) == 5


def test_a_provider_sees_only_its_own_tasks_and_not_before_it_is_notified(city: RunningObjection) -> None:
    number = city.filed()
    other = city.caller("provider", sub="client:other", org=OTHER_ORGAN)
    nobody = city.caller("provider", sub="client:nobody")
    assert city.regulator.get(f"/v1/objections/tasks/{number}").status_code == 404
    assert city.regulator.post(f"/v1/objections/{number}/answer", {"finding": "wrong"}).status_code == 404
    city.centre.does("accept", number)
    city.centre.does("verify", number, finding="consistent_with_source", note="一致")
    assert len(city.regulator.get("/v1/objections/tasks").json["tasks"]) == 1
    for caller in (other, nobody):
        assert caller.get("/v1/objections/tasks").json["tasks"] == []
        assert caller.get(f"/v1/objections/tasks/{number}").json["code"] == "OBJECTION_UNKNOWN"
        assert caller.post(f"/v1/objections/{number}/answer", {"finding": "wrong"}).status_code == 404
        assert caller.post(f"/v1/objections/{number}/extension", {"reason": "x"}).status_code == 404
    assert city.centre.get(f"/v1/objections/{number}").json["state"] == "provider_notified"


def test_a_provider_does_not_learn_who_filed_nor_what_was_attached(city: RunningObjection) -> None:
    task = city.regulator.get(f"/v1/objections/tasks/{city.task()}")
    assert COMPANY not in task.text
    assert "许可证.txt" not in task.text
    assert "evidence" not in task.json


def test_who_supervises_sees_the_course_and_no_word(city: RunningObjection) -> None:
    number = city.task()
    city.regulator.does("extension", number, reason="跨部门核查")
    city.regulator.does("answer", number, finding="right", evidence="档案第三卷")
    for caller in (city.supervisor, city.caller("authority")):
        for path in (f"/v1/objections/{number}/course", "/v1/objections/courses"):
            text = caller.get(path).text
            for word in ("证书不符", "许可证.txt", "与来源一致", "跨部门核查", "档案第三卷", COMPANY):
                assert word not in text
        assert caller.get(f"/v1/objections/{number}/course").json["answer"] == "right"


def test_what_people_wrote_is_sealed_at_rest_and_never_in_the_log(city: RunningObjection) -> None:
    number = city.filed(key="k1")
    city.centre.does("request-supplement", number, missing=["缺少证书复印件"])
    city.company.post(f"/v1/me/objections/{number}/supplement", {"statement": "补交在后", "evidence": [TEXT]})
    city.centre.does("accept", number)
    city.centre.does("verify", number, finding="consistent_with_source", note="与来源一致")
    city.regulator.does("extension", number, reason="跨部门核查")
    city.corrected(number)
    city.regulator.does("answer", number, finding="wrong", evidence="录入错误")
    city.centre.does("decide", number, outcome="corrected", explanation="已经改好")
    until(lambda: city.audit.of("objection.decided"), "all is on record")

    words = ["证书不符", "缺少证书", "补交在后", "与来源一致", "跨部门", "录入错误", "已经改好", "许可证", "食品经营"]
    kept = repr(_everything(city))
    logged = json.dumps(city.audit.events, ensure_ascii=False)
    for word in words:
        assert word not in logged
        assert word not in kept
        assert repr(word.encode())[2:-1] not in kept
    assert [e["act"] for e in city.audit.events if e["subject_refs"] != [COMPANY]] == []
    case = city.centre.get(f"/v1/objections/{number}").text
    assert all(word in case for word in words[:-1])


def _everything(city: RunningObjection) -> list[Any]:
    client: pymongo.MongoClient[dict[str, Any]] = pymongo.MongoClient(city.uri)
    db = client.get_default_database()
    found = [row for name in db.list_collection_names() for row in db[name].find()]
    client.close()
    return found


def test_each_act_and_each_reading_is_on_record_once(city: RunningObjection) -> None:
    number = city.task()
    city.centre.get(f"/v1/objections/{number}")
    city.company.get("/v1/me/objections")
    city.regulator.get("/v1/objections/tasks")
    city.supervisor.get("/v1/objections/courses")
    for act, actor in {
        "objection.filed": COMPANY,
        "objection.accepted": "officer:centre",
        "objection.verified": "officer:centre",
        "objection.read": "officer:centre",
        "objection.listed_own": COMPANY,
        "task.listed": "client:regulator",
        "course.listed": "officer:supervisor",
    }.items():
        event = city.event(act)
        assert event["actor"]["sub"] == actor
        assert (event["subject_refs"], event["records"], event["entries"]) == ([COMPANY], [RECORD], ["XZXK"])
        assert event["details"]["objection_no"] == number


def test_without_a_log_nothing_is_told_and_acts_are_delivered_later(city: RunningObjection) -> None:
    number = city.filed()
    city.audit.away = True
    for answer in (
        city.centre.get(f"/v1/objections/{number}"),
        city.centre.get("/v1/objections"),
        city.company.get(f"/v1/me/objections/{number}"),
        city.company.get(f"/v1/me/objections/{number}/evidence/1"),
        city.supervisor.get("/v1/objections/courses"),
        city.li_na.get(f"/v1/me/objections/{number}"),
    ):
        assert (answer.status_code, answer.json["code"]) == (503, "AUDIT_UNAVAILABLE")
    # A change commits with its event.
    assert city.centre.does("accept", number)["state"] == "accepted"
    # A repeated request answers with the case, so it fails as a reading does.
    assert city.centre.post(f"/v1/objections/{number}/accept", {}).status_code == 503
    city.audit.away = False
    city.event("objection.accepted")
    assert city.centre.get(f"/v1/objections/{number}").status_code == 200
