"""Workbooks that are written by hand, element by element, also as no spreadsheet program would write them."""

from tests.hostile import MAIN, SHEET, TEXTS, packed, parts_of, plain_book, shared_book

_PART = '<worksheet xmlns="{main}">{before}<sheetData>{rows}</sheetData></worksheet>'
_FORMATS = """<styleSheet xmlns="{main}"><numFmts>{codes}</numFmts><fonts><font/></fonts><fills><fill/></fills>
<borders><border/></borders><cellStyleXfs><xf/></cellStyleXfs><cellXfs><xf/>{styles}</cellXfs></styleSheet>"""


def text(content: str) -> str:
    """A cell with this inline text, which may have elements."""
    return f'<c t="inlineStr"><is>{content}</is></c>'


HEADER = f"<row>{text('<t>a</t>')}{text('<t>b</t>')}</row>"


def written(
    cells: str, formats: tuple[str, ...] = (), texts: str = "", before: str = "", counts_from_1904: bool = False
) -> bytes:
    """A workbook of the columns a and b with one row, of cells in XML; style N has the Nth format, counted from 1."""
    main = MAIN.decode()
    parts = parts_of(shared_book() if texts else plain_book())
    parts[SHEET] = _PART.format(main=main, before=before, rows=f"{HEADER}<row>{cells}</row>").encode()
    if texts:
        parts[TEXTS] = f'<sst xmlns="{main}">{texts}</sst>'.encode()
    if formats:
        codes = "".join(f'<numFmt numFmtId="{n}" formatCode="{code}"/>' for n, code in enumerate(formats, 200))
        styles = "".join(f'<xf numFmtId="{n}"/>' for n, _ in enumerate(formats, 200))
        parts["xl/styles.xml"] = _FORMATS.format(main=main, codes=codes, styles=styles).encode()
    if counts_from_1904:
        book = parts["xl/workbook.xml"]
        parts["xl/workbook.xml"] = book.replace(b"<workbookPr ", b'<workbookPr date1904="1" ', 1)
    return packed(parts)
