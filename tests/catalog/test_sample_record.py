"""The example of an entry obeys its rules."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.catalog.domain.entry import read_content
from services.catalog.domain.entry_validation import findings
from services.catalog.domain.sample_record import example_record
from tests.catalog.conftest import demo_entry
from tests.catalog.record_checks import fits
from tests.catalog.workbooks import CODES


@pytest.mark.parametrize("code", CODES)
def test_the_example_of_an_entry_obeys_its_rules(code: str) -> None:
    content = read_content(demo_entry(code))
    example = example_record(content)
    assert fits(content)(example)
    organisations, persons = content.identifying_items()
    left_out = persons if organisations else []
    assert set(example) == {i.code for i in content.items if i not in left_out}


@given(st.sampled_from([r"[0-9]{4}", r"\d{2}-\d{2}", "(甲|乙)[^1a]{2}", r"[^\d]x?", r"a*b+", r"\w\s\S", ".", "^x$"]))
def test_an_example_matches_its_pattern(pattern: str) -> None:
    entry = demo_entry("AJNSR")
    entry["items"][4] |= {"pattern": pattern, "length": 10}
    assert findings(read_content(entry)) == []
    assert fits(read_content(entry))(example_record(read_content(entry)))
