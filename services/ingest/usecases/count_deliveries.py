"""Counts what was committed (Art. 30): one transaction keeps the figures and the position in the outbox."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from typing import Final

from chengxin.failures import is_transient
from chengxin.feeds.quarantine import Handler, Quarantine
from chengxin.feeds.splitting import Label
from chengxin.store import on_record
from chengxin.store.database import OutboxRow, UnitOfWork
from chengxin.values.clock import shanghai_date
from chengxin.values.document import RawDocument
from services.ingest.context import IngestContext
from services.ingest.domain.quality import Figures, change
from services.ingest.domain.record_versioning import lateness
from services.ingest.domain.reporting_periods import LOOKED_BACK
from services.ingest.store.quality import series_key

# The transactions that are counted at once, in one short transaction.
_ROWS: Final = 50
# The name under which a transaction that could not be counted is set aside.
JOB: Final = "job.count"

# (provider, entry, region, day, figures)
Addition = tuple[str, str, str, date, Figures]


@dataclass(frozen=True)
class CountedTransactions:
    """How many transactions were counted, and which series, as (provider, entry), got something."""

    rows: int = 0
    series: frozenset[tuple[str, str]] = frozenset()


def count(ctx: IngestContext) -> int:
    """Counts some transactions of the outbox that are not counted yet, and returns how many."""
    return count_next(ctx).rows


def count_next(ctx: IngestContext, most: int = _ROWS) -> CountedTransactions:
    """Counts at most `most` transactions of the outbox that are not counted yet."""
    quality = ctx.quality
    after = int(quality.state().get("position", 0))
    rows = ctx.store.rows(after, most)
    if not rows:
        return CountedTransactions()
    grouped = _grouped(_additions(ctx, rows))

    def work(unit: UnitOfWork) -> CountedTransactions:
        state = quality.state(unit.session)
        # A caller of `recompute` may have counted them meanwhile.
        if int(state.get("position", 0)) != after:
            return CountedTransactions()
        for (provider, entry), some in grouped.items():
            _add(ctx, unit, provider, entry, some)
        began = state.get("began") or ctx.clock.today().isoformat()
        quality.set_state({"position": rows[-1].position, "began": began}, unit.session)
        return CountedTransactions(len(rows), frozenset(grouped))

    with on_record.deriving():
        return ctx.store.transact(work)


def count_or_set_aside(ctx: IngestContext, quarantine: Quarantine) -> CountedTransactions:
    """Counts some transactions. When that fails it counts the first one alone, or sets it aside."""
    try:
        return count_next(ctx)
    except Exception as e:
        if is_transient(e):
            raise
    try:
        return count_next(ctx, 1)
    except Exception as e:
        if is_transient(e):
            raise
        error = e

    def work(unit: UnitOfWork) -> CountedTransactions:
        state = ctx.quality.state(unit.session)
        position = int(state.get("position", 0)) + 1
        quarantine.put(JOB, Label(str(position)), b"", error, unit, position)
        began = state.get("began") or ctx.clock.today().isoformat()
        ctx.quality.set_state({"position": position, "began": began}, unit.session)
        return CountedTransactions(1)

    return ctx.store.transact(work)


def count_again(ctx: IngestContext) -> Handler:
    """Returns the handler that counts a transaction which was set aside."""

    def prepare(row: RawDocument) -> Callable[[UnitOfWork], None]:
        rows = ctx.store.rows(row["position"] - 1, 1)
        grouped = _grouped(_additions(ctx, rows))

        def work(unit: UnitOfWork) -> None:
            for (provider, entry), some in grouped.items():
                _add(ctx, unit, provider, entry, some)

        return work

    return prepare


def new_series(provider: str, entry: str) -> RawDocument:
    """The document of a series without any delivery."""
    return {
        "_id": series_key(provider, entry),
        "provider": provider,
        "entry_code": entry,
        "region": "",
        "days": [],
        "declared": [],
        "on_record": 0,
    }


def _additions(ctx: IngestContext, rows: list[OutboxRow]) -> Iterator[Addition]:
    for row in rows:
        day = shanghai_date(row.at)
        for made in row.changes:
            # Batches of earlier versions have no figures.
            if made["kind"] == "batch" and "figures" in made:
                yield made["provider"], made["entry"], made["region"], day, Figures.read(made["figures"])
            elif made["kind"] == "record":
                [record] = ctx.store.exactly([(made["record"], made["version"])])
                figures = change(lateness(record), bool(record.get("revoked")), bool(record.get("objection_no")))
                yield record["provider"], record["entry_code"], "", day, figures


def _grouped(additions: Iterable[Addition]) -> dict[tuple[str, str], list[Addition]]:
    found: dict[tuple[str, str], list[Addition]] = {}
    for one in additions:
        found.setdefault(one[:2], []).append(one)
    return found


def _add(ctx: IngestContext, unit: UnitOfWork, provider: str, entry: str, additions: list[Addition]) -> None:
    quality = ctx.quality
    key = series_key(provider, entry)
    series = quality.one_series(key, unit.session) or new_series(provider, entry)
    by_day: dict[date, Figures] = {}
    for _, _, region, day, figures in additions:
        by_day[day] = by_day.get(day, Figures()).plus(figures)
        series["region"] = region or series["region"]
        series["on_record"] += figures.accepted - figures.revoked
    for day, figures in by_day.items():
        known = quality.day(key, day.isoformat(), unit.session)
        if known:
            figures = Figures.read(known["figures"]).plus(figures)
        quality.put_day(key, day.isoformat(), figures.to_dict(), unit.session)
        if figures.total:
            series["days"] = _with(series["days"], day)
    quality.put_series(series, unit.session)


def _with(days: list[str], day: date) -> list[str]:
    found = sorted({*days, day.isoformat()})
    oldest = (date.fromisoformat(found[-1]) - LOOKED_BACK).isoformat()
    return [one for one in found if one >= oldest]
