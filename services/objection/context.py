"""What the use cases of the objection service are given, and the one way to change or read a case."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import structlog
from pymongo.errors import PyMongoError

from chengxin.audit.event import AuditEvent
from chengxin.audit.trail import AuditTrail
from chengxin.auth.principal import Principal, Role
from chengxin.auth.regions import regional
from chengxin.errors import IF_MATCH_FAILED, ROLE_NOT_ALLOWED, Problem, not_found
from chengxin.store.database import UnitOfWork
from chengxin.store.on_record import authorise
from chengxin.values.acts import Act
from chengxin.values.canonical_json import canonical
from chengxin.values.clock import Clock, as_stored
from chengxin.values.seen_versions import ANY_VERSION, SeenVersions
from services.objection.clients.disclosure import References, alone
from services.objection.clients.ingest import Records
from services.objection.domain.case_views import CaseView
from services.objection.domain.cases import Case
from services.objection.domain.evidence import Attachment, Evidence
from services.objection.store.cases import ObjectionStore

log = structlog.get_logger()

# The service itself, when it follows feeds and counts deadlines again.
OWN: Final = Principal("objection", frozenset({Role.SERVICE}), client_id="objection")

RECORD_UNKNOWN = not_found(
    "RECORD_UNKNOWN",
    "未找到记录 {record_id}，请核对编号",
    "There is no record {record_id}; check its id",
)
OBJECTION_UNKNOWN = not_found(
    "OBJECTION_UNKNOWN",
    "未找到异议 {objection_no}，请核对编号",
    "There is no objection {objection_no} that you may see; check the number",
)


@dataclass(frozen=True)
class ActRequest:
    """What comes with a request to change a case: its idempotency key, and the versions that the caller saw."""

    key: str = ""
    seen: SeenVersions = ANY_VERSION


@dataclass(frozen=True)
class ObjectionContext:
    """The first argument of every use case here."""

    store: ObjectionStore
    audit: AuditTrail
    clock: Clock
    records: Records
    # Finds all references of the subject that has a reference.
    references: References = alone

    def now(self) -> datetime:
        """The present instant, as exact as the store keeps it."""
        return as_stored(self.clock.now())

    def view(self, case: Case) -> CaseView:
        """Returns a case as it stands today."""
        [found] = self.views([case])
        return found

    def views(self, cases: Sequence[Case]) -> list[CaseView]:
        """Returns cases as they stand today."""
        today = self.clock.today()
        versions = {(c.record.entry_code, c.record.entry_version) for c in cases}
        names = {version: self.store.entry(*version) for version in versions}
        return [CaseView(c, names[c.record.entry_code, c.record.entry_version], today) for c in cases]

    def event(self, act: Act, caller: Principal, *cases: Case, **details: object) -> AuditEvent:
        """Makes an audit event about cases: pseudonyms, codes and states, never a text that a party wrote."""
        if len(cases) == 1:
            details = {"objection_no": cases[0].objection_no, "state": cases[0].state.value} | details
        else:
            details = {"objections": [c.objection_no for c in cases]} | details
        return self.audit.event(
            act,
            caller,
            subject_refs=_each(c.record.subject_ref for c in cases),
            entries=_each(c.record.entry_code for c in cases),
            records=_each(c.record.record_id for c in cases),
            details=details,
        )

    def put_on_record(self, unit: UnitOfWork, act: Act, caller: Principal, case: Case, **details: object) -> None:
        """Adds the audit event of a change to the transaction of the change."""
        unit.record(self.event(act, caller, case, **details).encode())

    def read(self, act: Act, caller: Principal, objection_no: str) -> CaseView:
        """Returns a case that the rule of the use case allows, after the reading is on record.

        Raises OBJECTION_UNKNOWN, AUDIT_UNAVAILABLE.
        """
        return self.release(act, caller, authorise(self.store.case(objection_no), objection_no))

    def release(self, act: Act, caller: Principal, case: Case, **details: object) -> CaseView:
        """Returns a case that the caller may see, after the reading is on record. Raises AUDIT_UNAVAILABLE."""
        self.audit.record(self.event(act, caller, case, **details))
        return self.view(case)

    def read_all(self, act: Act, caller: Principal, cases: Sequence[Case], size: int) -> tuple[list[CaseView], bool]:
        """Returns the first `size` cases, after the reading is on record, and whether there are more."""
        page = cases[:size]
        self.audit.record(self.event(act, caller, *page))
        return self.views(page), len(cases) > size

    def evidence(self, act: Act, caller: Principal, objection_no: str, number: int) -> tuple[Evidence, bytes]:
        """Returns an attachment and its content, after the reading is on record.

        Raises OBJECTION_UNKNOWN, AUDIT_UNAVAILABLE.
        """
        case = authorise(self.store.case(objection_no), objection_no)
        kept = next((e for e in case.evidence if e.number == number), None)
        content = self.store.content(kept.key) if kept else None
        if kept is None or content is None:
            raise OBJECTION_UNKNOWN(objection_no=f"{objection_no}/{number}")
        self.audit.record(self.event(act, caller, case, evidence=number, sha256=kept.sha256))
        return kept, content

    @contextmanager
    def uploaded(self, files: Sequence[Attachment]) -> Iterator[list[str]]:
        """Stores attachments for the transaction inside, and drops those that no case took over in it."""
        keys = self.store.upload([file.data for file in files], self.now())
        try:
            yield keys
        # An error of the store drops nothing, because the transaction may have committed. `drop_left` finds out later.
        except Problem:
            self._drop(keys)
            raise
        self._drop(keys)

    def _drop(self, keys: Sequence[str]) -> None:
        try:
            self.store.drop(keys)
        except PyMongoError as e:
            log.warning("attachments left", reason=repr(e)[:200])

    def act(
        self,
        act: Act,
        caller: Principal,
        objection_no: str,
        change: Callable[[Case, UnitOfWork], Case],
        request: ActRequest,
        *arguments: Any,
        **details: object,
    ) -> CaseView:
        """Changes a case: state, feed and audit event in one transaction. The rule of the use case judges the case as
        this transaction read it.

        A repeat changes nothing. Its answer is the case, so it goes on record as a reading. `arguments` are all that
        the caller sent besides the number; they tell a repeat from another request under the same key. `details` are
        codes for the event. Raises OBJECTION_UNKNOWN, IF_MATCH_FAILED, OBJECTION_CHANGED, and what `change` raises.
        """

        def load(unit: UnitOfWork) -> Case:
            return authorise(self.store.case(objection_no, unit), objection_no)

        def work(unit: UnitOfWork, before: Case) -> tuple[Case, bool]:
            stale = request.seen.leave_out(before.version)
            try:
                after = change(before, unit)
            except Problem:
                # The case changed since the caller read it: report that instead of the state error that it caused.
                if stale:
                    raise IF_MATCH_FAILED(etag=f'"{before.version}"') from None
                raise
            if after is before:
                unit.without_event("nothing changes")
                return before, False
            if stale:
                raise IF_MATCH_FAILED(etag=f'"{before.version}"')
            self.store.save(after, before, unit)
            if after.state is not before.state:
                publish(unit, after)
            self.put_on_record(unit, act, caller, after, **details)
            return after, True

        content = canonical([act, objection_no, *arguments])
        done = self.store.store.once_on(load, caller.sub, request.key, content, work, lambda _: {})
        if done.value is None or not done.value[1]:
            case = authorise(self.store.case(objection_no), objection_no)
            return self.release(act, caller, case, repeated=True)
        return self.view(done.value[0])


def any_case(ctx: ObjectionContext, caller: Principal, case: Case | None, objection_no: str) -> Problem | None:
    """Any objection that exists."""
    return None if case is not None else OBJECTION_UNKNOWN(objection_no=objection_no)


@regional
def case_in_region(ctx: ObjectionContext, caller: Principal, case: Case | None, objection_no: str) -> Problem | None:
    """Any objection to a record of a provider in the officer's region, which the directory of organisations tells."""
    if case is None:
        return OBJECTION_UNKNOWN(objection_no=objection_no)
    return ctx.store.regions.refusal(caller, case.record.provider_uscc)


def only_itself(ctx: ObjectionContext, caller: Principal, *_: object, **__: object) -> Problem | None:
    """Only the objection service, for what it does on its own."""
    return None if caller.sub == OWN.sub else ROLE_NOT_ALLOWED(roles=caller.sub, required=OWN.sub)


def publish(unit: UnitOfWork, case: Case) -> None:
    """Adds the state of a case to the feed; disclosure marks a record that is under objection."""
    unit.publish(
        "objection",
        objection_no=case.objection_no,
        record_id=case.record.record_id,
        state=case.state.value,
        open=case.open,
    )


def _each(values: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(values))
