"""The early look at a workbook's header says nothing of a file that is broken: the bounds tell what is wrong with it."""

import io
import struct
import zipfile

import pytest

from chengxin.tabular.reader.xlsx_header import find_labels

_PADDING = bytes(3 << 20)


def _workbook(declared: str) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as parts:
        parts.writestr("xl/workbook.xml", f'<?xml version="1.0" encoding="{declared}"?><workbook/>')
        parts.writestr("xl/media/padding.bin", _PADDING)
    return file.getvalue()


@pytest.mark.parametrize("declared", ["no-such-encoding", "GBK", "utf-7", ""])
def test_of_an_encoding_that_nobody_knows_nothing_is_told(declared: str) -> None:
    assert find_labels(io.BytesIO(_workbook(declared))) is None


def test_of_a_directory_that_contradicts_itself_nothing_is_told() -> None:
    whole = _workbook("UTF-8")
    for cut in range(1, 200):
        assert find_labels(io.BytesIO(whole[:-cut])) is None
    # The extra fields of its first entry are longer than the directory.
    at = whole.index(b"PK\x01\x02")
    longer = whole[: at + 30] + struct.pack("<H", 0xFFFF) + whole[at + 32 :]
    assert find_labels(io.BytesIO(longer)) is None
