"""Paths, pages and ETags that several views share."""

from collections.abc import Callable, Sequence
from typing import Any, Final

from flask import Response, request
from pydantic import BaseModel, Field

from chengxin.errors import INPUT_INVALID, FieldError
from chengxin.http.web import answer
from chengxin.values.page_tokens import encode_page_token

# A published version never changes.
FOR_EVER: Final = "public, max-age=31536000, immutable"
# The most digits that a revision may have, as in a body.
_REVISION_DIGITS: Final = 9


class EntryPath(BaseModel):
    """An entry."""

    code: str = Field(max_length=64)


class VersionQuery(BaseModel):
    """The version that is asked for."""

    version: int = Field(0, ge=0, le=1_000_000, description="0: the version in force today")


def page(name: str, found: Sequence[Any], size: int, last: Callable[[Any], list[object]]) -> Response:
    """Returns the answer with the first `size` values, and the token of the next page."""
    values = found[:size]
    token = encode_page_token(last(values[-1]) if len(found) > size else None)
    return answer({name: [value.to_dict() for value in values], "next_page_token": token})


def seen_revision() -> int | None:
    """Returns the revision in If-Match; None without one and for `*`. Raises INPUT_INVALID."""
    text = request.headers.get("If-Match", "").strip()
    if text in ("", "*"):
        return None
    number = text.strip('"')
    if not (number.isascii() and number.isdigit() and len(number) <= _REVISION_DIGITS):
        raise INPUT_INVALID(fields=[FieldError("If-Match", "etag", "ETag of the draft / 草案的 ETag")])
    return int(number)
