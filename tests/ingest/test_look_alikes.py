"""What nobody sees is refused with its place, and what is the same to the eye is one record (Art. 9)."""

import csv
import io

import pytest

from chengxin.values.ids import SubjectKey
from chengxin_api.ingest.v1 import ingest_pb2 as pb
from tests.ingest.deliveries import REGULATOR, licence
from tests.ingest.running_ingest import RunningIngest

# A name of a Hangul filler alone, then half-width and leading fillers, grapheme joiner, blank braille, unassigned, zero
# width, soft hyphen, joiner, music, noncharacter, private use, lost object, lost character.
_UNSEEN = [*"\u3164\uffa0\u115f\u034f\u2800\u0378\u200b\u00ad\u2060\U0001d159\ufdd0\ue000\u180b\U00016fe4\ufffc\ufffd"]


def test_what_nobody_sees_is_refused_in_every_kind_of_value(ingest: RunningIngest) -> None:
    texts = licence()
    items = ["XK_XDR_MC", "XK_WSH", "XK_XDR_SHXYM", "XK_JDRQ", "XK_NR"]
    made = [(item, c, f"{texts[item][:3]}{c}{texts[item][3:]}") for item in items for c in _UNSEEN]
    made += [("XK_XDR_MC", c, c) for c in _UNSEEN]
    records = [licence(n, **{item: text}) for n, (item, _, text) in enumerate(made, 1)]
    for (item, unseen, text), outcome in zip(made, ingest.regulator.submits_batch(*records).outcomes, strict=True):
        told = {v.rule: v.message for v in outcome.violations if v.item == item}
        assert outcome.outcome == pb.OUTCOME_REJECTED
        assert f"第 {text.index(unseen) + 1} 个字符 U+{ord(unseen):04X}" in told["characters"]


def test_a_shape_of_a_character_is_recorded_as_the_character(ingest: RunningIngest) -> None:
    delivered = [f"阳江演示辰{selector}丁有限公司" for selector in ("\ufe00", "\U000e0100", "")] + [
        "阳江演示\uf971丁有限公司"
    ]
    outcomes = ingest.regulator.submits_batch(
        *(licence(n, XK_XDR_MC=name) for n, name in enumerate(delivered, 1))
    ).outcomes
    for name, outcome in zip(delivered, outcomes, strict=True):
        found = ingest.ctx.store.record(outcome.record_id)
        assert found["items"]["XK_XDR_MC"] == found["subject"]["name"] == "阳江演示辰丁有限公司"
        assert found.get("raw", {}).get("XK_XDR_MC", found["items"]["XK_XDR_MC"]) == name


@pytest.mark.parametrize(
    ("number", "key"),
    [
        # The value itself made the id, so that a provider's half-width brackets were another record.
        ("演许字(2026)1号", "演许字(2026)1号"),
        # Later on, brackets of other kinds were kept apart.
        ("演许字(2026)1号", "演许字（2026）1号"),
        ("演许字—1号", "演许字—1号"),
    ],
)
def test_a_record_of_a_version_before_keeps_its_id(ingest: RunningIngest, number: str, key: str) -> None:
    old = licence(XK_WSH=number)
    [outcome] = ingest.regulator.submits_batch(old).outcomes
    document = ingest.ctx.store.record(outcome.record_id)
    values = (key, old["XK_XDR_SHXYM"], old["XK_XDR_MC"])
    earlier = SubjectKey(b"s" * 32).record_id("XZXK", REGULATOR, values)
    assert earlier != outcome.record_id
    ingest.ctx.store.records.delete_one({"_id": outcome.record_id})
    ingest.ctx.store.records.insert_one(document | {"_id": earlier})
    [again] = ingest.regulator.submits_batch(old).outcomes
    assert (again.record_id, again.outcome) == (earlier, pb.OUTCOME_UNCHANGED)
    [changed] = ingest.regulator.submits_batch(old | {"XK_NR": "餐饮"}).outcomes
    assert (changed.record_id, changed.outcome, changed.version) == (earlier, pb.OUTCOME_AMENDED, 2)
    request = pb.AmendRequest(record_id=earlier, items=old | {"XK_NR": "住宿"}, reason="录入错误")
    amended = ingest.regulator.rpc("Amend", request)
    assert (amended.record_id, amended.outcome, amended.version) == (earlier, pb.OUTCOME_AMENDED, 3)


def test_a_header_is_found_by_what_is_seen(ingest: RunningIngest) -> None:
    """And one that names nothing is told with what nobody sees in it."""
    record = licence()
    for headers, status in (({"XK_WSH": "ＸＫ_WSH\u200b"}, 201), ({"XK_NR": "新\u3164项"}, 400)):
        text = io.StringIO()
        rows = csv.writer(text)
        rows.writerow([headers.get(code, code) for code in record])
        rows.writerow(record.values())
        answer = ingest.regulator.uploads(text.getvalue().encode())
        assert answer.status_code == status, answer.text
    assert "新<U+3164>项" in answer.text
