"""The life of a draft until its publication: comments, submission, review (Art. 7)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from chengxin.errors import IF_MATCH_FAILED, IF_MATCH_REQUIRED, forbidden, not_found, precondition
from chengxin.values.clock import rfc3339
from chengxin.values.seen_versions import SeenVersions
from services.catalog.domain.entry import EntryContent, read_content

DRAFT_UNKNOWN = not_found("DRAFT_UNKNOWN", "没有草案 {draft_id}", "There is no draft {draft_id}")
DRAFT_PUBLISHED = precondition(
    "DRAFT_PUBLISHED",
    "草案 {draft_id} 已发布为 {code} 第 {version} 版，不能再修改或发布；如需变更请新建草案",
    "Draft {draft_id} was published as version {version} of {code}; make a new draft for a change",
)
DRAFT_CHANGED = precondition(
    "DRAFT_CHANGED",
    "草案不是所指的修订（当前修订号 {revision}），请重新读取后再办",
    "The draft is not at the revision that was named (it is at {revision}); read it again first",
)
DRAFT_CODE_CHANGED = precondition(
    "DRAFT_CODE_CHANGED",
    "草案的条目代码是 {code}，不能更改；如需其他代码请新建草案",
    "The draft is of entry {code}, which cannot be changed; make a new draft for another code",
)
DRAFT_NOT_OPEN = precondition(
    "DRAFT_NOT_OPEN",
    "草案{state_zh}，只有编制中的草案可以提交审核",
    "The draft is {state}; only a draft that is being written can be submitted for review",
)
DRAFT_NOT_SUBMITTED = precondition(
    "DRAFT_NOT_SUBMITTED",
    "草案{state_zh}，须先提交审核",
    "The draft is {state}; it must be submitted for review first",
)
REVIEW_OWN_WORK = forbidden(
    "REVIEW_OWN_WORK",
    "编制人不能审核自己参与编制或提交的草案，请由另一名工作人员审核",
    "Nobody reviews a draft that they wrote or submitted; another officer must review it",
)
REVIEW_MISSING = precondition(
    "REVIEW_MISSING",
    "按现行规则（catalog.review_required）草案须经审核通过后才能发布，现在{state_zh}",
    "By the rules in force (catalog.review_required) a draft is published after its review; it is {state}",
)


class DraftState(StrEnum):
    """How far a draft has come."""

    DRAFT = "draft"
    SUBMITTED = "submitted"
    REVIEWED = "reviewed"
    PUBLISHED = "published"


_STATE_ZH: Final = {
    DraftState.DRAFT: "正在编制",
    DraftState.SUBMITTED: "已送审",
    DraftState.REVIEWED: "已通过审核",
    DraftState.PUBLISHED: "已发布",
}


class ReviewDecision(StrEnum):
    """What a reviewer decides."""

    APPROVE = "approve"
    RETURN = "return"


class Stance(StrEnum):
    """Whether a comment agrees with the draft."""

    AGREE = "agree"
    OBJECT = "object"
    REMARK = "remark"


@dataclass(frozen=True)
class Review:
    """A decision about one revision of a draft, with its grounds."""

    decision: ReviewDecision
    opinion: str
    reviewer: str
    revision: int
    at: datetime

    def to_dict(self) -> dict[str, Any]:
        """Returns the plain values for JSON."""
        return {
            "decision": self.decision.value,
            "opinion": self.opinion,
            "reviewer": self.reviewer,
            "revision": self.revision,
            "at": rfc3339(self.at),
        }


@dataclass(frozen=True)
class Comment:
    """An organisation's comment on a draft, with the revision that the organisation read."""

    comment_id: str
    draft_id: str
    revision: int
    where: str
    stance: Stance
    text: str
    org: str
    author: str
    at: datetime

    def to_dict(self) -> dict[str, Any]:
        """Returns the plain values for JSON."""
        return {
            "comment_id": self.comment_id,
            "draft_id": self.draft_id,
            "revision": self.revision,
            "where": self.where,
            "stance": self.stance.value,
            "text": self.text,
            "org": self.org,
            "author": self.author,
            "at": rfc3339(self.at),
        }


@dataclass(frozen=True)
class Draft:
    """An entry version in preparation (Art. 7)."""

    draft_id: str
    content: EntryContent
    created_at: datetime
    updated_at: datetime
    state: DraftState = DraftState.DRAFT
    # The number of edits; If-Match, a review and a publication name it.
    revision: int = 1
    # The version as which it was published.
    version: int = 0
    # The officers who wrote or submitted it, in the order in which they did.
    authors: tuple[str, ...] = ()
    reviews: tuple[Review, ...] = ()

    def edited(self, content: EntryContent, author: str, at: datetime, seen: SeenVersions) -> "Draft":
        """Returns the draft with other content; it must be reviewed anew.

        `seen` are the revisions that the editor has seen. Raises DRAFT_PUBLISHED, IF_MATCH_FAILED, IF_MATCH_REQUIRED,
        DRAFT_CODE_CHANGED.
        """
        self.must_be_open()
        must_be_seen(self.revision, self.authors, author, seen)
        if content.code != self.content.code:
            raise DRAFT_CODE_CHANGED(code=self.content.code)
        edited = replace(self, content=content, updated_at=at, revision=self.revision + 1, state=DraftState.DRAFT)
        return edited._with_author(author)

    def submitted(self, author: str, at: datetime, revision: int | None) -> "Draft":
        """Returns the draft, submitted for review. Raises DRAFT_PUBLISHED, DRAFT_CHANGED, DRAFT_NOT_OPEN."""
        self.must_be_open()
        self._must_be_current(revision)
        if self.state is not DraftState.DRAFT:
            raise DRAFT_NOT_OPEN(state=self.state, state_zh=_STATE_ZH[self.state])
        return replace(self, state=DraftState.SUBMITTED, updated_at=at)._with_author(author)

    def reviewed(self, decision: ReviewDecision, opinion: str, reviewer: str, at: datetime, revision: int) -> "Draft":
        """Returns the draft after a second officer's decision: it may be published, or goes back to its authors.

        Raises DRAFT_PUBLISHED, DRAFT_CHANGED, DRAFT_NOT_SUBMITTED, REVIEW_OWN_WORK.
        """
        self.must_be_open()
        self._must_be_current(revision)
        if self.state is not DraftState.SUBMITTED:
            raise DRAFT_NOT_SUBMITTED(state=self.state, state_zh=_STATE_ZH[self.state])
        # The use case asks this first, to put the refusal on record; here it holds for every caller of the domain.
        if reviewer in self.authors:
            raise REVIEW_OWN_WORK()
        review = Review(decision, opinion, reviewer, self.revision, at)
        state = DraftState.REVIEWED if decision is ReviewDecision.APPROVE else DraftState.DRAFT
        return replace(self, state=state, reviews=(*self.reviews, review), updated_at=at)

    def published(self, version: int, at: datetime, revision: int, review_required: bool = False) -> "Draft":
        """Returns the draft after the publication of a revision. Raises DRAFT_PUBLISHED, DRAFT_CHANGED, REVIEW_MISSING."""
        self.must_be_open()
        self._must_be_current(revision)
        if review_required and self.state is not DraftState.REVIEWED:
            raise REVIEW_MISSING(state=self.state, state_zh=_STATE_ZH[self.state])
        return replace(self, state=DraftState.PUBLISHED, version=version, updated_at=at)

    def must_be_open(self) -> None:
        """Raises DRAFT_PUBLISHED when the draft is published and can no longer change."""
        if self.state is DraftState.PUBLISHED:
            raise DRAFT_PUBLISHED(draft_id=self.draft_id, code=self.content.code, version=self.version)

    def names(self, org: str) -> bool:
        """Whether an organisation is one of the providers."""
        return any(provider.uscc == org for provider in self.content.providers)

    def to_dict(self) -> dict[str, Any]:
        """Returns the plain values for JSON."""
        return {
            "draft_id": self.draft_id,
            "code": self.content.code,
            "state": self.state.value,
            "revision": self.revision,
            "version": self.version,
            "created_at": rfc3339(self.created_at),
            "updated_at": rfc3339(self.updated_at),
            "authors": list(self.authors),
            "reviews": [review.to_dict() for review in self.reviews],
            "entry": self.content.to_dict(),
        }

    def _must_be_current(self, revision: int | None) -> None:
        if revision is not None:
            must_be_at(self.revision, revision)

    def _with_author(self, author: str) -> "Draft":
        return replace(self, authors=with_author(self.authors, author))


def must_be_at(current: int, named: int) -> None:
    """Raises DRAFT_CHANGED when a draft is not at the revision that an officer read, and acts on."""
    if named != current:
        raise DRAFT_CHANGED(revision=current)


def must_be_seen(current: int, authors: Sequence[str], editor: str, seen: SeenVersions) -> None:
    """Whoever edits what others wrote has read it. Raises IF_MATCH_FAILED, IF_MATCH_REQUIRED."""
    if seen.leave_out(current):
        raise IF_MATCH_FAILED(etag=f'"{current}"')
    # Who wrote the drafts of former versions is not known.
    if seen.names_none and tuple(authors) != (editor,):
        raise IF_MATCH_REQUIRED(etag=f'"{current}"')


def with_author(authors: tuple[str, ...], author: str) -> tuple[str, ...]:
    """The authors, and one who may be among them."""
    return authors if author in authors else (*authors, author)


def read_draft(plain: Mapping[str, Any]) -> Draft:
    """Reads a draft from its JSON. Raises `msgspec.ValidationError`."""
    return Draft(
        plain["draft_id"],
        read_content(plain["entry"]),
        datetime.fromisoformat(plain["created_at"]),
        datetime.fromisoformat(plain["updated_at"]),
        DraftState(plain["state"]),
        plain["revision"],
        plain["version"],
        # Drafts from before reviews were introduced have neither field.
        tuple(plain.get("authors", ())),
        tuple(
            Review(
                ReviewDecision(review["decision"]),
                review["opinion"],
                review["reviewer"],
                review["revision"],
                datetime.fromisoformat(review["at"]),
            )
            for review in plain.get("reviews", ())
        ),
    )


def read_comment(plain: Mapping[str, Any]) -> Comment:
    """Reads a comment from its JSON."""
    return Comment(
        plain["comment_id"],
        plain["draft_id"],
        plain["revision"],
        plain["where"],
        Stance(plain["stance"]),
        plain["text"],
        plain["org"],
        plain["author"],
        datetime.fromisoformat(plain["at"]),
    )
