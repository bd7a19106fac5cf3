"""Takes apart the persons that officers of a former version merged: two identity numbers are two persons, always."""

from chengxin.store.database import UnitOfWork
from chengxin.values.clock import rfc3339
from services.disclosure.projections.feeds import Projection
from services.disclosure.projections.links import LinkProjection
from services.disclosure.projections.public_changes import PublicChanges
from services.disclosure.projections.records import RecordProjection
from services.disclosure.store.generations import Generations
from services.disclosure.store.links import StoredLink


def take_persons_apart(projection: Projection, generations: Generations) -> None:
    """Judges what persons were merged with by the rule of today, once for a store. A merge that the rule refuses stays
    with its history, and becomes a conflict in the officers' list; neither person sees the other's records any more."""
    if generations.current().get("judged"):
        return
    today = projection.clock.today().isoformat()
    for merged in projection.store.links.merged_persons():

        def work(unit: UnitOfWork, merged: StoredLink = merged) -> None:
            links = LinkProjection(
                projection.store, projection.subject_key, projection.keys, unit, rfc3339(projection.clock.now())
            )
            links.put(merged)
            change = RecordProjection(projection.store, projection.keys, unit, today)
            change.save(links.settle(change))
            announced = PublicChanges(unit, today)
            announced.move(projection.store, links.moved)
            announced.publish()

        projection.store.store.transact(work)
    generations.judged()
