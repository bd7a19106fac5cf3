"""What is not agreed of subjects, for officers (Art. 2, 5, 12): links that are claimed and not made, and facts on which
providers disagree."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from chengxin.auth.executor import query
from chengxin.auth.principal import Principal
from chengxin.store.on_record import authorise
from chengxin.values.acts import Act
from services.disclosure.context import DisclosureContext
from services.disclosure.domain.disagreements import Disagreement, DisagreementSummary
from services.disclosure.domain.entity_resolution import LinkState
from services.disclosure.domain.record_views import View
from services.disclosure.usecases.query_records import NAMED_RECORDS, SubjectIdentifier, ref_of
from services.disclosure.usecases.subject_identity import (
    APPROVERS,
    CENTRE,
    Identity,
    LinkDetails,
    any_subject,
    details_of,
    identity_of,
    kind_and_name,
    refs_of,
)
from services.disclosure.usecases.view_reader import (
    LazyRecordView,
    RecordsQuery,
    disagreed,
    read,
    strongest_first,
)


@dataclass(frozen=True)
class SubjectWithDisagreements:
    """A subject on whose facts providers disagree."""

    subject_ref: str
    subject_refs: Sequence[str]
    kind: str
    name: str
    facts: Sequence[DisagreementSummary]


@query(Act.SUBJECT_CONFLICTS_LISTED, roles=CENTRE, articles=("5", "12"))
def list_conflicts(ctx: DisclosureContext, caller: Principal, after: str, limit: int) -> list[LinkDetails]:
    """Lists links that records claim and that are not made, because they would join two subjects; oldest first."""
    ctx = ctx.pinned()
    found = ctx.store.links.conflicts(after, limit)
    page = [details_of(ctx, kept) for kept in found]
    refs = list(dict.fromkeys(ref for seen in page for ref in seen.subject_refs))
    ctx.audit.record(
        ctx.audit.event(Act.SUBJECT_CONFLICTS_LISTED, caller, subject_refs=refs, details={"found": len(page)})
    )
    return page


@query(Act.SUBJECT_DISAGREEMENTS_LISTED, roles=APPROVERS, articles=("2", "5"))
def list_disagreements(
    ctx: DisclosureContext, caller: Principal, after: str, limit: int
) -> tuple[list[SubjectWithDisagreements], str]:
    """Lists subjects on whose facts providers disagree, the oldest disagreements first, without values. Returns also the
    place where the next page begins."""
    ctx = ctx.pinned()
    found = ctx.store.disagreements.listed(after, limit + 1)
    page = found[:limit]
    refs = strongest_first(listed.refs for listed in page)
    known = ctx.store.links.states(refs)
    ctx.audit.record(
        ctx.audit.event(Act.SUBJECT_DISAGREEMENTS_LISTED, caller, subject_refs=refs, details={"found": len(page)})
    )
    told = [
        SubjectWithDisagreements(s.ref, s.refs, *kind_and_name([known[ref] for ref in s.refs if ref in known]), s.facts)
        for s in page
    ]
    return told, page[-1].place if len(found) > limit else ""


@query(Act.SUBJECT_CONFLICTS_READ, roles=APPROVERS, articles=("5", "12"), may=any_subject)
def read_disagreements(
    ctx: DisclosureContext, caller: Principal, identifier: SubjectIdentifier
) -> tuple[Identity, list[Disagreement]]:
    """Reads what is not agreed of one subject: links that are not made, and facts on which providers disagree, with values
    as organs share them. Raises INPUT_INVALID, SUBJECT_UNKNOWN."""
    ctx = ctx.pinned()
    ref = ref_of(ctx, identifier)
    found = authorise(identity_of(ctx, ref), ref)
    differing, fragments = disagreed(ctx, read(ctx, ref, View.OWN, RecordsQuery(1)))
    # As organs share them; empty when they do not: then the answer shows only that it differs.
    shared = {name: LazyRecordView(ctx, f, View.SHARED).shown.items for name, f in fragments.items()}
    shown = [
        replace(d, statements=tuple(replace(s, value=shared[s.record_id].get(s.item, "")) for s in d.statements))
        for d in differing
    ]
    ctx.audit.record(
        ctx.audit.event(
            Act.SUBJECT_CONFLICTS_READ,
            caller,
            subject_refs=refs_of(found),
            records=list(dict.fromkeys(s.record_id for d in shown for s in d.statements))[:NAMED_RECORDS],
        )
    )
    held = [link for link in found.links if link.state == LinkState.CONFLICT]
    return replace(found, links=held), shown
