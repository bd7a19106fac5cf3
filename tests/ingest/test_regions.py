"""Officers decide about providers in their own region (Art. 6), by the directory of organisations, and nowhere else."""

from collections.abc import Callable
from typing import Any

import pytest

from chengxin.errors import Problem
from chengxin.values.catalog_contract import TranslatedText
from chengxin_api.catalog.v1 import catalog_pb2
from chengxin_api.ingest.v1 import ingest_pb2 as pb
from services.ingest.domain.anomaly_finding import AnomalyFinding, FindingState
from tests.ingest.deliveries import REGULATOR, licence, visible
from tests.ingest.quality_inspection import at
from tests.ingest.running_ingest import IngestCaller, RunningIngest

CITY, JIANGCHENG, YANGXI = "441700", "441702", "441721"


def lies_in(ingest: RunningIngest, region: str) -> None:
    """The directory says where the regulator is."""
    told = catalog_pb2.OrganisationRegion(uscc=REGULATOR, region=region)
    position = len(ingest.catalog.changes) + 1
    ingest.catalog.changes.append(catalog_pb2.Change(position=position, organisation_region=told))
    ingest.knows(position)


def agrees(_ingest: RunningIngest, officer: IngestCaller) -> str:
    body = {"signature_required": True, "document": "归集协议 2026-7"}
    address = f"/v1/submissions/agreements/{REGULATOR}"
    answer = officer.client.put(address, json=body, headers=officer.headers)
    return "" if answer.status_code == 200 else str(answer.json["code"])


def amends(ingest: RunningIngest, officer: IngestCaller) -> str:
    return changes(ingest, officer, "Amend", pb.AmendRequest(items=visible(XK_NR="餐饮服务")))


def revokes(ingest: RunningIngest, officer: IngestCaller) -> str:
    return changes(ingest, officer, "Revoke", pb.RevokeRequest())


def changes(ingest: RunningIngest, officer: IngestCaller, method: str, request: Any) -> str:
    request.record_id = str(ingest.regulator.submits_batch(licence()).outcomes[0].record_id)
    request.reason, request.objection_no = "录入错误", "YY-20261124-0001"
    try:
        officer.rpc(method, request)
    except Problem as problem:
        return problem.code
    return ""


def closes(ingest: RunningIngest, officer: IngestCaller) -> str:
    finding = AnomalyFinding(
        finding_id="fnd_1",
        kind="volume_drop",
        provider=REGULATOR,
        provider_name="",
        entry_code="XZXK",
        entry_name=TranslatedText("行政许可信息"),
        period="2026-W18",
        first_day="2026-04-27",
        last_day="2026-05-03",
        figures={},
        state=FindingState.OPEN,
        first_seen=at("2026-05-04"),
        last_seen=at("2026-05-04"),
    )
    ingest.ctx.store.transact(lambda unit: ingest.ctx.quality.put_finding(finding.to_row(), unit.session))
    answer = officer.post("/v1/submissions/findings/fnd_1/close", {"text": "已核实"})
    return "" if answer.status_code == 200 else str(answer.json["code"])


# Every officer's act on what is a provider's, with who does it.
ACTS: dict[str, tuple[str, Callable[[RunningIngest, IngestCaller], str]]] = {
    "agreement.changed": ("centre", agrees),
    "record.amended": ("centre", amends),
    "record.revoked": ("centre", revokes),
    "finding.closed": ("supervisor", closes),
}


@pytest.mark.parametrize("act", ACTS)
def test_an_officer_of_another_county_decides_nothing_about_a_provider(ingest: RunningIngest, act: str) -> None:
    role, does = ACTS[act]
    stranger = ingest.caller(role, sub="officer:yangxi", client_id="", region=YANGXI)
    # Not listed in the directory, the city's, and of the county beside.
    for region in ("", CITY, JIANGCHENG):
        if region:
            lies_in(ingest, region)
        assert (region, does(ingest, stranger)) == (region, "OUTSIDE_REGION")
    assert [(e["outcome"], e["details"]["code"]) for e in ingest.audit.of(act)] == [("refused", "OUTSIDE_REGION")] * 3
    lies_in(ingest, YANGXI)
    assert does(ingest, stranger) == ""
