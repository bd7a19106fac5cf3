"""Carries over from the generation in use what no feed brings: which records are archived, and officers' decisions."""

from dataclasses import replace

from chengxin.store.database import UnitOfWork
from chengxin.values.clock import rfc3339
from services.disclosure.projections.feeds import Projection
from services.disclosure.projections.links import LinkProjection
from services.disclosure.projections.records import RecordProjection
from services.disclosure.store.documents import LinkRow
from services.disclosure.store.generations import archived_before


def archive_as_before(projection: Projection, live: Projection) -> None:
    """Archives what the generation in use has archived, because that is on record already."""
    today = projection.clock.today().isoformat()
    for _, records in projection.store.due(today):
        done = sorted(archived_before(live.store.store, live.store.generation, records))
        for start in range(0, len(done), 50):
            some = done[start : start + 50]

            def work(unit: UnitOfWork, some: list[str] = some) -> None:
                change = RecordProjection(projection.store, projection.keys, unit, today)
                change.load(some)
                for record_id in some:
                    if change.archive(record_id):
                        change.locations[record_id].shown = ""
                change.settle()
                change.save()

            projection.store.transact(work)


def bring_decisions(live: Projection, other: Projection, unit: UnitOfWork) -> None:
    """Copies the decisions on links that officers made while the other generation was filled."""
    today = other.clock.today().isoformat()
    rows = live.store.rows(LinkRow).find({"history": {"$ne": []}}, {"history": 1}, session=unit.session)
    decided = {row["_id"]: row["history"] for row in rows}
    known = live.store.links.by_id(list(decided), unit)
    there = other.store.links.by_id(list(decided), unit)
    for link_id, kept in known.items():
        mine = there.get(link_id)
        if mine is not None and [vars(act) for act in mine.history] == [vars(act) for act in kept.history]:
            continue
        links = LinkProjection(other.store, other.subject_key, other.keys, unit, rfc3339(other.clock.now()))
        if mine is None:
            mine = replace(kept, records=0, record="", new=True)
        mine.history = kept.history
        links.put(mine)
        work = RecordProjection(other.store, other.keys, unit, today)
        work.save(links.settle(work))
