"""Where pages begin, the same from both faces."""

from datetime import datetime
from typing import Any

from chengxin.errors import INPUT_INVALID, FieldError
from chengxin.web import decode_page_token


def reject_position(token: str) -> list[Any] | None:
    """The row and id after which a page of rejects begins. Raises INPUT_INVALID."""
    return _position(token, int, str)


def submission_position(token: str) -> list[Any] | None:
    """The time and id after which a page of submissions begins. Raises INPUT_INVALID."""
    found = _position(token, str, str)
    if found is not None:
        try:
            datetime.fromisoformat(found[0])
        except ValueError:
            raise _refused() from None
    return found


def version_position(token: str) -> int:
    """The version after which a page of a record's versions begins. Raises INPUT_INVALID."""
    found = _position(token, int)
    return found[0] if found else 0


def series_position(token: str, parts: int) -> list[Any] | None:
    """The provider, entry (and first day of a period) after which a page of series begins. Raises INPUT_INVALID."""
    return _position(token, *[str] * parts)


def _position(token: str, *kinds: type) -> list[Any] | None:
    found = decode_page_token(token)
    if found is not None and (not isinstance(found, list) or [type(part) for part in found] != list(kinds)):
        raise _refused()
    return found


def _refused() -> Exception:
    told = "use next_page_token of the previous answer unchanged / 请原样使用上一页返回的 next_page_token"
    return INPUT_INVALID(fields=[FieldError("page_token", "page_token", told)])
