"""Pages of entries, the same from both faces: the day is fixed by the first page."""

from dataclasses import dataclass
from typing import Any

from chengxin.errors import INPUT_INVALID, FieldError
from chengxin.principal import Principal
from chengxin.web import decode_page_token, encode_page_token
from services.catalog import reading
from services.catalog.model import Entry
from services.catalog.room import Catalog, day


@dataclass(frozen=True)
class EntriesPage:
    """Some entries, and where the next ones are."""

    entries: list[Entry]
    next_page_token: str


def entries_page(catalog: Catalog, caller: Principal, as_of: str, token: str, size: int) -> EntriesPage:
    """The entries in force on `as_of`, today when empty. Raises INPUT_INVALID."""
    started, after = position(token, str, str) or ("", "")
    on = day("as_of", started or as_of) or catalog.clock.today()
    found = reading.entries(catalog, caller, on, after, size)
    following = [on.isoformat(), found[size - 1].content.code] if len(found) > size else None
    return EntriesPage(found[:size], encode_page_token(following) if following else "")


def position(token: str, *kinds: type) -> list[Any] | None:
    """Where a token says that a page begins, None for the first page. Raises INPUT_INVALID."""
    found = decode_page_token(token)
    if found is None:
        return None
    if not isinstance(found, list) or [type(part) for part in found] != list(kinds):
        told = "use next_page_token of the previous answer unchanged / 请原样使用上一页返回的 next_page_token"
        raise INPUT_INVALID(fields=[FieldError("page_token", "page_token", told)])
    return found
