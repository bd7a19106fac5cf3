"""A provider that knows only the organisation code, and the company's one page (Art. 2, 5)."""

from datetime import date
from pathlib import Path

import pytest

from chengxin.values.ids import new_id
from chengxin_api.ingest.v1 import ingest_pb2
from demo.records import deliveries
from tests.city import City
from tests.e2e.registrations import registrations, write
from tests.support import until


def test_records_under_code_and_credit_code_are_on_the_companys_one_page(city: City, tmp_path: Path) -> None:
    [company] = registrations(1, 300_000)
    uscc, name = company["统一社会信用代码"], company["主体名称"]
    done = city.chengxin("submit", str(write(tmp_path / "company.csv", [company])), "--catalog", "QYDJ")
    assert done.returncode == 0, done.stdout + done.stderr
    items = next(
        dict(d.records[0])
        for d in deliveries(date.fromisoformat("2026-10-01"))
        if d.entry_code == "XZCF" and d.provider.key == "environment_bureau"
    )
    del items["CF_XDR_SHXYM"]
    items |= {
        "CF_XDR_MC": name,
        "CF_XDR_ZZJG": f"{uscc[8:16]}-{uscc[16]}",
        "CF_WSH": "演罚〔2026〕代码1号",
        "CF_GSJZQ": "2099-01-01",
    }
    request = ingest_pb2.SubmitBatchRequest(
        header=ingest_pb2.SubmissionHeader(submission_id=new_id("code"), entry_code="XZCF", record_count=1),
        records=[ingest_pb2.Record(row=1, items=items)],
    )
    answer = city.machine("environment_bureau", scope="provider").rpc("IngestService/SubmitBatch", request)
    assert answer.receipt.counts.accepted == 1, answer
    record_id = answer.outcomes[0].record_id

    def page() -> list[str]:
        found = city.anybody.get(f"/v1/public/subjects?q={uscc}")["subjects"]
        records = city.anybody.get(f"/v1/public/subjects/{found[0]['subject_ref']}")["records"] if found else []
        return [r["entry_code"] for r in records]

    until(lambda: sorted(page()) == ["QYDJ", "XZCF"], "both records are on one page")
    [subject] = city.anybody.get(f"/v1/public/subjects?q={uscc}")["subjects"]
    assert (subject["name"], subject["uscc"]) == (name, uscc)
    html = city.anybody.call("GET", f"/subjects/{subject['subject_ref']}").body
    assert "演罚〔2026〕代码1号" in html
    assert uscc in html
    # A search by the code finds the same subject, and the officer sees why.
    shared = city.housing_bureau.post("/v1/shared/queries", {"subject": {"organisation_code": uscc[8:17]}})
    assert record_id in [r["record_id"] for r in shared["records"]]
    seen = city.centre.get(f"/v1/subjects/{subject['subject_ref']}")
    assert [m["scheme"] for m in seen["members"]] == ["uscc", "organisation_code"]
    [link] = seen["links"]
    assert (link["state"], link["standard"]) == ("automatic", True)
    # An officer splits them, and takes it back.
    links = f"/v1/subjects/links/{link['link_id']}"
    city.centre.post(f"{links}/split", {"reason": "核实中"})
    assert page() == ["QYDJ"]
    again = city.centre.post(f"{links}/undo", {"reason": "核实为同一主体"})
    assert page() == ["QYDJ"]
    city.authority.post(f"/v1/subjects/proposals/{again['proposal_id']}/approve", {})
    assert sorted(page()) == ["QYDJ", "XZCF"]


@pytest.mark.parametrize("person", ["anna", "jonas"])
def test_who_has_no_identity_number_reads_her_record_and_objects_to_it(city: City, person: str) -> None:
    """A permanent residence card and a passport go all the way, from delivery to objection (Art. 9, 16, 23)."""
    herself = city.citizen(person)
    [record] = until(lambda: herself.get("/v1/me/records")["records"], "disclosure has her record")
    number = city.people["citizens"][person]["identity_number"]
    assert (record["entry_code"], record["items"]["RY_ZJHM"]) == ("ZYFWRY", number)
    scheme = {"anna": "permanent_residence", "jonas": "passport"}[person]
    shared = city.housing_bureau.post("/v1/shared/queries", {"subject": {scheme: number}})
    assert [r["record_id"] for r in shared["records"]] == [record["record_id"]]
    assert number not in str(shared)
    filed = herself.post("/v1/me/objections", {"record_id": record["record_id"], "statement": "服务时长有误"})
    assert herself.get(f"/v1/me/objections/{filed['objection_no']}")["state"] == "filed"
