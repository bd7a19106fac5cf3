"""Names and identifiers are masked, and identity numbers are found in texts."""

import json
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chengxin.values.identifiers import IDENTIFIERS, PERSONAL
from chengxin.values.personal_numbers import is_personal_number
from services.catalog.domain.entry import IdentifierScheme
from services.catalog.domain.sample_record import SAMPLES
from services.disclosure.domain.masking import mask_identifier, mask_name, scrub
from services.disclosure.domain.record_views import View
from tests.disclosure.delivered_records import ENTRIES, fragment
from tests.disclosure.running_disclosure import COMPANY, LI_NA


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
    assert is_personal_number(number)
    assert number not in scrub(before + number + after, ())
    assert number.lower() not in scrub(before + number.lower() + after, ())


def test_a_social_credit_code_in_a_text_stays() -> None:
    text = f"与{COMPANY}、91441700123456789X、44170219900101002200 有关"
    assert scrub(text, ()) == text


@pytest.mark.parametrize("document", sorted(kind for kind in PERSONAL if kind in IDENTIFIERS))
def test_the_number_of_each_document_is_masked_in_texts_as_people_write_it(document: str) -> None:
    """A passport's without the State that issued it."""
    number = SAMPLES[IdentifierScheme(document)]
    for written in {number, number.rpartition("-")[2]}:
        assert written not in scrub(f"持证人（{written}）有关", [number])


@given(st.sampled_from(sorted(ENTRIES)), identity_numbers(), st.data())
def test_no_identity_number_of_a_record_is_in_its_public_or_shared_view(
    code: str, number: str, data: st.DataObject
) -> None:
    """Whatever item it is in: the sealed one, or any free text."""
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
