"""An uploaded file is recorded as a delivery: once, by its rows, in any encoding."""

import csv
import gc
import io
import json
import tempfile
import threading
from pathlib import Path
from typing import Any

import pytest

from services.ingest.store import originals
from services.ingest.usecases import commit_batch, submit_file
from tests.chengxin.values.test_personal_numbers import NUMBER
from tests.ingest.deliveries import REGULATOR, licence, licences, wrong_digit
from tests.ingest.files import all_threads_taken, as_sheet, registration, table, workbook
from tests.ingest.running_ingest import STRANGER, RunningIngest, demo_entry
from tests.support import until


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030", "utf-16", "utf-16-le", "utf-16-be"])
def test_a_registrars_file_comes_in_whatever_its_encoding(ingest: RunningIngest, encoding: str) -> None:
    rows = [registration(n) for n in range(1, 21)]
    answer = ingest.regulator.uploads(table(rows, encoding), catalog="QYDJ")
    assert answer.status_code == 201, answer.json
    assert answer.json["counts"]["accepted"] == 20
    made = ingest.regulator.get(answer.headers["Location"])
    assert (made.status_code, made.json["submission_id"]) == (200, answer.json["submission_id"])
    record = ingest.ctx.store.records.find_one({"row": 2})
    assert len(record["items"]) == len(rows[0])
    assert record["items"]["JYFW"] == rows[0]["经营范围"]
    assert record["items"]["ZCZB"] == "5000000"


@pytest.mark.parametrize("delimiter", ["\t", ";"])
def test_other_delimiters(ingest: RunningIngest, delimiter: str) -> None:
    answer = ingest.regulator.uploads(table([registration()], "utf-16", delimiter), "table.txt", "QYDJ")
    assert answer.json["counts"]["accepted"] == 1


def test_the_second_click_adds_nothing(ingest: RunningIngest) -> None:
    content = table([registration(n) for n in range(1, 6)], "gb18030")
    first = ingest.regulator.uploads(content, catalog="QYDJ")
    assert first.json["delivered_before"] is False
    assert ingest.regulator.uploads(content, catalog="QYDJ").json == first.json | {"delivered_before": True}
    other = ingest.regulator.uploads(content, catalog="QYDJ", submission_id="another-id").json
    assert other["counts"]["unchanged"] == 5
    assert ingest.ctx.store.records.count_documents({}) == 5


def test_an_id_belongs_to_one_file(ingest: RunningIngest) -> None:
    ingest.regulator.uploads(table([registration(1)]), catalog="QYDJ", submission_id="november")
    answer = ingest.regulator.uploads(table([registration(2)]), catalog="QYDJ", submission_id="november")
    assert (answer.status_code, answer.json["code"]) == (409, "SUBMISSION_CONFLICT")


def test_columns_are_found_by_code_and_by_either_name(ingest: RunningIngest) -> None:
    items = {item["code"]: item for item in demo_entry("XZXK")["items"]}
    names = [
        [code, items[code]["name"]["zh"], f"  {items[code]['name']['en'].upper()} ", code.lower()][n % 4]
        for n, code in enumerate(licence())
    ]
    answer = ingest.regulator.uploads(table([dict(zip(names, licence().values(), strict=True))]))
    assert answer.status_code == 201, answer.json
    record = ingest.ctx.store.records.find_one({})
    assert record["items"].keys() == licence().keys()


def test_the_file_is_kept_as_it_came(ingest: RunningIngest) -> None:
    content = table([registration()], "gb18030")
    told = ingest.regulator.uploads(content, catalog="QYDJ").json
    file = ingest.regulator.get(f"/v1/submissions/{told['submission_id']}").json
    kept = originals.joined(ingest.ctx.store.pieces(f"{REGULATOR}/{file['file_sha256']}"), ingest.ctx.ring)
    assert kept == content
    assert file["file_name"] == "records.csv"


def test_a_file_that_is_called_by_a_persons_number_is_kept_without_it(ingest: RunningIngest) -> None:
    told = ingest.regulator.uploads(table([registration()]), f"名单{NUMBER}.csv", "QYDJ").json
    file = ingest.regulator.get(f"/v1/submissions/{told['submission_id']}").json
    assert file["file_name"] == f"名单{'x' * 18}.csv"


def test_one_wrong_digit_rejects_one_row(ingest: RunningIngest) -> None:
    rows = [registration(n) for n in range(1, 11)]
    rows[6]["统一社会信用代码"] = wrong_digit(rows[6]["统一社会信用代码"])
    told = ingest.regulator.uploads(table(rows, "gb18030"), catalog="QYDJ").json
    assert (told["counts"]["accepted"], told["counts"]["rejected"]) == (9, 1)
    [reject] = ingest.regulator.get(f"/v1/submissions/{told['submission_id']}/rejects").json["rejects"]
    assert reject["row"] == 8
    assert (reject["violations"][0]["item"], reject["violations"][0]["rule"]) == ("TYSHXYDM", "uscc.check_digit")
    assert "校验码" in reject["violations"][0]["message"]


def test_rejects_go_back_in_the_delivered_columns_to_be_mended(ingest: RunningIngest) -> None:
    rows = [registration(n) for n in range(1, 4)]
    rows[1] |= {"登记状态": "没有", "主体名称": '=HYPERLINK("http://x")', "经营范围": "-5"}
    told = ingest.regulator.uploads(table(rows), catalog="QYDJ").json
    answer = ingest.regulator.get(f"/v1/submissions/{told['submission_id']}/rejects?format=csv")
    assert answer.data.startswith(b"\xef\xbb\xbf")
    [reject] = csv.DictReader(io.StringIO(answer.data.decode("utf-8-sig"), newline=""))
    assert [*reject] == [*rows[0], "退回行号", "退回原因"]
    assert reject["主体名称"] == "'" + rows[1]["主体名称"]
    assert reject["经营范围"] == "-5"
    assert reject["退回行号"] == "3"
    assert "代码表" in reject["退回原因"]
    mended = table([reject | {"登记状态": "存续"}])
    assert ingest.regulator.uploads(mended, catalog="QYDJ").json["counts"]["accepted"] == 1
    assert ingest.ctx.store.records.find_one({"subject.name": rows[1]["主体名称"]})


def test_rows_are_counted_as_a_spreadsheet_counts(ingest: RunningIngest) -> None:
    lines = table([registration(1), registration(2, 登记状态="没有")]).decode()
    content = lines.replace(
        registration(2)["统一社会信用代码"], "\r\n,,,,,,,,,,,\r\n" + registration(2)["统一社会信用代码"]
    )
    told = ingest.regulator.uploads(content.encode(), catalog="QYDJ").json
    [reject] = ingest.regulator.get(f"/v1/submissions/{told['submission_id']}/rejects").json["rejects"]
    assert reject["row"] == 5


def test_who_may_upload(ingest: RunningIngest) -> None:
    stranger = ingest.caller(org=STRANGER)
    assert stranger.uploads(table(licences(1))).json["code"] == "NOT_A_PROVIDER"
    assert ingest.centre.uploads(table(licences(1))).json["code"] == "ROLE_NOT_ALLOWED"
    assert ingest.regulator.uploads(table(licences(1)), catalog="NONE").json["code"] == "DELIVERY_ENTRY_UNKNOWN"


def test_the_three_kinds_of_file_have_the_same_outcome(ingest: RunningIngest) -> None:
    rows = [licence(n, XK_ZT="1" if n % 3 else "9") for n in range(1, 10)]
    lines = "\n".join(json.dumps(row, ensure_ascii=False) for row in rows).encode()
    files = {"a.csv": table(rows), "a.xlsx": workbook(as_sheet(rows)), "a.jsonl": lines}
    counts = [ingest.regulator.uploads(content, name).json["counts"] for name, content in files.items()]
    assert counts[0] == {"total": 9, "accepted": 6, "amended": 0, "unchanged": 0, "rejected": 3}
    assert counts[1] == counts[2] == {"total": 9, "accepted": 0, "amended": 0, "unchanged": 6, "rejected": 3}


def test_a_file_that_takes_long_is_taken_beside_the_request(ingest: RunningIngest) -> None:
    content = table([registration(n) for n in range(1, 3001)])
    ingest.ctx.desk.patience = 0
    answer = ingest.regulator.uploads(content, catalog="QYDJ")
    assert (answer.status_code, answer.json["state"]) == (202, "open")
    assert ingest.regulator.get(answer.headers["Location"]).json["submission_id"] == answer.json["submission_id"]
    path = f"/v1/submissions/{answer.json['submission_id']}"
    found = ingest.regulator.get(path)
    assert (found.status_code, found.json["record_count"]) == (200, 3000)

    def receipt() -> Any:
        told = ingest.regulator.get(path).json
        assert told["counts"]["total"] == min(1000 * told["batches_committed"], 3000)
        return told["receipt"]

    closed = until(receipt, "the submission is closed")
    assert closed["counts"]["accepted"] == 3000
    ingest.ctx.desk.patience = 60
    assert ingest.regulator.uploads(content, catalog="QYDJ").json["receipt"] == closed


def test_a_request_is_answered_while_its_file_is_within_a_transaction(
    ingest: RunningIngest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the request may answer does not depend on what the transaction of the file was authorised for so far."""
    known, within, answered = threading.Event(), threading.Event(), threading.Event()
    keep_piece, begin, authorise_delivery = (
        ingest.ctx.store.keep_piece,
        submit_file.begin,
        commit_batch.authorise_delivery,
    )

    def keep_when_known(piece: Any) -> None:
        assert known.wait(30)
        keep_piece(piece)

    def begin_and_wait(*arguments: Any) -> None:
        begin(*arguments)
        known.set()
        assert within.wait(30)

    def authorise_when_answered(*arguments: Any) -> None:
        within.set()
        assert answered.wait(30)
        authorise_delivery(*arguments)

    monkeypatch.setattr(ingest.ctx.store, "keep_piece", keep_when_known)
    monkeypatch.setattr(submit_file, "begin", begin_and_wait)
    monkeypatch.setattr(commit_batch, "authorise_delivery", authorise_when_answered)
    ingest.ctx.desk.patience = 0
    answer = ingest.regulator.uploads(table([registration()]), catalog="QYDJ")
    answered.set()
    assert (answer.status_code, answer.json.get("state")) == (202, "open")
    path = f"/v1/submissions/{answer.json['submission_id']}"
    assert until(lambda: ingest.regulator.get(path).json["receipt"], "the submission is closed")


def test_a_file_that_waits_for_its_turn_is_known(ingest: RunningIngest) -> None:
    content = table([registration(n) for n in range(1, 11)])
    ingest.ctx.desk.patience = 0
    with all_threads_taken(ingest.ctx.desk):
        answer = ingest.regulator.uploads(content, catalog="QYDJ")
        path = f"/v1/submissions/{answer.json['submission_id']}"
        found = ingest.regulator.get(path).json
        assert (found["state"], found["batches_committed"], found["counts"]["total"], found["record_count"]) == (
            "open",
            0,
            0,
            10,
        )
    closed = until(lambda: ingest.regulator.get(path).json["receipt"], "the submission is closed")
    assert closed["counts"]["accepted"] == 10
    until(lambda: ingest.audit.of("submission.closed"), "the relay delivers")
    assert len(ingest.audit.of("submission.opened")) == 1


def test_no_upload_stays_behind(ingest: RunningIngest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    content = table([registration()])
    assert ingest.regulator.uploads(content, catalog="QYDJ").status_code == 201
    assert ingest.regulator.uploads(content + b"cut", catalog="QYDJ").status_code == 400
    assert ingest.caller(org=STRANGER).uploads(content, catalog="QYDJ").status_code == 403
    assert ingest.regulator.uploads(content, catalog="x" * 65).status_code == 400
    gc.collect()
    assert list(tmp_path.iterdir()) == []


def test_a_form_field_is_the_text_that_was_sent(ingest: RunningIngest) -> None:
    content = table([registration()])
    for submission_id in ("20261129", "1e300000", "12345678901234567890", "-Infinity"):
        answer = ingest.regulator.uploads(content, catalog="QYDJ", submission_id=submission_id)
        assert answer.status_code == 201, answer.text
        assert ingest.regulator.submission(submission_id).submission_id == submission_id


def test_a_form_field_that_is_unknown_or_given_twice_is_refused(ingest: RunningIngest) -> None:
    content = table([registration()])
    unknown = ingest.regulator.uploads(content, catalog="QYDJ", submision_id="a")
    assert (unknown.status_code, unknown.json["errors"][0]["field"]) == (400, "submision_id")
    twice = ingest.regulator.uploads(content, catalog="QYDJ", submission_id=["a", "b"])
    assert (twice.status_code, twice.json["errors"][0]["field"]) == (400, "submission_id")
