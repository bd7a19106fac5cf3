"""What a record shows in each view, and how fragments are kept in pages."""

from hypothesis import given
from hypothesis import strategies as st

from services.disclosure.domain.catalog_entry import DisclosureEntry
from services.disclosure.domain.record_fragments import (
    Fragment,
    archive,
    fragment_of,
    packed,
    takes_another,
    unpacked,
    with_items,
)
from services.disclosure.domain.record_views import View
from tests.disclosure.delivered_records import ENTRIES, delivered, fragment
from tests.disclosure.running_disclosure import LI_NA, demo_entry


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
    kept = archive(fragment(ENTRIES["XZXK"], {"XK_NR": "食品经营"}, {}, "enterprise"))
    assert [view for view in View if kept.shows_in(view)] == [View.OWN]
    assert kept.items(View.OWN) == {"XK_NR": "食品经营"}
    assert kept.items(View.PUBLIC) == {}
