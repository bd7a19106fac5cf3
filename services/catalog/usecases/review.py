"""Providers, centre and authority comment on a draft, and a second officer reviews it (Art. 7).

`publish.py` asks whether a review is required.
"""

from dataclasses import dataclass

from chengxin.auth.executor import command, query
from chengxin.auth.principal import Principal, Role
from chengxin.errors import Problem
from chengxin.store.database import UnitOfWork
from chengxin.values.acts import Act
from chengxin.values.canonical_json import canonical, digest
from chengxin.values.ids import new_id
from services.catalog.context import NO_CREDIT_INFORMATION, CatalogContext, must_be_sound
from services.catalog.domain.draft import REVIEW_OWN_WORK, Comment, Draft, ReviewDecision, Stance, read_comment
from services.catalog.domain.entry import ENTRY_INVALID
from services.catalog.usecases.code_lists import resolved
from services.catalog.usecases.drafts import (
    COMPILERS,
    CONCERNED,
    DRAFTING,
    any_draft,
    authorised_draft,
    change,
    provider_is_named,
    wrong,
)


@dataclass(frozen=True)
class Opinion:
    """A comment as it is sent: its stance, its text, and the field of the draft that it is about."""

    stance: Stance
    text: str
    where: str = ""


@command(Act.DRAFT_COMMENTED, roles=CONCERNED, articles=("7",), may=provider_is_named, power=DRAFTING)
def comment(ctx: CatalogContext, caller: Principal, draft_id: str, opinion: Opinion, key: str = "") -> Comment:
    """Comments on a draft that is not published yet; the audit log has a digest of the text, not the text.

    Raises DRAFT_UNKNOWN, DRAFT_PUBLISHED.
    """
    at = ctx.clock.now()

    def work(unit: UnitOfWork, draft: Draft) -> Comment:
        draft.must_be_open()
        comment_id = new_id("comment")
        said = Comment(
            comment_id,
            draft_id,
            draft.revision,
            opinion.where,
            opinion.stance,
            opinion.text,
            caller.org,
            caller.sub,
            at,
        )
        ctx.store.save_comment(said, unit)
        details = {
            "draft_id": draft_id,
            "comment_id": comment_id,
            "revision": draft.revision,
            "stance": opinion.stance.value,
            "text_sha256": digest(opinion.text.encode()),
        }
        event = ctx.audit.event(Act.DRAFT_COMMENTED, caller, entries=[draft.content.code], details=details)
        unit.record(event.encode())
        return said

    asked = canonical([Act.DRAFT_COMMENTED, draft_id, opinion.stance, opinion.where, opinion.text])
    done = ctx.store.once_on(
        lambda unit: authorised_draft(ctx, draft_id, unit), caller.sub, key, asked, work, Comment.to_dict
    )
    return done.or_read(read_comment)


@query(
    Act.DRAFT_COMMENTS_LISTED,
    roles=CONCERNED,
    articles=("7",),
    may=provider_is_named,
    unrecorded=NO_CREDIT_INFORMATION,
)
def comments(ctx: CatalogContext, caller: Principal, draft_id: str, after: str, size: int) -> list[Comment]:
    """Returns the comments on a draft, oldest first; one more than `size` when there are more. Raises DRAFT_UNKNOWN."""
    authorised_draft(ctx, draft_id)
    return ctx.store.comments(draft_id, after, size + 1)


@command(Act.DRAFT_SUBMITTED, roles=COMPILERS, articles=("7",), may=any_draft, power=DRAFTING)
def submit(ctx: CatalogContext, caller: Principal, draft_id: str, revision: int | None, key: str = "") -> Draft:
    """Submits a draft for review. Raises DRAFT_UNKNOWN, DRAFT_PUBLISHED, DRAFT_CHANGED, DRAFT_NOT_OPEN."""

    def submitted(draft: Draft) -> Draft:
        return draft.submitted(caller.sub, ctx.clock.now(), revision)

    asked = canonical([Act.DRAFT_SUBMITTED, draft_id, revision])
    return change(ctx, caller, Act.DRAFT_SUBMITTED, draft_id, submitted, asked, key)


@dataclass(frozen=True)
class Verdict:
    """A reviewer's decision about a revision, with its grounds."""

    decision: ReviewDecision
    opinion: str
    revision: int


def not_own_work(ctx: CatalogContext, caller: Principal, draft: Draft | None, draft_id: str) -> Problem | None:
    """Not an officer who created, edited or submitted the draft."""
    if draft is not None and caller.sub in draft.authors:
        return REVIEW_OWN_WORK()
    return any_draft(ctx, caller, draft, draft_id)


@command(Act.DRAFT_REVIEWED, roles={Role.AUTHORITY, Role.CENTRE}, articles=("6", "7"), may=not_own_work, power=DRAFTING)
def review(ctx: CatalogContext, caller: Principal, draft_id: str, verdict: Verdict, key: str = "") -> Draft:
    """A second officer approves a submitted draft or returns it; an author cannot review the draft.

    Raises DRAFT_UNKNOWN, DRAFT_PUBLISHED, DRAFT_CHANGED, DRAFT_NOT_SUBMITTED, REVIEW_OWN_WORK, ENTRY_INVALID.
    """

    def reviewed(draft: Draft) -> Draft:
        if verdict.decision is ReviewDecision.APPROVE:
            # Other entries and lists may be others than when it was written.
            must_be_sound(wrong(ctx, resolved(ctx, draft.content)), ENTRY_INVALID)
        return draft.reviewed(verdict.decision, verdict.opinion, caller.sub, ctx.clock.now(), verdict.revision)

    decision = verdict.decision.value
    asked = canonical([Act.DRAFT_REVIEWED, draft_id, decision, verdict.opinion, verdict.revision])
    return change(ctx, caller, Act.DRAFT_REVIEWED, draft_id, reviewed, asked, key, decision=decision)
