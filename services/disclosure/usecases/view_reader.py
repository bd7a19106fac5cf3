"""A subject's records in one view, page by page: mostly one read by number and one time filter (principle 6)."""

from collections.abc import Callable, Iterable, Iterator, Sequence, Set
from dataclasses import dataclass
from functools import cached_property, reduce
from typing import Final, TypeVar

import structlog

from chengxin.auth import request_context
from chengxin.errors import INPUT_INVALID, unavailable
from chengxin.values.named_things import unknown_name
from chengxin.values.page_tokens import page_token_problem
from services.disclosure.context import DisclosureContext
from services.disclosure.domain.assertions import NOTHING, Assertions
from services.disclosure.domain.catalog_entry import DisclosureEntry
from services.disclosure.domain.disagreements import Disagreement, disagreeing_record_ids, disagreements
from services.disclosure.domain.disclosure_period import is_over
from services.disclosure.domain.record_fragments import Fragment, encoded_view_of, view_of
from services.disclosure.domain.record_views import EncodedRecordView, RecordView, View
from services.disclosure.domain.subject_names import NameHistory, merge_names
from services.disclosure.domain.subject_state import SubjectState
from services.disclosure.domain.view_pages import PublicVisibility, together
from services.disclosure.store.subject_state import SubjectDocument, SubjectGroup

T = TypeVar("T")

log = structlog.get_logger()

GREATEST_SIZE: Final = 200
DEFAULT_SIZE: Final = 50
_MOST_TOLD: Final = 5
# How often records are read again whose items are being replaced.
_LOOKS: Final = 3
MENDED_SECONDS: Final = 60

RECORD_INCOMPLETE = unavailable(
    "RECORD_INCOMPLETE",
    "所查记录的内容不完整，系统不作部分答复；请告知信用中心，由其重建披露数据后再试",
    "A record asked for is not whole, and is not answered in part; tell the credit centre, which makes what is disclosed "
    "anew, and try again",
)


@dataclass(frozen=True)
class RecordsQuery:
    """Selects records: of which entries (none named: all), how many, and after which record."""

    size: int = DEFAULT_SIZE
    # The record that ended the page before; empty for the first page.
    after: str = ""
    entries: Set[str] = frozenset()
    # The field of the request that names them.
    named_in: str = "entries"


@dataclass(frozen=True)
class WholeSubject:
    """The subject as all its references show it together."""

    ref: str
    kind: str
    uscc: str
    called: NameHistory
    visible: PublicVisibility


class LazyRecordView:
    """A record as a view shows it; its sealed items are opened when it is answered."""

    def __init__(self, ctx: DisclosureContext, fragment: Fragment, view: View) -> None:
        self.fragment = fragment
        self.record_id = fragment.record_id
        self.entry_code = fragment.entry_code
        self.provider_uscc = fragment.provider_uscc
        self.archived = fragment.archived
        self._ctx = ctx
        self._view = view

    @property
    def entry(self) -> DisclosureEntry | None:
        """The entry version that the record was validated against."""
        return self._ctx.store.entry(self.fragment.entry_code, self.fragment.entry_version)

    def to_dict(self) -> EncodedRecordView:
        """The record as it is answered, in the language asked for, with its items as JSON."""
        language = request_context.language()
        return encoded_view_of(self.fragment, self._view, self.entry, language, self._ctx.keys.decrypt)

    @cached_property
    def shown(self) -> RecordView:
        """The record as it is answered, in the language asked for."""
        record = view_of(self.fragment, self._view, self.entry)
        for code, sealed in self.fragment.sealed:
            if record.items.get(code) == sealed:
                record.items[code] = self._ctx.keys.decrypt(sealed, code)
        if self.entry is not None:
            record.entry_name = self.entry.name.text(request_context.language())
        return record


@dataclass(frozen=True)
class ResultPage:
    """A page of a subject's records, and the record after which the next one begins.

    Newest first; those under its strongest reference before those under others that are the same subject.
    """

    subject: WholeSubject | None
    records: list[LazyRecordView]
    following: str
    # All the references that were read, the strongest first.
    refs: Sequence[str]
    # What providers assert of the subject.
    assertions: Assertions = NOTHING


def strongest_first(subjects: Iterable[Sequence[str]]) -> list[str]:
    """Returns the references of some subjects, each once: the strongest one of each subject, then all others."""
    kept = [refs for refs in subjects if refs]
    return list(dict.fromkeys([*(refs[0] for refs in kept), *(ref for refs in kept for ref in refs)]))


def read(ctx: DisclosureContext, ref: str, view: View, ask: RecordsQuery, archived: bool = False) -> ResultPage:
    """Reads a page. Records whose disclosure has ended by today are left out, or with `archived` marked.

    Raises INPUT_INVALID when the page is said to begin after a record that is not the subject's, or an entry is named
    that there is not: with a slip in its code the subject would seem to be clean. Raises RECORD_INCOMPLETE.
    """
    if unknown := ctx.store.entries.unknown(ask.entries):
        known = ctx.store.entries.codes
        told = [unknown_name(ask.named_in, "unknown_entry", code, known) for code in sorted(unknown)[:_MOST_TOLD]]
        raise INPUT_INVALID(fields=told)
    page, incomplete = read_in_full(
        lambda: _read(ctx.pinned(), ref, view, ask, archived), lambda page: (r.fragment for r in page.records)
    )
    if incomplete:
        raise RECORD_INCOMPLETE(retry_after=MENDED_SECONDS)
    return page


def read_in_full(look: Callable[[], T], fragments_of: Callable[[T], Iterable[Fragment]]) -> tuple[T, Set[str]]:
    """Returns what is read, and the records in it whose items are lost. The items of a long record are read last: when
    they have been replaced meanwhile, or moved to another subject, all is read again."""
    missing: set[tuple[str, int]] = set()
    for _ in range(_LOOKS):
        found, before = look(), missing
        missing = {(fragment.record_id, fragment.version) for fragment in fragments_of(found) if fragment.long}
        if not missing or missing == before:
            break
    if missing:
        told = sorted(record_id for record_id, _ in missing)
        log.error("items of records are missing; `chengxin disclosure rebuild` makes them anew", records=told)
    return found, {record_id for record_id, _ in missing}


def _read(ctx: DisclosureContext, ref: str, view: View, ask: RecordsQuery, archived: bool) -> ResultPage:
    head = ctx.store.head(ref)
    group = ctx.store.group_of(ref) if head is None or head.grouped else None
    if head is None and group is None:
        return _stranger(ctx, ref, view, ask, archived)
    refs: Sequence[str]
    if group is None and head is not None:
        refs, subject, assertions = (ref,), _whole(ref, [head.state]), head.state.summary.assertions
    else:
        assert group is not None
        refs, subject = tuple(group.refs), _of_group(group)
        assertions = reduce(Assertions.merged, (state.summary.assertions for state in group.members.values()), NOTHING)
    if view is View.PUBLIC:
        view = subject.visible.view(ctx.clock.today().isoformat())
    found = list(_page(ctx, refs, head, view, ask, archived))
    records = [LazyRecordView(ctx, f, view) for f in ctx.store.in_full(found[: ask.size])]
    following = records[-1].record_id if len(found) > ask.size else ""
    return ResultPage(subject, records, following, refs, assertions)


def disagreed(ctx: DisclosureContext, page: ResultPage) -> tuple[list[Disagreement], dict[str, Fragment]]:
    """Returns the facts on which providers disagree today, and the records that state them."""
    if not (told := disagreeing_record_ids(page.assertions)):
        return [], {}
    today = ctx.clock.today().isoformat()
    order = {ref: number for number, ref in enumerate(page.refs)}
    # Of assertions of the same instant, that of the record that is shown first comes first.
    places = sorted(ctx.store.locations(told).values(), key=lambda w: (order.get(w.ref, 0), -w.page, -w.slot))
    found = ctx.store.fragments(places, ctx.store.heads(list(dict.fromkeys(where.ref for where in places))))
    standing = [f for f in found if not f.archived and not is_over(f.disclosed_until, today)]
    records = {f.record_id: LazyRecordView(ctx, f, View.OWN).shown for f in standing}
    return disagreements(page.assertions, records, ctx.store.entry), {f.record_id: f for f in standing}


def _stranger(ctx: DisclosureContext, ref: str, view: View, ask: RecordsQuery, archived: bool) -> ResultPage:
    """Reads a reference without records: the records of references that links join with it."""
    refs = ctx.store.links.subject_of(ref)
    known = next((other for other in refs if other != ref and ctx.store.head(other) is not None), None)
    if known is not None:
        page = read(ctx, known, view, ask, archived)
        return ResultPage(page.subject, page.records, page.following, refs, page.assertions)
    if ask.after:
        raise page_token_problem()
    return ResultPage(None, [], "", refs)


def _of_group(group: SubjectGroup) -> WholeSubject:
    return _whole(group.refs[0], [group.members[ref] for ref in group.refs if ref in group.members])


def _whole(ref: str, states: Sequence[SubjectState]) -> WholeSubject:
    if len(states) == 1:
        [state] = states
        return WholeSubject(ref, state.kind, state.uscc, state.called, state.summary.visible)
    return WholeSubject(
        ref,
        states[0].kind,
        next((state.uscc for state in states if state.uscc), ""),
        merge_names(state.called for state in states),
        together(state.summary.visible for state in states),
    )


def _page(
    ctx: DisclosureContext,
    refs: Sequence[str],
    head: SubjectDocument | None,
    view: View,
    ask: RecordsQuery,
    archived: bool,
) -> Iterator[Fragment]:
    """Yields the fragments of a page, and one more if there is one."""
    today = ctx.clock.today().isoformat()
    left = ask.size + 1
    for fragment in _remaining(ctx, refs, head, ask.after):
        if not fragment.shows_in(view) or (ask.entries and fragment.entry_code not in ask.entries):
            continue
        if is_over(fragment.disclosed_until, today):
            if not archived:
                continue
            fragment.archived = True
        yield fragment
        if not (left := left - 1):
            return


def _remaining(
    ctx: DisclosureContext, refs: Sequence[str], head: SubjectDocument | None, after: str
) -> Iterator[Fragment]:
    """Yields the fragments of some references, each newest first, after that of a record."""
    before: tuple[int, int] | None = None
    if after:
        where = ctx.store.location(after)
        if where is None or where.ref not in refs:
            raise page_token_problem()
        refs, before = refs[refs.index(where.ref) :], (where.page, where.slot)
    for heads in _heads(ctx, refs, head):
        for one in heads:
            yield from _newest_first(ctx, one, before)
            before = None


def _heads(
    ctx: DisclosureContext, refs: Sequence[str], head: SubjectDocument | None
) -> Iterator[list[SubjectDocument]]:
    # Of a subject with many references mostly the first ones fill the page.
    count, start = 1 if head is not None and refs[0] == head.ref else 4, 0
    while start < len(refs):
        some = refs[start : start + count]
        if head is not None and list(some) == [head.ref]:
            yield [head]
        else:
            found = ctx.store.heads(some)
            yield [found[ref] for ref in some if ref in found]
        start, count = start + count, min(count * 4, 64)


def _newest_first(ctx: DisclosureContext, head: SubjectDocument, before: tuple[int, int] | None) -> Iterator[Fragment]:
    """Yields a subject's fragments that come after a place."""
    number = head.tail if before is None else before[0]
    if number >= head.tail:
        yield from _after(head.fragments, before)
        number = head.tail - 1
    # Mostly the first of these are all that is needed; of a large subject a reader may go through many.
    count = 4
    while number >= 0:
        numbers = range(number, max(-1, number - count), -1)
        pages = ctx.store.pages((head.ref, n) for n in numbers)
        for n in numbers:
            yield from _after(pages.get((head.ref, n), ()), before)
        number -= count
        count = min(count * 2, 64)


def _after(fragments: Sequence[Fragment], before: tuple[int, int] | None) -> Iterator[Fragment]:
    for fragment in reversed(fragments):
        if before is None or fragment.slot < before[1]:
            yield fragment
