"""Attachments: few, small, of the kind that they claim to be; encrypted, and listed with their digest (Art. 23)."""

import base64
import contextlib
import hashlib
import io
import tempfile
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from chengxin.concurrency.shares import Claimant
from chengxin.tabular.reading import READERS
from tests.chengxin.values.test_personal_numbers import NUMBER
from tests.objection.conftest import RECORD, TEXT, RunningObjection

PDF = b"%PDF-1.7\n1 0 obj\n%%EOF\n"
PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(64))
JPEG = b"\xff\xd8\xff\xe0" + bytes(range(64))


def attached(data: bytes, content_type: str, name: str = "证据") -> dict[str, str]:
    return {"name": name, "content_type": content_type, "content": base64.b64encode(data).decode()}


@pytest.mark.parametrize(
    ("data", "content_type"),
    [(PDF, "application/pdf"), (PNG, "image/png"), (JPEG, "image/jpeg"), ("证明".encode("gb18030"), "text/plain")],
)
def test_what_is_attached_is_read_as_it_was(city: RunningObjection, data: bytes, content_type: str) -> None:
    number = city.filed(evidence=[attached(data, content_type, "证据 1.bin")])
    for caller, path in ((city.company, "/v1/me/objections"), (city.centre, "/v1/objections")):
        found = caller.get(f"{path}/{number}/evidence/1")
        assert (found.data, found.content_type.split(";")[0]) == (data, content_type)
        assert found.headers["Content-Disposition"].startswith("attachment;")
        assert found.headers["X-Content-Type-Options"] == "nosniff"
        assert caller.get(f"{path}/{number}/evidence/2").status_code == 404
    [told] = city.centre.get(f"/v1/objections/{number}").json["evidence"]
    assert told["sha256"] == hashlib.sha256(data).hexdigest()
    assert (told["number"], told["name"], told["size"]) == (1, "证据 1.bin", len(data))
    read, absent = city.audit.of("evidence.read")
    assert read["details"]["sha256"] == told["sha256"]
    assert (absent["outcome"], absent["details"]["code"]) == ("refused", "OBJECTION_UNKNOWN")


PAGE = b"<!DOCTYPE html><script>alert(1)</script>"


@pytest.mark.parametrize(
    ("name", "kept", "saved"),
    [
        ("a.html", "a.html", "a.html.txt"),
        ("证据.bat", "证据.bat", "证据.bat.txt"),
        ("说明.TXT", "说明.TXT", "说明.TXT"),
        (f"身份证{NUMBER}.txt", f"身份证{'x' * 18}.txt", f"身份证{'x' * 18}.txt"),
        ("138 0013 8000", "x" * 13, f"{'x' * 13}.txt"),
    ],
)
def test_what_is_attached_is_saved_and_never_shown_or_run(
    city: RunningObjection, name: str, kept: str, saved: str
) -> None:
    """A page is a text, too; whoever opens it sees its text (RFC 6266, Fetch: nosniff, CSP: sandbox)."""
    number = city.filed(evidence=[attached(PAGE, "text/plain", name)])
    for caller, path in ((city.company, "/v1/me/objections"), (city.centre, "/v1/objections")):
        found = caller.get(f"{path}/{number}/evidence/1")
        assert caller.get(f"{path}/{number}").json["evidence"][0]["name"] == kept
        assert found.data == PAGE
        assert found.headers["Content-Disposition"] == f"attachment; filename*=UTF-8''{quote(saved)}"
        assert found.headers["Content-Type"].startswith("text/plain")
        assert found.headers["X-Content-Type-Options"] == "nosniff"
        assert found.headers["Content-Security-Policy"] == "sandbox; default-src 'none'"
        assert NUMBER not in str(found.headers)


@pytest.mark.parametrize(
    ("evidence", "rules"),
    [
        ([attached(PDF, "image/png")], {("evidence.0.content", "type.mismatch")}),
        ([attached(b"MZ\x90\x00\x03", "text/plain")], {("evidence.0.content", "type.mismatch")}),
        ([attached(b"<html>", "text/html")], {("evidence.0.content_type", "type.allowed")}),
        ([attached(b"", "text/plain")], {("evidence.0.content", "size.empty")}),
        ([attached(PNG + bytes(5 * 1024 * 1024), "image/png")], {("evidence.0.content", "size.limit")}),
        ([attached(PDF, "application/pdf", "../a.pdf")], {("evidence.0.name", "name.characters")}),
        ([attached(b"MZ\x90" * 100 + PDF, "application/pdf")], {("evidence.0.content", "type.mismatch")}),
        ([attached(PDF, "application/pdf", "..")], {("evidence.0.name", "name.characters")}),
        ([attached(PDF, "application/pdf", "gpj.\u202efdp.pdf")], {("evidence.0.name", "characters")}),
        ([attached(PDF, "application/pdf", " ")], {("evidence.0.name", "name.length")}),
        ([attached(PDF, "application/pdf", "证据.")], {("evidence.0.name", "name.characters")}),
        ([attached(PDF, "application/pdf", "nul.pdf")], {("evidence.0.name", "name.device")}),
        ([TEXT | {"content": "no base64!"}], {("evidence.0.content", "base64")}),
        ([TEXT, TEXT | {"size": 3}], {("evidence.1.size", "extra_forbidden")}),
    ],
)
def test_what_is_wrong_with_an_attachment_is_told(
    city: RunningObjection, evidence: list[dict[str, Any]], rules: set[tuple[str, str]]
) -> None:
    refused = city.company.files(evidence=evidence)
    assert refused.status_code == 400
    assert {(e["field"], e["rule"]) for e in refused.json["errors"]} == rules
    assert city.company.get("/v1/me/objections").json["objections"] == []


def test_no_more_than_five(city: RunningObjection) -> None:
    refused = city.company.files(evidence=[TEXT] * 6)
    assert ("evidence", "count") in {(e["field"], e["rule"]) for e in refused.json["errors"]}
    assert len(city.company.files(evidence=[TEXT] * 5).json["evidence"]) == 5


def test_five_of_the_greatest_size_are_taken(city: RunningObjection) -> None:
    large = PNG + bytes(5 * 1024 * 1024 - len(PNG))
    number = city.filed(evidence=[attached(large, "image/png")] * 5)
    assert city.company.get(f"/v1/me/objections/{number}/evidence/5").data == large


def test_a_body_beyond_all_limits_is_not_read(city: RunningObjection) -> None:
    refused = city.company.files(statement="长" * (13 * 1024 * 1024))
    assert (refused.status_code, refused.json["code"]) == (413, "TOO_LARGE")


def test_a_form_with_files_says_the_same(city: RunningObjection) -> None:
    form = {
        "record_id": RECORD,
        "items": ["XK_NR", "XK_WSH"],
        "statement": "许可内容与证书不符",
        "evidence": [(io.BytesIO(PDF), "证书.pdf", "application/pdf"), (io.BytesIO(PNG), "图.png", "image/png")],
    }
    filed = city.company.form("/v1/me/objections", form)
    assert filed.status_code == 201, filed.text
    assert filed.json["items"] == ["XK_NR", "XK_WSH"]
    assert [e["name"] for e in filed.json["evidence"]] == ["证书.pdf", "图.png"]
    number = filed.json["objection_no"]
    city.centre.does("request-supplement", number, missing=["授权书"])
    added = city.company.form(
        f"/v1/me/objections/{number}/supplement",
        {"statement": "补交", "evidence": (io.BytesIO(JPEG), "授权书.jpg", "image/jpeg")},
    )
    assert [e["number"] for e in added.json["evidence"]] == [1, 2, 3]
    assert city.centre.get(f"/v1/objections/{number}/evidence/3").data == JPEG


def test_a_form_is_told_what_is_wrong_with_it(city: RunningObjection) -> None:
    no_record = city.company.form("/v1/me/objections", {"statement": "x"})
    assert [e["field"] for e in no_record.json["errors"]] == ["record_id"]
    other_file = {"record_id": RECORD, "statement": "x", "file": (io.BytesIO(PDF), "a.pdf", "application/pdf")}
    assert city.company.form("/v1/me/objections", other_file).json["errors"][0]["field"] == "file"
    twice = city.company.form("/v1/me/objections", {"record_id": [RECORD, "r_other"], "statement": ["x", "y"]})
    assert [(e["field"], e["rule"]) for e in twice.json["errors"]] == [
        ("record_id", "repeated"),
        ("statement", "repeated"),
    ]
    mislabelled = {"record_id": RECORD, "statement": "x", "evidence": (io.BytesIO(PDF), "a.png", "image/png")}
    assert city.company.form("/v1/me/objections", mislabelled).json["errors"][0]["rule"] == "type.mismatch"
    reversed_name = {
        "record_id": RECORD,
        "statement": "x",
        "evidence": (io.BytesIO(PDF), "gpj.\u202efdp", "application/pdf"),
    }
    [told] = city.company.form("/v1/me/objections", reversed_name).json["errors"]
    assert (told["field"], told["rule"]) == ("evidence.0.name", "characters")


def test_attachments_of_what_is_not_filed_are_dropped(city: RunningObjection) -> None:
    store = city.ctx.store
    city.filed(key="k1")
    city.filed(key="k1")
    assert city.company.files().json["code"] == "OBJECTION_OPEN"
    assert (store._evidence.count_documents({}), store._uploads.count_documents({})) == (1, 0)
    # A process that ended before the case was written.
    store.upload([PDF], datetime(2026, 11, 24, 3, 0, tzinfo=UTC))
    store.upload([PDF], datetime(2026, 11, 24, 3, 59, tzinfo=UTC))
    store.drop_left(datetime(2026, 11, 24, 3, 30, tzinfo=UTC))
    assert (store._evidence.count_documents({}), store._uploads.count_documents({})) == (2, 1)


def test_an_altered_attachment_is_not_told(city: RunningObjection) -> None:
    number = city.filed()
    rows = city.ctx.store._evidence
    [row] = rows.find()
    sealed = bytes(row["content"])
    rows.update_one({"_id": row["_id"]}, {"$set": {"content": sealed[:-1] + bytes([sealed[-1] ^ 1])}})
    assert city.centre.get(f"/v1/objections/{number}/evidence/1").status_code == 500


@pytest.mark.parametrize("way", ["json", "form"])
def test_attachments_are_looked_at_outside_the_service(
    city: RunningObjection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    # However a reader ends, the applicant gets an answer, and nothing is kept.
    monkeypatch.setattr(READERS, "limits", replace(READERS.limits, memory=1 << 20))

    def files() -> Any:
        if way == "json":
            return city.company.files(evidence=[attached(b"x" * 5_000_000, "text/plain")])
        file = (io.BytesIO(b"x" * 5_000_000), "a.txt", "text/plain")
        return city.company.form("/v1/me/objections", {"record_id": RECORD, "statement": "不符", "evidence": file})

    refused = files()
    assert (refused.status_code, refused.json["code"]) == (400, "FILE_UNREADABLE")
    assert city.company.get("/v1/me/objections").json["objections"] == []
    monkeypatch.undo()
    assert files().status_code == 201
    assert list(tmp_path.iterdir()) == []


def test_too_many_attachments_at_once_are_told_to_come_again(
    city: RunningObjection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(READERS, "patience", 0)
    with contextlib.ExitStack() as others:
        for name in "abcd":
            others.enter_context(READERS._place(Claimant(name)))
        refused = city.company.files()
    assert (refused.status_code, refused.json["code"]) == (503, "FILE_READERS_BUSY")
    assert city.company.files().status_code == 201
