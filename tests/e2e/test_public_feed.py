"""A provider's portal, made as the guide for its engineer tells, beside the city's (Art. 15)."""

import json
import os
import re
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from chengxin.values.ids import new_id
from chengxin_api.disclosure.v1 import disclosure_pb2
from chengxin_api.ingest.v1 import ingest_pb2
from chengxin_cli.gateway_client import Caller
from demo.records import deliveries
from demo.world import organs
from tests.city import City
from tests.support import until

GUIDE = Path(__file__).parents[2] / "docs" / "operations" / "portal.md"
BUREAU = "environment_bureau"


def test_a_providers_portal_made_as_the_guide_tells_shows_what_the_city_shows(city: City, tmp_path: Path) -> None:
    if not (shutil.which("jq") and shutil.which("curl")):
        pytest.skip("the guide's example takes curl and jq")
    bureau = city.machine(BUREAU, scope="provider")
    following, comparing = re.findall(r"```sh\n(.*?)```", GUIDE.read_text(), re.S)
    settings = {
        "G": city.edge.http,
        "PROVIDER": organs()[BUREAU].uscc,
        "PORTAL": str(tmp_path),
        "TOKEN": bureau.token(),
    }

    def shows() -> dict[str, Any]:
        """The portal's records, without one that is just being written or removed."""
        found = {}
        for file in (tmp_path / "shown").glob("*.json"):
            with suppress(FileNotFoundError, json.JSONDecodeError):
                found[file.stem] = json.loads(file.read_text())
        return found

    with _runs(following, settings):
        record_id = _delivers(city)
        until(lambda: record_id in shows(), "the portal shows it", 60)
        found = shows()
        assert len(found) > 3
        for record in found.values():
            assert record.pop("etag")
            assert record in _page(bureau, record.pop("subject_ref"))
        # Cut off for a while, it shows records that it should not, and lacks others.
    other = next(i for i in found if i != record_id)
    (tmp_path / "shown" / f"{other}.json").unlink()
    change = {"record_id": record_id, "reason": "撤销", "document_number": "演撤〔2026〕1号", "request_id": new_id("p")}
    bureau.rpc("IngestService/Revoke", ingest_pb2.RevokeRequest(**change))

    def report() -> dict[str, Any]:
        done = subprocess.run(
            ["sh", "-c", comparing], cwd=tmp_path, env=os.environ | settings, capture_output=True, check=True
        )
        return dict(json.loads(done.stdout))

    until(lambda: report()["take_down"] == [record_id], "the revocation has arrived", 60)
    assert [m["record_id"] for m in report()["missing"]] == [other]
    assert city.anybody.get(f"/v1/public/records/{other}")["record"]["record_id"] == other
    (tmp_path / "position").unlink()
    with _runs(following, settings):
        until(lambda: other in shows() and record_id not in shows(), "following again from 0 mends it", 60)
    assert report()["take_down"] == report()["missing"] == report()["outdated"] == []


def test_a_credit_service_agency_follows_everything_by_stream(city: City) -> None:
    agency = city.machine("credit_agency", scope="public")
    record_id = _delivers(city)
    call = city.edge.channel.unary_stream(
        "/chengxin.disclosure.v1.DisclosureService/WatchPublic",
        disclosure_pb2.WatchPublicRequest.SerializeToString,
        disclosure_pb2.WatchPublicResponse.FromString,
    )(disclosure_pb2.WatchPublicRequest(), metadata=agency.metadata(), timeout=60)
    seen: dict[str, str] = {}
    for part in call:
        seen |= {change.record_id: change.provider_uscc for change in part.changes}
        if record_id in seen:
            break
    call.cancel()
    assert len(set(seen.values())) > 3


@contextmanager
def _runs(script: str, settings: dict[str, str]) -> Iterator[None]:
    process = subprocess.Popen(["sh", "-c", script], env=os.environ | settings, start_new_session=True)
    try:
        yield
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _page(bureau: Caller, ref: str) -> list[dict[str, Any]]:
    """All public records of a subject."""
    found, token = [], ""
    while True:
        answer = bureau.get(f"/v1/public/subjects/{ref}?page_size=200&page_token={token}")
        found += answer["records"]
        if not (token := answer["next_page_token"]):
            return found


def _delivers(city: City) -> str:
    """The bureau delivers a penalty; returns the record's id."""
    items = next(
        dict(d.records[0])
        for d in deliveries(date.fromisoformat("2026-10-01"))
        if d.entry_code == "XZCF" and d.provider.key == BUREAU
    )
    items |= {"CF_WSH": f"演罚〔2026〕{new_id('feed')}号", "CF_GSJZQ": "2099-01-01"}
    request = ingest_pb2.SubmitBatchRequest(
        header=ingest_pb2.SubmissionHeader(submission_id=new_id("feed"), entry_code="XZCF", record_count=1),
        records=[ingest_pb2.Record(row=1, items=items)],
    )
    answer = city.machine(BUREAU, scope="provider").rpc("IngestService/SubmitBatch", request)
    assert answer.receipt.counts.accepted == 1, answer
    return str(answer.outcomes[0].record_id)
