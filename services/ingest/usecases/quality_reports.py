"""Quality and timeliness (Art. 11, 12, 30): what was expected, what came, in what state; and that there was nothing."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

from chengxin.auth.policy import rule
from chengxin.auth.principal import Principal, Role
from chengxin.errors import Problem, precondition
from chengxin.store.database import Unit
from chengxin.values.clock import rfc3339
from services.ingest.context import Ingest
from services.ingest.domain.catalog_entry import LocalText, read_entry
from services.ingest.domain.quality import Figures
from services.ingest.domain.reporting_duties import Owed, Rules, all_owed
from services.ingest.domain.reporting_periods import LOOKED_BACK, Period, Standing, State, Timetable, standings
from services.ingest.domain.submission import DELIVERY_ENTRY_UNKNOWN, NOT_A_PROVIDER
from services.ingest.store.quality import Plain, series_key
from services.ingest.usecases.count_deliveries import new_series
from services.ingest.usecases.read_submissions import own

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
class Wanted:
    """Which series; empty is all."""

    provider: str = ""
    entry: str = ""
    region: str = ""


@dataclass(frozen=True)
class Declaration:
    """That there was nothing to report in a period, or in all periods up to and with `through`."""

    entry: str
    period: str
    through: str = ""

    def canonical(self) -> bytes:
        """What was asked, to tell a repeat from another request."""
        return "\0".join(("nothing", self.entry, self.period, self.through)).encode()


@dataclass(frozen=True)
class Report:
    """How one provider does with one entry."""

    owed: Owed
    region: str
    standings: Sequence[Standing]
    figures: Figures
    # Records in force now, since counting began.
    on_record: int


@dataclass(frozen=True)
class Overdue:
    """A period for which nothing came in time."""

    owed: Owed
    region: str
    standing: Standing
    # None where the calendar of this year is missing.
    working_days_late: int | None


class Picture:
    """How it stands with everybody, as it is read at one moment."""

    def __init__(self, ingest: Ingest, provider: str = "") -> None:
        quality = ingest.quality
        self.today = ingest.clock.today()
        self.calendar = ingest.directory.calendar()
        self.timetable = Timetable(self.calendar)
        began = quality.state().get("began")
        self.began = date.fromisoformat(began) if began else self.today
        self.rules = Rules((row["effective_from"], row["values"]) for row in quality.rule_versions())
        owed = all_owed(ingest.directory.heads(), self.began)
        self.owed = {k: o for k, o in owed.items() if provider in ("", k[0])}
        self.series = quality.series_of(provider)
        # An entry whose catalog version is not known any more keeps its figures.
        for row in self.series.values():
            key = (row["provider"], row["entry_code"])
            self.owed.setdefault(key, Owed(*key[:1], "", key[1], LocalText(), ()))

    def wanted(self, wanted: Wanted) -> list[Owed]:
        """What is asked for, by provider and entry."""
        return [
            owed
            for key, owed in sorted(self.owed.items())
            if wanted.provider in ("", key[0])
            and wanted.entry in ("", key[1])
            and wanted.region in ("", self.region(owed))
        ]

    def of(self, owed: Owed) -> Plain:
        """What is kept of a series."""
        key = series_key(owed.provider, owed.entry_code)
        return self.series.get(key) or new_series(owed.provider, owed.entry_code)

    def region(self, owed: Owed) -> str:
        """Where its provider is, as far as known."""
        return str(self.of(owed)["region"])

    def periods(self, owed: Owed) -> list[tuple[Period, int]]:
        """The periods that are owed, with their grace in working days."""
        return [
            (period, self.rules.on(period.last)[f"{span.cycle}_due_working_days"])
            for span in owed.spans
            for period in span.periods(self.today - LOOKED_BACK, self.today)
        ]

    def standings(self, owed: Owed) -> list[Standing]:
        """How it stands with each of these."""
        series = self.of(owed)
        delivered = map(date.fromisoformat, series["days"])
        declared = {name: date.fromisoformat(day) for name, day, *_ in series["declared"]}
        return standings(self.periods(owed), self.timetable, delivered, declared, self.today)


def described(wanted: Wanted) -> dict[str, Any]:
    """What an audit event says of a question."""
    return {name: value for name, value in vars(wanted).items() if value}


def seen(caller: Principal, wanted: Wanted) -> Wanted:
    """A provider is shown its own only."""
    return Wanted(caller.org, wanted.entry, wanted.region) if Role.PROVIDER in caller.roles else wanted


def only_own(ingest: Ingest, caller: Principal, wanted: Wanted, *_: Any, **__: Any) -> Problem | None:
    """a provider reads only its own"""
    return own(ingest, caller, wanted.provider)


@rule("quality.listed", roles=READERS, articles=("11", "12", "30"), when=(only_own,))
def reports(
    ingest: Ingest, caller: Principal, wanted: Wanted, first: date, last: date, after: Any, size: int
) -> tuple[list[Report], Any]:
    """Reports over some days by provider and entry, and the position of the next page; a size of 0 is all of them."""
    wanted = seen(caller, wanted)
    told = described(wanted) | {"from": first.isoformat(), "until": last.isoformat()}
    ingest.audit.record(ingest.audit.event("quality.listed", caller, entries=_entries(wanted), details=told))
    picture = Picture(ingest, wanted.provider)
    found = [o for o in picture.wanted(wanted) if after is None or [o.provider, o.entry_code] > after]
    page = found[:size] if size else found
    following = [page[-1].provider, page[-1].entry_code] if len(page) < len(found) else None
    return [_report(ingest, picture, owed, first, last) for owed in page], following


def _report(ingest: Ingest, picture: Picture, owed: Owed, first: date, last: date) -> Report:
    series = picture.of(owed)
    days = ingest.quality.days_of(series["_id"], first, last)
    within = [s for s in picture.standings(owed) if first <= s.period.last and s.period.first <= last]
    figures = Figures.sum(Figures.read(body) for _, body in days)
    return Report(owed, series["region"], within, figures, series["on_record"])


@rule("overdue.listed", roles=READERS, articles=("12", "30"), when=(only_own,))
def overdue(ingest: Ingest, caller: Principal, wanted: Wanted, after: Any, size: int) -> tuple[list[Overdue], Any]:
    """Overdue periods by provider, entry and time, and the position of the next page; a size of 0 is all of them."""
    wanted = seen(caller, wanted)
    details = described(wanted)
    ingest.audit.record(ingest.audit.event("overdue.listed", caller, entries=_entries(wanted), details=details))
    picture = Picture(ingest, wanted.provider)
    page: list[Overdue] = []
    for one in _overdue(picture, wanted, after):
        if size and len(page) == size:
            return page, _place(page[-1])
        page.append(one)
    return page, None


def _overdue(picture: Picture, wanted: Wanted, after: Any) -> Iterator[Overdue]:
    for owed in picture.wanted(wanted):
        if after is not None and [owed.provider, owed.entry_code] < after[:2]:
            continue
        for standing in picture.standings(owed):
            if standing.state is State.OVERDUE and standing.due:
                late = _late(picture, standing.due)
                one = Overdue(owed, picture.region(owed), standing, late)
                if after is None or _place(one) > after:
                    yield one


def _late(picture: Picture, due: date) -> int | None:
    try:
        return picture.calendar.working_days_between(due, picture.today)
    except Problem:
        # Today's year is not in the calendar: how late is not guessed, that it is late is known.
        return None


def _place(one: Overdue) -> list[str]:
    return [one.owed.provider, one.owed.entry_code, one.standing.period.first.isoformat()]


def named_by_entry(ingest: Ingest, caller: Principal, declaration: Declaration, *_: Any) -> Problem | None:
    """the entry names the caller's organisation as provider"""
    versions = [read_entry(entry) for entry in ingest.store.entry_versions(declaration.entry)]
    if not versions:
        return DELIVERY_ENTRY_UNKNOWN(entry=declaration.entry)
    if not any(entry.provider(caller.org) for entry in versions):
        return NOT_A_PROVIDER(org=caller.org or "-", entry=declaration.entry)
    return None


@rule("period.declared", roles={Role.PROVIDER}, articles=("8", "12"), when=(named_by_entry,))
def declare_nothing(ingest: Ingest, caller: Principal, declaration: Declaration, key: str) -> list[str]:
    """A provider says that there was nothing to report; the names of the periods. Again, it changes nothing.

    Raises PERIOD_UNKNOWN, PERIOD_NOT_OVER.
    """
    picture = Picture(ingest, caller.org)
    owed = picture.owed[caller.org, declaration.entry]
    periods = _meant(picture, owed, declaration)
    by = caller.client_id or caller.sub

    def work(unit: Unit) -> Mapping[str, Any]:
        at, today = rfc3339(ingest.clock.now()), picture.today.isoformat()
        series_id = series_key(caller.org, declaration.entry)
        series = ingest.quality.one_series(series_id, unit.session) or new_series(caller.org, declaration.entry)
        known = {name for name, *_ in series["declared"]}
        series["declared"] += [[name, today, at, by] for name in periods if name not in known]
        series["region"] = caller.region or series["region"]
        ingest.quality.put_series(series, unit.session)
        details = {"from": periods[0], "through": periods[-1], "periods": len(periods)}
        unit.record(ingest.audit.event("period.declared", caller, entries=[owed.entry_code], details=details).encode())
        return {"periods": periods}

    answer = ingest.patiently(lambda: ingest.store.once(by, key, declaration.canonical(), lambda u: dict(work(u))))
    return list(answer["periods"])


def _meant(picture: Picture, owed: Owed, declaration: Declaration) -> list[str]:
    expected = [s.period for s in picture.standings(owed) if s.state is not State.NOT_EXPECTED]
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


def _entries(wanted: Wanted) -> list[str]:
    return [wanted.entry] if wanted.entry else []
