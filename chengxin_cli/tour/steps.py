"""The steps of `chengxin tour`, in the order in which a person would tell the story."""

import base64
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any, Final

import jwt

from chengxin.tlog import merkle
from chengxin.values.clock import SystemClock
from chengxin_api.disclosure.v1 import disclosure_pb2
from chengxin_api.ingest.v1 import ingest_pb2
from chengxin_api.objection.v1 import objection_pb2
from chengxin_cli.gateway_client import Caller, HttpAnswer
from chengxin_cli.tour.consent import a_citizen_lets_a_bank_ask, a_consent_is_withdrawn
from chengxin_cli.tour.frame import Tour, expect, expect_refusal, until


def the_suite_is_ready(tour: Tour) -> dict[str, Any]:
    """The suite is ready and says how to get tokens."""
    ready = tour.edge.call("GET", "/readyz")
    expect(ready.status == 200, f"/readyz answers {ready.status}: {ready.body}")
    metadata = tour.edge.call("GET", "/.well-known/oauth-authorization-server").body
    keys = tour.edge.call("GET", "/.well-known/jwks.json").body["keys"]
    expect("private_key_jwt" in metadata["token_endpoint_auth_methods_supported"], "no private_key_jwt")
    return {"signing keys": len(keys)}


def the_catalog_is_public(tour: Tour) -> dict[str, Any]:
    """Anybody reads the published catalog."""
    entries = tour.edge.anonymous().get("/v1/catalog/entries?page_size=200")["entries"]
    kinds = {kind for e in entries for kind in e["subject_kinds"]}
    classes = {e["information_class"] for e in entries}
    expect(len(entries) >= 14 and len(kinds) == 4 and len(classes) == 5, f"{len(entries)} entries, {kinds}, {classes}")
    return {"entries": len(entries), "information classes": len(classes), "subject kinds": len(kinds)}


def a_provider_obtains_a_token(tour: Tour) -> dict[str, Any]:
    """A provider's system obtains a token by private_key_jwt."""
    tour.kept["provider"] = provider = tour.machine("market_regulator", scope="provider")
    claims = jwt.decode(provider.token(), options={"verify_signature": False})
    expect(claims["roles"] == ["provider"], f"roles are {claims['roles']}")
    return {"lifetime in s": claims["exp"] - claims["iat"]}


def records_come_in_over_grpc(tour: Tour) -> dict[str, Any]:
    """The provider delivers licences over gRPC and gets a signed receipt."""
    provider: Caller = tour.kept["provider"]
    records = [
        ingest_pb2.Record(row=row, items=tour.licence(XK_WSH=f"演许字〔2026〕{tour.run}-{row}号"))
        for row in range(1, 201)
    ]
    began = time.perf_counter()
    tour.kept["submission"] = submission = _make_submission(f"tour-{tour.run}", records)
    receipt = provider.rpc("IngestService/Submit", iter(submission))
    seconds = time.perf_counter() - began
    expect(
        receipt.counts.accepted == 200,
        f"accepted {receipt.counts.accepted} of 200: {_describe_first_reject(tour, receipt)}",
    )
    keys = provider.get("/v1/submissions/keys")["keys"]
    header = jwt.get_unverified_header(receipt.jws)
    key = next(jwt.PyJWK(k) for k in keys if k["kid"] == header["kid"])
    signed = jwt.decode(receipt.jws, key.key, algorithms=["EdDSA"], options={"verify_aud": False})
    expect(signed["submission_id"] == receipt.submission_id, "the receipt speaks of another submission")
    return {"accepted": 200, "records/s": round(200 / seconds)}


def _make_submission(submission_id: str, records: list[Any]) -> list[Any]:
    header = ingest_pb2.SubmissionHeader(submission_id=submission_id, entry_code="XZXK", record_count=len(records))
    batches = [records[start : start + 100] for start in range(0, len(records), 100)]
    return [
        ingest_pb2.SubmitRequest(header=header),
        *(
            ingest_pb2.SubmitRequest(batch=ingest_pb2.RecordBatch(number=number, records=batch))
            for number, batch in enumerate(batches, 1)
        ),
    ]


def _describe_first_reject(tour: Tour, receipt: Any) -> str:
    request = ingest_pb2.ListRejectsRequest(submission_id=receipt.submission_id)
    rejects = tour.kept["provider"].rpc("IngestService/ListRejects", request).rejects
    return str(rejects[0].violations) if rejects else "no rejects"


def the_same_delivery_adds_nothing(tour: Tour) -> dict[str, Any]:
    """The same delivery again adds nothing."""
    provider: Caller = tour.kept["provider"]
    same_receipt = provider.rpc("IngestService/Submit", iter(tour.kept["submission"]))
    expect(same_receipt.counts.accepted == 200, "the receipt changed")
    requests = [*tour.kept["submission"]]
    requests[0] = ingest_pb2.SubmitRequest(
        header=ingest_pb2.SubmissionHeader(submission_id=f"tour-{tour.run}-again", entry_code="XZXK", record_count=200)
    )
    new_receipt = provider.rpc("IngestService/Submit", iter(requests))
    expect(new_receipt.counts.unchanged == 200, f"unchanged are {new_receipt.counts.unchanged} of 200")
    return {"unchanged": new_receipt.counts.unchanged}


def a_wrong_record_is_rejected(tour: Tour) -> dict[str, Any]:
    """A wrong record is rejected with its reason."""
    code = tour.people["licence"]["XK_XDR_SHXYM"]
    wrong_code = code[:-1] + ("1" if code[-1] != "1" else "2")
    request = ingest_pb2.SubmitBatchRequest(
        header=ingest_pb2.SubmissionHeader(submission_id=f"tour-{tour.run}-wrong", entry_code="XZXK"),
        records=[ingest_pb2.Record(row=7, items=tour.licence(XK_XDR_SHXYM=wrong_code))],
    )
    answer = tour.kept["provider"].rpc("IngestService/SubmitBatch", request)
    [outcome] = answer.outcomes
    expect(outcome.outcome == ingest_pb2.OUTCOME_REJECTED and outcome.row == 7, f"outcome {outcome}")
    violation = outcome.violations[0]
    expect(violation.item == "XK_XDR_SHXYM" and violation.rule == "uscc.check_digit", f"{violation}")
    return {"row": outcome.row, "rule": violation.rule, "message": violation.message}


def a_file_comes_in_over_http(tour: Tour) -> dict[str, Any]:
    """A clerk uploads a GB18030 file."""
    row = tour.licence(XK_WSH=f"演许字〔2026〕{tour.run}-CSV号", XK_NR="食品经营（含网络经营）")
    table = "\r\n".join([",".join(row), ",".join(row.values())]) + "\r\n"
    fields = {"catalog": "XZXK", "file": ("licences.csv", table.encode("gb18030"), "text/csv")}
    answer = tour.kept["provider"].post("/v1/submissions", fields=fields)
    expect(answer["counts"]["accepted"] == 1, f"{answer}")
    return {"accepted": 1}


def the_public_finds_it(tour: Tour) -> dict[str, Any]:
    """The public finds the company by name and by code, and reads its page."""
    company = tour.people["licence"]
    anonymous = tour.edge.anonymous()

    def page() -> Any:
        subjects = anonymous.get(f"/v1/public/subjects?q={company['XK_XDR_SHXYM']}")["subjects"]
        if not subjects:
            return None
        tour.kept["company_ref"] = subjects[0]["subject_ref"]
        return _find_public_record(tour, f"演许字〔2026〕{tour.run}-CSV号")

    record, waited = until(page, "the record is public")
    names = anonymous.call("GET", "/v1/public/subjects", fields={"q": company["XK_XDR_MC"]}).body["subjects"]
    expect(any(s["subject_ref"] == tour.kept["company_ref"] for s in names), "not found by name")
    html = anonymous.call("GET", f"/subjects/{tour.kept['company_ref']}", headers={"Accept": "text/html"})
    expect(html.status == 200 and company["XK_XDR_MC"] in html.body, f"the page answers {html.status}")
    # The catalog publishes who represents the company (XK_FRDB), but not that person's identity number (XK_FR_ZJHM).
    items = record["items"]
    expect(items.get("XK_FRDB") == company["XK_FRDB"], f"the legal representative is shown as {items.get('XK_FRDB')}")
    expect("XK_FR_ZJHM" not in items, "the item of an identity number is public")
    expect(all(company["XK_FR_ZJHM"] not in value for value in items.values()), "an identity number is public")
    tour.acts["record.queried.public"] = html.request_id
    return {"visible after ms": waited}


def _find_public_record(tour: Tour, document: str) -> Any:
    token = ""
    while True:
        path = f"/v1/public/subjects/{tour.kept['company_ref']}?page_size=200&page_token={token}"
        answer = tour.edge.anonymous().get(path)
        for record in answer["records"]:
            if record["items"].get("XK_WSH") == document:
                return record
        if not (token := answer["next_page_token"]):
            return None


def a_stranger_is_refused(tour: Tour) -> dict[str, Any]:
    """Without a token, and in the wrong capacity, gRPC queries are refused."""
    query = disclosure_pb2.QueryRequest(subject=_select_subject(tour.people["citizens"]["li_na"]))
    codes = [
        expect_refusal(lambda: tour.edge.anonymous().rpc("DisclosureService/Query", query)).code,
        expect_refusal(lambda: tour.kept["provider"].rpc("DisclosureService/Query", query)).code,
    ]
    expect(codes == ["UNAUTHENTICATED", "ROLE_NOT_ALLOWED"], f"{codes}")
    own = tour.edge.call("GET", "/v1/me/records")
    expect(own.status == 401 and own.body["code"] == "UNAUTHENTICATED", f"{own}")
    return {"refused with": ", ".join(codes)}


def _select_subject(citizen: dict[str, Any]) -> Any:
    return disclosure_pb2.SubjectSelector(identity_number=citizen["identity_number"])


def an_agency_names_its_purpose(tour: Tour) -> dict[str, Any]:
    """An agency without a purpose is refused, with one it gets the shared view."""
    reason = str(expect_refusal(tour.machine("housing_bureau", scope="agency").token))
    agency = tour.machine("housing_bureau", scope="agency", purpose="qualification_review")
    query = disclosure_pb2.QueryRequest(subject=_select_subject(tour.people["citizens"]["li_na"]))
    answer, _ = until(lambda: _discard_if_empty(agency.rpc("DisclosureService/Query", query)), "shared records")
    identity_number = tour.people["citizens"]["li_na"]["identity_number"]
    values = [v for r in answer.records for v in r.items.values()]
    expect(identity_number not in values, "an identity number is shared in full")
    tour.kept["agency_event"] = answer.audit_event_id
    return {"records": len(answer.records), "refusal": reason[:80]}


def _discard_if_empty(answer: Any) -> Any:
    return answer if answer.records else None


def a_citizen_sees_own_records(tour: Tour) -> dict[str, Any]:
    """A citizen signs in and sees the citizen's own records."""
    tour.kept["li_na"] = li_na = tour.citizen("li_na")
    answer = li_na.call("GET", "/v1/me/records")
    expect(answer.status == 200 and answer.body["records"], f"{answer.status} {answer.body}")
    tour.acts["record.queried.own"] = answer.request_id
    return {"records": len(answer.body["records"])}


def a_citizen_sees_who_looked(tour: Tour) -> dict[str, Any]:
    """The citizen sees who looked at the records, and why."""
    accesses = tour.kept["li_na"].get("/v1/me/accesses")["accesses"]
    agency = [a for a in accesses if a.get("purpose") == "qualification_review"]
    expect(agency, "the agency's query is not among the accesses")
    return {"accesses": len(accesses), "by": agency[0].get("org", "")}


def an_objection_is_filed(tour: Tour) -> dict[str, Any]:
    """The company's representative objects to a public record; the centre accepts and asks the provider."""
    record = _find_public_record(tour, f"演许字〔2026〕{tour.run}-CSV号")
    tour.kept["record_id"] = record["record_id"]
    owner = tour.people["citizens"]["wang_qiang"]
    tour.kept["company"] = company = tour.citizen("wang_qiang", owner["represents"][0])
    evidence = {
        "name": "licence.txt",
        "content_type": "text/plain",
        "content": base64.b64encode("许可证原件：食品经营（不含网络经营）".encode()).decode(),
    }
    body = {
        "record_id": record["record_id"],
        "items": ["XK_NR"],
        "statement": "许可内容与证书不符",
        "evidence": [evidence],
    }

    def file() -> HttpAnswer | None:
        # The objection service learns of new records from the feed.
        answer = company.call("POST", "/v1/me/objections", json=body)
        return answer if answer.status == 201 else None

    filed, _ = until(file, "the objection is taken")
    tour.acts["objection.filed"] = filed.request_id
    tour.kept["objection_no"] = number = filed.body["objection_no"]
    centre = tour.officer("centre")
    accepted = centre.post(f"/v1/objections/{number}/accept", json={})
    verified = centre.post(
        f"/v1/objections/{number}/verify", json={"finding": "consistent_with_source", "note": "与来源一致"}
    )
    return {"objection": number, "accepted": accepted["state"], "verified": verified["state"]}


def the_provider_corrects(tour: Tour) -> dict[str, Any]:
    """The provider finds its record wrong, amends it and answers."""
    provider: Caller = tour.kept["provider"]
    number = tour.kept["objection_no"]
    tasks = provider.rpc("ObjectionService/ListTasks", objection_pb2.ListTasksRequest(open_only=True, page_size=200))
    task = next(t for t in tasks.tasks if t.objection_no == number)
    corrected = tour.licence(XK_WSH=f"演许字〔2026〕{tour.run}-CSV号", XK_NR="食品经营（不含网络经营）")
    amendment = ingest_pb2.AmendRequest(
        record_id=tour.kept["record_id"],
        items=corrected,
        reason="异议核查后更正",
        document_number=f"演更字〔2026〕{tour.run}号",
        effective_date=SystemClock().today().isoformat(),
        objection_no=number,
        request_id=f"tour-{tour.run}-amend",
    )
    outcome = provider.rpc("IngestService/Amend", amendment)
    expect(outcome.outcome == ingest_pb2.OUTCOME_AMENDED, f"{outcome}")
    answer = objection_pb2.AnswerTaskRequest(
        objection_no=number, finding=objection_pb2.FINDING_WRONG, evidence="录入错误", request_id=f"tour-{tour.run}"
    )
    state = provider.rpc("ObjectionService/AnswerTask", answer).state
    return {"answer due": task.answer_due, "version": outcome.version, "state": state}


def the_correction_is_public(tour: Tour) -> dict[str, Any]:
    """The centre concludes, and the public page shows the correction."""
    number = tour.kept["objection_no"]

    def decide() -> Any:
        answer = tour.officer("centre").call(
            "POST", f"/v1/objections/{number}/decide", json={"outcome": "corrected", "explanation": "已更正"}
        )
        expect(answer.status == 200 or answer.body.get("code") == "CORRECTION_NOT_SEEN", f"{answer.body}")
        return answer if answer.status == 200 else None

    decided, _ = until(decide, "the correction reaches the objection service")
    tour.acts["objection.decided"] = decided.request_id

    def corrected_record() -> Any:
        record = _find_public_record(tour, f"演许字〔2026〕{tour.run}-CSV号")
        return record if record and record["items"]["XK_NR"] == "食品经营（不含网络经营）" else None

    record, waited = until(corrected_record, "the page shows the correction")
    expect(
        not record.get("under_objection")
        or until(lambda: not corrected_record()["under_objection"], "the mark is gone"),
        "",
    )
    objections = [o for o in tour.kept["company"].get("/v1/me/objections")["objections"] if o["objection_no"] == number]
    expect(objections and objections[0]["state"] == "corrected", f"the applicant is told {objections}")
    return {"state": objections[0]["state"], "public after ms": waited}


def the_supervisor_finds_each(tour: Tour) -> dict[str, Any]:
    """The supervisor finds each of these events on record, with a proof that it is in the log."""
    supervisor = tour.officer("supervisor")
    events = [*_list_events(supervisor, tour)]
    proved = 0
    for event in events:
        proof, _ = until(partial(_fetch_proof, supervisor, event["event_id"]), "the event is under a checkpoint")
        proved += merkle.verify_inclusion(
            int(proof["index"]),
            int(proof["tree_size"]),
            bytes.fromhex(proof["leaf_hash"]),
            [bytes.fromhex(p) for p in proof["path"]],
            bytes.fromhex(proof["root_hash"]),
        )
    expect(proved == len(events), f"{proved} of {len(events)} proofs hold")
    return {"events": len(events), "proved": proved}


def _list_events(supervisor: Caller, tour: Tour) -> Iterator[dict[str, Any]]:
    for act, request_id in tour.acts.items():
        events, _ = until(partial(_find_events, supervisor, request_id), f"{act} is on record")
        yield events[0]["event"]
    events = supervisor.get(f"/v1/audit/events?event_id={tour.kept['agency_event']}")["events"]
    expect(events, "the agency's query is not on record")
    yield events[0]["event"]


def _find_events(supervisor: Caller, request_id: str) -> Any:
    return supervisor.get(f"/v1/audit/events?request_id={request_id}")["events"]


def _fetch_proof(supervisor: Caller, event_id: str) -> Any:
    answer = supervisor.call("GET", f"/v1/audit/proofs/inclusion?event_id={event_id}")
    return answer.body if answer.status == 200 else None


def the_log_verifies(tour: Tour) -> dict[str, Any]:
    """Anybody with the tiles verifies the whole log."""
    import tempfile

    from chengxin_cli.audit_log.export import export_log
    from chengxin_cli.audit_log.verify import verify_directory

    with tempfile.TemporaryDirectory() as directory:
        token = tour.officer("supervisor").token()
        vkey = tour.edge.call("GET", "/tlog/key").body.strip()
        export_log(tour.edge.http, Path(directory), token)
        findings = verify_directory(Path(directory), vkey)
    expect(findings.ok, f"{findings}")
    return {"events": findings.tree_size, "root": findings.root_hash[:16]}


STEPS: Final = [
    the_suite_is_ready,
    the_catalog_is_public,
    a_provider_obtains_a_token,
    records_come_in_over_grpc,
    the_same_delivery_adds_nothing,
    a_wrong_record_is_rejected,
    a_file_comes_in_over_http,
    the_public_finds_it,
    a_stranger_is_refused,
    an_agency_names_its_purpose,
    a_citizen_sees_own_records,
    a_citizen_sees_who_looked,
    a_citizen_lets_a_bank_ask,
    a_consent_is_withdrawn,
    an_objection_is_filed,
    the_provider_corrects,
    the_correction_is_public,
    the_supervisor_finds_each,
    the_log_verifies,
]
