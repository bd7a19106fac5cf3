"""Both ways to make canonical JSON give what RFC 8785 says."""

from enum import StrEnum

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from chengxin.values.canonical_json import canonical

texts = st.text(st.characters(exclude_categories=("Cs",)))
values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53) + 1, 2**53 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | texts,
    lambda inner: st.lists(inner) | st.dictionaries(texts, inner),
    max_leaves=20,
)


@given(values)
def test_it_is_what_rfc_8785_says(value: object) -> None:
    assert canonical(value) == rfc8785.dumps(value)  # type: ignore[arg-type]


class Colour(StrEnum):
    RED = "red"


def test_texts_of_other_types_and_tuples_are_texts_and_lists() -> None:
    assert canonical({"b": (Colour.RED,), "a": "\x7f\x1f/é"}) == b'{"a":"\x7f\\u001f/\xc3\xa9","b":["red"]}'


@pytest.mark.parametrize(
    "wrong", [2**53, -(2**53), float("nan"), {1: 2}, "\ud800", {"\ud800": 1}, {"a": b"x"}, object()]
)
def test_what_json_cannot_say_is_an_error(wrong: object) -> None:
    with pytest.raises(ValueError, match=r"."):
        canonical(wrong)
