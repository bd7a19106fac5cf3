"""Anomalies as findings (Art. 30): searched for as deliveries are counted, every day and when asked to; answered, closed."""

import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

import structlog

from chengxin.auth.executor import command, query
from chengxin.auth.principal import Principal, Role
from chengxin.errors import NOT_FOUND, ROLE_NOT_ALLOWED, Problem, precondition
from chengxin.failures import is_transient, reason_of
from chengxin.feeds.quarantine import Quarantine
from chengxin.store.database import UnitOfWork
from chengxin.values.acts import Act
from chengxin.values.canonical_json import digest
from chengxin.values.clock import rfc3339
from chengxin.values.document import RawDocument
from services.ingest.context import IngestContext
from services.ingest.domain.quality import Anomaly, Figures, PeriodFigures, anomalies
from services.ingest.domain.reporting_duties import ReportingDuty
from services.ingest.domain.reporting_periods import ReportingPeriod, before, known_cycle, period_of
from services.ingest.usecases.count_deliveries import JOB, count, count_again, count_or_set_aside
from services.ingest.usecases.quality_reports import READERS, QualityPicture, SeriesFilter, described, only_own, seen

log = structlog.get_logger()

FINDING_CLOSED = precondition(
    "FINDING_CLOSED",
    "异常线索 {finding} 已办结，不能再说明或办结",
    "Finding {finding} is closed; it takes no more explanations and is not closed again",
)

OPEN: Final = "open"
EXPLAINED: Final = "explained"
CLOSED: Final = "closed"

# What ingest does of itself is on record as done by it.
_OWN: Final = Principal("ingest", frozenset({Role.SERVICE}), client_id="ingest")


@dataclass(frozen=True)
class Remark:
    """What somebody says of a finding."""

    finding_id: str
    text: str

    def canonical(self) -> bytes:
        """What was asked, to tell a repeat from another request."""
        return f"{self.finding_id}\0{self.text}".encode()


@dataclass(frozen=True)
class AnomalySearchResult:
    """What a search did."""

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
)
def recompute(ctx: IngestContext, caller: Principal) -> AnomalySearchResult:
    """Counts what is not counted yet and looks for anomalies in every series; the same one again is no new finding."""
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
    """Looks for anomalies in these series, by (provider, entry): what is looked at at once does not wait for the day."""
    picture = QualityPicture(ctx)
    for one in (picture.owed[key] for key in sorted(series)):
        if known_cycle(one.cycle):
            _searched(ctx, picture, one)


def _searched(ctx: IngestContext, picture: QualityPicture, owed: ReportingDuty) -> int:
    """Searches one series. One that cannot be searched is told, and searched again on another day or delivery: it keeps
    no other series from being searched."""
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
                ctx.quality.put_finding(_raised(ctx, owed, finding_id, anomaly), unit.session)
                unit.record(_event(ctx, Act.FINDING_RAISED, _OWN, owed.provider, owed.entry_code, finding_id).encode())
            elif row["state"] != CLOSED and row["figures"] != anomaly.figures:
                changed = row | {"figures": dict(anomaly.figures), "last_seen": ctx.clock.now()}
                ctx.quality.put_finding(changed, unit.session)
        if not unit.events:
            unit.without_event("findings that are on record have other figures, at most")
        return len(by_id) - len(known)

    return ctx.store.transact(work)


def _counted(ctx: IngestContext, picture: QualityPicture, owed: ReportingDuty) -> list[PeriodFigures]:
    """The latest periods of a series that have figures or follow such a one, with what is needed to compare them."""
    series = picture.of(owed)
    if not series["days"]:
        return []
    cycle, rules = owed.cycle, picture.rules.on(picture.today)
    periods: list[ReportingPeriod] = []
    period = period_of(cycle, picture.today)
    began = date.fromisoformat(series["days"][0])
    # Twice as many: the oldest that are looked at have their median, too.
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


def _raised(ctx: IngestContext, owed: ReportingDuty, finding_id: str, anomaly: Anomaly) -> RawDocument:
    now = ctx.clock.now()
    return {
        "_id": finding_id,
        "kind": anomaly.kind.value,
        "provider": owed.provider,
        "provider_name": owed.provider_name,
        "entry_code": owed.entry_code,
        "entry_name": {"zh": owed.entry_name.zh, "en": owed.entry_name.en},
        "period": anomaly.period.name,
        "first_day": anomaly.period.first.isoformat(),
        "last_day": anomaly.period.last.isoformat(),
        "figures": dict(anomaly.figures),
        "state": OPEN,
        "first_seen": now,
        "last_seen": now,
        "acts": [],
    }


def _finding_id(owed: ReportingDuty, anomaly: Anomaly) -> str:
    """The same for the same anomaly in the same period, so that there is one finding of it."""
    name = "\0".join((anomaly.kind, owed.provider, owed.entry_code, anomaly.period.name))
    return f"fnd_{digest(name.encode())[:24]}"


@query(Act.FINDING_LISTED, roles=READERS, articles=("30",), when=(only_own,))
def findings(
    ctx: IngestContext, caller: Principal, wanted: SeriesFilter, state: str, kind: str, after: Any, size: int
) -> tuple[list[RawDocument], Any]:
    """Findings, latest first, and the position of the next page; a size of 0 is all of them."""
    wanted = seen(caller, wanted)
    details = described(wanted) | {name: value for name, value in (("state", state), ("kind", kind)) if value}
    ctx.audit.record(ctx.audit.event(Act.FINDING_LISTED, caller, details=details))
    query = {"provider": wanted.provider, "entry_code": wanted.entry, "state": state, "kind": kind}
    rows = ctx.quality.findings_of(query, after, size + 1 if size else 0)
    page = rows[:size] if size else rows
    following = [page[-1]["first_seen"].isoformat(), page[-1]["_id"]] if len(rows) > len(page) else None
    return page, following


@query(Act.FINDING_READ, roles=READERS, articles=("30",))
def finding(ctx: IngestContext, caller: Principal, finding_id: str) -> RawDocument:
    """One finding. Raises NOT_FOUND, also for what is another provider's."""
    found = _found(ctx, caller, finding_id)
    ctx.audit.record(_event(ctx, Act.FINDING_READ, caller, found["provider"], found["entry_code"], finding_id))
    return found


@command(Act.FINDING_EXPLAINED, roles={Role.PROVIDER}, articles=("12", "30"))
def explain(ctx: IngestContext, caller: Principal, remark: Remark, key: str) -> RawDocument:
    """The provider says how it came about. Raises NOT_FOUND, FINDING_CLOSED."""
    return _remarked(ctx, caller, remark, key, Act.FINDING_EXPLAINED, EXPLAINED)


@command(Act.FINDING_CLOSED, roles={Role.SUPERVISOR}, articles=("30",))
def close(ctx: IngestContext, caller: Principal, remark: Remark, key: str) -> RawDocument:
    """The supervisor is done with it, explained or not. Raises NOT_FOUND, FINDING_CLOSED."""
    return _remarked(ctx, caller, remark, key, Act.FINDING_CLOSED, CLOSED)


def _remarked(ctx: IngestContext, caller: Principal, remark: Remark, key: str, act: Act, state: str) -> RawDocument:
    by = caller.client_id or caller.sub

    def work(unit: UnitOfWork) -> RawDocument:
        row = _found(ctx, caller, remark.finding_id, unit)
        if row["state"] == CLOSED:
            raise FINDING_CLOSED(finding=remark.finding_id)
        said = {"act": state, "by": by, "at": rfc3339(ctx.clock.now()), "text": remark.text}
        ctx.quality.put_finding(row | {"state": state, "acts": [*row["acts"], said]}, unit.session)
        unit.record(_event(ctx, act, caller, row["provider"], row["entry_code"], remark.finding_id).encode())
        return row

    asked = f"{act}\0".encode() + remark.canonical()
    done = ctx.patiently(lambda: ctx.store.once(by, key, asked, work, lambda _: {}))
    found = _found(ctx, caller, remark.finding_id)
    if not done.first:
        # A repeat is answered with the finding as it is now: that is a reading.
        event = _event(ctx, Act.FINDING_READ, caller, found["provider"], found["entry_code"], remark.finding_id)
        ctx.audit.record(event)
    return found


def _found(ctx: IngestContext, caller: Principal, finding_id: str, unit: UnitOfWork | None = None) -> RawDocument:
    row = ctx.quality.finding(finding_id, unit.session if unit else None)
    if row is None or (Role.PROVIDER in caller.roles and row["provider"] != caller.org):
        raise NOT_FOUND(what=finding_id)
    return row


def _event(ctx: IngestContext, act: Act, caller: Principal, provider: str, entry: str, finding_id: str) -> Any:
    details = {"finding": finding_id, "provider": provider}
    return ctx.audit.event(act, caller, entries=[entry], details=details)


class QualityInspector:
    """Counts what is delivered and looks for anomalies in what got something, and once on every day in everything."""

    def __init__(self, ctx: IngestContext, seconds: float = 2, quarantine: Quarantine | None = None) -> None:
        self._ctx = ctx
        self._quarantine = quarantine or Quarantine(ctx.store.store, ctx.clock)
        self._quarantine.handle(JOB, count_again(ctx))
        self._seconds = seconds
        self._stopped = threading.Event()
        # Series that got something and are not searched yet; after a crash the day's search finds what was in it.
        self._unsearched: set[tuple[str, str]] = set()
        self._thread = threading.Thread(target=self._run, name="quality-inspector", daemon=True)

    def start(self) -> None:
        """Begins in the background."""
        self._thread.start()

    def stop(self) -> None:
        """Ends after what is in hand."""
        self._stopped.set()

    def round(self) -> None:
        """Counts what there is and searches it; on a day that has not been searched on, earlier or later than the last,
        everything."""
        while not self._stopped.is_set() and (counted := count_or_set_aside(self._ctx, self._quarantine)).rows:
            self._unsearched |= counted.series
        if self._ctx.quality.state().get("searched_on") != self._ctx.clock.today().isoformat():
            recompute(self._ctx, _OWN)
        elif self._unsearched:
            search(self._ctx, self._unsearched)
        self._unsearched = set()

    def _run(self) -> None:
        while not self._stopped.wait(self._seconds):
            try:
                self.round()
            # A store that is away is there again in another round; nothing is lost, for the place is kept.
            except Exception as e:
                log.warning("inspecting failed", reason=reason_of(e))
