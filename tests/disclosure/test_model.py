"""Masking, views and disclosure periods, by examples and properties."""

import json
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from services.disclosure.domain.catalog_entry import DisclosureEntry, DisclosurePeriodRule
from services.disclosure.domain.disclosure_period import disclosed_until, is_over
from services.disclosure.domain.masking import is_identity_number, mask_identifier, mask_name, scrub
from services.disclosure.domain.record_fragments import (
    Fragment,
    archived,
    fragment_of,
    packed,
    takes_another,
    unpacked,
    with_items,
)
from services.disclosure.domain.record_views import RecordVersion, View
from services.disclosure.domain.text_normalisation import as_code, normalised
from tests.disclosure.conftest import COMPANY, LI_NA, demo_entry

CODES = ("XZXK", "XZCF", "CFGR", "SXBZX", "SBJF", "SDQQF", "TQNMGGZ", "XKGR", "ZDSSWF", "ZYFWRY", "ZYZG")
ENTRIES = {code: DisclosureEntry.read(demo_entry(code) | {"version": 1}) for code in CODES}


def check_character(seventeen: str) -> str:
    weights = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
    return "10X98765432"[sum(int(d) * w for d, w in zip(seventeen, weights, strict=True)) % 11]


@st.composite
def identity_numbers(draw: st.DrawFn) -> str:
    born = draw(st.dates(date(1930, 1, 1), date(2010, 12, 31)))
    serial = draw(st.integers(0, 999))
    body = f"{draw(st.sampled_from(['441702', '110101', '650102']))}{born:%Y%m%d}{serial:03d}"
    return body + check_character(body)


@pytest.mark.parametrize(
    ("name", "masked"),
    [("李娜", "李**"), ("李小龙", "李**"), ("欧阳娜娜", "欧**"), ("买买提·吐尔逊", "买**"), ("", "")],
)
def test_a_masked_name_keeps_its_first_character(name: str, masked: str) -> None:
    assert mask_name(name) == masked


@pytest.mark.parametrize(
    ("identifier", "masked"),
    [
        (LI_NA, "441702********0020"),
        ("E12345678", "*****5678"),
        ("12345678", "****5678"),
        ("1234567", "*******"),
        ("", ""),
    ],
)
def test_a_masked_identifier_hides_what_is_in_the_middle(identifier: str, masked: str) -> None:
    assert mask_identifier(identifier) == masked


@given(st.text(min_size=1, max_size=40))
def test_a_masked_identifier_never_tells_the_identifier(identifier: str) -> None:
    masked = mask_identifier(identifier)
    assert len(masked) == len(identifier)
    assert masked.count("*") >= min(len(identifier), 4)


@given(
    identity_numbers(),
    st.text(alphabet="，。身份证号码为是：（）", max_size=8),
    st.text(alphabet="，。）的", max_size=8),
)
def test_an_identity_number_in_a_text_is_found(number: str, before: str, after: str) -> None:
    assert is_identity_number(number)
    assert number not in scrub(before + number + after, ())
    assert number.lower() not in scrub(before + number.lower() + after, ())


def test_a_social_credit_code_in_a_text_stays() -> None:
    text = f"与{COMPANY}、91441700123456789X、44170219900101002200 有关"
    assert scrub(text, ()) == text


@given(st.sampled_from(sorted(ENTRIES)), identity_numbers(), st.data())
def test_no_identity_number_of_a_record_is_in_its_public_or_shared_view(
    code: str, number: str, data: st.DataObject
) -> None:
    """Whatever item it is in: the sealed one, or any text that somebody wrote it into."""
    entry = ENTRIES[code]
    texts = [item.code for item in entry.items if item.free_text]
    sealed = {item.code: number for item in entry.items if item.personal_identifier}
    written = data.draw(st.lists(st.sampled_from(texts), min_size=1, max_size=3))
    items = dict.fromkeys(written, f"（身份证号{number}）") | dict.fromkeys(sealed, "enc:1:sealed")
    until = {entry.disclosure_period.item: "2026-01-01"} if entry.disclosure_period.item else {}
    for kind in ("individual", "enterprise"):
        kept = fragment(entry, items | until, sealed, kind)
        for mode in (View.PUBLIC, View.SHARED):
            if kept.shows_in(mode):
                assert number not in json.dumps(kept.items(mode), ensure_ascii=False)
                assert set(kept.items(mode)) <= {i.code for i in entry.items if mode.value in i.modes}
        assert not (kept.shows_in(View.PUBLIC) and set(sealed) & set(kept.items(View.PUBLIC)))


def test_an_identity_number_is_not_public_even_when_an_entry_says_so() -> None:
    plain = demo_entry("CFGR") | {"version": 1}
    for item in plain["items"]:
        if item["code"] == "CF_XDR_ZJHM":
            item |= {"modes": ["public", "shared"], "masking": ""}
    entry = DisclosureEntry.read(plain)
    opened = {"CF_XDR_ZJHM": LI_NA}
    kept = fragment(entry, {"CF_XDR_ZJHM": "enc:1:x"}, opened, "individual")
    assert kept.items(View.PUBLIC) == {}
    assert kept.items(View.SHARED) == {"CF_XDR_ZJHM": "441702********0020"}


def test_an_organisations_name_is_no_secret_where_a_persons_is_masked() -> None:
    entry = ENTRIES["SDQQF"]
    for kind, name in (("enterprise", "阳江市海陵食品有限公司"), ("individual", "阳**")):
        kept = fragment(entry, {"QF_MC": "阳江市海陵食品有限公司"}, {}, kind)
        assert kept.items(View.SHARED) == {"QF_MC": name}


@pytest.mark.parametrize(
    ("period", "items", "until"),
    [
        (DisclosurePeriodRule("unlimited"), {}, ""),
        (DisclosurePeriodRule("until_revoked"), {}, ""),
        (DisclosurePeriodRule("until_item", "D"), {"D": "2027-01-31"}, "2027-01-31"),
        (DisclosurePeriodRule("until_item", "D"), {"D": "2099-12-31"}, ""),
        (DisclosurePeriodRule("until_item", "D"), {}, ""),
        (DisclosurePeriodRule("years_from_item", "D", 3), {"D": "2024-03-01"}, "2027-03-01"),
        (DisclosurePeriodRule("years_from_item", "D", 1), {"D": "2024-02-29"}, "2025-02-28"),
        (DisclosurePeriodRule("years_from_item", "D", 2), {}, "2028-11-24"),
    ],
)
def test_how_long_a_record_is_disclosed(period: DisclosurePeriodRule, items: dict[str, str], until: str) -> None:
    assert disclosed_until(period, items, date(2026, 11, 24)) == until


def test_the_last_day_of_disclosure_counts() -> None:
    assert not is_over("2026-11-24", "2026-11-24")
    assert is_over("2026-11-24", "2026-11-25")
    assert not is_over("", "2999-01-01")


@given(st.lists(st.text(max_size=2000), max_size=20), st.booleans())
def test_a_page_is_kept_and_comes_back(texts: list[str], closed: bool) -> None:
    entry = ENTRIES["XZXK"]
    made = [fragment_of(n, delivered(entry, {"XK_NR": text}), entry, {}, False) for n, text in enumerate(texts)]
    kept = unpacked(packed((f for f, _ in made), closed=closed))
    assert kept == [f for f, _ in made]
    whole = [with_items(f, items) if f.long else f for f, (_, items) in zip(kept, made, strict=True)]
    assert [f.items(View.OWN)["XK_NR"] for f in whole] == texts
    assert len(packed((f for f, _ in made))) < 8 * 1024 + sum(len(t.encode()) for t in texts) * 4


@given(st.lists(st.integers(0, 6000), max_size=60))
def test_what_is_written_for_a_further_record_is_bounded_whatever_the_texts(lengths: list[int]) -> None:
    entry = ENTRIES["XZXK"]
    page: list[Fragment] = []
    for slot, length in enumerate(lengths):
        kept, _ = fragment_of(slot, delivered(entry, {"XK_NR": "文" * length}), entry, {}, False)
        size = sum(f.size() for f in page)
        page = [*page, kept] if takes_another(len(page), size, kept) else [kept]
        assert len(packed(page)) < 16 * 1024


def test_an_archived_record_is_in_the_full_view_alone() -> None:
    kept = archived(fragment(ENTRIES["XZXK"], {"XK_NR": "食品经营"}, {}, "enterprise"))
    assert [view for view in View if kept.shows_in(view)] == [View.OWN]
    assert kept.items(View.OWN) == {"XK_NR": "食品经营"}
    assert kept.items(View.PUBLIC) == {}


@pytest.mark.parametrize(
    ("text", "same"), [("ＡＢＣ 食品", "abc食品"), ("  阳江　食品\t", "阳江食品"), ("（集团）", "(集团)")]
)
def test_names_are_searched_without_width_case_and_spaces(text: str, same: str) -> None:
    assert normalised(text) == same


@pytest.mark.parametrize(
    ("text", "code"), [("91441700ma4", "91441700MA4"), ("９１４４", "9144"), ("914", ""), ("阳江", "")]
)
def test_what_looks_like_a_code_is_one(text: str, code: str) -> None:
    assert as_code(text) == code


def fragment(entry: DisclosureEntry, items: dict[str, str], opened: dict[str, str], kind: str) -> Fragment:
    return fragment_of(0, structs.replace(delivered(entry, items), kind=kind), entry, opened, False)[0]


def delivered(entry: DisclosureEntry, items: dict[str, str]) -> RecordVersion:
    at = datetime(2026, 11, 24, tzinfo=UTC) + timedelta(0)
    return RecordVersion(
        "r_1",
        1,
        entry.code,
        1,
        "P",
        "提供单位",
        "s_1",
        "identity_number",
        "individual",
        "李娜",
        "",
        items,
        False,
        at.isoformat(),
        at.date(),
    )
