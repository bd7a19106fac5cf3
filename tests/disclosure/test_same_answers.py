"""Answers about the demonstration city are byte for byte those of the previous version, in all roles and views.

`same_answers.json.gz` was written by version 0.1.0 (pages of 25 packed views) with the deliveries of this file. It was
written again for decision 44, which changed 118 of 790 answers: persons' names are masked in public and shared views, a
surname finds nobody, pages ask search engines to keep nothing; and when problems of pages became one document and one's
own page said that revoked records are not on it (41 answers). Left out is what differed each time: the number of the
audit event, and the order of the items of a record, which was that of a protobuf map.
"""

import gzip
import json
import os
import re
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from chengxin.values.identifiers import scheme_of
from chengxin.values.ids import SubjectKey
from chengxin_api.disclosure.v1 import disclosure_pb2 as pb
from chengxin_api.ingest.v1 import ingest_pb2
from demo.records import deliveries
from tests.disclosure.running_disclosure import CODES, RunningDisclosure, demo_entry

KEPT = Path(__file__).with_name("same_answers.json.gz")
_EVENT = re.compile(r'"ev_[0-9a-z]+"|ev_[0-9a-z]+')
# A record's items: texts by code.
_ITEMS = re.compile(r'(?<="items":)\{(?:"(?:[^"\\]|\\.)*":"(?:[^"\\]|\\.)*",?)*\}')
_KEY = SubjectKey(b"s" * 32)


def records(city: RunningDisclosure) -> Iterator[ingest_pb2.RecordVersion]:
    """What the demonstration's providers deliver, under fixed numbers; a part of it amended, and a part revoked."""
    since = date(2026, 11, 24)
    for number, delivery in enumerate(d for d in deliveries(since) if d.entry_code in CODES):
        entry = demo_entry(delivery.entry_code)
        for row, items in enumerate(delivery.records):
            rest = dict(items)
            name = rest.pop(entry["subject_name_item"])
            found = [code for code in entry["subject_id_items"] if code in rest]
            identifier = rest[found[0]]
            declared = next(i.get("identifier", "") for i in entry["items"] if i["code"] == found[0])
            scheme = scheme_of(declared, identifier)
            key = f"{delivery.entry_code.lower()}{number}x{row}"
            for version in (1, 2) if row % 5 == 1 else (1,):
                made = city.record(delivery.entry_code, identifier, name, key, **rest, version=version)
                made.subject.scheme, made.subject.subject_ref = scheme, _KEY.subject_ref(scheme, identifier)
                made.subject.kind = "individual" if scheme == "identity_number" else "enterprise"
                made.subject.uscc = identifier if scheme == "uscc" else ""
                made.provider_uscc, made.provider_name = delivery.provider.uscc, delivery.provider.name
                made.revoked = row % 9 == 8
                yield made


def answers(city: RunningDisclosure) -> dict[str, Any]:
    """Every answer of every role about every subject, and the public feed, by what was asked."""
    told: dict[str, Any] = {}
    delivered = list(records(city))
    for start in range(0, len(delivered), 40):
        city.delivers(*delivered[start : start + 40])
    for n, record in enumerate(delivered):
        if n % 7 == 0:
            city.objection(f"o{n}", record.record_id.removeprefix("r_"), is_open=True)
    callers = {
        "shared": city.caller("agency", sub="housing", purpose="qualification_review"),
        "statutory": city.caller("statutory", sub="court", legal_basis="法", case_no="1", officer="F1"),
    }
    refs = sorted({r.subject.subject_ref for r in delivered})
    for ref in refs:
        for language in ("zh-CN", "en"):
            for size in (50, 3):
                own = city.caller("subject", sub=ref, language=language)
                public = city.caller("public", sub="anonymous", language=language)
                told |= paged(own, f"own {language} {ref}", "/v1/me/records", size)
                told |= paged(public, f"public {language} {ref}", f"/v1/public/subjects/{ref}", size)
        told[f"page {ref}"] = city.anybody.get(f"/subjects/{ref}").text
        told[f"own page {ref}"] = city.caller("subject", sub=ref).get("/me").text
        for mode, caller in callers.items():
            for entries in ([], ["XZXK", "QYDJ"]):
                body = {"subject": {"subject_ref": ref}, "entries": entries}
                told[f"{mode} {entries} {ref}"] = caller.post(f"/v1/{mode}/queries", body).text
        consent = city.caller("subject", sub=ref).post(
            "/v1/me/consents", {"grantee": "91000000MA0005019P", "purpose": "loan", "valid_to": "2027-01-01"}
        )
        granted = {"org": "91000000MA0005019P", "purpose": "loan", "consent_id": consent.json["consent_id"]}
        bank = city.caller("subject_authorized", sub="bank", **granted)
        told[f"authorized {ref}"] = bank.post("/v1/authorized/queries", {}).text
        for roles in (("agency",), ("statutory",)):
            claims = {"purpose": "review", "legal_basis": "法", "case_no": "1", "officer": "F1"}
            request = pb.QueryRequest(subject=pb.SubjectSelector(subject_ref=ref))
            answer = city.stub.Query(request, metadata=city.metadata(*roles, sub="x", **claims))
            told[f"rpc {roles[0]} {ref}"] = answer.SerializeToString(deterministic=True).hex()
    position, more = 0, True
    while more:
        answer = city.anybody.get(f"/v1/public/feed?after={position}&page_size=20")
        told[f"feed {position}"], position, more = answer.text, answer.json["position"], answer.json["more"]
    for text in ("演示", "建筑", "9100", "李"):
        told[f"search {text}"] = city.anybody.get(f"/v1/public/subjects?q={text}&page_size=200").text
    return {asked: without_events(text) for asked, text in told.items()}


def paged(caller: Any, asked: str, path: str, size: int) -> dict[str, str]:
    """A list to its end, page by page."""
    found, token, page = {}, "", 0
    while True:
        answer = caller.get(f"{path}?page_size={size}&page_token={token}")
        found[f"{asked} {size} {page}"] = answer.text
        token, page = (answer.json or {}).get("next_page_token", ""), page + 1
        if not token:
            return found


def without_events(text: str) -> str:
    """A text without the numbers of audit events and of the request."""
    if re.fullmatch(r"[0-9a-f]+", text):
        text = bytes.fromhex(text).decode("latin-1")
    text = _ITEMS.sub(lambda found: json.dumps(json.loads(found[0]), ensure_ascii=False, sort_keys=True), text)
    return re.sub(r"req_[0-9a-zA-Z]+", "req", _EVENT.sub("ev", text))


@pytest.mark.timeout(300)
def test_the_demonstration_city_is_answered_as_before(city: RunningDisclosure) -> None:
    told = answers(city)
    if os.environ.get("CHENGXIN_KEEP_ANSWERS"):
        KEPT.write_bytes(gzip.compress(json.dumps(told, ensure_ascii=False).encode(), mtime=0))
    kept = json.loads(gzip.decompress(KEPT.read_bytes()))
    assert told.keys() == kept.keys()
    differing = [asked for asked in kept if told[asked] != kept[asked]]
    assert not differing, f"{len(differing)} of {len(kept)}: {differing[:3]}"
