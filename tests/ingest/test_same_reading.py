"""Broken files of any kind: none fails the service, and a preview and a delivery read each in the same way."""

from collections import Counter
from typing import Any, Final

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.hostile import mutant
from tests.ingest.files import as_sheet, registration, table, workbook
from tests.ingest.previews import looks
from tests.ingest.running_ingest import RunningIngest
from tests.support import figure

_ROWS: Final = [registration(n) for n in range(1, 4)]
_BOOK: Final = workbook(as_sheet(_ROWS))
# What a preview only reports: columns, and that there is no row.
_REPORTED: Final = {"FILE_COLUMN_UNKNOWN", "FILE_COLUMN_MISSING", "FILE_NO_RECORDS"}

texts = st.sampled_from(
    [table(_ROWS, encoding) for encoding in ("utf-8", "utf-8-sig", "gb18030", "utf-16", "utf-16-le")]
)
pieces = st.sampled_from(
    [
        *(b"", b"\n", b"\r", b",", b";", b"\t", b'"', b'""', b"\0", b"\x1a", b"\xff", b"\x80", b"\xe9\x98", b"\xd1"),
        *(b"\xef\xbb\xbf", b"\xff\xfe", b"sep=;\n", b"'", b"=", "阳江演示".encode(), "阳江演示".encode("gb18030")),
        *(
            "\u00fc".encode("latin-1"),
            "統一".encode("big5"),
            b"\n" * 50,
            b"," * 50,
            b"\xee\x80\x80",
            b"\x84\x31\x82\x36",
        ),
    ]
)
edits = st.lists(st.tuples(st.floats(0, 1), st.integers(0, 3), pieces), min_size=1, max_size=3)


def _edited(content: bytes, changes: list[tuple[float, int, bytes]]) -> bytes:
    for at, removed, piece in changes:
        begin = round(at * len(content))
        content = content[:begin] + piece + content[begin + removed :]
    return content


def _reads_alike(ingest: RunningIngest, content: bytes, name: str) -> str:
    """Has a file looked at and delivered; what became of it."""
    seen = looks(ingest.regulator, content, name)
    taken = ingest.regulator.uploads(content, name, "QYDJ")
    assert seen.status_code < 500, seen.json
    assert taken.status_code < 500, taken.json
    if seen.status_code != 200:
        # Of several faults, that is told which is met first, while the file is still being read.
        assert taken.status_code == seen.status_code
        return str(taken.json["code"])
    if taken.status_code >= 400:
        assert taken.json["code"] in _REPORTED
        return str(taken.json["code"])
    _must_be_recorded_as_seen(ingest, seen.json, taken.json)
    return "taken"


def _must_be_recorded_as_seen(ingest: RunningIngest, seen: dict[str, Any], taken: dict[str, Any]) -> None:
    rejects = ingest.regulator.get(f"/v1/submissions/{taken['submission_id']}/rejects").json["rejects"]
    rejected = {row["row"] for row in seen["rows"] if row["violations"]}
    assert {reject["row"] for reject in rejects} == rejected
    assert taken["counts"]["total"] == len(seen["rows"])


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(texts, edits)
def test_edited_texts_are_seen_and_taken_alike(
    ingest: RunningIngest, text: bytes, changes: list[tuple[float, int, bytes]]
) -> None:
    _reads_alike(ingest, _edited(text, changes), "a.csv")


@pytest.mark.long
@pytest.mark.timeout(1500)
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(texts, edits)
def test_many_edited_texts_are_seen_and_taken_alike(
    ingest: RunningIngest, text: bytes, changes: list[tuple[float, int, bytes]]
) -> None:
    _reads_alike(ingest, _edited(text, changes), "a.csv")


def _mutants_are_read_alike(ingest: RunningIngest, numbers: range) -> Counter[str]:
    return Counter(_reads_alike(ingest, mutant(number, _BOOK), "a.xlsx") for number in numbers)


def test_mutated_workbooks_are_seen_and_taken_alike(ingest: RunningIngest) -> None:
    found = _mutants_are_read_alike(ingest, range(5000, 5025))
    assert found["taken"]
    assert found["FILE_WORKBOOK_BROKEN"]


@pytest.mark.long
@pytest.mark.timeout(1500)
def test_many_mutated_workbooks_are_seen_and_taken_alike(ingest: RunningIngest) -> None:
    found = _mutants_are_read_alike(ingest, range(6000, 6150))
    figure("workbooks_read_alike", found.total())
    figure("workbooks_read_alike_taken", found["taken"])
