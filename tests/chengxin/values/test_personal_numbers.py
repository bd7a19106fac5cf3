"""Numbers that stand for a person are recognised and placed however they are written, and other texts are left alone."""

import unicodedata
from itertools import product

import pytest

from chengxin.values.ids import new_id
from chengxin.values.personal_numbers import holds_personal_number, number_as_read, personal_numbers_in

NUMBER = "441702189001010020"
FULL_WIDTH = str.maketrans("0123456789X", "０１２３４５６７８９Ｘ")

WRITTEN = {
    "plain": NUMBER,
    "in words": f"案{NUMBER}号",
    "among digits": f"2026{NUMBER}01",
    "full-width": NUMBER.translate(FULL_WIDTH),
    "spaced": " ".join(NUMBER),
    "in groups": "441702-18900101-0020",
    "dotted": "441702.18900101.0020",
    "with what shows nothing": "\u200b".join(NUMBER),
    "with a Hangul filler": "\u3164".join(NUMBER),
    "with combining marks": "\u0301".join(NUMBER),
    "over lines": "441702\n18900101\n0020",
    "letters for digits": NUMBER.replace("0", "O").replace("1", "l"),
    "Chinese numerals": "四四一七零二一八九零零一零一零零二零",
    "Arabic-Indic digits": NUMBER.translate(str.maketrans("0123456789", "٠١٢٣٤٥٦٧٨٩")),
    "mathematical digits": NUMBER.translate(str.maketrans("0123456789", "𝟘𝟙𝟚𝟛𝟜𝟝𝟞𝟟𝟠𝟡")),
    "circled digits": "④④①⑦⓪②①⑧⑨⓪⓪①⓪①⓪⓪②⓪",
    "a check digit X": "11010118900307008X",
    "x in small": "11010118900307008x",
    "a Cyrillic X": "11010118900307008Х",
    "a slip in the check digit": "441702189001010021",
    "of before 1999": "441702880302002",
    "a mobile telephone": "13800138000",
    "after a letter that looks like a digit": "who: 13800138000",
    "after a number": "5, 138 0013 8000",
    "with the country": "+86 138-0013-8000",
    "a bank card": "6212 2600 0000 0001 230",
}

OTHER = (
    "",
    "（2026）粤17执123号",
    "杭税稽罚〔2026〕12号",
    "民事诉讼法第二百五十三条",
    "2026-11-30T10:46:50Z",
    "91330106MA2CFLJP7C",
    "441702198813020027",
    "999999999999999999",
    "1764499999999",
    "演共享〔2026〕1-1",
    "loan_application",
    # A county, a day and the number of a case.
    "44170220260512345",
    "4417022026051200012",
    "20260512441702001",
    # Of a building permit: a county, a day and four digits, with another check digit.
    "441702202605120102",
    "粤（2026）阳江市不动产权第0012345号",
    "JY14417020012345",
    "演市监许〔2026〕第20260512-0001号",
    # Amounts and days, which would be telephones or old identity numbers without their signs.
    "罚款150000000.00元",
    "标的额 138,001,380.00 元",
    "注册资本15,000,000,000元",
    "工程款1500.00/300.00万元",
    "任职1998.5—2001.10",
    "有效期2019.1.12-2021.12.31",
    "有效期2019/1/12～2021/12/31",
    "于2019-01-01 12:10:30.5登录",
    "第13、15、17、19、21、2条",
    "2016年1月12日至2021年12月31日",
    "电话0662-3388123",
)


@pytest.mark.parametrize("text", WRITTEN.values(), ids=WRITTEN)
def test_a_number_of_a_person_is_recognised(text: str) -> None:
    assert holds_personal_number(text)


@pytest.mark.parametrize("text", WRITTEN.values(), ids=WRITTEN)
def test_what_is_left_without_its_place_holds_none(text: str) -> None:
    befores = ("", "案", "身份证号码为：", "（", "2026年，", "Nr ")
    for before, after in product(befores, ("", "号", "）的记录", "，2026年1月1日", "\n")):
        whole = left = before + text + after
        for start, end in sorted(personal_numbers_in(whole), reverse=True):
            assert holds_personal_number(whole[start:end])
            left = left[:start] + "＊" + left[end:]
        assert not holds_personal_number(left), left
        assert left.startswith(before)
        assert left.endswith(after)


def test_every_character_that_is_read_as_a_digit_is_one_in_a_number() -> None:
    """Of all of Unicode: a quick look passes over none of them."""
    every = map(chr, range(0x20000))
    formed = [c for c in every if unicodedata.category(c)[0] == "N" or unicodedata.decomposition(c) or c in "零壹贰玖"]
    digits = {char: read for char in formed if len(read := number_as_read(char)) == 1 and read in NUMBER}
    assert len(digits) > 500
    assert [char for char, digit in digits.items() if not holds_personal_number(NUMBER.replace(digit, char))] == []


@pytest.mark.parametrize("place", range(len(NUMBER)))
def test_a_slip_of_one_character_makes_no_difference(place: int) -> None:
    before, after = NUMBER[:place], NUMBER[place:]
    slips = [before + after[1:], before + after[0] + after, before + "B" + after]
    assert [slip for slip in slips if not holds_personal_number(f"案 {slip} 号")] == []


@pytest.mark.parametrize("text", OTHER)
def test_other_texts_hold_none(text: str) -> None:
    assert not holds_personal_number(text)


def test_identifiers_of_the_system_hold_none() -> None:
    made = [new_id("req") for _ in range(2000)]
    # As letters that look like digits have them.
    made += ["req_06h2qgi487941l871jt8us6p2s", "req_06h2qggcv16o8l118l75ngea48"]
    assert [text for text in made if holds_personal_number(text)] == []
    assert holds_personal_number(f"req_{NUMBER}abcdefgh")
