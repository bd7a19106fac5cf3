"""Everybody reads the published catalog (Art. 7)."""

from collections.abc import Callable, Iterator
from datetime import date
from typing import Final, TypeVar

from chengxin.auth.executor import query
from chengxin.auth.principal import Principal, Role
from chengxin.errors import InBoth, precondition
from chengxin.store.database import OutboxRow
from chengxin.values.acts import Act
from services.catalog.context import NO_CREDIT_INFORMATION, CatalogContext
from services.catalog.domain.entry import ENTRY_UNKNOWN, Entry, VersionName
from services.catalog.domain.entry_diff import EntryDifference, compare

T = TypeVar("T")

EVERYBODY: Final = set(Role)
# A city has some hundreds.
_MOST_EXPORTED: Final = 2000
RESOURCES_TOO_MANY = precondition(
    "RESOURCES_TOO_MANY",
    "现行条目超过 {most} 个，无法放入一个工作簿；请从 /v1/catalog/resources 按页读取",
    "More than {most} entries are in force, too many for one workbook; read them page by page at /v1/catalog/resources",
)
# A stream occupies a thread as long as it lasts, so the public gets none.
_FOLLOWERS: Final = {Role.SERVICE, Role.AGENCY, Role.PROVIDER, Role.CENTRE, Role.AUTHORITY, Role.SUPERVISOR}


@query(Act.ENTRY_LISTED, roles=EVERYBODY, articles=("7", "8"), unrecorded=NO_CREDIT_INFORMATION)
def entries(ctx: CatalogContext, caller: Principal, as_of: date, after: str, size: int) -> list[Entry]:
    """Returns the entries in force on a day, by code; one more than `size` when there are more."""
    return ctx.store.entries_in_force(as_of, after, size + 1)


@query(Act.ENTRY_EXPORTED, roles=EVERYBODY, articles=("6", "7", "8"), unrecorded=NO_CREDIT_INFORMATION)
def entries_in_force(ctx: CatalogContext, caller: Principal) -> list[Entry]:
    """Returns every entry in force today, by code. Raises RESOURCES_TOO_MANY."""
    return _whole(ctx.store.entries_in_force(ctx.clock.today(), "", _MOST_EXPORTED + 1))


@query(Act.ENTRY_EXPORTED, roles=EVERYBODY, articles=("6", "7", "8"), unrecorded=NO_CREDIT_INFORMATION)
def versions_in_force(ctx: CatalogContext, caller: Principal) -> list[VersionName]:
    """Returns the name of every version in force today, by code: whoever has what is made of them need not read it. Raises
    RESOURCES_TOO_MANY."""
    return _whole(ctx.store.versions_in_force(ctx.clock.today(), _MOST_EXPORTED + 1))


@query(Act.ENTRY_READ, roles=EVERYBODY, articles=("7", "8"), unrecorded=NO_CREDIT_INFORMATION)
def entry(ctx: CatalogContext, caller: Principal, code: str, version: int = 0) -> Entry:
    """Returns a version of an entry, the one in force today unless a version is named. Raises ENTRY_UNKNOWN."""
    return _version(ctx, code, version)


@query(Act.ENTRY_COMPARED, roles=EVERYBODY, articles=("7", "33"), unrecorded=NO_CREDIT_INFORMATION)
def difference(
    ctx: CatalogContext, caller: Principal, code: str, before: int, after: int = 0
) -> tuple[int, int, EntryDifference]:
    """Returns the difference between two versions of an entry; 0 for `after` means the one in force today.

    The numbers of both versions come first. Raises ENTRY_UNKNOWN.
    """
    old, new = _version(ctx, code, before), _version(ctx, code, after)
    return old.version, new.version, compare(old.content, new.content)


@query(Act.ENTRY_HISTORY_READ, roles=EVERYBODY, articles=("7", "33"), unrecorded=NO_CREDIT_INFORMATION)
def versions(ctx: CatalogContext, caller: Principal, code: str, after: int, size: int) -> list[Entry]:
    """Returns every version of an entry, oldest first; one more than `size` when there are more. Raises ENTRY_UNKNOWN."""
    if not (found := ctx.store.versions(code, after, size + 1)) and not after:
        raise ENTRY_UNKNOWN(code=code, version="-")
    return found


@query(Act.CATALOG_FOLLOWED, roles=_FOLLOWERS, articles=("7",), unrecorded=NO_CREDIT_INFORMATION)
def changes(ctx: CatalogContext, caller: Principal, after: int, running: Callable[[], bool]) -> Iterator[OutboxRow]:
    """Yields the committed changes of the catalog after a position, in order, without end."""
    return (row for row in ctx.store.follow(after, running) if row.changes)


def _whole(found: list[T]) -> list[T]:
    if len(found) > _MOST_EXPORTED:
        raise RESOURCES_TOO_MANY(most=_MOST_EXPORTED)
    return found


def _version(ctx: CatalogContext, code: str, version: int) -> Entry:
    store = ctx.store
    found = store.entry(code, version) if version else store.entry_in_force(code, ctx.clock.today())
    if found is None:
        raise ENTRY_UNKNOWN(code=code, version=version or InBoth("现行", "in force"))
    return found
