"""How an entry version comes about: a draft, its publication, the days on which it is in force (Art. 7). Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Any

from chengxin.clock import rfc3339
from chengxin.errors import invalid, not_found, precondition
from services.catalog.model import Entry, EntryContent, read_content

DRAFT_UNKNOWN = not_found("DRAFT_UNKNOWN", "没有草案 {draft_id}", "There is no draft {draft_id}")
DRAFT_PUBLISHED = precondition(
    "DRAFT_PUBLISHED",
    "草案 {draft_id} 已发布为 {code} 第 {version} 版，不能再修改或发布；如需变更请新建草案",
    "Draft {draft_id} was published as version {version} of {code}; make a new draft for a change",
)
DRAFT_CHANGED = precondition(
    "DRAFT_CHANGED",
    "草案已被他人修改（当前修订号 {revision}），请重新读取后再提交",
    "The draft was changed meanwhile (its revision is {revision}); read it again first",
)
DRAFT_CODE_CHANGED = precondition(
    "DRAFT_CODE_CHANGED",
    "草案的条目代码是 {code}，不能更改；如需其他代码请新建草案",
    "The draft is of entry {code}, which cannot be changed; make a new draft for another code",
)
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


class DraftState(StrEnum):
    """What became of a draft."""

    DRAFT = "draft"
    PUBLISHED = "published"


@dataclass(frozen=True)
class Draft:
    """An entry version in preparation (Art. 7)."""

    draft_id: str
    content: EntryContent
    created_at: datetime
    updated_at: datetime
    state: DraftState = DraftState.DRAFT
    # Counts edits, for If-Match.
    revision: int = 1
    # The version it was published as.
    version: int = 0

    def edited(self, content: EntryContent, at: datetime, revision: int | None) -> "Draft":
        """The draft with other content; `revision` is what the editor saw, if said.

        Raises DRAFT_PUBLISHED, DRAFT_CHANGED, DRAFT_CODE_CHANGED.
        """
        self._must_be_open()
        if revision is not None and revision != self.revision:
            raise DRAFT_CHANGED(revision=self.revision)
        if content.code != self.content.code:
            raise DRAFT_CODE_CHANGED(code=self.content.code)
        return replace(self, content=content, updated_at=at, revision=self.revision + 1)

    def published(self, version: int, at: datetime) -> "Draft":
        """The draft after its publication. Raises DRAFT_PUBLISHED."""
        self._must_be_open()
        return replace(self, state=DraftState.PUBLISHED, version=version, updated_at=at)

    def _must_be_open(self) -> None:
        if self.state is not DraftState.DRAFT:
            raise DRAFT_PUBLISHED(draft_id=self.draft_id, code=self.content.code, version=self.version)

    def plain(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "draft_id": self.draft_id,
            "code": self.content.code,
            "state": self.state.value,
            "revision": self.revision,
            "version": self.version,
            "created_at": rfc3339(self.created_at),
            "updated_at": rfc3339(self.updated_at),
            "entry": self.content.plain(),
        }


@dataclass(frozen=True)
class Period:
    """First and last day in force, both included; without a last day until further notice."""

    first: date
    last: date | None = None


@dataclass(frozen=True)
class Publication:
    """What publishing changes: the new version, and the one before it when that ends earlier now."""

    entry: Entry
    closed: Entry | None = None


def publish(content: EntryContent, period: Period, before: Entry | None, now: datetime, today: date) -> Publication:
    """The next version of an entry; the version before it ends the day before it begins.

    `before` is the entry's newest version. Raises PUBLICATION_BACKDATED, PUBLICATION_OVERLAPS, PERIOD_REVERSED.
    """
    if period.last is not None and period.last < period.first:
        raise PERIOD_REVERSED(effective_from=period.first, effective_to=period.last)
    if period.first < today:
        raise PUBLICATION_BACKDATED(effective_from=period.first, today=today)
    if before is None:
        return Publication(Entry(content, 1, period.first, period.last, now))
    if period.first <= before.effective_from:
        raise PUBLICATION_OVERLAPS(code=content.code, version=before.version, effective_from=before.effective_from)
    entry = Entry(content, before.version + 1, period.first, period.last, now)
    if before.effective_to is not None and before.effective_to < period.first:
        return Publication(entry)
    return Publication(entry, replace(before, effective_to=period.first - timedelta(days=1)))


def read_entry(plain: Mapping[str, Any]) -> Entry:
    """A published version from its JSON. Raises `msgspec.ValidationError`."""
    return Entry(
        read_content(plain),
        plain["version"],
        date.fromisoformat(plain["effective_from"]),
        date.fromisoformat(plain["effective_to"]) if plain["effective_to"] else None,
        datetime.fromisoformat(plain["published_at"]),
    )


def read_draft(plain: Mapping[str, Any]) -> Draft:
    """A draft from its JSON. Raises `msgspec.ValidationError`."""
    return Draft(
        plain["draft_id"],
        read_content(plain["entry"]),
        datetime.fromisoformat(plain["created_at"]),
        datetime.fromisoformat(plain["updated_at"]),
        DraftState(plain["state"]),
        plain["revision"],
        plain["version"],
    )
