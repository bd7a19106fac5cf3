"""An objection from filing to decision, through the public faces (Art. 23 to 27)."""

import threading
from typing import Any

import pytest

from chengxin_api.objection.v1 import objection_pb2 as pb
from tests.objection.conftest import COMPANY, RECORD, RunningObjection
from tests.objection.sources import REGULATOR


def test_a_wrong_record_is_corrected(city: RunningObjection) -> None:
    filed = city.company.files()
    assert filed.status_code == 201
    assert city.company.get(filed.headers["Location"]).json == filed.json
    number = filed.json["objection_no"]
    assert (number, filed.json["state"], filed.json["due"]) == ("YY-20261124-0001", "filed", "2026-11-27")
    assert filed.json["item_names"] == {"XK_NR": {"zh": "XK_NR 项", "en": "Item XK_NR"}}
    assert city.centre.does("accept", number)["due"] == "2026-11-27"
    verified = city.centre.does("verify", number, finding="consistent_with_source", note="与来源一致")
    assert (verified["state"], verified["due"]) == ("provider_notified", "2026-12-08")

    [task] = city.stub.ListTasks(
        pb.ListTasksRequest(open_only=True), metadata=city.metadata("provider", org=REGULATOR)
    ).tasks
    assert (task.objection_no, task.answer_due, task.statement) == (number, "2026-12-08", "许可内容与证书不符")
    city.corrected(number)
    answered = city.stub.AnswerTask(
        pb.AnswerTaskRequest(objection_no=number, finding=pb.FINDING_WRONG, evidence="录入错误", request_id="a1"),
        metadata=city.metadata("provider", org=REGULATOR),
    )
    assert answered.state == "answered_wrong"
    decided = city.centre.does("decide", number, outcome="corrected", explanation="已更正")
    assert (decided["state"], decided["open"], decided["due"]) == ("corrected", False, "")
    [told] = city.company.get("/v1/me/objections").json["objections"]
    assert (told["state"], told["explanation"], told["correction"]["record_version"]) == ("corrected", "已更正", 2)
    assert [m["state"] for m in told["history"]] == [
        "filed",
        "accepted",
        "provider_notified",
        "answered_wrong",
        "corrected",
    ]


def test_a_right_record_is_upheld_with_evidence(city: RunningObjection) -> None:
    number = city.task()
    lacking = city.regulator.post(f"/v1/objections/{number}/answer", {"finding": "right"})
    assert (lacking.status_code, lacking.json["errors"][0]["field"]) == (400, "evidence")
    assert city.regulator.does("answer", number, finding="right", evidence="档案第三卷")["state"] == "answered_right"
    assert city.centre.does("decide", number, outcome="upheld", explanation="与档案一致")["outcome"] == "upheld"


def test_the_systems_own_fault_is_corrected_by_the_centre(city: RunningObjection) -> None:
    number = city.filed()
    city.centre.does("accept", number)
    verified = city.centre.does("verify", number, finding="system_fault", note="转换时截断")
    assert (verified["state"], verified["due"]) == ("system_fault", "2026-11-27")
    early = city.centre.post(f"/v1/objections/{number}/decide", {"outcome": "corrected", "explanation": "已更正"})
    assert (early.status_code, early.json["code"]) == (409, "CORRECTION_NOT_SEEN")
    assert city.regulator.get("/v1/objections/tasks").json["tasks"] == []
    city.corrected(number)
    assert city.centre.does("decide", number, outcome="corrected", explanation="已更正")["state"] == "corrected"


def test_a_corrected_record_is_not_upheld(city: RunningObjection) -> None:
    number = city.task()
    city.regulator.does("answer", number, finding="right", evidence="档案")
    city.corrected(number, revoked=True)
    upheld = city.centre.post(f"/v1/objections/{number}/decide", {"outcome": "upheld", "explanation": "维持"})
    assert upheld.json["code"] == "CORRECTION_WAS_MADE"
    assert city.centre.does("decide", number, outcome="corrected", explanation="已撤销")["correction"]["revoked"]


# How the record changes while it is objected to, though in nobody's name; each with the way the case may end.
CHANGES_MEANWHILE: dict[str, tuple[dict[str, Any], str]] = {
    "revoked": ({"revoked": True}, "corrected"),
    "amended in what was objected to": ({"items": {"XK_NR": "餐饮服务"}}, "corrected"),
    "amended in something else": ({"items": {"XK_WSH": "2号"}}, "upheld"),
}


@pytest.mark.parametrize("change", CHANGES_MEANWHILE)
def test_a_case_hears_of_every_change_of_its_record_and_ends_truly(city: RunningObjection, change: str) -> None:
    number, (changed, ending) = city.task(), CHANGES_MEANWHILE[change]
    city.ingest.record(RECORD, COMPANY, 2, reason="自查更正", **changed)
    city.caught_up()
    revoked = changed.get("revoked", False)
    heard = {"record_version": 2, "revoked": revoked, "recorded_at": "2026-11-24T04:00:02.000000Z"}
    for told in (
        city.company.get(f"/v1/me/objections/{number}").json,
        city.centre.get(f"/v1/objections/{number}").json,
        city.regulator.get(f"/v1/objections/tasks/{number}").json,
    ):
        assert told["record_changes"] == [heard | {"reason": "自查更正"}]
    # Who supervises sees no word.
    assert city.supervisor.get(f"/v1/objections/{number}/course").json["record_changes"] == [heard]
    metadata = city.metadata("provider", org=REGULATOR)
    [over_grpc] = city.stub.GetTask(pb.GetTaskRequest(objection_no=number), metadata=metadata).record_changes
    assert (over_grpc.record_version, over_grpc.revoked, over_grpc.reason) == (2, revoked, "自查更正")
    seen = city.event("record_change.seen")
    assert seen["details"] == {
        "objection_no": number,
        "state": "provider_notified",
        "record_version": 2,
        "revoked": revoked,
    }

    city.regulator.does("answer", number, finding="right", evidence="档案")
    other = {"corrected": "upheld", "upheld": "corrected"}[ending]
    refused = city.centre.post(f"/v1/objections/{number}/decide", {"outcome": other, "explanation": "x"})
    code = {"corrected": "CORRECTION_NOT_SEEN", "upheld": "OBJECTED_RECORD_CHANGED"}[other]
    assert (refused.status_code, refused.json["code"]) == (409, code)
    decided = city.centre.does("decide", number, outcome=ending, explanation="如现在的记载")
    correction = decided["correction"]
    assert correction is None if ending == "upheld" else correction["record_version"] == 2


def test_a_decision_asks_ingest_for_what_the_feed_has_not_told(city: RunningObjection) -> None:
    number = city.task()
    city.regulator.does("answer", number, finding="right", evidence="档案")
    city.ingest.heads[RECORD].version = 2
    city.ingest.heads[RECORD].revoked = True
    city.ingest._items[RECORD, 2] = city.ingest._items[RECORD, 1]
    body = {"outcome": "upheld", "explanation": "维持"}
    assert city.centre.post(f"/v1/objections/{number}/decide", body).json["code"] == "OBJECTED_RECORD_CHANGED"
    city.ingest.away = True
    assert city.centre.post(f"/v1/objections/{number}/decide", body).json["code"] == "UPSTREAM_UNAVAILABLE"
    city.ingest.away = False
    assert city.centre.does("decide", number, outcome="corrected", explanation="已撤销")["correction"]["revoked"]


def test_a_step_or_an_answer_by_mistake_is_taken_back_by_who_gave_it(city: RunningObjection) -> None:
    number = city.filed()
    city.centre.does("accept", number)
    city.centre.does("verify", number, finding="system_fault", note="误判")
    assert city.regulator.post(f"/v1/objections/{number}/retract", {"reason": "x"}).status_code == 403
    blank = city.centre.post(f"/v1/objections/{number}/retract", {"reason": " "})
    assert (blank.status_code, blank.json["errors"][0]["field"]) == (400, "reason")
    back = city.centre.does("retract", number, reason="点错了")
    # The time to verify is the one that it was.
    assert (back["state"], back["finding"], back["due"]) == ("accepted", "", "2026-11-27")
    assert [(r["state"], r["by"], r["reason"], r["said"]) for r in back["retractions"]] == [
        ("system_fault", "centre", "点错了", "误判")
    ]
    city.centre.does("verify", number, finding="consistent_with_source", note="一致")
    city.regulator.does("answer", number, finding="wrong")
    metadata = city.metadata("provider", org=REGULATOR)
    task = city.stub.RetractAnswer(pb.RetractAnswerRequest(objection_no=number, reason="看错"), metadata=metadata)
    assert (task.state, task.answer_due) == ("provider_notified", "2026-12-08")
    city.regulator.does("answer", number, finding="right", evidence="档案第三卷")
    # The applicant and supervisors see that it was, not the words.
    own = city.company.get(f"/v1/me/objections/{number}").json["retractions"]
    assert own == city.supervisor.get(f"/v1/objections/{number}/course").json["retractions"]
    assert [(r["state"], r["by"]) for r in own] == [("system_fault", "centre"), ("answered_wrong", "provider")]
    assert "reason" not in own[0]
    assert city.centre.does("decide", number, outcome="upheld", explanation="与档案一致")["state"] == "upheld"
    late = city.regulator.post(f"/v1/objections/{number}/retract-answer", {"reason": "x"})
    assert (late.status_code, late.json["code"]) == (409, "OBJECTION_CLOSED")
    # Of the first, the provider's attempt and the blank one are on record as refused.
    assert city.audit.of("objection.step_retracted")[-1]["actor"]["sub"] == "officer:centre"
    assert city.event("answer.retracted", 2)["outcome"] == "refused"


def test_a_supplement_that_does_not_come_is_not_waited_for(city: RunningObjection) -> None:
    number = city.filed(evidence=[])
    city.centre.does("request-supplement", number, missing=["证书复印件"])
    early = city.centre.post(f"/v1/objections/{number}/accept", {})
    assert (early.status_code, early.json["code"]) == (409, "OBJECTION_STATE")
    back = city.centre.does("retract", number, reason="限期未补")
    assert (back["state"], back["due"], back["retractions"][0]["said"]) == ("filed", "2026-11-27", "证书复印件")
    assert city.centre.does("refuse", number, reason="材料不全")["state"] == "refused"


def test_what_is_revoked_already_is_not_objected_to(city: RunningObjection) -> None:
    first = city.company.files(key="k1")
    city.ingest.record(RECORD, COMPANY, 2, revoked=True)
    refused = city.company.files(items=["XK_WSH"])
    assert (refused.status_code, refused.json["code"]) == (409, "OBJECTED_RECORD_REVOKED")
    # A repeat is answered with what was filed.
    assert city.company.files(key="k1").json["objection_no"] == first.json["objection_no"]


def test_an_incomplete_objection_is_sent_back_once_listing_everything(city: RunningObjection) -> None:
    number = city.filed(evidence=[])
    sent = city.centre.does("request-supplement", number, missing=["证书复印件", "授权书"])
    assert (sent["state"], sent["due"], sent["missing"]) == ("supplement_requested", "", ["证书复印件", "授权书"])
    city.on("2026-12-01")
    supplied = city.company.post(f"/v1/me/objections/{number}/supplement", {"statement": "补交"})
    assert (supplied.json["state"], supplied.json["due"]) == ("filed", "2026-12-04")
    again = city.centre.post(f"/v1/objections/{number}/request-supplement", {"missing": ["还有一份"]})
    assert (again.status_code, again.json["code"]) == (409, "SUPPLEMENT_ALREADY_REQUESTED")
    assert city.centre.does("refuse", number, reason="材料仍不全")["state"] == "refused"
    assert city.company.get(f"/v1/me/objections/{number}").json["refusal_reason"] == "材料仍不全"


def test_an_open_objection_is_withdrawn(city: RunningObjection) -> None:
    number = city.filed()
    assert city.company.post(f"/v1/me/objections/{number}/withdraw").json["state"] == "withdrawn"
    assert city.company.post(f"/v1/me/objections/{number}/withdraw").json["state"] == "withdrawn"
    late = city.centre.post(f"/v1/objections/{number}/accept", {})
    assert (late.status_code, late.json["code"]) == (409, "OBJECTION_CLOSED")
    city.event("objection.withdrawn", 2)
    assert city.audit.of("objection.withdrawn")[1]["details"]["repeated"] is True


def test_only_one_objection_to_the_same_items_at_a_time(city: RunningObjection) -> None:
    number = city.filed()
    second = city.company.files(statement="又一次")
    assert (second.status_code, second.json["code"]) == (409, "OBJECTION_OPEN")
    assert second.json["params"]["objection_no"] == number
    assert city.company.files(items=[]).status_code == 409
    assert city.company.files(items=["XK_WSH"]).json["objection_no"] == "YY-20261124-0002"
    city.company.post(f"/v1/me/objections/{number}/withdraw")
    assert city.company.files().status_code == 201


def test_a_repeated_request_files_once(city: RunningObjection) -> None:
    first, again = city.company.files(key="k1"), city.company.files(key="k1")
    assert (first.status_code, again.status_code) == (201, 201)
    assert first.json == again.json
    assert city.company.files(key="k1", statement="别的").json["code"] == "IDEMPOTENCY_CONFLICT"
    assert len(city.company.get("/v1/me/objections").json["objections"]) == 1


def test_a_record_can_be_objected_to_as_soon_as_ingest_has_it(city: RunningObjection) -> None:
    unknown = city.company.files(record_id="r_new")
    assert (unknown.status_code, unknown.json["code"]) == (404, "RECORD_UNKNOWN")
    city.ingest.record("r_new", COMPANY)
    assert city.company.files(record_id="r_new").status_code == 201


def test_while_ingest_is_away_nothing_is_filed(city: RunningObjection) -> None:
    city.ingest.away = True
    waiting = city.company.files()
    assert (waiting.status_code, waiting.json["code"]) == (503, "UPSTREAM_UNAVAILABLE")
    city.ingest.away = False
    assert city.company.get("/v1/me/objections").json["objections"] == []
    assert city.company.files().status_code == 201


def test_items_that_the_entry_does_not_have_are_told(city: RunningObjection) -> None:
    refused = city.company.files(items=["XK_NR", "NOPE"])
    assert [(e["field"], e["rule"]) for e in refused.json["errors"]] == [("items.1", "item.unknown")]
    assert city.company.files(statement="  ").json["errors"][0]["field"] == "statement"
    city.ingest.record("r_other", COMPANY, entry_code="LATER")
    city.caught_up()
    waiting = city.company.files(record_id="r_other")
    assert (waiting.status_code, waiting.json["code"]) == (503, "ENTRY_NOT_THERE")


def test_an_amendment_that_names_somebody_elses_case_changes_nothing(city: RunningObjection) -> None:
    number = city.task()
    city.ingest.record("r_li_na", "s_li_na", 2, objection_no=number)
    city.ingest.record("r_li_na", "s_li_na", 3, objection_no="YY-19990101-0001")
    city.caught_up()
    assert city.centre.get(f"/v1/objections/{number}").json["correction"] is None


def test_officers_who_act_at_once_do_not_undo_each_other(city: RunningObjection) -> None:
    number = city.filed()
    acts = [("accept", {}), ("refuse", {"reason": "材料不全"}), ("request-supplement", {"missing": ["证书"]})]
    answers: list[Any] = []
    together = threading.Barrier(len(acts))

    def act(name: str, body: dict[str, Any]) -> None:
        caller = city.centre
        together.wait()
        answers.append(caller.post(f"/v1/objections/{number}/{name}", body))

    threads = [threading.Thread(target=act, args=a) for a in acts]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert sorted(a.status_code for a in answers) == [200, 409, 409], [a.text for a in answers]
    case = city.centre.get(f"/v1/objections/{number}").json
    assert (case["version"], len(case["history"])) == (2, 2)


def test_an_officer_acts_only_on_the_version_that_was_seen(city: RunningObjection) -> None:
    number = city.filed()
    seen = city.centre.get(f"/v1/objections/{number}").headers["ETag"]
    path = f"/v1/objections/{number}"
    city.centre.does("request-supplement", number, missing=["证书"])
    city.company.post(f"/v1/me/objections/{number}/supplement", {"statement": "补交"})
    stale = city.centre.post(f"{path}/accept", {}, **{"If-Match": seen})
    assert (stale.status_code, stale.json["code"]) == (412, "IF_MATCH_FAILED")
    fresh = city.centre.get(path).headers["ETag"]
    assert city.centre.post(f"{path}/accept", {}, **{"If-Match": f"{seen}, {fresh}"}).status_code == 200
    for wrong in ("x", '"' + "9" * 5000 + '"'):
        refused = city.centre.post(f"{path}/accept", {}, **{"If-Match": wrong})
        assert (refused.status_code, refused.json["errors"][0]["field"]) == (400, "If-Match")


def test_those_who_follow_learn_each_state(city: RunningObjection) -> None:
    number = city.task()
    city.regulator.does("extension", number, reason="跨部门")
    city.company.post(f"/v1/me/objections/{number}/withdraw")
    stream = city.stub.Watch(pb.WatchRequest(), metadata=city.metadata("service", sub="disclosure"))
    seen = [next(stream) for _ in range(4)]
    assert [(c.state, c.open) for c in seen] == [
        ("filed", True),
        ("accepted", True),
        ("provider_notified", True),
        ("withdrawn", False),
    ]
    assert {(c.objection_no, c.record_id) for c in seen} == {(number, RECORD)}
    stream.cancel()
    resumed = city.stub.Watch(pb.WatchRequest(after=seen[2].position), metadata=city.metadata("service"))
    assert next(resumed).state == "withdrawn"
    resumed.cancel()


@pytest.mark.parametrize("act", ["accept", "verify", "decide", "refuse", "request-supplement"])
def test_an_unknown_number_is_told(city: RunningObjection, act: str) -> None:
    body = {
        "verify": {"finding": "system_fault", "note": "x"},
        "decide": {"outcome": "upheld", "explanation": "x"},
        "refuse": {"reason": "x"},
        "request-supplement": {"missing": ["x"]},
    }.get(act, {})
    unknown = city.centre.post(f"/v1/objections/YY-20200101-0001/{act}", body)
    assert (unknown.status_code, unknown.json["code"]) == (404, "OBJECTION_UNKNOWN")


def test_lists_are_paged(city: RunningObjection) -> None:
    numbers = []
    for n in range(5):
        city.ingest.record(f"r_{n}", COMPANY)
    city.caught_up()
    for n in range(5):
        # Two are due on one day, and the day changes in between.
        city.on("2026-11-24" if n < 3 else "2026-11-25")
        number = city.filed(record_id=f"r_{n}")
        city.centre.does("accept", number)
        city.centre.does("verify", number, finding="consistent_with_source", note="一致")
        numbers.append(number)
    for caller, path, name, expected in (
        (city.company, "/v1/me/objections", "objections", numbers[::-1]),
        (city.centre, "/v1/objections", "objections", numbers),
        (city.centre, "/v1/objections?state=provider_notified", "objections", numbers),
        (city.centre, "/v1/objections?state=filed", "objections", []),
        (city.supervisor, "/v1/objections/courses", "objections", numbers),
        (city.regulator, "/v1/objections/tasks", "tasks", numbers),
        (city.regulator, "/v1/objections/tasks?open_only=true", "tasks", numbers),
    ):
        found, token = [], ""
        while True:
            page = caller.get(f"{path}{'&' if '?' in path else '?'}page_size=2&page_token={token}").json
            assert len(page[name]) <= 2
            found += [c["objection_no"] for c in page[name]]
            if not (token := page["next_page_token"]):
                break
        assert found == expected, path
    # The second is JSON for half a character.
    for token in ("x", "Ilx1ZDgwMCI"):
        assert city.centre.get(f"/v1/objections?page_token={token}").status_code == 400
    assert city.centre.get("/v1/objections?state=nope").status_code == 400
    request = pb.ListTasksRequest(page_size=4)
    metadata = city.metadata("provider", org=REGULATOR)
    first = city.stub.ListTasks(request, metadata=metadata)
    request.page_token = first.next_page_token
    rest = city.stub.ListTasks(request, metadata=metadata)
    assert [t.objection_no for t in (*first.tasks, *rest.tasks)] == numbers
    assert rest.next_page_token == ""
