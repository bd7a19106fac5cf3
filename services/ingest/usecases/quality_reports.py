"""Quality and timeliness (Art. 11, 12, 30): reports on providers, overdue periods, and "nothing to report"."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

from chengxin.auth.executor import command, query
from chengxin.auth.principal import Principal, Role
from chengxin.errors import INPUT_INVALID, Problem, precondition
from chengxin.store.database import UnitOfWork
from chengxin.store.on_record import authorise
from chengxin.values.acts import Act
from chengxin.values.catalog_contract import TranslatedText
from chengxin.values.clock import rfc3339
from chengxin.values.document import RawDocument
from chengxin.values.named_things import REGION, is_region, unknown_name
from services.ingest.context import IngestContext
from services.ingest.domain.catalog_entry import DeliveryEntry
from services.ingest.domain.quality import Figures
from services.ingest.domain.reporting_duties import ReportingDuty, Thresholds, all_owed
from services.ingest.domain.reporting_periods import (
    LOOKED_BACK,
    DueDates,
    PeriodStanding,
    PeriodState,
    ReportingPeriod,
    standings,
)
from services.ingest.domain.submission import DELIVERY_ENTRY_UNKNOWN, NOT_A_PROVIDER
from services.ingest.store.quality import series_key
from services.ingest.usecases.count_deliveries import new_series
from services.ingest.usecases.permissions import own

PERIOD_UNKNOWN = precondition(
    "PERIOD_UNKNOWN",
    "{period} 不是条目 {entry} 应报送的周期；最近应报送的周期为：{latest}",
    "{period} is not a period for which entry {entry} is expected of you; the latest are: {latest}",
)
PERIOD_NOT_OVER = precondition(
    "PERIOD_NOT_OVER",
    "周期 {period} 到 {last} 才结束，请在该日或之后申报“无新增信息”",
    "Period {period} ends on {last}; declare that there is nothing to report on that day or later",
)

READERS: Final = {Role.PROVIDER, Role.CENTRE, Role.AUTHORITY, Role.SUPERVISOR}
_SHOWN: Final = 5


@dataclass(frozen=True)
class SeriesFilter:
    """The series that are asked for; an empty field means all."""

    provider: str = ""
    entry: str = ""
    region: str = ""


@dataclass(frozen=True)
class Declaration:
    """A declaration that there was nothing to report in a period, or in all periods up to and with `through`."""

    entry: str
    period: str
    through: str = ""

    def canonical(self) -> bytes:
        """The request as bytes, which distinguish a repeat from another request."""
        return "\0".join(("nothing", self.entry, self.period, self.through)).encode()


@dataclass(frozen=True)
class Report:
    """The quality of what one provider delivers for one entry."""

    owed: ReportingDuty
    region: str
    standings: Sequence[PeriodStanding]
    figures: Figures
    # The records in force now that were delivered since counting began.
    on_record: int


@dataclass(frozen=True)
class Overdue:
    """A period that is overdue."""

    owed: ReportingDuty
    region: str
    standing: PeriodStanding
    # None where the calendar of this year is missing.
    working_days_late: int | None


class QualityPicture:
    """All series, what is owed and what came, as they are read at one moment."""

    def __init__(self, ctx: IngestContext, provider: str = "") -> None:
        quality = ctx.quality
        self.today = ctx.clock.today()
        self.calendar = ctx.directory.calendar()
        self.timetable = DueDates(self.calendar)
        began = quality.state().get("began")
        self.began = date.fromisoformat(began) if began else self.today
        self.rules = Thresholds((row["effective_from"], row["values"]) for row in quality.rule_versions())
        owed = all_owed(ctx.directory.heads(), self.began, self.today)
        self.owed = {k: o for k, o in owed.items() if provider in ("", k[0])}
        self.series = quality.series_of(provider)
        # A series keeps its figures when the catalog does not have its entry any more.
        for row in self.series.values():
            key = (row["provider"], row["entry_code"])
            self.owed.setdefault(key, ReportingDuty(*key[:1], "", key[1], TranslatedText(), ()))

    def wanted(self, wanted: SeriesFilter) -> list[ReportingDuty]:
        """The duties that are asked for, by provider and entry."""
        return [
            owed
            for key, owed in sorted(self.owed.items())
            if wanted.provider in ("", key[0])
            and wanted.entry in ("", key[1])
            and wanted.region in ("", self.region(owed))
        ]

    def of(self, owed: ReportingDuty) -> RawDocument:
        """The stored series of a duty; an empty one when nothing is stored."""
        key = series_key(owed.provider, owed.entry_code)
        return self.series.get(key) or new_series(owed.provider, owed.entry_code)

    def region(self, owed: ReportingDuty) -> str:
        """The region of its provider; empty when it is not known."""
        return str(self.of(owed)["region"])

    def periods(self, owed: ReportingDuty) -> list[tuple[ReportingPeriod, int]]:
        """The periods of a duty, each with the working days after its end within which it is due."""
        return [
            (period, self.rules.on(period.last)[f"{span.cycle}_due_working_days"])
            for span in owed.spans
            for period in span.periods(self.today - LOOKED_BACK, self.today)
        ]

    def standings(self, owed: ReportingDuty) -> list[PeriodStanding]:
        """The standing of each of these periods."""
        series = self.of(owed)
        delivered = map(date.fromisoformat, series["days"])
        declared = {name: date.fromisoformat(day) for name, day, *_ in series["declared"]}
        return standings(self.periods(owed), self.timetable, delivered, declared, self.today)


def described(wanted: SeriesFilter) -> dict[str, Any]:
    """The details of an audit event about these series."""
    return {name: value for name, value in vars(wanted).items() if value}


def seen(ctx: IngestContext, caller: Principal, wanted: SeriesFilter) -> SeriesFilter:
    """Narrows a provider's question to its own series. Raises INPUT_INVALID for an entry or a region that there is not."""
    faults = []
    if wanted.entry and wanted.entry not in (codes := ctx.store.entry_codes() | ctx.quality.counted_entries()):
        faults.append(unknown_name("entry", "unknown_entry", wanted.entry, codes))
    if wanted.region and not (is_region(wanted.region) or ctx.store.regions.has(wanted.region)):
        faults.append(REGION.refused("region"))
    if faults:
        raise INPUT_INVALID(fields=faults)
    return SeriesFilter(caller.org, wanted.entry, wanted.region) if Role.PROVIDER in caller.roles else wanted


def only_own(ctx: IngestContext, caller: Principal, wanted: SeriesFilter, *_: Any, **__: Any) -> Problem | None:
    """a provider reads only its own"""
    return own(ctx, caller, wanted.provider)


@query(Act.QUALITY_LISTED, roles=READERS, articles=("11", "12", "30"), when=(only_own,))
def reports(
    ctx: IngestContext, caller: Principal, wanted: SeriesFilter, first: date, last: date, after: Any, size: int
) -> tuple[list[Report], Any]:
    """Reports over some days by provider and entry, and the position of the next page; a size of 0 is all of them."""
    wanted = seen(ctx, caller, wanted)
    told = described(wanted) | {"from": first.isoformat(), "until": last.isoformat()}
    ctx.audit.record(ctx.audit.event(Act.QUALITY_LISTED, caller, entries=_entries(wanted), details=told))
    picture = QualityPicture(ctx, wanted.provider)
    found = [o for o in picture.wanted(wanted) if after is None or [o.provider, o.entry_code] > after]
    page = found[:size] if size else found
    following = [page[-1].provider, page[-1].entry_code] if len(page) < len(found) else None
    return [_report(ctx, picture, owed, first, last) for owed in page], following


def _report(ctx: IngestContext, picture: QualityPicture, owed: ReportingDuty, first: date, last: date) -> Report:
    series = picture.of(owed)
    days = ctx.quality.days_of(series["_id"], first, last)
    within = [s for s in picture.standings(owed) if first <= s.period.last and s.period.first <= last]
    figures = Figures.sum(Figures.read(body) for _, body in days)
    return Report(owed, series["region"], within, figures, series["on_record"])


@query(Act.OVERDUE_LISTED, roles=READERS, articles=("12", "30"), when=(only_own,))
def overdue(
    ctx: IngestContext, caller: Principal, wanted: SeriesFilter, after: Any, size: int
) -> tuple[list[Overdue], Any]:
    """Overdue periods by provider, entry and time, and the position of the next page; a size of 0 is all of them."""
    wanted = seen(ctx, caller, wanted)
    details = described(wanted)
    ctx.audit.record(ctx.audit.event(Act.OVERDUE_LISTED, caller, entries=_entries(wanted), details=details))
    picture = QualityPicture(ctx, wanted.provider)
    page: list[Overdue] = []
    for one in _overdue(picture, wanted, after):
        if size and len(page) == size:
            return page, _place(page[-1])
        page.append(one)
    return page, None


def _overdue(picture: QualityPicture, wanted: SeriesFilter, after: Any) -> Iterator[Overdue]:
    for owed in picture.wanted(wanted):
        if after is not None and [owed.provider, owed.entry_code] < after[:2]:
            continue
        for standing in picture.standings(owed):
            if standing.state is PeriodState.OVERDUE and standing.due:
                late = _late(picture, standing.due)
                one = Overdue(owed, picture.region(owed), standing, late)
                if after is None or _place(one) > after:
                    yield one


def _late(picture: QualityPicture, due: date) -> int | None:
    try:
        return picture.calendar.working_days_between(due, picture.today)
    except Problem:
        # Today's year is not in the calendar: the period is late, and by how much is not guessed.
        return None


def _place(one: Overdue) -> list[str]:
    return [one.owed.provider, one.owed.entry_code, one.standing.period.first.isoformat()]


def named_by_entry(
    ctx: IngestContext, caller: Principal, versions: Sequence[DeliveryEntry] | None, entry_code: str
) -> Problem | None:
    """a version of the entry names the caller's organisation as provider"""
    if not versions:
        return DELIVERY_ENTRY_UNKNOWN(entry=entry_code)
    if not any(entry.provider(caller.org) for entry in versions):
        return NOT_A_PROVIDER(org=caller.org or "-", entry=entry_code)
    return None


@command(Act.PERIOD_DECLARED, roles={Role.PROVIDER}, articles=("8", "12"), may=named_by_entry)
def declare_nothing(ctx: IngestContext, caller: Principal, declaration: Declaration, key: str) -> list[str]:
    """A provider declares that there was nothing to report; returns the names of the periods. A repeat changes nothing.

    Raises DELIVERY_ENTRY_UNKNOWN, NOT_A_PROVIDER, PERIOD_UNKNOWN, PERIOD_NOT_OVER.
    """
    authorise(ctx.directory.versions(declaration.entry), declaration.entry)
    picture = QualityPicture(ctx, caller.org)
    owed = picture.owed[caller.org, declaration.entry]
    periods = _meant(picture, owed, declaration)
    by = caller.client_id or caller.sub

    def load(unit: UnitOfWork) -> Sequence[DeliveryEntry]:
        return authorise(ctx.directory.versions(declaration.entry, unit.session), declaration.entry)

    def work(unit: UnitOfWork, _: Sequence[DeliveryEntry]) -> list[str]:
        at, today = rfc3339(ctx.clock.now()), picture.today.isoformat()
        series_id = series_key(caller.org, declaration.entry)
        series = ctx.quality.one_series(series_id, unit.session) or new_series(caller.org, declaration.entry)
        known = {name for name, *_ in series["declared"]}
        series["declared"] += [[name, today, at, by] for name in periods if name not in known]
        series["region"] = caller.region or series["region"]
        ctx.quality.put_series(series, unit.session)
        details = {"from": periods[0], "through": periods[-1], "periods": len(periods)}
        unit.record(ctx.audit.event(Act.PERIOD_DECLARED, caller, entries=[owed.entry_code], details=details).encode())
        return periods

    done = ctx.patiently(
        lambda: ctx.store.once_on(load, by, key, declaration.canonical(), work, lambda names: {"periods": names})
    )
    return done.or_read(lambda answer: list(answer["periods"]))


def _meant(picture: QualityPicture, owed: ReportingDuty, declaration: Declaration) -> list[str]:
    expected = [s.period for s in picture.standings(owed) if s.state is not PeriodState.NOT_EXPECTED]
    names = [period.name for period in expected]
    through = declaration.through or declaration.period
    for name in (declaration.period, through):
        if name not in names:
            latest = ", ".join(names[-_SHOWN:]) or "-"
            raise PERIOD_UNKNOWN(period=name, entry=declaration.entry, latest=latest)
    meant = expected[names.index(declaration.period) : names.index(through) + 1]
    if not meant:
        raise PERIOD_UNKNOWN(period=through, entry=declaration.entry, latest=declaration.period)
    if meant[-1].last > picture.today:
        raise PERIOD_NOT_OVER(period=meant[-1].name, last=meant[-1].last)
    return [period.name for period in meant]


def _entries(wanted: SeriesFilter) -> list[str]:
    return [wanted.entry] if wanted.entry else []
