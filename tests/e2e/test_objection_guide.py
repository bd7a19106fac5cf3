"""A citizen's objection over HTTP, made as the guide tells, from the record to the decision (Art. 23 to 27)."""

import os
import re
import shutil
import subprocess
import sys
from datetime import date
from pathlib import Path

import pytest

from chengxin.values.ids import new_id
from chengxin_api.ingest.v1 import ingest_pb2
from demo.records import deliveries
from tests.city import City
from tests.support import until

ROOT = Path(__file__).parents[2]
GUIDE = ROOT / "docs" / "operations" / "objection.md"
PENALTY = "演罚〔2026〕MAR102号"


def _delivers(city: City, document: str) -> str:
    """The regulator delivers the guide's penalty once more, under another number, so that the city stays as it was."""
    items = next(dict(r) for d in deliveries(date(2026, 10, 1)) for r in d.records if r.get("CF_WSH") == PENALTY)
    request = ingest_pb2.SubmitBatchRequest(
        header=ingest_pb2.SubmissionHeader(submission_id=new_id("guide"), entry_code="CFGR", record_count=1),
        records=[ingest_pb2.Record(row=1, items=items | {"CF_WSH": document})],
    )
    answer = city.market_regulator.rpc("IngestService/SubmitBatch", request)
    assert answer.receipt.counts.accepted == 1, answer
    return str(answer.outcomes[0].record_id)


def test_an_objection_goes_its_way_as_the_guide_tells(city: City, tmp_path: Path) -> None:
    if not (shutil.which("jq") and shutil.which("curl")):
        pytest.skip("the guide's example takes curl and jq")
    document = f"演罚〔2026〕{new_id('guide')}号"
    record_id = _delivers(city, document)
    until(lambda: record_id in str(city.li_na.get("/v1/me/records?page_size=200")), "she sees it")
    script = "\n".join(re.findall(r"```sh\n(.*?)```", GUIDE.read_text(), re.S))
    here = {
        PENALTY: document,
        "http://127.0.0.1:8080": city.edge.http,
        "statement.txt": str(tmp_path / "statement.txt"),
    }
    for told, meant in (here | {".venv/bin/python": sys.executable}).items():
        assert told in script
        script = script.replace(told, meant)
    environment = os.environ | {"CHENGXIN_HOME": str(city.home)}
    done = subprocess.run(
        ["bash", "-c", script], cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=120
    )
    said = ["accepted", "provider_notified", "amended", "answered_wrong", "corrected", "已由提供单位更正"]
    assert done.stdout.split() == said, done.stdout + done.stderr
    [mine] = [r for r in city.li_na.get("/v1/me/records?page_size=200")["records"] if r["record_id"] == record_id]
    assert (mine["version"], mine["items"]["CF_SY"]) == (2, "现场检查时台账记录不完整，已补正")
