"""The positions at which pages begin, the same for both faces."""

from typing import Any

from chengxin.values.page_tokens import decode_page_token, must_be_instant


def reject_position(token: str) -> list[Any] | None:
    """The row and id after which a page of rejects begins. Raises INPUT_INVALID."""
    return decode_page_token(token, int, str)


def submission_position(token: str) -> list[Any] | None:
    """The time and id after which a page of submissions begins. Raises INPUT_INVALID."""
    found = decode_page_token(token, str, str)
    if found is not None:
        must_be_instant(found[0])
    return found


def series_position(token: str, parts: int) -> list[Any] | None:
    """The provider, entry (and first day of a period) after which a page of series begins. Raises INPUT_INVALID."""
    return decode_page_token(token, *[str] * parts)
