"""Code lists: drafted and published by the authority, read by everybody, referred to by items (Art. 9)."""

from collections.abc import Sequence
from datetime import date
from typing import Final

from chengxin.auth.executor import command, query
from chengxin.auth.powers import CITY, Power, anywhere, one
from chengxin.auth.principal import Principal, Role
from chengxin.errors import InBoth, Problem
from chengxin.store.database import UnitOfWork
from chengxin.store.on_record import authorise
from chengxin.values.acts import Act
from chengxin.values.canonical_json import canonical, digest
from chengxin.values.ids import new_id
from chengxin.values.seen_versions import ANY_VERSION, SeenVersions
from services.catalog.context import NO_CREDIT_INFORMATION, CatalogContext, must_be_sound
from services.catalog.domain.code_list import (
    CODE_LIST_DRAFT_UNKNOWN,
    CODE_LIST_INVALID,
    CODE_LIST_UNKNOWN,
    CodeList,
    CodeListContent,
    CodeListDraft,
    CodeListSummary,
    following,
    read_code_list,
    read_list_draft,
    with_values,
)
from services.catalog.domain.entry import ENTRY_INVALID, CodeListRef, EntryContent
from services.catalog.usecases.read_catalog import EVERYBODY
from services.catalog.usecases.rule_sets import no_other_service

_REGIONS: Final = "region"
# Of what is done to drafts.
_DRAFTING: Final = Power(
    anywhere("a draft binds nobody: a county's authority prepares, the city's publishes"),
    one("it has no effect before it is published"),
    "centre and authority, who read drafts",
)


@query(Act.CODE_LIST_LISTED, roles=EVERYBODY, articles=("9",), unrecorded=NO_CREDIT_INFORMATION)
def listed(ctx: CatalogContext, caller: Principal, after: str, size: int) -> list[CodeListSummary]:
    """Returns the lists in force today, by name; one more than `size` when there are more."""
    return [CodeListSummary(c) for c in ctx.store.code_lists_in_force(ctx.clock.today(), after, size + 1)]


@query(Act.CODE_LIST_READ, roles=EVERYBODY, articles=("9",), unrecorded=NO_CREDIT_INFORMATION)
def read(ctx: CatalogContext, caller: Principal, name: str, version: int = 0) -> CodeList:
    """Returns a version of a list, the one in force today unless a version is named. Raises CODE_LIST_UNKNOWN."""
    if (found := _find(ctx, CodeListRef(name, version))) is None:
        raise CODE_LIST_UNKNOWN(name=name, version=version or InBoth("现行", "in force"))
    return found


@command(Act.CODE_LIST_DRAFTED, roles={Role.AUTHORITY}, articles=("9",), power=_DRAFTING)
def draft(ctx: CatalogContext, caller: Principal, content: CodeListContent, key: str = "") -> CodeListDraft:
    """Begins a draft of a list. Raises CODE_LIST_INVALID."""
    must_be_sound(content.findings(), CODE_LIST_INVALID)
    begun = CodeListDraft(new_id("codes"), content, authors=(caller.sub,))

    def work(unit: UnitOfWork) -> CodeListDraft:
        _save(ctx, caller, unit, Act.CODE_LIST_DRAFTED, begun)
        return begun

    asked = canonical([Act.CODE_LIST_DRAFTED, content.to_dict()])
    return ctx.store.once(caller.sub, key, asked, work, CodeListDraft.to_dict).or_read(read_list_draft)


def any_list_draft(
    ctx: CatalogContext, caller: Principal, draft: CodeListDraft | None, draft_id: str
) -> Problem | None:
    """Any draft of a code list that there is."""
    return None if draft is not None else CODE_LIST_DRAFT_UNKNOWN(draft_id=draft_id)


@command(Act.CODE_LIST_DRAFT_EDITED, roles={Role.AUTHORITY}, articles=("9",), may=any_list_draft, power=_DRAFTING)
def edit(
    ctx: CatalogContext,
    caller: Principal,
    draft_id: str,
    content: CodeListContent,
    seen: SeenVersions = ANY_VERSION,
    key: str = "",
) -> CodeListDraft:
    """Replaces a draft, if its revision is one that the editor has seen.

    Raises CODE_LIST_DRAFT_UNKNOWN, CODE_LIST_PUBLISHED, IF_MATCH_FAILED, IF_MATCH_REQUIRED, CODE_LIST_RENAMED,
    CODE_LIST_INVALID.
    """
    must_be_sound(content.findings(), CODE_LIST_INVALID)

    def work(unit: UnitOfWork, draft: CodeListDraft) -> CodeListDraft:
        edited = draft.edited(content, caller.sub, seen)
        _save(ctx, caller, unit, Act.CODE_LIST_DRAFT_EDITED, edited)
        return edited

    asked = canonical([Act.CODE_LIST_DRAFT_EDITED, draft_id, seen.to_list(), content.to_dict()])
    done = ctx.store.once_on(
        lambda unit: _authorised_draft(ctx, draft_id, unit), caller.sub, key, asked, work, CodeListDraft.to_dict
    )
    return done.or_read(read_list_draft)


@query(
    Act.CODE_LIST_DRAFTS_LISTED, roles={Role.AUTHORITY, Role.CENTRE}, articles=("9",), unrecorded=NO_CREDIT_INFORMATION
)
def drafts(ctx: CatalogContext, caller: Principal, after: str, size: int) -> list[CodeListDraft]:
    """Returns drafts, oldest first; one more than `size` when there are more."""
    return ctx.store.list_drafts(after, size + 1)


@query(
    Act.CODE_LIST_DRAFT_READ,
    roles={Role.AUTHORITY, Role.CENTRE},
    articles=("9",),
    may=any_list_draft,
    unrecorded=NO_CREDIT_INFORMATION,
)
def read_draft(ctx: CatalogContext, caller: Principal, draft_id: str) -> CodeListDraft:
    """Returns a draft. Raises CODE_LIST_DRAFT_UNKNOWN."""
    return _authorised_draft(ctx, draft_id)


@command(
    Act.CODE_LIST_PUBLISHED,
    roles={Role.AUTHORITY},
    articles=("6", "9"),
    may=any_list_draft,
    power=Power(
        CITY,
        one("entries keep the values that they were published with; a new version gives nobody access"),
        "everybody, who reads the catalog; its followers, by the feed",
    ),
)
def publish(
    ctx: CatalogContext, caller: Principal, draft_id: str, revision: int, first: date, key: str = ""
) -> CodeList:
    """Publishes a revision of a draft as the next version of its list. Entries keep the values that they were published
    with.

    Raises CODE_LIST_DRAFT_UNKNOWN, CODE_LIST_PUBLISHED, DRAFT_CHANGED, CODE_LIST_BACKDATED, CODE_LIST_OVERLAPS,
    EFFECTIVE_IMPLAUSIBLE.
    """

    def work(unit: UnitOfWork, draft: CodeListDraft) -> CodeList:
        must_be_sound(draft.content.findings(), CODE_LIST_INVALID)
        published = _publish(ctx, caller, unit, draft.content, first, draft_id=draft_id, revision=draft.revision)
        ctx.store.save_list_draft(draft.published(published.version, revision), unit)
        return published

    asked = canonical([Act.CODE_LIST_PUBLISHED, draft_id, revision, first.isoformat()])
    done = ctx.store.once_on(
        lambda unit: _authorised_draft(ctx, draft_id, unit), caller.sub, key, asked, work, CodeList.to_dict
    )
    return done.or_read(read_code_list)


@command(Act.CODE_LIST_SEEDED, roles={Role.SERVICE}, articles=("9",), when=(no_other_service,))
def seed_lists(ctx: CatalogContext, caller: Principal, contents: Sequence[CodeListContent], first: date) -> None:
    """Publishes the standard lists that are missing, and, with effect from today, those that a release changed."""

    def work(unit: UnitOfWork) -> None:
        for content in contents:
            there = ctx.store.newest_code_list(content.name, unit)
            if to_be_seeded(there, content):
                _publish(ctx, caller, unit, content, ctx.clock.today() if there else first)
        if not unit.events:
            unit.without_event("nothing changes")

    ctx.store.transact(work)


def to_be_seeded(there: CodeList | None, content: CodeListContent) -> bool:
    """Whether a standard list must be published.

    The first version is always the catalog's own. A later one may be the authority's, and stays.
    """
    return there is None or (there.version == 1 and there.content != content)


def resolved(ctx: CatalogContext, content: EntryContent, unit: UnitOfWork | None = None) -> EntryContent:
    """Returns the content with the values of the code lists that it refers to. Raises ENTRY_INVALID."""
    references = {item.code_list_ref for item in content.items if item.code_list_ref is not None}
    content, wrong = with_values(content, {reference: _find(ctx, reference, unit) for reference in references})
    must_be_sound(wrong, ENTRY_INVALID)
    return content


def known_regions(ctx: CatalogContext, unit: UnitOfWork | None = None) -> frozenset[str]:
    """Returns the codes of the region list in force today."""
    regions = ctx.store.code_list_in_force(_REGIONS, ctx.clock.today(), unit)
    return frozenset(value.code for value in regions.content.values) if regions else frozenset()


def _find(ctx: CatalogContext, reference: CodeListRef, unit: UnitOfWork | None = None) -> CodeList | None:
    store = ctx.store
    if reference.version:
        return store.code_list(reference.name, reference.version, unit)
    return store.code_list_in_force(reference.name, ctx.clock.today(), unit)


def _authorised_draft(ctx: CatalogContext, draft_id: str, unit: UnitOfWork | None = None) -> CodeListDraft:
    return authorise(ctx.store.list_draft(draft_id, unit), draft_id)


def _save(ctx: CatalogContext, caller: Principal, unit: UnitOfWork, act: Act, begun: CodeListDraft) -> None:
    ctx.store.save_list_draft(begun, unit)
    details = {
        "draft_id": begun.draft_id,
        "revision": begun.revision,
        "name": begun.content.name,
        "content_sha256": _sha256(begun.content),
    }
    unit.record(ctx.audit.event(act, caller, details=details).encode())


def _publish(
    ctx: CatalogContext, caller: Principal, unit: UnitOfWork, content: CodeListContent, first: date, **draft: object
) -> CodeList:
    before = ctx.store.newest_code_list(content.name, unit)
    published = following(content, first, before, ctx.clock.now(), ctx.clock.today())
    ctx.store.save_code_list(published, unit)
    unit.publish("code_list", code_list=published.to_dict())
    details = {
        "name": content.name,
        "version": published.version,
        "effective_from": first.isoformat(),
        "content_sha256": _sha256(content),
    } | draft
    unit.record(ctx.audit.event(Act.CODE_LIST_PUBLISHED, caller, details=details).encode())
    return published


def _sha256(content: CodeListContent) -> str:
    return digest(canonical(content.to_dict()))
