"""A subject's state follows from its records alone, whatever happened before, and is the same after a rebuild."""

import random
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import msgspec
import pytest
from google.protobuf.json_format import ParseDict

from chengxin_api.catalog.v1 import catalog_pb2
from chengxin_api.ingest.v1 import ingest_pb2
from demo.identifiers import demo_uscc
from services.disclosure.context import OWN
from services.disclosure.domain.subject_state import summary_of
from services.disclosure.projections.carry_over import archive_as_before
from services.disclosure.projections.consumers import apply_catalog, apply_ingest
from services.disclosure.projections.feeds import Projection
from services.disclosure.projections.generation_differences import differences, fragments_of, state_as_seen
from services.disclosure.store.disclosure_store import DisclosureStore
from services.disclosure.usecases.archive_records import archive
from tests.disclosure.running_disclosure import TODAY, RunningDisclosure, demo_entry
from tests.support import until

COMPANIES = [demo_uscc("91", 810_000 + n, "MD") for n in range(3)]
NAME = "阳江市海陵食品有限公司"


def test_what_older_pages_show_counts_whatever_changes_on_the_first_one(city: RunningDisclosure) -> None:
    """A change of the first page once forgot the other pages: the public no longer found the subject."""

    def licence(number: int, **more: object) -> ingest_pb2.RecordVersion:
        ends = "2031-01-01" if 16 <= number < 32 else "2026-11-01"
        return city.record("XZXK", COMPANIES[0], NAME, f"l{number}", XK_WSH=f"{number}", XK_YXQZI=ends, **more)

    city.delivers(*(licence(number) for number in range(60)))
    assert city.ctx.store.head(city.ref(COMPANIES[0])).tail >= 3  # type: ignore[union-attr]
    city.delivers(licence(0, version=2, XK_NR="变更"))
    city.delivers(licence(59, version=2, revoked=True))
    assert len(city.public(COMPANIES[0])) == 16
    assert [s["uscc"] for s in city.found("海陵")] == [COMPANIES[0]]


def test_a_rebuild_is_asked_for_once_and_each_request_is_on_record_with_it(city: RunningDisclosure) -> None:
    centre = city.caller("centre", sub="officer-1")
    asked = [centre.post("/v1/operations/disclosure/rebuild", {}) for _ in range(2)]
    assert [answer.status_code for answer in asked] == [202, 202]
    assert asked[0].json == asked[1].json
    until(lambda: len(city.audit.of("disclosure.rebuild_asked")) == 2, "the relay delivers")
    assert {event["outcome"] for event in city.audit.of("disclosure.rebuild_asked")} == {"ok"}


@pytest.mark.parametrize("seed", range(3))
def test_a_generation_made_anew_knows_the_same_whatever_happened(city: RunningDisclosure, seed: int) -> None:
    chance = random.Random(seed)
    live = Projection(city.ctx.store, city.ctx.keys, city.ctx.subject_key, city.ctx.clock)
    other = replace(live, store=DisclosureStore(city.ctx.store.store, 3), announces=False)
    other.store.create_indexes()
    entry = ParseDict(demo_entry("XZXK") | {"version": 1}, catalog_pb2.Entry())
    other.store.transact(lambda unit: apply_catalog(other, unit, catalog_pb2.Change(entry=entry)))

    def take(projection: Projection, records: list[ingest_pb2.RecordVersion]) -> None:
        change = ingest_pb2.Change(records=records, last=True)
        projection.store.transact(lambda unit: apply_ingest(projection, unit, change))

    def archive_all() -> None:
        while archive(city.ctx, OWN):
            pass

    # A subject without current statements keeps its last name, which depends on the order of archiving.
    told = [city.record("XZXK", c, NAME, c.lower(), XK_WSH="0", XK_YXQZI="2099-12-31") for c in COMPANIES]
    take(live, told)
    for some in drawn(city, chance):
        take(live, some)
        told += some
        if chance.random() < 0.3:
            archive_all()
    archive_all()
    while told:
        # Cut differently from the changes as they came.
        count = chance.choice((1, 5, 40))
        take(other, told[:count])
        told = told[count:]
    archive_as_before(other, live)
    assert not list(differences(live.store, other.store, lambda _: None))
    for projection in (live, other):
        for code in COMPANIES:
            ref = city.ref(code)
            head = projection.store.head(ref)
            assert head is not None
            said = summary_of(fragments_of(ref, head, projection.store), projection.store.entry)
            assert state_as_seen(head.state) == state_as_seen(msgspec.structs.replace(head.state, summary=said))


def drawn(city: RunningDisclosure, chance: random.Random) -> Iterator[list[ingest_pb2.RecordVersion]]:
    """Deliveries, amendments and revocations of records of a few companies: some over, some short, some long."""
    versions: dict[int, int] = {}
    for moment in range(40):
        some = []
        for _ in range(chance.choice((1, 3, 20))):
            number = chance.randrange(60)
            if versions.get(number, 0) < 0:
                continue
            versions[number] = version = versions.get(number, 0) + 1
            items = {
                "XK_WSH": f"{number}",
                "XK_NR": chance.choice(("x", "长" * 900, "长" * 4000)),
                "XK_YXQZI": chance.choice(("2099-12-31", "9999-12-31", "0001-01-01", "2024-02-29", "2026-11-23")),
            }
            made = city.record("XZXK", COMPANIES[number % 3], NAME, f"k{number}", version=version, **items)
            made.recorded_at.FromDatetime(TODAY + timedelta(seconds=moment))
            if version > 1 and chance.random() < 0.2:
                made.revoked, versions[number] = True, -1
            some.append(made)
        yield some
