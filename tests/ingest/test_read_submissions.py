"""Who reads submissions and their rejects, page by page, and that it is on record."""

import json
import re

from chengxin.values.ids import new_id
from chengxin_api.ingest.v1 import ingest_pb2 as pb
from tests.ingest.deliveries import REGULATOR, licence, licences
from tests.ingest.refusals import refused
from tests.ingest.running_ingest import RunningIngest
from tests.support import until


def test_rejects_come_in_pages(ingest: RunningIngest) -> None:
    wrong = [licence(n, XK_ZT="9") for n in range(1, 8)]
    receipt = ingest.regulator.submits(wrong, 3)
    rows, token = [], ""
    while True:
        request = pb.ListRejectsRequest(submission_id=receipt.submission_id, page_size=2, page_token=token)
        page = ingest.regulator.rpc("ListRejects", request)
        rows += [r.row for r in page.rejects]
        if not (token := page.next_page_token):
            break
    assert rows == [1, 2, 3, 4, 5, 6, 7]


def test_a_provider_sees_only_its_own(ingest: RunningIngest) -> None:
    ingest.regulator.submits(licences(2), submission_id="not-for-others")
    assert refused(ingest.housing.submission, "not-for-others").code == "NOT_FOUND"
    assert ingest.housing.get("/v1/submissions/not-for-others").status_code == 404
    assert ingest.housing.get("/v1/submissions").json["submissions"] == []
    assert ingest.housing.get(f"/v1/submissions?provider={REGULATOR}").status_code == 404
    [listed] = ingest.centre.get("/v1/submissions").json["submissions"]
    assert listed["provider_uscc"] == REGULATOR
    assert ingest.centre.get(f"/v1/submissions/not-for-others?provider={REGULATOR}").json["counts"]["accepted"] == 2
    ask = pb.GetSubmissionRequest(submission_id="not-for-others", provider_uscc=REGULATOR)
    for role in ("centre", "authority", "supervisor", "provider"):
        assert ingest.caller(role).rpc("GetSubmission", ask).counts.accepted == 2
    assert refused(ingest.centre.submission, "not-for-others").code == "NOT_FOUND"
    assert refused(ingest.housing.rpc, "GetSubmission", ask).code == "NOT_FOUND"
    assert ingest.centre.get("/v1/submissions/not-for-others/rejects").status_code == 403


def test_submissions_come_in_pages_latest_first(ingest: RunningIngest) -> None:
    for n in range(5):
        ingest.regulator.submits(licences(1), submission_id=f"page-test-{n}")
    seen, token = [], ""
    while True:
        page = ingest.regulator.get(f"/v1/submissions?page_size=2&page_token={token}").json
        seen += [s["submission_id"] for s in page["submissions"]]
        if not (token := page["next_page_token"]):
            break
    assert seen == [f"page-test-{n}" for n in (4, 3, 2, 1, 0)]


def test_nothing_is_read_without_an_audit(ingest: RunningIngest) -> None:
    ingest.regulator.submits(licences(1, 1), submission_id="fail-closed")
    ingest.audit.away = True
    for path in ("", "/fail-closed", "/fail-closed/rejects", "/fail-closed/rejects?format=csv", "/fail-closed/receipt"):
        answer = ingest.regulator.get(f"/v1/submissions{path}")
        assert (answer.status_code, answer.json["code"]) == (503, "AUDIT_UNAVAILABLE"), path
    ingest.audit.away = False
    until(lambda: ingest.regulator.get("/v1/submissions").status_code == 200, "the audit is back")


def test_a_delivery_is_on_record_without_identifiers(ingest: RunningIngest) -> None:
    person = licence()["XK_FR_ZJHM"]
    receipt = ingest.regulator.submits([licence(), licence(2, XK_FR_ZJHM="")], submission_id="on-record")
    until(lambda: ingest.audit.of("submission.closed"), "the relay delivers")
    [event] = ingest.audit.of("submission.delivered")
    assert event["entries"] == ["XZXK"]
    assert event["details"]["counts"]["accepted"] == 1
    assert event["details"]["counts"]["rejected"] == 1
    [closed] = ingest.audit.of("submission.closed")
    assert closed["details"]["content_sha256"] == receipt.content_sha256
    text = json.dumps(ingest.audit.events, ensure_ascii=False)
    assert person not in text
    assert licence()["XK_XDR_MC"] not in text


def test_what_is_no_request_id_of_the_gateways_goes_on_no_record(ingest: RunningIngest) -> None:
    """A call past the gateway, with a token that is good."""
    ingest.regulator.submits_batch(licence(), submission_id="sub-that-is-there")
    given = new_id("req")
    said = ["req_forged", f"{given}\u0041", licence()["XK_FR_ZJHM"], f"x{given}", ""]
    for request_id in (given, *said):
        caller = ingest.regulator
        caller.headers["X-Request-Id"] = request_id
        assert caller.get("/v1/submissions").status_code == 200
        assert caller.submission("sub-that-is-there").counts.accepted == 1
    for act in ("submission.listed", "submission.read"):
        told = [event["request_id"] for event in ingest.audit.of(act)]
        assert (told[0], len(set(told))) == (given, 1 + len(said))
        assert all(re.fullmatch(r"req_[0-9a-v]{26}", one) for one in told)
