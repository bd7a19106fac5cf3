"""Amendment and revocation (Art. 11): by whom, with which reason, how late."""

import jwt
import pytest

from chengxin_api.ingest.v1 import ingest_pb2 as pb
from tests.ingest.deliveries import licence, wrong_digit
from tests.ingest.refusals import refused
from tests.ingest.running_ingest import IngestCaller, RunningIngest
from tests.loads import counted_loads
from tests.support import until


@pytest.fixture
def record_id(ingest: RunningIngest) -> str:
    """A recorded licence."""
    return str(ingest.regulator.submits_batch(licence()).outcomes[0].record_id)


def amends(caller: IngestCaller, record_id: str, items: dict[str, str], **what: str):
    return caller.rpc(
        "Amend", pb.AmendRequest(**({"record_id": record_id, "items": items, "reason": "录入错误"} | what))
    )


def revokes(caller: IngestCaller, record_id: str, **what: str):
    return caller.rpc("Revoke", pb.RevokeRequest(**({"record_id": record_id, "reason": "决定被撤销"} | what)))


def test_an_amendment_is_a_new_version_with_its_reason(ingest: RunningIngest, record_id: str) -> None:
    outcome = amends(
        ingest.regulator,
        record_id,
        licence(XK_NR="餐饮服务"),
        document_number="演更字〔2026〕1号",
        objection_no="YY-20261124-0001",
    )
    assert (outcome.outcome, outcome.version, outcome.record_id) == (pb.OUTCOME_AMENDED, 2, record_id)
    [_, second] = [r for c in ingest.watched(2) for r in c.records]
    assert (second.version, second.items["XK_NR"], second.reason, second.objection_no) == (
        2,
        "餐饮服务",
        "录入错误",
        "YY-20261124-0001",
    )
    [old] = ingest.ctx.store.history(record_id)
    assert (old["version"], old["items"]["XK_NR"]) == (1, "食品经营")
    until(lambda: ingest.audit.of("record.amended"), "the relay delivers")
    [event] = ingest.audit.of("record.amended")
    assert event["records"] == [record_id]
    assert event["subject_refs"] == [second.subject.subject_ref]
    assert "录入错误" not in str(event)


def test_a_version_keeps_the_values_that_it_was_delivered_with(ingest: RunningIngest) -> None:
    name = str(ingest.regulator.submits_batch(licence(XK_JDRQ="2026/1/2")).outcomes[0].record_id)
    amends(ingest.regulator, name, licence(XK_NR="餐饮服务", XK_ZT="有效"))
    assert ingest.ctx.store.record(name)["raw"] == {"XK_ZT": "有效"}
    amends(ingest.regulator, name, licence(XK_NR="餐饮"))
    assert "raw" not in ingest.ctx.store.record(name)
    [first, second] = ingest.ctx.store.history(name)
    assert (first["raw"], second["raw"]) == ({"XK_JDRQ": "2026/1/2"}, {"XK_ZT": "有效"})


def test_a_request_id_is_done_once(ingest: RunningIngest, record_id: str) -> None:
    first = amends(ingest.regulator, record_id, licence(XK_NR="餐饮服务"), request_id="once")
    again = amends(ingest.regulator, record_id, licence(XK_NR="餐饮服务"), request_id="once")
    assert again == first
    assert ingest.ctx.store.record(record_id)["version"] == 2
    problem = refused(amends, ingest.regulator, record_id, licence(XK_NR="其他"), request_id="once")
    assert problem.code == "IDEMPOTENCY_CONFLICT"


def test_the_same_content_changes_nothing(ingest: RunningIngest, record_id: str) -> None:
    outcome = amends(ingest.regulator, record_id, licence())
    assert (outcome.outcome, outcome.version) == (pb.OUTCOME_UNCHANGED, 1)


def test_an_amendment_obeys_the_catalog(ingest: RunningIngest, record_id: str) -> None:
    problem = refused(amends, ingest.regulator, record_id, licence(XK_JDRQ="2026-02-30", XK_ZT="7"))
    assert problem.code == "RECORD_INVALID"
    assert {(f.field, f.rule) for f in problem.fields} == {("XK_JDRQ", "date"), ("XK_ZT", "code_list")}
    assert ingest.ctx.store.record(record_id)["version"] == 1


def test_what_identifies_a_record_cannot_be_amended(ingest: RunningIngest, record_id: str) -> None:
    assert (
        refused(amends, ingest.regulator, record_id, licence(XK_WSH="演许字〔2026〕99号")).code == "RECORD_KEY_CHANGED"
    )


def test_a_revoked_record_stays_in_history_and_out_of_use(ingest: RunningIngest, record_id: str) -> None:
    outcome = revokes(ingest.regulator, record_id, request_id="r1")
    assert (outcome.outcome, outcome.version) == (pb.OUTCOME_REVOKED, 2)
    assert revokes(ingest.regulator, record_id, request_id="r1") == outcome
    told = [r for c in ingest.watched(2) for r in c.records]
    assert [(r.version, r.revoked) for r in told] == [(1, False), (2, True)]
    assert refused(revokes, ingest.regulator, record_id).code == "RECORD_REVOKED"
    assert refused(amends, ingest.regulator, record_id, licence(XK_NR="其他")).code == "RECORD_REVOKED"
    answer = ingest.regulator.submits_batch(licence(XK_NR="其他"))
    assert answer.outcomes[0].violations[0].rule == "record.revoked"


def test_who_may_change_a_record(ingest: RunningIngest, record_id: str) -> None:
    items = licence(XK_NR="其他")
    assert refused(amends, ingest.housing, record_id, items).code == "RECORD_NOT_YOURS"
    assert refused(revokes, ingest.housing, record_id).code == "RECORD_NOT_YOURS"
    assert refused(amends, ingest.centre, record_id, items).code == "OBJECTION_REQUIRED"
    assert refused(amends, ingest.caller("authority"), record_id, items).code == "ROLE_NOT_ALLOWED"
    assert refused(revokes, ingest.regulator, "r_nothing").code == "NOT_FOUND"
    assert amends(ingest.regulator, record_id, items).version == 2


@pytest.mark.parametrize("number", ["O-1", "YY-1", "YY-20261124-0001x", "有异议", "１"])
def test_an_objection_is_named_by_what_can_be_its_number(ingest: RunningIngest, record_id: str, number: str) -> None:
    for caller in (ingest.regulator, ingest.centre):
        problem = refused(amends, caller, record_id, licence(XK_NR="其他"), objection_no=number)
        assert (problem.code, [f.field for f in problem.fields]) == ("INPUT_INVALID", ["objection_no"])
        assert refused(revokes, caller, record_id, objection_no=number).fields[0].field == "objection_no"
    assert ingest.ctx.store.record(record_id)["version"] == 1


@pytest.mark.parametrize(
    ("effective", "late"),
    [
        ("", 0),
        # Seven working days after Friday the 13th is Tuesday the 24th, which is today.
        ("2026-11-13", 0),
        ("2026-11-12", 1),
        ("2026-11-05", 6),
        ("2026-11-24", 0),
    ],
)
def test_lateness_is_counted_in_working_days(ingest: RunningIngest, record_id: str, effective: str, late: int) -> None:
    outcome = amends(ingest.regulator, record_id, licence(XK_NR="餐饮服务"), effective_date=effective)
    assert (outcome.late_working_days, outcome.late_undetermined) == (late, False)
    assert ingest.ctx.store.record(record_id).get("late_working_days", 0) == late


@pytest.mark.parametrize("effective", ["2019-05-05", "1949-10-01"])
def test_lateness_without_a_calendar_is_undetermined_wherever_it_is_told(
    ingest: RunningIngest, record_id: str, effective: str
) -> None:
    outcomes = [
        amends(ingest.regulator, record_id, licence(XK_NR="餐饮"), effective_date=effective, request_id="once")
        for _ in range(2)
    ]
    assert [(o.outcome, o.late_working_days, o.late_undetermined) for o in outcomes] == [
        (pb.OUTCOME_AMENDED, 0, True)
    ] * 2
    signed = jwt.decode(outcomes[0].receipt, options={"verify_signature": False})
    assert signed["late_working_days"] is None
    told = ingest.regulator.get(f"/v1/records/{record_id}").json["versions"][1]
    assert told["late_working_days"] is None
    message = ingest.regulator.rpc("GetRecord", pb.GetRecordRequest(record_id=record_id))
    assert [v.late_undetermined for v in message.versions] == [False, True]
    # The reason belongs to that version alone.
    amends(ingest.regulator, record_id, licence(XK_NR="餐饮服务"))
    assert ingest.regulator.get(f"/v1/records/{record_id}").json["versions"][2]["late_working_days"] == 0


@pytest.mark.parametrize("effective", ["2026-11-25", "2030-01-01", "1949-09-30", "1026-01-05"])
def test_a_change_has_taken_effect_and_not_before_there_was_anybody_to_decide_it(
    ingest: RunningIngest, record_id: str, effective: str
) -> None:
    for call in (revokes, lambda *a, **what: amends(*a, licence(XK_NR="餐饮"), **what)):
        problem = refused(call, ingest.regulator, record_id, effective_date=effective)
        assert (problem.code, problem.fields[0].field) == ("INPUT_INVALID", "effective_date")
        assert "2026-11-24" in problem.fields[0].message


def test_a_change_says_why(ingest: RunningIngest, record_id: str) -> None:
    problem = refused(amends, ingest.regulator, record_id, licence(), reason=" ", effective_date="24.11.2026")
    assert [f.field for f in problem.fields] == ["reason", "effective_date"]


def test_an_amendment_may_correct_the_subject_of_a_record_only_by_its_key(
    ingest: RunningIngest, record_id: str
) -> None:
    wrong = wrong_digit(licence()["XK_XDR_SHXYM"])
    problem = refused(amends, ingest.regulator, record_id, licence(XK_XDR_SHXYM=wrong))
    assert problem.fields[0].rule == "uscc.check_digit"


def test_a_history_reads_the_entry_once_for_all_versions(ingest: RunningIngest, record_id: str) -> None:
    counts = []
    for number in range(3):
        amends(ingest.regulator, record_id, licence(XK_NR=f"经营项目{number}"))
        with counted_loads() as loads:
            history = ingest.regulator.rpc("GetRecord", pb.GetRecordRequest(record_id=record_id))
        assert len(history.versions) == number + 2
        counts.append(loads["entries"])
    assert counts == [1, 1, 1]
