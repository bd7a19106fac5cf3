"""Broken files of any kind: none fails the service, and a preview and a delivery read each in the same way."""

from typing import Final, NamedTuple

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


class Reading(NamedTuple):
    """What a preview or a delivery answered about a file."""

    status: int
    code: str = ""
    rows: int = 0
    rejected: frozenset[int] = frozenset()


def previewed(ingest: RunningIngest, content: bytes, name: str) -> Reading:
    answer = looks(ingest.regulator, content, name)
    if answer.status_code != 200:
        return Reading(answer.status_code, answer.json["code"])
    rows = answer.json["rows"]
    return Reading(200, "", len(rows), frozenset(row["row"] for row in rows if row["violations"]))


def delivered(ingest: RunningIngest, content: bytes, name: str) -> Reading:
    answer = ingest.regulator.uploads(content, name, "QYDJ")
    if answer.status_code >= 400:
        return Reading(answer.status_code, answer.json["code"])
    rejects = ingest.regulator.get(f"/v1/submissions/{answer.json['submission_id']}/rejects").json["rejects"]
    total = answer.json["counts"]["total"]
    return Reading(answer.status_code, "", total, frozenset(reject["row"] for reject in rejects))


def are_alike(seen: Reading, taken: Reading) -> bool:
    """Whether a file is recorded as it was seen."""
    if max(seen.status, taken.status) >= 500:
        return False
    if seen.status != 200:
        # Of several faults, that is told which is met first, while the file is still being read.
        return taken.status == seen.status
    if taken.status >= 400:
        return taken.code in _REPORTED
    return (taken.rows, taken.rejected) == (seen.rows, seen.rejected)


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(texts, edits)
def test_edited_texts_are_seen_and_taken_alike(
    ingest: RunningIngest, text: bytes, changes: list[tuple[float, int, bytes]]
) -> None:
    content = _edited(text, changes)
    seen, taken = previewed(ingest, content, "a.csv"), delivered(ingest, content, "a.csv")
    assert are_alike(seen, taken), (seen, taken)


@pytest.mark.long
@pytest.mark.timeout(1500)
@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(texts, edits)
def test_many_edited_texts_are_seen_and_taken_alike(
    ingest: RunningIngest, text: bytes, changes: list[tuple[float, int, bytes]]
) -> None:
    content = _edited(text, changes)
    seen, taken = previewed(ingest, content, "a.csv"), delivered(ingest, content, "a.csv")
    assert are_alike(seen, taken), (seen, taken)


def readings_of_mutants(ingest: RunningIngest, numbers: range) -> list[tuple[Reading, Reading]]:
    books = [mutant(number, _BOOK) for number in numbers]
    return [(previewed(ingest, book, "a.xlsx"), delivered(ingest, book, "a.xlsx")) for book in books]


def test_mutated_workbooks_are_seen_and_taken_alike(ingest: RunningIngest) -> None:
    readings = readings_of_mutants(ingest, range(5000, 5025))
    assert [both for both in readings if not are_alike(*both)] == []
    assert {"", "FILE_WORKBOOK_BROKEN"} <= {taken.code for _, taken in readings}


@pytest.mark.long
@pytest.mark.timeout(1500)
def test_many_mutated_workbooks_are_seen_and_taken_alike(ingest: RunningIngest) -> None:
    readings = readings_of_mutants(ingest, range(6000, 6150))
    assert [both for both in readings if not are_alike(*both)] == []
    figure("workbooks_read_alike", len(readings))
    figure("workbooks_read_alike_taken", sum(not taken.code for _, taken in readings))
