"""Searches deliveries for anomalies (Art. 30), after each count, every day and when asked to; keeps the findings."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

import structlog

from chengxin.audit.event import AuditEvent
from chengxin.auth.executor import command, query
from chengxin.auth.powers import OWN, Power, anywhere, one
from chengxin.auth.principal import Principal, Role
from chengxin.auth.regions import regional
from chengxin.concurrency.periodic_task import PeriodicTask
from chengxin.errors import NOT_FOUND, ROLE_NOT_ALLOWED, Problem
from chengxin.failures import is_transient, reason_of
from chengxin.feeds.quarantine import Quarantine
from chengxin.store.database import UnitOfWork
from chengxin.store.on_record import authorise
from chengxin.values.acts import Act
from chengxin.values.canonical_json import digest
from chengxin.values.clock import rfc3339
from chengxin.values.document import RawDocument
from services.ingest.context import IngestContext
from services.ingest.domain.anomaly_finding import AnomalyFinding, FindingRemark, FindingState
from services.ingest.domain.quality import Anomaly, Figures, PeriodFigures, anomalies
from services.ingest.domain.reporting_duties import ReportingDuty
from services.ingest.domain.reporting_periods import ReportingPeriod, before, known_cycle, period_of
from services.ingest.usecases.count_deliveries import JOB, count, count_again, count_or_set_aside
from services.ingest.usecases.permissions import acts_for_provider
from services.ingest.usecases.quality_reports import READERS, QualityPicture, SeriesFilter, described, only_own, seen

log = structlog.get_logger()

# Ingest itself, in the events of what it does on its own.
_OWN: Final = Principal("ingest", frozenset({Role.SERVICE}), client_id="ingest")


@dataclass(frozen=True)
class Remark:
    """A remark that a caller makes on a finding."""

    finding_id: str
    text: str

    def canonical(self) -> bytes:
        """The request as bytes, which distinguish a repeat from another request."""
        return f"{self.finding_id}\0{self.text}".encode()


@dataclass(frozen=True)
class AnomalySearchResult:
    """The result of a search: how many series it searched, and how many findings it raised."""

    series: int
    raised: int


def itself_or_organ(ctx: IngestContext, caller: Principal, *_: Any) -> Problem | None:
    """of the services only ingest itself"""
    if Role.SERVICE in caller.roles and caller.client_id != _OWN.client_id:
        return ROLE_NOT_ALLOWED(roles=caller.client_id, required=_OWN.client_id)
    return None


@command(
    Act.QUALITY_RECOMPUTED,
    roles={Role.SERVICE, Role.CENTRE, Role.AUTHORITY, Role.SUPERVISOR},
    articles=("30",),
    when=(itself_or_organ,),
    power=Power(
        anywhere("it counts again what is on record, of all providers alike"),
        one("it gives nothing and takes nothing: a known anomaly raises no new finding"),
        "supervisors, by the audit log",
    ),
)
def recompute(ctx: IngestContext, caller: Principal) -> AnomalySearchResult:
    """Counts what is not counted yet and looks for anomalies in every series; a known anomaly raises no new finding."""
    while count(ctx):
        pass
    picture = QualityPicture(ctx)
    owed = [one for one in picture.wanted(SeriesFilter()) if known_cycle(one.cycle)]
    raised = sum(_searched(ctx, picture, one) for one in owed)

    def work(unit: UnitOfWork) -> None:
        today = picture.today.isoformat()
        ctx.quality.set_state({"searched_on": today, "began": picture.began.isoformat()}, unit.session)
        details = {"on": today, "series": len(owed), "raised": raised}
        unit.record(ctx.audit.event(Act.QUALITY_RECOMPUTED, caller, details=details).encode())

    ctx.store.transact(work)
    return AnomalySearchResult(len(owed), raised)


def search(ctx: IngestContext, series: Iterable[tuple[str, str]]) -> None:
    """Looks for anomalies in these series, by (provider, entry), without waiting for the day's search."""
    picture = QualityPicture(ctx)
    for owed in (picture.owed[key] for key in sorted(series)):
        if known_cycle(owed.cycle):
            _searched(ctx, picture, owed)


def _searched(ctx: IngestContext, picture: QualityPicture, owed: ReportingDuty) -> int:
    """Searches one series. A failure is logged, and does not keep the other series from being searched; this one is
    searched again on another day or delivery."""
    try:
        return _search(ctx, picture, owed)
    except Exception as e:
        if is_transient(e):
            raise
        log.error("series not searched", provider=owed.provider, entry=owed.entry_code, **reason_of(e))
        return 0


def _search(ctx: IngestContext, picture: QualityPicture, owed: ReportingDuty) -> int:
    found = anomalies(_counted(ctx, picture, owed), picture.today)
    if not found:
        return 0
    by_id = {_finding_id(owed, anomaly): anomaly for anomaly in found}

    def work(unit: UnitOfWork) -> int:
        known = ctx.quality.findings_named(list(by_id), unit.session)
        for finding_id, anomaly in by_id.items():
            if (row := known.get(finding_id)) is None:
                raised = _raised(ctx, owed, finding_id, anomaly)
                ctx.quality.put_finding(raised.to_row(), unit.session)
                unit.record(_event(ctx, Act.FINDING_RAISED, _OWN, raised).encode())
            else:
                before = AnomalyFinding.read(row)
                after = before.seen_again(anomaly.figures, ctx.clock.now())
                if after is not before:
                    ctx.quality.put_finding(after.to_row(), unit.session)
        if not unit.events:
            unit.without_event("findings that are on record have other figures, at most")
        return len(by_id) - len(known)

    return ctx.store.transact(work)


def _counted(ctx: IngestContext, picture: QualityPicture, owed: ReportingDuty) -> list[PeriodFigures]:
    """The latest periods of a series, from the first one with figures on, with what is needed to compare them."""
    series = picture.of(owed)
    if not series["days"]:
        return []
    cycle, rules = owed.cycle, picture.rules.on(picture.today)
    periods: list[ReportingPeriod] = []
    period = period_of(cycle, picture.today)
    began = date.fromisoformat(series["days"][0])
    # Twice as many, so that the oldest that is judged has its median, too.
    while period.last >= began and len(periods) <= 2 * rules["compared_periods"]:
        periods.insert(0, period)
        period = before(cycle, period)
    if not periods:
        return []
    by_period: dict[ReportingPeriod, Figures] = {}
    for day, body in ctx.quality.days_of(series["_id"], periods[0].first, picture.today):
        one = period_of(cycle, day)
        by_period[one] = by_period.get(one, Figures()).plus(Figures.read(body))
    return _since(picture, periods, by_period, series["on_record"])


def _since(
    picture: QualityPicture,
    periods: Sequence[ReportingPeriod],
    by_period: Mapping[ReportingPeriod, Figures],
    on_record: int,
) -> list[PeriodFigures]:
    found: list[PeriodFigures] = []
    for period in reversed(periods):
        figures = by_period.get(period, Figures())
        on_record -= figures.accepted - figures.revoked
        worked = picture.timetable.worked(period)
        found.insert(0, PeriodFigures(period, figures, worked, max(0, on_record), picture.rules.on(period.last)))
    return found


def _raised(ctx: IngestContext, owed: ReportingDuty, finding_id: str, anomaly: Anomaly) -> AnomalyFinding:
    now, period = ctx.clock.now(), anomaly.period
    return AnomalyFinding(
        finding_id=finding_id,
        kind=anomaly.kind.value,
        provider=owed.provider,
        provider_name=owed.provider_name,
        entry_code=owed.entry_code,
        entry_name=owed.entry_name,
        period=period.name,
        first_day=period.first.isoformat(),
        last_day=period.last.isoformat(),
        figures=anomaly.figures,
        state=FindingState.OPEN,
        first_seen=now,
        last_seen=now,
    )


def _finding_id(owed: ReportingDuty, anomaly: Anomaly) -> str:
    """The id of a finding: an anomaly has one in each period, so that it is found once."""
    name = "\0".join((anomaly.kind, owed.provider, owed.entry_code, anomaly.period.name))
    return f"fnd_{digest(name.encode())[:24]}"


def own_finding(ctx: IngestContext, caller: Principal, found: AnomalyFinding | None, finding_id: str) -> Problem | None:
    """a provider reads and explains only its own findings"""
    if found is None or (Role.PROVIDER in caller.roles and found.provider != caller.org):
        return NOT_FOUND(what=finding_id)
    return None


@regional
def finding_in_region(
    ctx: IngestContext, caller: Principal, found: AnomalyFinding | None, finding_id: str
) -> Problem | None:
    """any finding about a provider in the officer's region"""
    return acts_for_provider(ctx, caller, found.provider) if found is not None else NOT_FOUND(what=finding_id)


@query(Act.FINDING_LISTED, roles=READERS, articles=("30",), when=(only_own,))
def findings(
    ctx: IngestContext, caller: Principal, wanted: SeriesFilter, state: str, kind: str, after: Any, size: int
) -> tuple[list[AnomalyFinding], Any]:
    """Findings, latest first, and the position of the next page; a size of 0 is all of them."""
    wanted = seen(ctx, caller, wanted)
    details = described(wanted) | {name: value for name, value in (("state", state), ("kind", kind)) if value}
    ctx.audit.record(ctx.audit.event(Act.FINDING_LISTED, caller, details=details))
    query: RawDocument = {"provider": wanted.provider, "entry_code": wanted.entry, "state": state, "kind": kind}
    if wanted.region:
        among = set(ctx.quality.providers_in(wanted.region))
        query["provider"] = {"$in": sorted(among & {wanted.provider} if wanted.provider else among)}
    rows = ctx.quality.findings_of(query, after, size + 1 if size else 0)
    page = [AnomalyFinding.read(row) for row in (rows[:size] if size else rows)]
    following = [page[-1].first_seen.isoformat(), page[-1].finding_id] if len(rows) > len(page) else None
    return page, following


@query(Act.FINDING_READ, roles=READERS, articles=("30",), may=own_finding)
def finding(ctx: IngestContext, caller: Principal, finding_id: str) -> AnomalyFinding:
    """One finding. Raises NOT_FOUND, also for a finding of another provider."""
    return _read(ctx, caller, finding_id)


@command(Act.FINDING_EXPLAINED, roles={Role.PROVIDER}, articles=("12", "30"), may=own_finding)
def explain(ctx: IngestContext, caller: Principal, remark: Remark, key: str) -> AnomalyFinding:
    """The provider explains a finding. Raises NOT_FOUND, FINDING_CLOSED."""
    return _add_remark(ctx, caller, remark, key, Act.FINDING_EXPLAINED, FindingState.EXPLAINED)


@command(
    Act.FINDING_CLOSED,
    roles={Role.SUPERVISOR},
    articles=("30",),
    may=finding_in_region,
    power=Power(
        OWN,
        one("it ends a question about deliveries, with the reason; the finding, its figures and remarks stay"),
        "the provider, who reads the finding; supervisors, by the audit log",
    ),
)
def close(ctx: IngestContext, caller: Principal, remark: Remark, key: str) -> AnomalyFinding:
    """The supervisor closes a finding, whether it is explained or not. Raises NOT_FOUND, FINDING_CLOSED."""
    return _add_remark(ctx, caller, remark, key, Act.FINDING_CLOSED, FindingState.CLOSED)


def _add_remark(
    ctx: IngestContext, caller: Principal, remark: Remark, key: str, act: Act, state: FindingState
) -> AnomalyFinding:
    by = caller.client_id or caller.sub

    def load(unit: UnitOfWork) -> AnomalyFinding:
        return _load(ctx, remark.finding_id, unit)

    def work(unit: UnitOfWork, before: AnomalyFinding) -> AnomalyFinding:
        after = before.remarked(FindingRemark(state, by, rfc3339(ctx.clock.now()), remark.text))
        ctx.quality.put_finding(after.to_row(), unit.session)
        unit.record(_event(ctx, act, caller, after).encode())
        return after

    asked = f"{act}\0".encode() + remark.canonical()
    done = ctx.patiently(lambda: ctx.store.once_on(load, by, key, asked, work, lambda _: {}))
    # A repeat is answered with the finding as it is now, which is on record as a reading.
    return done.or_read(lambda _: _read(ctx, caller, remark.finding_id))


def _read(ctx: IngestContext, caller: Principal, finding_id: str) -> AnomalyFinding:
    """A finding that the caller may read, the reading of it on record first."""
    found = _load(ctx, finding_id)
    ctx.audit.record(_event(ctx, Act.FINDING_READ, caller, found))
    return found


def _load(ctx: IngestContext, finding_id: str, unit: UnitOfWork | None = None) -> AnomalyFinding:
    row = ctx.quality.finding(finding_id, unit.session if unit else None)
    return authorise(AnomalyFinding.read(row) if row else None, finding_id)


def _event(ctx: IngestContext, act: Act, caller: Principal, found: AnomalyFinding) -> AuditEvent:
    details = {"finding": found.finding_id, "provider": found.provider}
    return ctx.audit.event(act, caller, entries=[found.entry_code], details=details)


class QualityInspector(PeriodicTask):
    """Counts deliveries in the background, and looks for anomalies in each series that got something and every day in
    all series."""

    def __init__(self, ctx: IngestContext, seconds: float = 2, quarantine: Quarantine | None = None) -> None:
        super().__init__("quality-inspector", self.round, seconds, first_after=seconds)
        self._ctx = ctx
        self._quarantine = quarantine or Quarantine(ctx.store.store, ctx.clock)
        self._quarantine.handle(JOB, count_again(ctx))
        # Series that got something and are not searched yet. After a crash the day's search covers them.
        self._unsearched: set[tuple[str, str]] = set()

    def round(self) -> None:
        """Counts what there is and searches it; on a day without a search, even an earlier day, all series."""
        while not self.stopping and (counted := count_or_set_aside(self._ctx, self._quarantine)).rows:
            self._unsearched |= counted.series
        if self.stopping:
            return
        if self._ctx.quality.state().get("searched_on") != self._ctx.clock.today().isoformat():
            recompute(self._ctx, _OWN)
        elif self._unsearched:
            search(self._ctx, self._unsearched)
        self._unsearched = set()
