"""A text is read in the encoding that it has, or refused with the byte at which its encoding is not clear."""

import io
from collections.abc import Mapping

import pytest

from chengxin.tabular.reader import encoding
from chengxin.tabular.reader.encoding import detect_encoding, must_be_only_utf8
from chengxin.tabular.reader.fault import Fault

HEAD = "统一社会信用代码,主体名称,登记机关\r\n"
ROW = "91000000MA0070064F,阳江演示甲贸易有限公司,阳江市市场监督管理局\r\n"
TEXT = HEAD + ROW * 3
LATIN = "code,name\r\n1,Müller señor Straße\r\n"
UTF8, GB = TEXT.encode(), TEXT.encode("gb18030")
GB_ROW = ROW.encode("gb18030")
FOUR_BYTES = "\U00020bb7".encode("gb18030")
TRADITIONAL = "代碼,名稱\r\n1,陳大文記茶餐廳有限公司註冊地址九龍灣\r\n"

READ: Mapping[str, tuple[bytes, str]] = {
    "utf-8": (UTF8, "utf-8"),
    "utf-8 with mark": (b"\xef\xbb\xbf" + UTF8, "utf-8-sig"),
    "utf-8 without Chinese, with mark": (b"\xef\xbb\xbf" + LATIN.encode(), "utf-8-sig"),
    "ascii": (b"a,b\r\n1,2\r\n", "utf-8"),
    "nothing": (b"", "utf-8"),
    "utf-8 with private use": (f"{HEAD}1,\ue000,2".encode(), "utf-8"),
    "gb18030": (GB, "gb18030"),
    "gb18030 of one word": ("阳江".encode("gb18030"), "gb18030"),
    "gb18030 with four bytes at the end": (GB + "吉".encode("gb18030") + FOUR_BYTES, "gb18030"),
    "gb18030 with some private use": (GB + b"1,\xaa\xa1,2\r\n", "gb18030"),
    "gb18030 with a rare name": (GB + "1,刘䶮,朱镕基\r\n".encode("gb18030"), "gb18030"),
    "gb18030, whose bytes are sometimes utf-8": (GB + "1,联通,媒\r\n".encode("gb18030"), "gb18030"),
    "utf-16": (TEXT.encode("utf-16"), "utf-16"),
    "utf-16, the other end first": (b"\xfe\xff" + TEXT.encode("utf-16-be"), "utf-16"),
    "utf-16 without mark": (TEXT.encode("utf-16-le"), "utf-16-le"),
    "utf-16 without mark, the other end first": (TEXT.encode("utf-16-be"), "utf-16-be"),
    "utf-16 of digits without mark": ("a,b\r\n1,2\r\n".encode("utf-16-le"), "utf-16-le"),
    "utf-16 with 一, which has a zero byte": ("一,一\r\n统一,1\r\n".encode("utf-16-le"), "utf-16-le"),
}

_CUT = UTF8[:40] + b"A" + UTF8[41:]
_LONG = HEAD.encode() + ROW.encode() * 20_000
# The name of the case: its bytes, its code, and where the first byte is that is not right.
REFUSED: Mapping[str, tuple[bytes, str, int]] = {
    "utf-8 cut in a character": (_CUT, "FILE_ENCODING_DAMAGED", 38),
    "utf-8 cut at the end": (UTF8 + "局".encode()[:2], "FILE_ENCODING_DAMAGED", len(UTF8)),
    "utf-8 cut far inside": (_LONG + b"\xe9\x98," + _LONG, "FILE_ENCODING_DAMAGED", len(_LONG)),
    "utf-8 cut, ASCII header": ("a,b\n1,阳江演示茶叶".encode() + b"\xe7A,\n", "FILE_ENCODING_DAMAGED", 24),
    "utf-8 of two characters, cut": ("a\n王强".encode() + b"\xe5A\n", "FILE_ENCODING_DAMAGED", 8),
    "utf-8 with mark, cut": (b"\xef\xbb\xbf" + _CUT, "FILE_ENCODING_DAMAGED", 41),
    "utf-8, then gb18030": (UTF8 + GB_ROW, "FILE_ENCODING_DAMAGED", len(UTF8) + 19),
    "utf-8 with mark, then gb18030": (b"\xef\xbb\xbf" + UTF8 + GB_ROW, "FILE_ENCODING_DAMAGED", 22 + len(UTF8)),
    "utf-8 with half of a surrogate pair": (UTF8 + b"\xed\xa0\x80", "FILE_ENCODING_DAMAGED", len(UTF8)),
    "gb18030, then utf-8": (GB * 3 + ROW.encode(), "FILE_ENCODING_MIXED", 3 * len(GB) + 19),
    "gb18030 with one name in utf-8": (
        GB + b"1," + "演示公司".encode() + ",局\n".encode("gb18030") + GB,
        "FILE_ENCODING_MIXED",
        len(GB) + 2,
    ),
    "gb18030 cut at the end": (GB + FOUR_BYTES[:3], "FILE_ENCODING_UNKNOWN", len(GB)),
    "gb18030 cut in four bytes": (GB + FOUR_BYTES[:2] + b",x", "FILE_ENCODING_UNKNOWN", len(GB)),
    "gb18030 with a byte that nothing has": (GB + b"\xff\xff", "FILE_ENCODING_UNKNOWN", len(GB)),
    "gb18030 with the Euro of Windows": (GB + b"\x80\r\n", "FILE_ENCODING_UNKNOWN", len(GB)),
    "latin-1": (LATIN.encode("latin-1"), "FILE_ENCODING_UNLIKELY", 14),
    "latin-1 that gb18030 has not": ("code\r\ncafé,x".encode("latin-1"), "FILE_ENCODING_UNKNOWN", 9),
    "windows-1252": ("a\r\nM\u00fcller \u201esonst".encode("cp1252"), "FILE_ENCODING_UNLIKELY", 4),
    "big5": (TRADITIONAL.encode("big5"), "FILE_ENCODING_UNLIKELY", 0),
    "shift-jis": ("番号\r\n東京都千代田区株式会社".encode("shift-jis"), "FILE_ENCODING_UNLIKELY", 0),
    "euc-kr": (
        "A,B\n서울건설주식회사,김철수이영희박민수\n대한민국의모든국민은법앞에평등하다\n".encode("euc-kr"),
        "FILE_ENCODING_UNLIKELY",
        4,
    ),
    "euc-jp": (
        "A,B\n日本国民は正当に選挙された国会における代表者を通じて行動し,東京都千代田区株式会社\n".encode("euc-jp"),
        "FILE_ENCODING_UNLIKELY",
        4,
    ),
    "iso-8859-5": (
        "A\nОбщество с ограниченной ответственностью Строительная компания\n".encode("iso8859-5"),
        "FILE_ENCODING_UNKNOWN",
        11,
    ),
    "gb18030 of private use alone": (b"a\r\n\xaa\xa1\xaa\xa2\xaa\xa3", "FILE_ENCODING_UNLIKELY", 3),
    "a NUL in utf-8": (UTF8 + b"1,\x00,2", "FILE_NUL", len(UTF8) + 2),
    "a NUL in little utf-8": ("甲,1\0\r\n".encode(), "FILE_NUL", 5),
    "a NUL in gb18030": (GB + b"1,\x00,2", "FILE_NUL", len(GB) + 2),
    "a NUL in utf-16": (TEXT.encode("utf-16-le").join([b"\xff\xfe", b"\0\0"]), "FILE_NUL", 2 + 2 * len(TEXT)),
    "utf-16 cut at the end": (TEXT.encode("utf-16")[:-1], "FILE_ENCODING_DAMAGED", 2 * len(TEXT)),
    "utf-16 without mark, cut": (TEXT.encode("utf-16-le")[:-1], "FILE_ENCODING_DAMAGED", 2 * len(TEXT) - 2),
    "utf-16 of another script without mark": ("ا,ب\r\nت,ث\r\n".encode("utf-16-le"), "FILE_ENCODING_UNLIKELY", 0),
    "utf-32": ("a,b\r\n".encode("utf-32"), "FILE_NUL", 2),
}


@pytest.mark.parametrize("name", READ)
def test_a_text_is_read_in_its_encoding(name: str) -> None:
    content, expected = READ[name]
    file = io.BytesIO(content)
    assert detect_encoding(file) == expected
    if expected == "utf-8":
        must_be_only_utf8(file)


@pytest.mark.parametrize("name", REFUSED)
def test_a_text_whose_encoding_is_not_clear_is_refused_with_the_byte(name: str) -> None:
    content, code, offset = REFUSED[name]
    with pytest.raises(Fault) as told:
        detect_encoding(io.BytesIO(content))
    assert (told.value.code, told.value.params["offset"]) == (code, str(offset))
    end = b"\n\0" if "utf-16" in name and "digits" not in name else b"\n"
    assert told.value.params["line"] == str(content[:offset].count(end) + 1)


@pytest.mark.parametrize("piece_bytes", [1, 2, 7, 64])
@pytest.mark.parametrize("name", [n for n, (_, code, _) in REFUSED.items() if code == "FILE_ENCODING_UNKNOWN"])
def test_the_byte_is_right_in_a_long_text_too(monkeypatch: pytest.MonkeyPatch, name: str, piece_bytes: int) -> None:
    content, code, offset = REFUSED[name]
    monkeypatch.setattr(encoding, "_PIECE_BYTES", piece_bytes)
    with pytest.raises(Fault) as told:
        detect_encoding(io.BytesIO(content))
    assert (told.value.code, told.value.params["offset"]) == (code, str(offset))


@pytest.mark.parametrize("text", ["a\nMüller\n", "a,b\n1,·\n", "a\nñ\n"])
def test_utf8_that_may_be_chinese_in_gb18030_is_refused(text: str) -> None:
    file = io.BytesIO(text.encode())
    assert detect_encoding(file) == "utf-8"
    with pytest.raises(Fault) as told:
        must_be_only_utf8(file)
    assert told.value.code == "FILE_ENCODING_AMBIGUOUS"
    assert told.value.params["line"] == "2"
