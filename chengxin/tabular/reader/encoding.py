"""Finds the encoding of a text: by its mark, else by a guess, which is only believed when what it gives is plausible.

GB18030 gives a character for nearly every pair of bytes, so that it decodes UTF-8 with a character cut in two, Big5 and
Latin-1 as well. What it gives then is no Chinese that anybody writes, and must not be recorded.
"""

import codecs
import re
from collections.abc import Callable, Iterator
from typing import IO, Final, NoReturn

from chengxin.tabular.reader.fault import Fault

_PIECE_BYTES: Final = 1 << 20
_HEAD_BYTES: Final = 4096
# UTF-16 has a zero byte in so many bytes, or in fewer.
_LEAST_ZEROS: Final = 40
_MARKS: Final = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_NAMES: Final = {
    "utf-8": "UTF-8",
    "utf-8-sig": "UTF-8",
    "utf-16": "UTF-16",
    "utf-16-le": "UTF-16",
    "utf-16-be": "UTF-16",
    "gb18030": "GB18030",
}
_HAN_IN_UTF8: Final = re.compile(rb"(?:[\xe3-\xe9\xef][\x80-\xbf][\x80-\xbf])+")
# In GB18030 so many in a row come once in some 10^11 characters.
_HAN_RUN_IN_UTF8: Final = re.compile(rb"(?:[\xe4-\xe9][\x80-\xbf][\x80-\xbf]){4}")
_HIGH_BYTES: Final = re.compile(rb"[\x80-\xff]+")
_ASCII: Final = re.compile("[\x00-\x7f]+")
# From here on characters have three bytes in UTF-8, as Chinese ones have.
_CHINESE: Final = re.compile("[\u0800-\U0010ffff]")
# A guess is plausible while at most so many of its characters, one in, are outside of GB 2312, which has nearly
# everything that is written. Names have others, but no text has many. Of UTF-8, Big5 and Latin-1 read as GB18030 it is
# every other one or more.
_ONE_UNLIKELY_IN: Final = 3
# EUC-JP, EUC-KR and ISO 8859-5 give characters of GB 2312, but seldom those that Chinese is made of. Of these, the
# commonest in prose, registers and surnames, a register of companies has 57 %, the poorest of its names 33 %; Korean,
# Japanese and Russian read as GB18030 have at most 21 %.
_COMMON: Final = frozenset(
    "的一是了不在有人这上大来和我个中地为以说到要时子就年们会可也你对生能而那得于着下自之过家学里后小么心多天日好都然没起还发"
    "成事只作当想看文无开手用主行方又如前所本见经头面同已此动长知将两些从实定其进明高力老关新正重相回意第名身最把理间点外情分"
    "问现口国被样感法者走由部机工水制度合公司限市区县局业务许政处罚决书期类型统社信代码姓证件号营销售批零食品建筑程科技服管贸"
    "易商店餐饮责任咨询广东省阳江城春西海陵演示苏浙北京村镇街道路室楼单位内容依据备注失黑违反规警告款吊执照登记册资址电话编状"
    "态效变更王李张刘陈杨赵黄周吴徐孙胡朱林何郭马罗梁宋郑谢韩唐冯董萧曹袁邓傅沈曾彭吕卢蒋蔡贾丁魏薛叶阎余潘杜戴夏钟汪田姜范石"
    "姚谭廖邹熊金陆郝孔白崔康毛邱秦史顾侯邵孟龙万段钱汤尹黎常武乔贺赖龚华伟芳娜秀英敏静丽强磊军洋勇艳杰娟涛超兰霞平刚桂玉红梅"
    "志燕"
)
_ONE_COMMON_IN: Final = 4
_LEAST_JUDGED: Final = 20
_HAN: Final = re.compile("[\u4e00-\u9fff]")


def detect_encoding(file: IO[bytes]) -> str:
    """The encoding of a text by Python's name: by its mark, else UTF-8 or GB18030, or UTF-16 without a mark.

    Raises FILE_ENCODING_DAMAGED, _MIXED, _UNKNOWN, _UNLIKELY and FILE_NUL with the place.
    """
    file.seek(0)
    head = file.read(_PIECE_BYTES)
    for mark, name in _MARKS:
        if head.startswith(mark):
            if (offset := _find_undecodable(file, name)) is not None:
                _refuse("FILE_ENCODING_DAMAGED", file, offset, name)
            return name
    if guess := _guess_utf16(head):
        if (offset := _find_undecodable(file, guess)) is not None:
            _refuse("FILE_ENCODING_DAMAGED", file, offset, guess)
        _must_be_likely(file, guess)
        return guess
    broken = _find_undecodable(file, "utf-8")
    if broken is None:
        return "utf-8"
    if _is_mostly_utf8(head):
        _refuse("FILE_ENCODING_DAMAGED", file, broken, "utf-8")
    if (offset := _find(file, _HAN_RUN_IN_UTF8.search)) is not None:
        _refuse("FILE_ENCODING_MIXED", file, offset, "gb18030")
    if (offset := _find_undecodable(file, "gb18030")) is not None:
        _refuse("FILE_ENCODING_UNKNOWN", file, offset, "gb18030")
    _must_be_likely(file, "gb18030")
    _must_be_common(file)
    return "gb18030"


def must_be_only_utf8(file: IO[bytes]) -> None:
    """Raises FILE_ENCODING_AMBIGUOUS for UTF-8 without Chinese that is plausible Chinese when read as GB18030.

    `ü` is a word's letter in UTF-8 and a Chinese character in GB18030. Whoever writes CSV may mean either; JSON is
    UTF-8 by its standard (RFC 8259, section 8.1).
    """
    for piece in _pieces(file):
        if not piece.isascii() and _CHINESE.search(piece.decode("utf-8", "ignore")):
            return
    offset = _find(file, _HIGH_BYTES.search)
    if offset is None or _find_undecodable(file, "gb18030") is not None:
        return
    file.seek(0)
    likely, unlikely = _count_likely(file.read(_PIECE_BYTES).decode("gb18030", "ignore"))
    if likely and not unlikely:
        _refuse("FILE_ENCODING_AMBIGUOUS", file, offset, "utf-8")


def _refuse(code: str, file: IO[bytes], offset: int, encoding: str) -> NoReturn:
    raise Fault(code, offset=offset, line=_line_of(file, offset, encoding), encoding=_NAMES[encoding])


def _pieces(file: IO[bytes]) -> Iterator[bytes]:
    file.seek(0)
    while piece := file.read(_PIECE_BYTES):
        yield piece


def _find_undecodable(file: IO[bytes], encoding: str) -> int | None:
    """Where the first byte is that an encoding does not have. Raises FILE_NUL when a NUL comes before it."""
    decoder = codecs.getincrementaldecoder(encoding)()
    bytes_read = 0
    for piece in _with_end(file):
        try:
            text = decoder.decode(piece, final=not piece)
        except UnicodeDecodeError as e:
            # Its text begins with what was left of the piece before.
            return bytes_read + len(piece) - len(e.object) + e.start
        if "\0" in text:
            _refuse("FILE_NUL", file, bytes_read + _find_nul(piece, text, encoding), encoding)
        bytes_read += len(piece)
    return None


def _find_nul(piece: bytes, text: str, encoding: str) -> int:
    """Where a NUL is in a piece; in UTF-16 other characters have zero bytes, too."""
    if not encoding.startswith("utf-16"):
        return piece.index(0)
    mark = len(codecs.BOM_UTF16) if piece.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) else 0
    return mark + len(text[: text.index("\0")].encode("utf-16-le"))


def _with_end(file: IO[bytes]) -> Iterator[bytes]:
    """The pieces of a file, and an empty one at its end."""
    yield from _pieces(file)
    yield b""


def _find(file: IO[bytes], search: "Callable[[bytes], re.Match[bytes] | None]") -> int | None:
    """Where a pattern is found first; over the border of two pieces it is not found."""
    bytes_read = 0
    for piece in _pieces(file):
        if hit := search(piece):
            return bytes_read + hit.start()
        bytes_read += len(piece)
    return None


def _guess_utf16(head: bytes) -> str:
    """UTF-16 without a mark: every other byte of an ASCII comma, digit or line end is zero, and few others are."""
    head = head[:_HEAD_BYTES]
    zeros = [head[0::2].count(0), head[1::2].count(0)]
    if max(zeros) * _LEAST_ZEROS <= len(head) or max(zeros) < 2 * min(zeros):
        return ""
    # Of ASCII alone every other byte is zero; with Chinese it is no UTF-8.
    if 4 * max(zeros) < len(head) and _begins_as_utf8(head):
        return ""
    return "utf-16-be" if zeros[0] > zeros[1] else "utf-16-le"


def _begins_as_utf8(head: bytes) -> bool:
    try:
        codecs.getincrementaldecoder("utf-8")().decode(head)
    except UnicodeDecodeError:
        return False
    return True


def _is_mostly_utf8(head: bytes) -> bool:
    """Whether most bytes beyond ASCII are of characters of three bytes, which Chinese is in UTF-8, and no GB18030."""
    high = sum(map(len, _HIGH_BYTES.findall(head)))
    return 2 * sum(map(len, _HAN_IN_UTF8.findall(head))) > high


def _count_likely(text: str) -> tuple[int, int]:
    """How many characters beyond ASCII are in GB 2312, and how many are not."""
    characters = _ASCII.sub("", text)
    likely = len(characters.encode("gb2312", "ignore")) // 2
    return likely, len(characters) - likely


def _must_be_likely(file: IO[bytes], encoding: str) -> None:
    """Raises FILE_ENCODING_UNLIKELY, with the first line that has an unlikely character."""
    file.seek(0)
    text = file.read(_PIECE_BYTES).decode(encoding, "ignore")
    likely, unlikely = _count_likely(text)
    if unlikely * _ONE_UNLIKELY_IN <= likely + unlikely:
        return
    first = next(n for n, c in enumerate(text) if not c.isascii() and not c.encode("gb2312", "ignore"))
    _refuse("FILE_ENCODING_UNLIKELY", file, len(text[:first].encode(encoding)), encoding)


def _must_be_common(file: IO[bytes]) -> None:
    """Raises FILE_ENCODING_UNLIKELY for what is GB18030 by its bytes, and no Chinese by its characters."""
    file.seek(0)
    text = file.read(_PIECE_BYTES).decode("gb18030", "ignore")
    found = _HAN.findall(text)
    if len(found) < _LEAST_JUDGED or sum(c in _COMMON for c in found) * _ONE_COMMON_IN >= len(found):
        return
    first = next(m.start() for m in _HAN.finditer(text) if m[0] not in _COMMON)
    _refuse("FILE_ENCODING_UNLIKELY", file, len(text[:first].encode("gb18030")), "gb18030")


def _line_of(file: IO[bytes], offset: int, encoding: str) -> int:
    """The line that a byte is in, counted from 1, by whichever line ends the text has."""
    decoder = codecs.getincrementaldecoder(encoding)("ignore")
    feeds = returns = 0
    for piece in _pieces(file):
        text = decoder.decode(piece[: max(0, offset)])
        feeds, returns = feeds + text.count("\n"), returns + text.count("\r")
        offset -= len(piece)
        if offset <= 0:
            break
    return (feeds or returns) + 1
