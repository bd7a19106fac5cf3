"""What others say and decide about a draft before it is published: comments and review (Art. 7).

Whether a review is needed is asked when a draft is published (`publish.py`)."""

from dataclasses import dataclass

from chengxin.auth.executor import command, query
from chengxin.auth.principal import Principal, Role
from chengxin.errors import Problem
from chengxin.store.database import UnitOfWork
from chengxin.values.acts import Act
from chengxin.values.canonical_json import canonical, digest
from chengxin.values.ids import new_id
from services.catalog.context import NO_CREDIT_INFORMATION, CatalogContext
from services.catalog.domain.draft import (
    REVIEW_OWN_WORK,
    Comment,
    Draft,
    ReviewDecision,
    Stance,
    read_comment,
    read_draft,
)
from services.catalog.usecases.drafts import COMPILERS, CONCERNED, known_draft, provider_is_named, save


@dataclass(frozen=True)
class Opinion:
    """A comment as it is made: on what, how it stands, the words."""

    stance: Stance
    text: str
    where: str = ""


@command(Act.DRAFT_COMMENTED, roles=CONCERNED, articles=("7",), when=(provider_is_named,))
def comment(ctx: CatalogContext, caller: Principal, draft_id: str, opinion: Opinion, key: str = "") -> Comment:
    """Says something about a draft that is not published yet; the words stay out of the audit log.

    Raises DRAFT_UNKNOWN, DRAFT_PUBLISHED.
    """
    at = ctx.clock.now()

    def work(unit: UnitOfWork) -> Comment:
        draft = known_draft(ctx, draft_id, unit)
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
    return ctx.store.once(caller.sub, key, asked, work, Comment.to_dict).or_read(read_comment)


@query(
    Act.DRAFT_COMMENTS_LISTED,
    roles=CONCERNED,
    articles=("7",),
    when=(provider_is_named,),
    unrecorded=NO_CREDIT_INFORMATION,
)
def comments(ctx: CatalogContext, caller: Principal, draft_id: str, after: str, size: int) -> list[Comment]:
    """What was said about a draft, oldest first; one more than `size` when there are more. Raises DRAFT_UNKNOWN."""
    known_draft(ctx, draft_id)
    return ctx.store.comments(draft_id, after, size + 1)


@command(Act.DRAFT_SUBMITTED, roles=COMPILERS, articles=("7",))
def submit(ctx: CatalogContext, caller: Principal, draft_id: str, revision: int | None, key: str = "") -> Draft:
    """Lays a draft before a reviewer. Raises DRAFT_UNKNOWN, DRAFT_PUBLISHED, DRAFT_CHANGED, DRAFT_NOT_OPEN."""

    def work(unit: UnitOfWork) -> Draft:
        draft = known_draft(ctx, draft_id, unit).submitted(caller.sub, ctx.clock.now(), revision)
        save(ctx, caller, unit, Act.DRAFT_SUBMITTED, draft)
        return draft

    asked = canonical([Act.DRAFT_SUBMITTED, draft_id, revision])
    return ctx.store.once(caller.sub, key, asked, work, Draft.to_dict).or_read(read_draft)


@dataclass(frozen=True)
class Verdict:
    """A reviewer's decision about a revision, with its grounds."""

    decision: ReviewDecision
    opinion: str
    revision: int


def not_own_work(ctx: CatalogContext, caller: Principal, draft_id: str, *_: object, **__: object) -> Problem | None:
    """Not who created, edited or submitted the draft."""
    draft = ctx.store.draft(draft_id)
    return REVIEW_OWN_WORK() if draft is not None and caller.sub in draft.authors else None


@command(Act.DRAFT_REVIEWED, roles={Role.AUTHORITY, Role.CENTRE}, articles=("6", "7"), when=(not_own_work,))
def review(ctx: CatalogContext, caller: Principal, draft_id: str, verdict: Verdict, key: str = "") -> Draft:
    """A second officer approves a submitted draft or returns it; nobody reviews what they wrote or submitted.

    Raises DRAFT_UNKNOWN, DRAFT_PUBLISHED, DRAFT_CHANGED, DRAFT_NOT_SUBMITTED, REVIEW_OWN_WORK.
    """

    def work(unit: UnitOfWork) -> Draft:
        draft = known_draft(ctx, draft_id, unit).reviewed(
            verdict.decision, verdict.opinion, caller.sub, ctx.clock.now(), verdict.revision
        )
        save(ctx, caller, unit, Act.DRAFT_REVIEWED, draft, decision=verdict.decision.value)
        return draft

    asked = canonical([Act.DRAFT_REVIEWED, draft_id, verdict.decision, verdict.opinion, verdict.revision])
    return ctx.store.once(caller.sub, key, asked, work, Draft.to_dict).or_read(read_draft)
