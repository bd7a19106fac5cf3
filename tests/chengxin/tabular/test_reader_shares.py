"""What a file costs before it is refused, and what one caller's files may cost: every kind of file, every reader."""

import re
from collections.abc import Callable

import pytest

from chengxin.concurrency.budgets import Budget
from chengxin.concurrency.shares import Claimant
from chengxin.errors import Problem
from chengxin.tabular.attachments import detect_media_types
from chengxin.tabular.book import tables
from chengxin.tabular.columns import Columns, ItemName
from chengxin.tabular.lenient import LenientColumns
from chengxin.tabular.reading import READERS, ReaderLimits
from chengxin.tabular.source import open_source
from tests.chengxin.tabular.files import ANY_COLUMNS, CALLER, given, opened
from tests.hostile import MAIN, SHEET, TEXTS, packed, parts_of, plain_book, shared_book
from tests.tools.loading import ROOT

BUSY = Claimant("busy", proven=True)
_ROWS = 60_000


def _sheet(header: str) -> bytes:
    rows = "".join(f'<row r="{n}"><c r="A{n}"><v>{n}</v></c></row>' for n in (*range(2, _ROWS), 5))
    sheet = f'<worksheet xmlns="{MAIN.decode()}"><sheetData><row r="1">{header}</row>{rows}</sheetData></worksheet>'
    return sheet.encode()


def _inline(*labels: str) -> str:
    return "".join(f'<c r="{c}1" t="inlineStr"><is><t>{t}</t></is></c>' for c, t in zip("ABC", labels, strict=False))


def _shared(book: bytes, cells: str, texts: str) -> bytes:
    table = f'<sst xmlns="{MAIN.decode()}">{texts}</sst>'.encode()
    return packed(parts_of(book) | {SHEET: _sheet(cells), TEXTS: table})


# Each ends with what no reader reads to its end.
BROKEN_AT_THE_END = {
    "csv": ("a.csv", lambda: b"other\n" + b"1\n" * _ROWS + b'"1"x\n'),
    "jsonl": ("a.jsonl", lambda: b'{"other":"1"}\n' * _ROWS + b"[\n"),
    "xlsx": ("a.xlsx", lambda: packed(parts_of(plain_book()) | {SHEET: _sheet(_inline("other"))})),
    "xlsx with shared texts": (
        "a.xlsx",
        lambda: _shared(
            shared_book(),
            '<c r="A1" t="s"><v>1</v></c>',
            "<si><t>x</t></si><si><r><t>ot</t></r><r><t>her</t></r><rPh><t>no</t></rPh></si>",
        ),
    ),
}


@pytest.mark.parametrize("kind", BROKEN_AT_THE_END)
def test_other_columns_are_refused_before_the_rest_is_read(kind: str) -> None:
    name, content = BROKEN_AT_THE_END[kind]
    with pytest.raises(Problem) as told:
        opened(content(), name, Columns([ItemName("a")]))
    assert told.value.code == "FILE_COLUMN_UNKNOWN"
    assert "“other" in told.value.text("en")


def test_a_preview_refuses_a_doubled_column_as_early() -> None:
    book = packed(parts_of(plain_book()) | {SHEET: _sheet(_inline("a", "b", "a"))})
    with pytest.raises(Problem) as told:
        opened(book, "a.xlsx", LenientColumns([ItemName("a")]))
    assert told.value.code == "FILE_COLUMN_TWICE"


@pytest.mark.parametrize(
    "cells",
    [
        '<c r="A1"><v>1</v></c>',
        '<c r="A1" t="inlineStr"><is><t>_x0061_</t></is></c>',
        '<c r="A1" t="s"><v>7</v></c>',
        '<c r="ZZZZZ1" t="inlineStr"><is><t>a</t></is></c>',
        "",
    ],
    ids=["a number", "an escape", "a text that is not there", "no such column", "nothing"],
)
def test_what_readers_could_differ_on_is_left_to_the_one_that_lays_out(cells: str) -> None:
    book = packed(parts_of(plain_book()) | {SHEET: _sheet(cells)})
    with pytest.raises(Problem) as told:
        opened(book, "a.xlsx", Columns([ItemName("a")]))
    assert told.value.code == "FILE_WORKBOOK_BROKEN"


@pytest.fixture
def spent(monkeypatch: pytest.MonkeyPatch) -> Budget:
    """The processor time of readers, by a clock that stands: nothing is left of the busy caller's."""
    budget = Budget(1, 10, lambda: 0)
    budget.spend(BUSY, 12)
    monkeypatch.setattr(READERS, "processor", budget)
    return budget


def _source(content: bytes, name: str) -> Callable[[Claimant], object]:
    def read(caller: Claimant) -> object:
        with given(content) as file:
            return open_source(file, name, ANY_COLUMNS, caller).close()

    return read


def _book(caller: Claimant) -> object:
    with given(plain_book()) as file:
        return tables(file, caller)


DOORS = {
    "csv": _source(b"a\n1\n", "a.csv"),
    "jsonl": _source(b'{"a":"1"}\n', "a.jsonl"),
    "xlsx": _source(plain_book(), "a.xlsx"),
    "book": _book,
    "attachments": lambda caller: detect_media_types([b"x"], caller),
}


@pytest.mark.parametrize("door", DOORS)
def test_a_caller_who_has_used_its_processor_time_waits_and_the_others_do_not(door: str, spent: Budget) -> None:
    with pytest.raises(Problem) as told:
        DOORS[door](BUSY)
    assert (told.value.code, told.value.type.status, told.value.retry_after) == ("FILE_SHARE_USED", 429, 2)
    DOORS[door](CALLER)
    assert 0 < 10 - spent._level(CALLER) < 5


def test_a_reader_has_processor_time_by_the_size_of_its_file() -> None:
    limits = ReaderLimits(least_seconds=2, seconds_per_mib=3, seconds=20)
    assert [limits.seconds_for(mib << 20) for mib in (0, 1, 4, 256)] == [2, 5, 14, 20]


def test_every_kind_of_reader_is_on_this_list() -> None:
    kinds = (ROOT / "chengxin/tabular/reader/__main__.py").read_text().split("match kind:")[1].split("case _")[0]
    assert set(re.findall(r'case "(\w+)"', kinds)) == set(DOORS)
