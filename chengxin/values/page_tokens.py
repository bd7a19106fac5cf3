"""Tokens of where the next page of a list begins; a caller carries them from an answer to the next request. Pure."""

import base64
import json
from datetime import datetime
from typing import Any, Final

from chengxin.errors import INPUT_INVALID, FieldError, Problem
from chengxin.values.outside_json import read_json

# Stores take no greater numbers.
GREATEST_POSITION: Final = 2**62


def encode_page_token(position: Any) -> str:
    """An opaque token of where the next page begins: a text, a number or a list of them. Empty when there is none."""
    if not position:
        return ""
    return base64.urlsafe_b64encode(json.dumps(position).encode()).decode().rstrip("=")


def decode_page_token(token: str, *kinds: type) -> list[Any] | None:
    """The parts of the position that `encode_page_token` was given; None for the first page.

    Raises INPUT_INVALID for a token that does not hold exactly one part of each kind, in order.
    """
    if not token:
        return None
    try:
        position = read_json(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
    except ValueError:
        raise page_token_problem() from None
    parts = position if isinstance(position, list) else [position]
    if [type(part) for part in parts] != list(kinds):
        raise page_token_problem()
    return parts


def text_after(token: str) -> str:
    """The text after which a page begins; empty for the first page. Raises INPUT_INVALID."""
    [after] = decode_page_token(token, str) or [""]
    return str(after)


def number_after(token: str) -> int:
    """The number after which a page begins, 0 for the first page. Raises INPUT_INVALID."""
    [after] = decode_page_token(token, int) or [0]
    if after < 0:
        raise page_token_problem()
    return int(after)


def must_be_instant(text: str) -> None:
    """Raises INPUT_INVALID when a part of a token is not an instant in ISO 8601."""
    try:
        datetime.fromisoformat(text)
    except ValueError:
        raise page_token_problem() from None


def page_token_problem() -> Problem:
    """INPUT_INVALID for a token that was not handed out."""
    message = "请原样使用上一页返回的 next_page_token / use next_page_token of the previous answer unchanged"
    return INPUT_INVALID(fields=[FieldError("page_token", "page_token", message)])
