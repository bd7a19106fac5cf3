"""Code lists, which are published in versions of their own, as entries are (Art. 9)."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any, Final

import msgspec

from chengxin.errors import invalid, not_found, precondition
from chengxin.values.clock import rfc3339
from chengxin.values.seen_versions import SeenVersions
from services.catalog.domain.draft import must_be_at, must_be_seen, with_author
from services.catalog.domain.effective_dates import must_be_plausible
from services.catalog.domain.entry import CodeListRef, CodeValue, EntryContent, LocalText
from services.catalog.domain.entry_validation import Finding, number_findings, text_findings, unprintable_findings
from services.catalog.domain.item_validation import code_value_findings

CODE_LIST_INVALID = invalid(
    "CODE_LIST_INVALID",
    "代码表不符合要求，请按 errors 逐项修正",
    "The code list does not obey the rules; see errors for each field",
)
CODE_LIST_UNKNOWN = not_found(
    "CODE_LIST_UNKNOWN",
    "没有已发布的代码表 {name}（版本 {version}）",
    "There is no published code list {name} (version {version})",
)
CODE_LIST_DRAFT_UNKNOWN = not_found(
    "CODE_LIST_DRAFT_UNKNOWN", "没有代码表草案 {draft_id}", "There is no draft code list {draft_id}"
)
CODE_LIST_PUBLISHED = precondition(
    "CODE_LIST_PUBLISHED",
    "代码表草案 {draft_id} 已发布为第 {version} 版；如需变更请新建草案",
    "Draft code list {draft_id} was published as version {version}; make a new draft for a change",
)
CODE_LIST_RENAMED = precondition(
    "CODE_LIST_RENAMED",
    "草案是代码表 {name} 的，名称不能更改",
    "The draft is of code list {name}, which cannot be changed",
)
CODE_LIST_BACKDATED = precondition(
    "CODE_LIST_BACKDATED",
    "生效日期 {effective_from} 早于今日（{today}），请选择今日或以后的日期",
    "The list would be effective from {effective_from}, before today ({today}); choose today or later",
)
CODE_LIST_OVERLAPS = precondition(
    "CODE_LIST_OVERLAPS",
    "代码表 {name} 第 {version} 版自 {effective_from} 起生效，新版本的生效日期必须晚于该日",
    "Version {version} of code list {name} is effective from {effective_from}; a new one must begin later than that",
)

_NAME: Final = re.compile(r"[a-z][a-z0-9_]{1,63}\Z")


@dataclass(frozen=True, slots=True)
class CodeListContent:
    """The content of a code list: its values, and the standard that they come from."""

    name: str
    title: LocalText
    values: tuple[CodeValue, ...]
    standard: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Returns the plain values for JSON."""
        return dict(msgspec.to_builtins(self))

    def findings(self) -> Iterator[Finding]:
        """Yields every fault of the list."""
        # A list with the name `drafts` would have the address of the drafts.
        if not _NAME.match(self.name) or self.name == "drafts":
            yield Finding("name", "rules.name")
        yield from unprintable_findings(self.to_dict())
        yield from number_findings(self.to_dict())
        yield from text_findings("title", self.title, 200)
        if not self.values:
            yield Finding("values", "empty")
        if len(self.standard) > 200:
            yield Finding("standard", "text.long", {"limit": 200})
        for where, rule, words in code_value_findings("values", self.values):
            yield Finding(where, rule, words)


@dataclass(frozen=True, slots=True)
class CodeList:
    """One published, immutable version; it is in force until the next version is."""

    content: CodeListContent
    version: int
    effective_from: date
    published_at: datetime

    def to_dict(self) -> dict[str, Any]:
        """Returns the plain values for JSON."""
        return self.content.to_dict() | {
            "version": self.version,
            "effective_from": self.effective_from.isoformat(),
            "published_at": rfc3339(self.published_at),
        }


@dataclass(frozen=True, slots=True)
class CodeListSummary:
    """A published version without its values, as it appears in a list of code lists."""

    codes: CodeList

    @property
    def name(self) -> str:
        """The name of the list."""
        return self.codes.content.name

    def to_dict(self) -> dict[str, Any]:
        """Returns the plain values for JSON."""
        fields = self.codes.to_dict()
        return fields | {"value_count": len(fields.pop("values"))}


@dataclass(frozen=True, slots=True)
class CodeListDraft:
    """A version in preparation."""

    draft_id: str
    content: CodeListContent
    # The version as which it was published; 0 before that.
    version: int = 0
    # The number of edits; If-Match and the publication name it.
    revision: int = 1
    # The officers who wrote it, in the order in which they did.
    authors: tuple[str, ...] = ()

    def edited(self, content: CodeListContent, author: str, seen: SeenVersions) -> "CodeListDraft":
        """Returns the draft with other content; `seen` are the revisions that the editor has seen.

        Raises CODE_LIST_PUBLISHED, IF_MATCH_FAILED, IF_MATCH_REQUIRED, CODE_LIST_RENAMED.
        """
        self._must_be_open()
        must_be_seen(self.revision, self.authors, author, seen)
        if content.name != self.content.name:
            raise CODE_LIST_RENAMED(name=self.content.name)
        authors = with_author(self.authors, author)
        return replace(self, content=content, revision=self.revision + 1, authors=authors)

    def published(self, version: int, revision: int) -> "CodeListDraft":
        """Returns the draft after the publication of a revision. Raises CODE_LIST_PUBLISHED, DRAFT_CHANGED."""
        self._must_be_open()
        must_be_at(self.revision, revision)
        return replace(self, version=version)

    def to_dict(self) -> dict[str, Any]:
        """Returns the plain values for JSON."""
        return {
            "draft_id": self.draft_id,
            "version": self.version,
            "revision": self.revision,
            "authors": list(self.authors),
            "code_list": self.content.to_dict(),
        }

    def _must_be_open(self) -> None:
        if self.version:
            raise CODE_LIST_PUBLISHED(draft_id=self.draft_id, version=self.version)


def following(content: CodeListContent, first: date, before: CodeList | None, now: datetime, today: date) -> CodeList:
    """Returns the version after `before`, the newest one. The first version of a name may start on any past day.

    Raises CODE_LIST_BACKDATED, CODE_LIST_OVERLAPS, EFFECTIVE_IMPLAUSIBLE.
    """
    must_be_plausible(first, today)
    if before is None:
        return CodeList(content, 1, first, now)
    if first < today:
        raise CODE_LIST_BACKDATED(effective_from=first, today=today)
    if first <= before.effective_from:
        raise CODE_LIST_OVERLAPS(name=content.name, version=before.version, effective_from=before.effective_from)
    return CodeList(content, before.version + 1, first, now)


def read_code_list(plain: Mapping[str, Any]) -> CodeList:
    """Reads a published version from its JSON."""
    return CodeList(
        msgspec.convert(plain, CodeListContent),
        plain["version"],
        date.fromisoformat(plain["effective_from"]),
        datetime.fromisoformat(plain["published_at"]),
    )


def read_list_draft(plain: Mapping[str, Any]) -> CodeListDraft:
    """Reads a draft from its JSON."""
    return CodeListDraft(
        plain["draft_id"],
        msgspec.convert(plain["code_list"], CodeListContent),
        plain["version"],
        # Drafts of former versions have neither.
        plain.get("revision") or 1,
        tuple(plain.get("authors") or ()),
    )


def with_values(
    content: EntryContent, lists: Mapping[CodeListRef, CodeList | None]
) -> tuple[EntryContent, list[Finding]]:
    """Returns the content with the values of the lists that its items refer to, and the faults of the references.

    An item may give values beside the name of a list only if they are that list's values.
    """
    items, faults = [], []
    for n, item in enumerate(content.items):
        if item.code_list_ref is not None:
            words: dict[str, object] = {"value": item.code_list_ref.name, "version": item.code_list_ref.version}
            code_list = lists[item.code_list_ref]
            if code_list is None:
                faults.append(Finding(f"items.{n}.code_list_ref", "code_list.unknown", words))
            elif item.code_list and item.code_list != code_list.content.values:
                faults.append(Finding(f"items.{n}.code_list", "code_list.differs", words))
            else:
                reference = CodeListRef(code_list.content.name, code_list.version)
                item = replace(item, code_list=code_list.content.values, code_list_ref=reference)
        items.append(item)
    return replace(content, items=tuple(items)), faults
