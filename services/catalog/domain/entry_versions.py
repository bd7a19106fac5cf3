"""Publication and retirement of entry versions, and the days on which they are in force (Art. 7)."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any

from chengxin.errors import invalid, precondition
from services.catalog.domain.effective_dates import must_be_plausible
from services.catalog.domain.entry import Entry, EntryContent, read_content

PUBLICATION_BACKDATED = precondition(
    "PUBLICATION_BACKDATED",
    "生效日期 {effective_from} 早于今日（{today}），已作出的处理不受新版本影响，请选择今日或以后的日期",
    "The version would be effective from {effective_from}, before today ({today}); choose today or later",
)
PUBLICATION_OVERLAPS = precondition(
    "PUBLICATION_OVERLAPS",
    "{code} 第 {version} 版自 {effective_from} 起生效，新版本的生效日期必须晚于该日",
    "Version {version} of {code} is effective from {effective_from}; a new version must begin later than that",
)
PERIOD_REVERSED = invalid(
    "PERIOD_REVERSED",
    "失效日期 {effective_to} 早于生效日期 {effective_from}",
    "The last day, {effective_to}, is before the first, {effective_from}",
)
RETIREMENT_BACKDATED = precondition(
    "RETIREMENT_BACKDATED",
    "最后有效日期 {effective_to} 早于今日（{today}），请选择今日或以后的日期",
    "The last day would be {effective_to}, before today ({today}); choose today or later",
)
RETIREMENT_BEFORE_START = precondition(
    "RETIREMENT_BEFORE_START",
    "{code} 第 {version} 版自 {effective_from} 起生效，最后有效日期不能早于该日",
    "Version {version} of {code} is effective from {effective_from}; its last day cannot be before that",
)
RETIREMENT_LATE = precondition(
    "RETIREMENT_LATE",
    "{code} 第 {version} 版已定于 {effective_to} 失效，废止只能使其提前失效",
    "Version {version} of {code} ends on {effective_to} already; retirement can only end it earlier",
)


@dataclass(frozen=True)
class InForcePeriod:
    """The first and the last day in force, both included; without a last day it is in force until further notice."""

    first: date
    last: date | None = None


@dataclass(frozen=True)
class Publication:
    """The result of a publication: the new version, and the version before it if the publication ends it earlier."""

    entry: Entry
    closed: Entry | None = None


def publish(
    content: EntryContent, period: InForcePeriod, before: Entry | None, now: datetime, today: date, document: str = ""
) -> Publication:
    """Returns the next version of an entry; the version before it ends on the day before the new one begins.

    `before` is the entry's newest version. Raises PUBLICATION_BACKDATED, PUBLICATION_OVERLAPS, PERIOD_REVERSED,
    EFFECTIVE_IMPLAUSIBLE.
    """
    if period.last is not None and period.last < period.first:
        raise PERIOD_REVERSED(effective_from=period.first, effective_to=period.last)
    if period.first < today:
        raise PUBLICATION_BACKDATED(effective_from=period.first, today=today)
    must_be_plausible(period.first, today)
    if before is None:
        return Publication(Entry(content, 1, period.first, period.last, now, document))
    if period.first <= before.effective_from:
        raise PUBLICATION_OVERLAPS(code=content.code, version=before.version, effective_from=before.effective_from)
    entry = Entry(content, before.version + 1, period.first, period.last, now, document)
    if before.effective_to is not None and before.effective_to < period.first:
        return Publication(entry)
    closed = replace(before, effective_to=period.first - timedelta(days=1), retirement_basis="")
    return Publication(entry, closed)


def retire(newest: Entry, last: date, basis: str, today: date) -> Entry:
    """Returns the newest version of an entry with its last day; the entry is not in force after that day.

    Raises RETIREMENT_BACKDATED, RETIREMENT_BEFORE_START, RETIREMENT_LATE.
    """
    code, version = newest.content.code, newest.version
    if last < today:
        raise RETIREMENT_BACKDATED(effective_to=last, today=today)
    if last < newest.effective_from:
        raise RETIREMENT_BEFORE_START(code=code, version=version, effective_from=newest.effective_from)
    if newest.effective_to is not None and last >= newest.effective_to:
        raise RETIREMENT_LATE(code=code, version=version, effective_to=newest.effective_to)
    return replace(newest, effective_to=last, retirement_basis=basis)


def read_entry(plain: Mapping[str, Any]) -> Entry:
    """Reads a published version from its JSON. Raises `msgspec.ValidationError`."""
    return Entry(
        read_content(plain),
        plain["version"],
        date.fromisoformat(plain["effective_from"]),
        date.fromisoformat(plain["effective_to"]) if plain["effective_to"] else None,
        datetime.fromisoformat(plain["published_at"]),
        plain.get("publication_document", ""),
        plain.get("retirement_basis", ""),
    )
