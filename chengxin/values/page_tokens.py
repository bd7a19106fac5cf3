"""Where the next page of a list begins, as a caller carries it from one answer to the next request. Pure."""

import base64
import binascii
import json
from datetime import datetime
from typing import Any

from chengxin.errors import INPUT_INVALID, FieldError, Problem


def encode_page_token(position: Any) -> str:
    """An opaque token of where the next page begins: a text, a number or a list of them. Empty when there is none."""
    if not position:
        return ""
    return base64.urlsafe_b64encode(json.dumps(position).encode()).decode().rstrip("=")


def decode_page_token(token: str, *kinds: type) -> list[Any] | None:
    """The parts of the position that `encode_page_token` was given; None for the first page. Raises INPUT_INVALID for a
    token that holds anything but one part of each kind."""
    if not token:
        return None
    try:
        found = json.loads(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
        # JSON can name halves of characters, which no answer and no store takes.
        json.dumps(found, ensure_ascii=False).encode()
    except (ValueError, binascii.Error):
        raise refused_page_token() from None
    parts = found if isinstance(found, list) else [found]
    if [type(part) for part in parts] != list(kinds):
        raise refused_page_token()
    return parts


def text_after(token: str) -> str:
    """The text after which a page begins; empty for the first page. Raises INPUT_INVALID."""
    [after] = decode_page_token(token, str) or [""]
    return str(after)


def must_be_instant(text: str) -> None:
    """Raises INPUT_INVALID for a part of a token that is no instant in ISO 8601."""
    try:
        datetime.fromisoformat(text)
    except ValueError:
        raise refused_page_token() from None


def refused_page_token() -> Problem:
    """INPUT_INVALID: the token is not one that was handed out."""
    told = "请原样使用上一页返回的 next_page_token / use next_page_token of the previous answer unchanged"
    return INPUT_INVALID(fields=[FieldError("page_token", "page_token", told)])
