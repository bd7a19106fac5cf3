"""The authority compiles drafts of entries together with the providers that they name (Art. 7)."""

from collections.abc import Callable, Iterator
from itertools import chain
from typing import Final

from chengxin.auth.executor import command, query
from chengxin.auth.powers import Power, anywhere, one
from chengxin.auth.principal import Principal, Role
from chengxin.errors import Problem
from chengxin.store.database import UnitOfWork
from chengxin.store.on_record import authorise
from chengxin.values.acts import Act
from chengxin.values.canonical_json import canonical, digest
from chengxin.values.ids import new_id
from chengxin.values.seen_versions import ANY_VERSION, SeenVersions
from services.catalog.context import NO_CREDIT_INFORMATION, CatalogContext, must_be_sound
from services.catalog.domain.draft import DRAFT_UNKNOWN, Draft, read_draft
from services.catalog.domain.entry import ENTRY_INVALID, EntryContent
from services.catalog.domain.entry_diff import EntryDifference, compare
from services.catalog.domain.entry_validation import Finding, discretion_findings, findings, region_findings
from services.catalog.usecases.code_lists import known_regions, resolved

COMPILERS: Final = {Role.AUTHORITY}
# The centre sets the standards (Art. 6), so it reads what is being prepared; providers read what they are to provide.
CONCERNED: Final = {Role.AUTHORITY, Role.CENTRE, Role.PROVIDER}


# Of what is done to drafts.
DRAFTING: Final = Power(
    anywhere("a draft binds nobody: a county's authority prepares, the city's publishes"),
    one("it has no effect before it is published"),
    "centre, authority and the providers that it names, who read drafts",
)


def any_draft(ctx: CatalogContext, caller: Principal, draft: Draft | None, draft_id: str) -> Problem | None:
    """Any draft that there is."""
    return None if draft is not None else DRAFT_UNKNOWN(draft_id=draft_id)


def provider_is_named(ctx: CatalogContext, caller: Principal, draft: Draft | None, draft_id: str) -> Problem | None:
    """A provider only when the draft names it; to others of them it is as if it did not exist."""
    if draft is not None and (caller.roles & {Role.AUTHORITY, Role.CENTRE} or draft.names(caller.org)):
        return None
    return DRAFT_UNKNOWN(draft_id=draft_id)


@command(Act.DRAFT_CREATED, roles=COMPILERS, articles=("7", "8"), power=DRAFTING)
def create(ctx: CatalogContext, caller: Principal, content: EntryContent, key: str = "") -> Draft:
    """Begins a draft of an entry. Raises ENTRY_INVALID."""
    sound = _sound(ctx, content)
    asked = canonical([Act.DRAFT_CREATED, content.to_dict()])
    now = ctx.clock.now()
    draft = Draft(new_id("draft"), sound, now, now, authors=(caller.sub,))

    def work(unit: UnitOfWork) -> Draft:
        save(ctx, caller, unit, Act.DRAFT_CREATED, draft)
        return draft

    return ctx.store.once(caller.sub, key, asked, work, Draft.to_dict).or_read(read_draft)


@command(Act.DRAFT_EDITED, roles=COMPILERS, articles=("7", "8"), may=any_draft, power=DRAFTING)
def edit(
    ctx: CatalogContext,
    caller: Principal,
    draft_id: str,
    content: EntryContent,
    seen: SeenVersions = ANY_VERSION,
    key: str = "",
) -> Draft:
    """Replaces the content of a draft, if its revision is one that the editor has seen.

    Raises DRAFT_UNKNOWN, DRAFT_PUBLISHED, IF_MATCH_FAILED, IF_MATCH_REQUIRED, DRAFT_CODE_CHANGED, ENTRY_INVALID.
    """
    sound = _sound(ctx, content)
    asked = canonical([Act.DRAFT_EDITED, draft_id, seen.to_list(), content.to_dict()])

    def edited(draft: Draft) -> Draft:
        return draft.edited(sound, caller.sub, ctx.clock.now(), seen)

    return change(ctx, caller, Act.DRAFT_EDITED, draft_id, edited, asked, key)


@query(Act.DRAFT_READ, roles=CONCERNED, articles=("7",), may=provider_is_named, unrecorded=NO_CREDIT_INFORMATION)
def read(ctx: CatalogContext, caller: Principal, draft_id: str) -> Draft:
    """Returns a draft. Raises DRAFT_UNKNOWN."""
    return authorised_draft(ctx, draft_id)


@query(Act.DRAFT_LISTED, roles=CONCERNED, articles=("7",), unrecorded=NO_CREDIT_INFORMATION)
def listed(ctx: CatalogContext, caller: Principal, after: str, size: int) -> list[Draft]:
    """Returns drafts, oldest first; one more than `size` when there are more. A provider gets those that name it."""
    everything = bool(caller.roles & {Role.AUTHORITY, Role.CENTRE})
    return ctx.store.drafts(after, size + 1, None if everything else caller.org)


@query(Act.DRAFT_COMPARED, roles=CONCERNED, articles=("7",), may=provider_is_named, unrecorded=NO_CREDIT_INFORMATION)
def difference(ctx: CatalogContext, caller: Principal, draft_id: str) -> tuple[int, Draft, EntryDifference]:
    """Returns the difference that a draft would make to the newest version of its entry.

    The number of that version comes first; it is 0 for a new entry. Raises DRAFT_UNKNOWN.
    """
    draft = authorised_draft(ctx, draft_id)
    newest = ctx.store.newest(draft.content.code)
    if newest is None:
        return 0, draft, EntryDifference(())
    return newest.version, draft, compare(newest.content, draft.content)


def authorised_draft(ctx: CatalogContext, draft_id: str, unit: UnitOfWork | None = None) -> Draft:
    """Returns a draft if the rule of the use case lets the caller act on it. Raises DRAFT_UNKNOWN, or the refusal."""
    return authorise(ctx.store.draft(draft_id, unit), draft_id)


def change(
    ctx: CatalogContext,
    caller: Principal,
    act: Act,
    draft_id: str,
    changed: Callable[[Draft], Draft],
    asked: bytes,
    key: str,
    **details: object,
) -> Draft:
    """Loads a draft, judges the caller by it, and saves what `changed` makes of it, in one transaction.

    `asked` is the request, to tell a repeat from another request under the same key; `details` go into the event.
    """

    def work(unit: UnitOfWork, draft: Draft) -> Draft:
        after = changed(draft)
        save(ctx, caller, unit, act, after, **details)
        return after

    done = ctx.store.once_on(
        lambda unit: authorised_draft(ctx, draft_id, unit), caller.sub, key, asked, work, Draft.to_dict
    )
    return done.or_read(read_draft)


def wrong(ctx: CatalogContext, content: EntryContent, unit: UnitOfWork | None = None) -> Iterator[Finding]:
    """Yields every fault of a content whose code lists are resolved, as the lists and the other entries are today."""
    masked = ctx.store.names_masked(ctx.clock.today(), content.code, unit)
    return chain(
        findings(content), region_findings(content, known_regions(ctx, unit)), discretion_findings(content, masked)
    )


def save(ctx: CatalogContext, caller: Principal, unit: UnitOfWork, act: Act, draft: Draft, **details: object) -> None:
    """Saves a draft, and the audit event of its change in the same transaction."""
    ctx.store.save_draft(draft, unit)
    details |= {
        "draft_id": draft.draft_id,
        "revision": draft.revision,
        "content_sha256": digest(canonical(draft.content.to_dict())),
    }
    unit.record(ctx.audit.event(act, caller, entries=[draft.content.code], details=details).encode())


def _sound(ctx: CatalogContext, content: EntryContent) -> EntryContent:
    """Returns the content with the values of the code lists that it refers to. Raises ENTRY_INVALID.

    It comes before the canonical form, which a content with whole numbers of more than 53 bits does not have.
    """
    content = resolved(ctx, content)
    must_be_sound(wrong(ctx, content), ENTRY_INVALID)
    return content
