"""What attachments are, by their content."""

from chengxin.tabular.attachments import detect_media_types
from tests.chengxin.tabular.files import CALLER
from tests.chengxin.tabular.test_encoding import READ, REFUSED


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


def test_a_text_whose_encoding_is_not_clear_is_none() -> None:
    contents = [content for content, _, _ in REFUSED.values()]
    assert detect_media_types(contents, CALLER) == [""] * len(contents)
    contents = [content for content, _ in READ.values()]
    assert detect_media_types(contents, CALLER) == ["text/plain"] * len(contents)
