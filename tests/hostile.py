"""Files that are made to stop their reader: some by hand, any number at random."""

import io
import random
import re
import zipfile
from collections.abc import Callable, Mapping
from datetime import date
from functools import cache

import openpyxl

Parts = dict[str, bytes]

SHEET = "xl/worksheets/sheet1.xml"
TEXTS = "xl/sharedStrings.xml"
MAIN = b"http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_OFFICE = b"http://schemas.openxmlformats.org/officeDocument/2006/relationships"


def parts_of(book: bytes) -> Parts:
    """The parts of a workbook by name."""
    with zipfile.ZipFile(io.BytesIO(book)) as archive:
        return {part.filename: archive.read(part) for part in archive.infolist()}


def packed(parts: Mapping[str, bytes]) -> bytes:
    """A workbook of these parts."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    return file.getvalue()


def changed(book: bytes, part: str, old: bytes, new: bytes) -> bytes:
    """A workbook with something else in one of its parts."""
    parts = parts_of(book)
    assert old in parts[part], (part, old)
    return packed(parts | {part: parts[part].replace(old, new, 1)})


@cache
def plain_book() -> bytes:
    """Two registrations: texts, numbers and dates."""
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    sheet.title = "数据"
    more = {"主体类型": "有限责任公司", "登记机关": "阳江演示局", "登记状态": "存续", "核准日期": "2019-07-31"}
    sheet.append(["统一社会信用代码", "主体名称", "成立日期", "注册资本（元）", *more])
    for number in range(2):
        sheet.append(
            [f"91441700MA{number:08}", f"阳江演示{number}有限公司", date(2019, 7, 31), 12.5 + number, *more.values()]
        )
    file = io.BytesIO()
    book.save(file)
    return file.getvalue()


@cache
def shared_book() -> bytes:
    """The same, its texts in a list that its cells point into, as most programs write them."""
    parts = parts_of(plain_book())
    texts: list[bytes] = []

    def shared(hit: "re.Match[bytes]") -> bytes:
        texts.append(hit[1])
        return b't="s"><v>%d</v></c>' % (len(texts) - 1)

    parts[SHEET] = re.sub(rb't="inlineStr"><is>(.*?)</is></c>', shared, parts[SHEET])
    items = b"".join(b"<si>" + text + b"</si>" for text in texts)
    counts = b'count="%d" uniqueCount="%d"' % (len(texts), len(texts))
    parts[TEXTS] = b'<sst xmlns="%s" %s>%s</sst>' % (MAIN, counts, items)
    relation = b'<Relationship Id="texts" Type="%s/sharedStrings" Target="/%s"/></Relationships>'
    relations = "xl/_rels/workbook.xml.rels"
    parts[relations] = parts[relations].replace(b"</Relationships>", relation % (_OFFICE, TEXTS.encode()))
    return packed(parts)


def far_cell() -> bytes:
    """A cell in a row of eight digits: laid out, the sheet has 400 million."""
    return changed(plain_book(), SHEET, b'r="A3"', b'r="A99999999"')


def many_texts() -> bytes:
    """A list of nine texts that says it has a million million."""
    return changed(shared_book(), TEXTS, b'uniqueCount="', b'uniqueCount="999999999')


def early_date() -> bytes:
    """A date before the first day of the calendar."""
    sheet = parts_of(plain_book())[SHEET]
    [value, *_] = re.findall(rb'<c r="C2"[^>]*><v>([0-9]+)</v>', sheet)
    return changed(plain_book(), SHEET, b"<v>" + value + b"</v>", b"<v>-1e12</v>")


def other_encoding() -> bytes:
    """A sheet in GBK."""
    parts = parts_of(plain_book())
    sheet = b'<?xml version="1.0" encoding="GBK"?>' + parts[SHEET]
    return packed(parts | {SHEET: sheet})


def rows_upside_down() -> bytes:
    """The last row stands before the first, so that the sheet ends before it begins."""
    parts = parts_of(plain_book())
    rows = re.findall(rb"<row .*?</row>", parts[SHEET], re.DOTALL)
    return packed(parts | {SHEET: parts[SHEET].replace(b"".join(rows), b"".join(reversed(rows)))})


def long_text() -> bytes:
    """A text of a million characters that 200 cells have: within all bounds, and 200 MB of memory."""
    parts = parts_of(shared_book())
    parts[TEXTS] = parts[TEXTS].replace(b"</sst>", b"<si><t>" + b"x" * 1_000_000 + b"</t></si></sst>")
    number = parts[TEXTS].count(b"<si>") - 1
    rows = b'<row><c t="s"><v>%d</v></c></row>' % number * 200
    return packed(parts | {SHEET: parts[SHEET].replace(b"</sheetData>", rows + b"</sheetData>")})


WORKBOOKS: Mapping[str, Callable[[], bytes]] = {
    "a cell far off": far_cell,
    "more texts than there are": many_texts,
    "a date before all days": early_date,
    "another encoding": other_encoding,
    "rows upside down": rows_upside_down,
}

_REFERENCES = [
    "A99999999", "AAAA1", "a1", "A0", "A01", "$A$1", "1A", "", "XFE1", "XFD1048576", "A1048577", "ZZZZZZZ1",
    "A4294967296", "A18446744073709551617", "Ａ1", "A1:B2", "A-1", "A 1", "A1\n", "AB", "12", "A1.5", "C2", "B1",
]  # fmt: skip
_COUNTS = ["-1", "0", "1", "999999999", "4294967295", "18446744073709551615", "1e9", "", "九", "00000000000000001"]
_VALUES = [
    "-1", "-1e12", "1e308", "-1e308", "nan", "inf", "-0", "99999999999", "2958466", "1e15", "", " ", "0x10", "4294967296",
    "-9223372036854775808", "1,5", "TRUE", "#N/A",
]  # fmt: skip
_ENCODINGS = ["GBK", "UTF-16", "UTF-7", "ISO-8859-1", "EBCDIC-CP-US", "nonsense", "utf-32", "UTF-8", "shift_jis"]


def _anywhere(chance: random.Random, parts: Parts, pattern: bytes, choices: list[str]) -> Parts:
    """Another value in one of the places that a pattern finds."""
    found = [(name, hit) for name, content in parts.items() for hit in re.finditer(pattern, content)]
    if not found:
        return parts
    name, hit = chance.choice(found)
    begin, end = hit.span(1)
    return parts | {name: parts[name][:begin] + chance.choice(choices).encode() + parts[name][end:]}


def _reference(chance: random.Random, parts: Parts) -> Parts:
    return _anywhere(chance, parts, rb' (?:r|ref)="([^"]*)"', _REFERENCES)


def _count(chance: random.Random, parts: Parts) -> Parts:
    return _anywhere(chance, parts, rb' (?:count|uniqueCount|s|sheetId|numFmtId|xfId|min|max)="([^"]*)"', _COUNTS)


def _value(chance: random.Random, parts: Parts) -> Parts:
    return _anywhere(chance, parts, rb"<v>([^<]*)</v>", _VALUES)


def _type(chance: random.Random, parts: Parts) -> Parts:
    return _anywhere(chance, parts, rb' t="([^"]*)"', ["s", "d", "b", "e", "str", "inlineStr", "n", "", "zz"])


def _encoding(chance: random.Random, parts: Parts) -> Parts:
    name = chance.choice(sorted(parts))
    encoding = chance.choice(_ENCODINGS)
    text = re.sub(rb"^<\?xml[^>]*\?>", b"", parts[name]).decode(errors="replace")
    told = f'<?xml version="1.0" encoding="{encoding}"?>{text}'
    try:
        return parts | {name: told.encode(encoding if chance.random() < 0.5 else "utf-8", errors="replace")}
    except LookupError:
        return parts | {name: told.encode()}


def _part(chance: random.Random, parts: Parts) -> Parts:
    """Parts that are missing, empty, from another file, doubled or moved."""
    name, other = chance.choice(sorted(parts)), chance.choice(sorted(parts))
    rest = {n: c for n, c in parts.items() if n != name}
    return chance.choice(
        [
            rest,
            parts | {name: b""},
            parts | {name: parts[other]},
            rest | {name.upper(): parts[name]},
            rest | {f"../{name}": parts[name]},
            parts | {f"x/{name}": parts[other]},
            parts | {name: parts[name] * 2},
            parts | {name: b"<!DOCTYPE a [<!ENTITY b 'c'>]>" + parts[name]},
        ]
    )


def _bytes(chance: random.Random, parts: Parts) -> Parts:
    """Some bytes of a part are changed, removed, or repeated."""
    name = chance.choice(sorted(parts))
    content = parts[name]
    begin = chance.randrange(len(content) or 1)
    end = min(len(content), begin + chance.choice([1, 1, 2, 8, 64]))
    piece = content[begin:end]
    new = chance.choice([chance.randbytes(end - begin), b"", piece * 2, piece * 500, b"\0", b"<", b'"'])
    return parts | {name: content[:begin] + new + content[end:]}


_CHANGES = [_reference, _reference, _count, _value, _value, _type, _encoding, _part, _bytes]


def mutant(number: int, book: bytes | None = None) -> bytes:
    """The workbook of this number: one to three changes of a good one, or of the given one."""
    chance = random.Random(number)
    parts = parts_of(book or chance.choice([plain_book, shared_book])())
    for _ in range(chance.choice([1, 1, 1, 2, 3])):
        parts = chance.choice(_CHANGES)(chance, parts)
    changed_book = packed(parts)
    if chance.random() < 0.15:
        # The archive itself.
        begin = chance.randrange(len(changed_book))
        changed_book = chance.choice(
            [
                changed_book[:begin],
                changed_book[:begin] + chance.randbytes(4) + changed_book[begin + 4 :],
                changed_book[:begin] + changed_book[begin + 1 :],
                changed_book + changed_book,
            ]
        )
    return changed_book
