"""The messages of the reporting page while its script delivers a file; run by node on a fake page."""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from services.ingest.http.page_messages import WORDS
from services.ingest.http.pages import SCRIPT

NODE = shutil.which("node")
COUNTS = {"total": 3000, "accepted": 3000, "amended": 0, "unchanged": 0, "rejected": 0}
RECEIPT = {"closed_at": "2026-11-24T04:00:00.000000Z"}
LIST = "/v1/submissions?page_size=20"

pytestmark = pytest.mark.skipif(NODE is None, reason="node is not there")


def told(tmp_path: Path, *answers: dict[str, Any]) -> list[str]:
    """The page's English messages about a file that is previewed and delivered, given these answers."""
    words = tmp_path / "words.json"
    words.write_text(json.dumps({key: english for key, (_, english) in WORDS.items() if key.startswith("js.")}))
    seen = {
        "kind": "csv",
        "encoding": "utf-8",
        "entry_version": 1,
        "rows": [],
        "columns": [],
        "missing": [],
        "sheets_not_read": [],
    }
    looked = [
        {"method": "GET", "path": "/v1/catalog/entries/QYDJ", "status": 200, "body": {"items": []}},
        {"method": "POST", "path": "/v1/submissions/preview", "status": 200, "body": seen},
    ]
    command = [str(NODE), str(Path(__file__).with_name("report_page.js")), str(SCRIPT), str(words)]
    asked = json.dumps([*looked, *answers])
    done = subprocess.run(command, input=asked, capture_output=True, text=True, timeout=30, check=True)
    return list(json.loads(done.stdout))


def listed(*submissions: dict[str, Any]) -> dict[str, Any]:
    return {"method": "GET", "path": LIST, "status": 200, "body": {"submissions": submissions}}


def under_way(name: str, total: int, **other: Any) -> dict[str, Any]:
    found = {"submission_id": name, "state": "open", "entry_code": "QYDJ", "file_name": "november.csv"}
    return found | {"counts": COUNTS | {"total": total}, "record_count": 3000} | other


def taken(**answer: Any) -> dict[str, Any]:
    body = {
        "submission_id": "f-1",
        "counts": COUNTS,
        "receipt": RECEIPT,
        "delivered_before": False,
        "sheets_not_read": [],
    } | answer
    return {"method": "POST", "path": "/v1/submissions", "status": 201, "body": body, "last": True}


def test_it_says_how_many_records_are_in_while_the_upload_is_not_answered(tmp_path: Path) -> None:
    broken_off = under_way("f-0", 7)
    said = told(
        tmp_path,
        listed(broken_off),
        taken(),
        listed(broken_off),
        listed(under_way("f-2", 5, entry_code="XZXK"), under_way("f-1", 1000), broken_off),
        listed(under_way("f-1", 2000), broken_off),
        # While this one is asked for, the upload is answered.
        listed(),
    )
    assert [text for text in said if "of 3000" in text] == [
        "Being checked and recorded: 1000 of 3000 records",
        "Being checked and recorded: 2000 of 3000 records",
    ]
    assert said[-1] == "Delivered: 3000 records, 0 rejected."


def test_it_says_that_a_file_was_delivered_before_and_when(tmp_path: Path) -> None:
    [*_, last] = told(tmp_path, listed(), taken(delivered_before=True))
    assert last.startswith("This file was delivered before, on 11/24/2026, 12:00:00")
