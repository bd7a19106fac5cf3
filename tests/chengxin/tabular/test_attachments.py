"""What attachments are, by their content."""

from chengxin.tabular.attachments import detect_media_types
from tests.chengxin.tabular.files import CALLER


def test_what_attachments_are_is_told_in_their_order() -> None:
    assert detect_media_types([], CALLER) == []
    contents = [b"%PDF-1.7", b"\x89PNG\r\n\x1a\n1", b"\xff\xd8\xff1", "文".encode("gb18030"), b"\0", b""]
    assert detect_media_types(contents, CALLER) == [
        "application/pdf",
        "image/png",
        "image/jpeg",
        "text/plain",
        "",
        "text/plain",
    ]
