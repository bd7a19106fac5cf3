"""Pages of entries, which both faces give: the first page sets the day for those that follow."""

from dataclasses import dataclass

from chengxin.auth.principal import Principal
from chengxin.values.page_tokens import decode_page_token, encode_page_token
from services.catalog.context import CatalogContext, day
from services.catalog.domain.entry import Entry
from services.catalog.usecases import read_catalog


@dataclass(frozen=True)
class EntriesPage:
    """Some entries, and the token of the next page."""

    entries: list[Entry]
    next_page_token: str


def entries_page(ctx: CatalogContext, caller: Principal, as_of: str, token: str, size: int) -> EntriesPage:
    """Returns the entries in force on `as_of`, or today if that is empty. Raises INPUT_INVALID."""
    started, after = decode_page_token(token, str, str) or ("", "")
    on = day("as_of", started or as_of) or ctx.clock.today()
    found = read_catalog.entries(ctx, caller, on, after, size)
    following = [on.isoformat(), found[size - 1].content.code] if len(found) > size else None
    return EntriesPage(found[:size], encode_page_token(following))
