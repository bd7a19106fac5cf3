"""Paths, pages and ETags that several views share."""

from collections.abc import Callable, Sequence
from typing import Any, Final

from flask import Response
from pydantic import BaseModel, Field

from chengxin.http.web import answer
from chengxin.values.page_tokens import encode_page_token

# A published version never changes.
FOR_EVER: Final = "public, max-age=31536000, immutable"


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
