"""Texts are recorded, compared and searched in forms that Unicode's own tables give."""

import json
import re
import shutil
import subprocess
import sys
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chengxin.values import character_tables as tables
from chengxin.values.identifiers import standard_form
from chengxin.values.text_forms import (
    comparison_key,
    earlier_identity_key,
    first_hidden,
    identity_key,
    is_odd_name,
    is_odd_text,
    search_key,
    standard_identifier,
    standard_name,
    standard_text,
    with_hidden_named,
)

EVERYTHING = [chr(point) for point in range(sys.maxunicode + 1)]
_NODE = shutil.which("node")
_IGNORABLE = r"""
const found = [];
for (let c = 0; c < 0x110000; c++) if (/\p{Default_Ignorable_Code_Point}/u.test(String.fromCodePoint(c))) found.push(c);
console.log(JSON.stringify([process.versions.unicode, found]));
"""
_PIECES = st.one_of(
    st.characters(),
    st.sampled_from(
        "（）()•·・ 　\u200b辰\ufe00\U000e0100⼾⻓ＡａﾞｶﬁⅡ①ﷺ後后\u0301İßſ\uffa0\u3164´Å㐀\u3099か\t 〔2026〕[]—－\u0410○"
    ),
)
TEXTS = st.lists(_PIECES, max_size=8).map("".join)


ROOT = Path(__file__).parents[3]
# What looks for numbers of persons in a text has readings of its own; a pseudonym is made of a standard identifier.
_OTHER_FORMS = {"chengxin/values/personal_numbers.py", "chengxin/values/ids.py"}


def numeric(char: str) -> bool:
    return unicodedata.numeric(char, None) is not None


def is_hidden(char: str) -> bool:
    return bool(first_hidden(char, 1))


def test_what_python_takes_for_controls_private_or_format_is_hidden() -> None:
    """Of the characters that Python's older table knows; Chinese characters to come are not hidden."""
    unseen = {"Cc", "Cf", "Cs", "Co", "Zl", "Zp"}
    seen = {"Ll", "Lu", "Lt", "Nd", "Nl", "No", "Pc", "Pd", "Pe", "Pf", "Pi", "Po", "Ps", "Sc", "Sk", "Sm", "Zs"}
    for char in EVERYTHING:
        category = unicodedata.category(char)
        if category in unseen:
            assert is_hidden(char) is (char not in "\t\n\r"), ascii(char)
        elif category in seen or "CJK UNIFIED" in unicodedata.name(char, ""):
            assert not is_hidden(char), ascii(char)
    assert not is_hidden("\U0003347a")
    # Of the symbols two blanks, and two that stand for what was lost.
    symbols = [c for c in EVERYTHING if unicodedata.category(c) == "So" and is_hidden(c)]
    assert symbols == ["\u2800", "\ufffc", "\ufffd", "\U0001d159"]
    assert not is_hidden("\U000323b0")


def test_noncharacters_and_what_is_not_assigned_are_hidden() -> None:
    noncharacters = [*range(0xFDD0, 0xFDF0), *(plane << 16 | end for plane in range(17) for end in (0xFFFE, 0xFFFF))]
    assert len(noncharacters) == 66
    assert all(is_hidden(chr(point)) for point in (*noncharacters, 0x378, 0x2FE0, 0xE01F0, 0x50000))


@pytest.mark.skipif(_NODE is None, reason="node is not there")
def test_what_unicode_says_to_ignore_is_hidden() -> None:
    answer = subprocess.run([str(_NODE), "-e", _IGNORABLE], check=True, capture_output=True, text=True)
    _, points = json.loads(answer.stdout)
    assert len(points) >= 4174
    assert [hex(point) for point in points if not is_hidden(chr(point))] == []


@pytest.mark.parametrize("char", [*"\u2800\u3164\uffa0\u115f\u1160\u034f\u17b4\u2065\u180b\U0001d159\U00016fe4"])
def test_what_is_blank_is_told_with_its_place(char: str) -> None:
    assert first_hidden(f"阳江{char}甲{char}", 5) == [(3, char)]
    assert with_hidden_named(f"甲{char}") == f"甲<U+{ord(char):04X}>"
    assert standard_name(f"阳江{char}甲") == f"阳江{char}甲"
    assert comparison_key(f"阳江{char}甲") == comparison_key("阳江甲")


def test_every_look_alike_is_recorded_as_what_it_looks_like() -> None:
    assert len(tables.LOOKS_LIKE) == len(tables.RECORDED_AS) >= 450
    for char, other in zip(tables.LOOKS_LIKE, tables.RECORDED_AS, strict=True):
        assert standard_text(f"甲{char}x") == unicodedata.normalize("NFC", f"甲{other}x"), ascii(char)
        assert is_odd_text(f"甲{char}x")
        assert search_key(f"甲{char}x") == search_key(f"甲{other}x")


def test_every_compatibility_ideograph_is_recorded_as_the_unified_one() -> None:
    compatibility = [c for c in EVERYTHING if "CJK COMPATIBILITY IDEOGRAPH" in unicodedata.name(c, "")]
    unified = [standard_name(c) for c in compatibility]
    # Twelve of the block are unified ones in spite of their names.
    assert len([c for c, u in zip(compatibility, unified, strict=True) if c == u]) == 12
    assert {unicodedata.name(u)[:21] for u in unified} <= {"CJK UNIFIED IDEOGRAPH", "CJK COMPATIBILITY IDE"}


@pytest.mark.parametrize("selector", ["\ufe00", "\ufe0f", "\U000e0100", "\U000e01ef", "\ufe00\U000e0100"])
def test_a_shape_of_a_chinese_character_is_the_character(selector: str) -> None:
    assert standard_name(f"辰{selector}丁") == standard_text(f"\uf971{selector}丁") == "辰丁"
    # Of another character it is refused.
    assert first_hidden(standard_name(f"a{selector}丁"), 1)


@pytest.mark.parametrize("dot", [*"\u0387\u1427\u2022\u2027\u2219\u22c5\u2e31\u30fb\uff65\ua78f\U00010101"])
def test_each_middle_dot_is_one(dot: str) -> None:
    assert standard_name(f"阿凡提{dot}乙") == "阿凡提·乙"
    assert search_key(f"阿凡提{dot}乙") == search_key("阿凡提·乙")


@pytest.mark.parametrize(
    "alike",
    [
        *(
            "阳市监罚(2026)1号",
            "阳市监罚（2026） 1 号",
            "阳市监罚[2026]1号",
            "阳市监罚［2026］1号",
            "阳市监罚【2026】1号",
            "阳市监罚〖2026〗1号",
            "阳市监罚（２０２６）1号",
            "阳市监罚﹙2026﹚1号",
            "阳市监罚（𝟐026）1号",
        ),
    ],
)
def test_what_is_the_same_to_the_eye_has_one_identity(alike: str) -> None:
    assert identity_key(alike) == "阳市监罚〔2026〕1号"


@pytest.mark.parametrize("dash", "\u2010\u2011\u2012\u2013\u2014\u2015\u2043\u2212\u2500\u2501\ufe58\ufe63\uff0d")
def test_each_dash_is_one_in_keys_and_identifiers(dash: str) -> None:
    assert identity_key(f"粤建2026{dash}1号") == "粤建2026-1号"
    assert identity_key(f"A{dash}1") == "A-1"
    assert standard_form("passport", f"CHN{dash}E00000000") == "CHN-E00000000"


@pytest.mark.parametrize(
    ("typed", "key"),
    [
        ("〔2026〕粤1702执1号", "（2026）粤1702执1号"),
        ("演示【阳江】公司", "演示（阳江）公司"),
        ("A[1]", "A(1)"),
        ("二\u25cb二六年", "二〇二六年"),
        ("粤\u0410\u0412\u04211号", "粤ABC1号"),
        ("粤\u0391\u0395\u03a71号", "粤AEX1号"),
    ],
)
def test_other_signs_and_letters_that_are_typed_for_the_same(typed: str, key: str) -> None:
    assert identity_key(typed) == key


def test_a_number_in_a_circle_does_not_run_into_the_digits_beside_it() -> None:
    """Nor does one that is raised or lowered, or a fraction: 1① is not 11."""
    apart = {"<circle>", "<super>", "<sub>", "<fraction>"}
    numbers = [c for c in EVERYTHING if unicodedata.decomposition(c).split(" ")[0] in apart and numeric(c)]
    assert len(numbers) > 90
    assert [c for c in numbers if identity_key(f"处1{c}号") != f"处1{c}号"] == []


@pytest.mark.parametrize("text", ["阳市监罚〔2026〕1号", "（2026）粤1702执1号", "A-1/2", "a b", "阿凡提·乙", "𠮷"])
def test_an_ordinary_text_is_its_own_identity(text: str) -> None:
    assert identity_key(text) == standard_text(text) == text


@pytest.mark.parametrize(("one", "other"), [("㊀", "乙"), ("A", "a"), ("1", "l"), ("後", "后"), ("①", "②")])
def test_what_looks_different_has_two(one: str, other: str) -> None:
    assert identity_key(one) != identity_key(other)


def test_every_traditional_character_finds_its_simplified_one() -> None:
    assert len(tables.TRADITIONAL) == len(tables.SIMPLIFIED) > 4000
    for traditional, simplified in zip(tables.TRADITIONAL, tables.SIMPLIFIED, strict=True):
        assert search_key(traditional) == search_key(simplified)
    assert search_key("廣東省陽江市長發貿易") == search_key("广东省阳江市长发贸易")
    # What is recorded and compared stays as it is.
    assert standard_name("陽江") == comparison_key("陽江") == "陽江"


@pytest.mark.parametrize(
    "form", [standard_text, standard_name, standard_identifier, comparison_key, search_key, identity_key]
)
@settings(max_examples=100)
@given(TEXTS)
def test_a_form_of_a_form_is_the_form(form, text: str) -> None:  # type: ignore[no-untyped-def]
    assert form(form(text)) == form(text)


@settings(max_examples=100)
@given(TEXTS)
def test_a_key_of_its_own_was_one_before(text: str) -> None:
    """Who has it is found without a look for keys of the version before."""
    key = identity_key(text)
    assert earlier_identity_key(key) == key
    assert identity_key(earlier_identity_key(text)) == key


@settings(max_examples=200)
@given(TEXTS)
def test_what_is_recorded_is_found_by_what_was_delivered(text: str) -> None:
    for form in (standard_text, standard_name):
        assert search_key(form(text)) == search_key(text)
    assert len(standard_text(text)) <= len(text)


@settings(max_examples=200)
@given(TEXTS.map(str.strip))
def test_what_is_not_odd_is_in_its_form(text: str) -> None:
    if not is_odd_text(text):
        assert standard_text(text) == text
        if not is_odd_name(text):
            assert standard_name(text) == text


def test_nothing_else_has_forms_of_its_own() -> None:
    """What is recorded in one form and searched in another is not found."""
    files = [file for folder in ("chengxin", "services", "gateway") for file in (ROOT / folder).rglob("*.py")]
    own_form = re.compile(r"\bunicodedata\b|\.casefold\(|\.strip\(\)\.upper\(")
    found = {str(file.relative_to(ROOT)) for file in files if own_form.search(file.read_text(encoding="utf-8"))}
    assert found == _OTHER_FORMS | {"chengxin/values/text_forms.py"}
