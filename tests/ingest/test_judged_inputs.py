"""Inputs that were judged wrongly once, and others of their kinds, are judged as the standards and Unicode say.

`tests/data/cases` holds what users sent in; `tests/data/inputs.csv` holds values made from GB 32100, GB 11643, the
issuers of other documents, and Unicode's tables. Both are delivered as providers do.
"""

import csv
import filecmp
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import pytest

from chengxin_api.ingest.v1 import ingest_pb2 as pb
from tests.databases import lent
from tests.ingest.deliveries import licence
from tests.ingest.running_ingest import RunningIngest, demo_entry, make_collections, running_ingest
from tests.ingest.test_documents_of_persons import KINDS, personal_licence
from tests.support import Issuer

DATA: Final = Path(__file__).parents[1] / "data"
CASES: Final = DATA / "cases"
GIVEN: Final = Path(__file__).parents[3] / "shared" / "data" / "cases"
ENTRIES: Final = {code: demo_entry(code) for code in ("QYDJ", "XZXK", "XKGR", "ZYZG", "AJNSR")}


@dataclass(frozen=True)
class Right:
    """What is right for a file: recorded but for some rows, or refused whole with a code and a word."""

    entry: str
    accepted: int = 0
    # By the number that a spreadsheet shows: the rule, and a word of the message.
    rejected: dict[int, tuple[str, str]] = field(default_factory=dict)
    refused: tuple[str, str] | None = None
    # The subjects' names as recorded, which is what the public reads; empty: as they are delivered.
    names: tuple[str, ...] = ()
    sheets_not_read: tuple[str, ...] = ()


_CUT: Final = "FILE_ENCODING_DAMAGED"
FILES: Final = {
    "02-utf8-one-cut-byte/ajnsr-cut.csv": Right("AJNSR", refused=(_CUT, "62")),
    "02-utf8-one-cut-byte/cut-even.csv": Right("QYDJ", refused=(_CUT, "228")),
    "02-utf8-one-cut-byte/cut.csv": Right("QYDJ", refused=(_CUT, "243")),
    "06-delimiter/blank-first-line.csv": Right("QYDJ", 1),
    "06-delimiter/commas-first-line.csv": Right("QYDJ", 1),
    "06-delimiter/semicolon.csv": Right("QYDJ", 1),
    "06-delimiter/sep-line.csv": Right("QYDJ", 1),
    "06-delimiter/tab-in-cells.csv": Right("QYDJ", 2),
    "18-long-number-tricks/tricks.csv": Right(
        "ZYZG", 2, {2: ("spreadsheet_mark", "撇号"), 4: ("spreadsheet_mark", "=")}
    ),
    "23-id-birth-date/ids.csv": Right(
        "ZYZG", rejected=dict.fromkeys(range(2, 6), ("identity_number.birth_date", "出生日期"))
    ),
    "25-uscc-letters-as-registrar/codes.csv": Right("XZXK", 7),
    "46-xlsx-hidden/hidden-column.xlsx": Right("QYDJ", refused=("FILE_WORKBOOK_HIDDEN", "B:B")),
    "46-xlsx-hidden/hidden-first-sheet.xlsx": Right("QYDJ", 1, sheets_not_read=("字典",)),
    "46-xlsx-hidden/hidden-row.xlsx": Right("QYDJ", refused=("FILE_WORKBOOK_HIDDEN", "3:3")),
    "56-invisible-letters/names.csv": Right(
        "QYDJ",
        3,
        {
            row: ("characters", f"U+{point}")
            for row, point in {
                **{2: "3164", 3: "FFA0", 4: "115F", 7: "034F", 8: "2800", 9: "17B4"},
                **{10: "200B", 11: "00AD", 12: "2060"},
            }.items()
        },
        names=("阳江演示辰丁有限公司", "阳江演示辰丁有限公司", "阳江演示辰丙有限公司"),
    ),
    "61-uscc-of-digits-only/codes.csv": Right("QYDJ", 4),
    "dates/poison.csv": Right("AJNSR", rejected={2: ("date.future", "晚于报送日")}),
    "workbooks/gbk-encoding.xlsx": Right("QYDJ", refused=("FILE_WORKBOOK_BROKEN", "GBK")),
    "workbooks/panic-date.xlsx": Right("QYDJ", refused=("FILE_WORKBOOK_BROKEN", "F2")),
    "workbooks/ref8digits.xlsx": Right("QYDJ", refused=("FILE_WORKBOOK_BROKEN", "A99999999")),
    "workbooks/sstcount.xlsx": Right("QYDJ", refused=("FILE_WORKBOOK_BROKEN", "xl/sharedStrings.xml")),
}


@pytest.fixture(scope="module")
def ingest(stores: Callable[[str], str], issuer: Issuer) -> Iterator[RunningIngest]:
    """One for all: what an input does is told by the answer to its own delivery."""
    with lent(stores, "ingest", make_collections) as uri:
        for running in running_ingest(uri, issuer):
            for entry in ENTRIES.values():
                running.knows(running.catalog.publishes(entry))
            yield running


def test_every_case_is_here_as_it_was_sent_in() -> None:
    here = sorted(str(file.relative_to(CASES)) for file in CASES.rglob("*.*"))
    assert here == sorted(FILES)
    if GIVEN.exists():
        given = sorted(str(file.relative_to(GIVEN)) for file in GIVEN.rglob("*.*"))
        assert filecmp.cmpfiles(GIVEN, CASES, given, shallow=False) == (given, [], [])


@pytest.mark.parametrize("name", FILES)
def test_a_file_that_was_judged_wrongly_once_is_judged_rightly(ingest: RunningIngest, name: str) -> None:
    right = FILES[name]
    provider = ingest.caller(org=ENTRIES[right.entry]["providers"][0]["uscc"])
    answer = provider.uploads((CASES / name).read_bytes(), name.rpartition("/")[2], right.entry).json
    if right.refused:
        code, word = right.refused
        assert answer["code"] == code
        assert word in answer["detail"]
        return
    rejects = provider.get(f"/v1/submissions/{answer['submission_id']}/rejects").json["rejects"]
    assert answer["counts"]["accepted"] == right.accepted
    assert answer["sheets_not_read"] == [*right.sheets_not_read]
    if right.names:
        kept = ingest.ctx.store.records.find({"subject.name": {"$in": right.names}})
        assert sorted(record["subject"]["name"] for record in kept) == [*right.names]
    assert [reject["row"] for reject in rejects] == [*right.rejected]
    for reject, (rule, word) in zip(rejects, right.rejected.values(), strict=True):
        assert [v["rule"] for v in reject["violations"]] == [rule]
        assert word in reject["violations"][0]["message"]


@dataclass(frozen=True)
class JudgedInput:
    """A value, and what is right for it: "accepted", the rule that refuses it, or as what it is recorded."""

    kind: str
    value: str
    right: str
    word: str


def read_inputs() -> list[JudgedInput]:
    """The table; what nobody sees is escaped in it."""
    with (DATA / "inputs.csv").open(newline="") as file:
        rows = [[_unescaped(cell) for cell in row] for row in csv.reader(file)]
    return [JudgedInput(*row) for row in rows[1:]]


def _unescaped(text: str) -> str:
    return text.encode("ascii", "backslashreplace").decode("unicode_escape")


def _record(judged: JudgedInput, number: int) -> dict[str, str]:
    match judged.kind:
        case "person":
            return personal_licence(judged.value, KINDS["passport"]) | {"XK_WSH": f"演许字〔2026〕{number}号"}
        case "organisation":
            return licence(number, XK_XDR_SHXYM=judged.value)
        case "name":
            return licence(number, XK_XDR_MC=judged.value)
        case "number":
            return licence(XK_WSH=judged.value)
    raise ValueError(judged.kind)


def test_more_than_200_inputs_are_judged_as_the_standards_and_unicode_say(ingest: RunningIngest) -> None:
    inputs = read_inputs()
    kinds = Counter(judged.kind for judged in inputs)
    assert len({(judged.kind, judged.value) for judged in inputs}) == len(inputs) >= 200
    wrong = []
    for kind in kinds:
        some = [judged for judged in inputs if judged.kind == kind]
        entry = "XKGR" if kind == "person" else "XZXK"
        records = [_record(judged, n) for n, judged in enumerate(some, 1001)]
        outcomes = ingest.regulator.submits_batch(*records, entry_code=entry).outcomes
        wrong += [
            f"{judged}: {told}"
            for judged, outcome in zip(some, outcomes, strict=True)
            if (told := _judgement(ingest, judged, outcome)) != (judged.right, True)
        ]
    assert not wrong, "\n".join(wrong)


def _judgement(ingest: RunningIngest, judged: JudgedInput, outcome: Any) -> tuple[str, bool]:
    """What was right for a value as ingest sees it, and whether its word is told."""
    if outcome.outcome == pb.OUTCOME_REJECTED:
        # Of a person's number nothing is told to whoever reads the answer.
        assert judged.kind != "person" or judged.value not in str(outcome.violations)
        return ",".join(v.rule for v in outcome.violations), judged.word in outcome.violations[0].message
    if judged.right == "same":
        [first] = ingest.regulator.submits_batch(licence(XK_WSH=judged.word)).outcomes
        return "same", outcome.record_id == first.record_id
    if judged.right == "recorded":
        items = ingest.ctx.store.record(outcome.record_id)["items"]
        return "recorded", items["XK_XDR_MC"] == judged.word
    return "accepted", True
