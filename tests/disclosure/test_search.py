"""The public search finds what a plain scan over the same names would find, and ranks it."""

import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chengxin.errors import STORE_UNAVAILABLE, Problem
from chengxin.store.deadlines import within
from services.disclosure.projections import name_index
from tests.disclosure.name_searches import SIGNS, TODAY, directory, found, refs
from tests.disclosure.names_store import FOREVER, MemoryNames, Row, row, scan
from tests.disclosure.running_disclosure import COMPANY, RunningDisclosure

NAMES = st.text(SIGNS, min_size=1, max_size=6)
DAYS = st.sampled_from([TODAY, "2026-11-28", FOREVER])
CODES = st.sampled_from(["", "91441700MA4W1ABCXT", "914417000000000000", "9144A", "12"])
REFS = [f"sub_{n}" for n in range(6)]
QUERIES = st.one_of(
    NAMES,
    st.sampled_from(
        ["9144", "91441700MA4W1ABCXT", "ch", "hl", "yj", "zx", "公司 海", "海　司 品", "'", "0", "\U0010ffff"]
    ),
    st.text("ycjhlzxsp12 ", max_size=4),
)


@st.composite
def rows(draw: st.DrawFn) -> Row:
    ref = draw(st.sampled_from(REFS))
    # The leader of a group is in it.
    into = ref if ref in REFS[:3] else draw(st.sampled_from(["", "", "", *REFS[:3]]))
    made = row(ref, uscc=draw(CODES), into=into)
    made["names"] = [
        [name, draw(DAYS), slot] for slot, name in enumerate(draw(st.lists(NAMES, max_size=3, unique=True)))
    ]
    # A subject is public as long as its last name, longer by a record without a name, or not at all.
    last = max([until for _, until, _ in made["names"]], default="")
    made["until"] = draw(st.sampled_from([last, last, FOREVER, ""]))
    if not made["until"]:
        made["names"] = []
    known = [name for name, *_ in made["names"]]
    if known:
        made["name"] = draw(st.sampled_from(["", *known]))
        made["former"] = draw(st.lists(st.sampled_from(known), unique=True, max_size=2))
    return made


STEPS = st.lists(
    st.one_of(st.lists(rows(), min_size=1, max_size=4, unique_by=lambda r: str(r["_id"])), st.just("reopen"), QUERIES),
    min_size=1,
    max_size=12,
)


@settings(max_examples=60)
@given(STEPS, st.lists(QUERIES, min_size=1, max_size=4), st.booleans())
def test_a_search_finds_what_a_scan_finds(steps: list[Any], queries: list[str], near: bool) -> None:
    """In whatever order names come, change and go, also when the index is left and opened again in between."""
    names = MemoryNames()
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        if not near:
            # By the background thread, and in small parts.
            patch.setattr(name_index, "_NEAR", 0)
            patch.setattr(name_index, "_AT_ONCE", 1)
            patch.setattr(name_index, "_CHUNK", 2)
        here = directory(names, Path(folder))
        for step in [*steps, *queries]:
            if step == "reopen":
                here.close()
                here = directory(names, Path(folder))
            elif isinstance(step, list):
                names.change(*step)
            else:
                assert found(here, step) == scan(names.rows.values(), step, TODAY)
        here.close()


def test_the_best_comes_first() -> None:
    names = MemoryNames()
    names.change(
        row("within", "阳江hl店", uscc="91440000MA00000001"),
        row("code", "别的", uscc="HLHL00000000000000"),
        row("initials", "海陵食品"),
        row("initials within", "阳江海陵"),
        row("beginning", "HL店"),
        row("very", "ｈｌ"),
    )
    here = directory(names)
    assert refs(here, "hl") == ["very", "beginning", "within", "initials", "initials within"]
    assert refs(here, "hlhl") == ["code"]
    here.close()


def test_words_are_found_in_any_order_but_in_one_name() -> None:
    names = MemoryNames()
    names.change(row("one", "阳江市海陵食品有限公司"), row("two", "海陵店", "食品店"))
    here = directory(names)
    assert refs(here, "食品 海陵") == ["one"]
    assert refs(here, "海陵 食品") == ["one"]
    assert refs(here, "海陵　渔业") == []
    here.close()


def test_a_search_that_finds_most_of_the_city_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(name_index, "MOST_FOUND", 5)
    names = MemoryNames()
    names.change(*(row(f"{n:02}", f"阳江{n}有限公司") for n in range(9)), row("x", "有限公司"))
    here = directory(names)
    page, total = here.found("有限公司", "", TODAY, 0, 3)
    assert (page[0].ref, len(page), total) == ("x", 3, 5)
    page, total = here.found("有限公司", "", TODAY, 3, 3)
    assert (len(page), total) == (2, 5)
    assert here.found("有限公司", "", TODAY, 6, 3) == ([], 5)
    here.close()


def test_names_of_few_subjects_do_not_use_the_bound_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(name_index, "MOST_FOUND", 5)
    names = MemoryNames()
    names.change(row("one", *(f"海陵{n}" for n in range(40))), row("two", "海陵"), row("three", "阳江海陵"))
    here = directory(names)
    assert refs(here, "海陵") == ["two", "one", "three"]
    assert here.found("海陵", "", TODAY, 0, 1)[1] == 3
    here.close()


def test_a_long_query_is_a_query() -> None:
    names = MemoryNames()
    long = "".join(chr(0x4E00 + n) for n in range(200))
    names.change(row("long", f"前{long}后"))
    here = directory(names)
    assert refs(here, long) == ["long"]
    assert refs(here, " ".join(long)) == ["long"]
    assert refs(here, "(" * 200) == []
    here.close()


def test_a_company_is_found_by_pinyin_initials_and_dots_make_no_difference(city: RunningDisclosure) -> None:
    city.delivers(city.record("XZXK", COMPANY, "阳江海陵食品·乙", "a", XK_WSH="阳许字1号", XK_YXQZI="2031-01-01"))
    for query in ("yjhlsp", "HLSP", "食品•乙", "食品・乙", "乙 海陵"):
        assert [s["uscc"] for s in city.found(query)] == [COMPANY], query
    assert city.found("hlps") == []
    [*_, event] = city.audit.of("subject.searched.public")
    assert event["details"] == {"by": "name", "found": 0}


def test_a_search_does_not_wait_longer_for_its_turn_than_its_caller_does(city: RunningDisclosure) -> None:
    """The search that has the turn may wait for a silent store; the others once waited as long again, each in turn."""
    directory = city.ctx.directory
    with ThreadPoolExecutor(1) as pool, directory._turn:

        def search() -> object:
            with within(0.2):
                return directory.found("海陵", "", "2026-11-24", 0, 10)

        refused = pool.submit(search).exception(timeout=4)
    assert isinstance(refused, Problem)
    assert refused.type is STORE_UNAVAILABLE
    assert directory.found("海陵", "", "2026-11-24", 0, 10) == ([], 0)
