"""How names and queries are normalised before they are compared."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chengxin.values.text_forms import search_key, standard_name
from services.disclosure.domain.text_normalisation import as_code, as_initials, readings
from tests.disclosure.name_searches import SIGNS


@pytest.mark.parametrize(
    ("text", "same"), [("ＡＢＣ 食品", "abc食品"), ("  阳江　食品\t", "阳江食品"), ("（集团）", "(集团)")]
)
def test_names_are_searched_without_width_case_and_spaces(text: str, same: str) -> None:
    assert search_key(text) == same


@pytest.mark.parametrize(
    ("text", "code"), [("91441700ma4", "91441700MA4"), ("９１４４", "9144"), ("914", ""), ("阳江", "")]
)
def test_what_looks_like_a_code_is_one(text: str, code: str) -> None:
    assert as_code(text) == code


@given(st.text(SIGNS, max_size=12))
def test_a_name_is_searched_and_recorded_by_one_rule(text: str) -> None:
    assert search_key(standard_name(text)) == search_key(text)


@given(st.text(max_size=12))
def test_a_name_is_read_in_few_ways_each_with_all_its_signs(name: str) -> None:
    ways = readings(name)
    assert len(ways) <= 16
    assert len({len(way) for way in ways}) <= 1
    assert len(set(ways)) == len(ways)


@pytest.mark.parametrize(
    ("name", "initials"),
    [
        ("阳江海陵食品", "yjhlsp"),
        ("阳江（海陵）食品", "yjhlsp"),
        ("长江银行", "cjyh"),
        ("阳江重庆长安会计", "yjcqcakj"),
        ("厦门3号a店", "xm3had"),
        ("石油", "sy"),
    ],
)
def test_a_name_is_read_as_people_read_it(name: str, initials: str) -> None:
    assert initials in readings(name)


@pytest.mark.parametrize(
    ("query", "initials"),
    [("yjhlsp", "yjhlsp"), ("ＹＪ hl", "yjhl"), ("y", ""), ("123", ""), ("3h", "3h"), ("海l", "")],
)
def test_what_looks_like_initials_is_taken_for_them(query: str, initials: str) -> None:
    assert as_initials(query) == initials
