"""An objection, and an act on it, read each thing once."""

from tests.loads import counted_loads
from tests.objection.conftest import RunningObjection

# What the service does beside: which deadlines are to be counted again, and how far its feeds are.
BESIDE = {"recounts", "counters"}


def test_ingest_is_asked_once_whose_a_record_is(city: RunningObjection) -> None:
    before = city.ingest.asked
    with counted_loads() as loads:
        number = city.filed()
    assert city.ingest.asked == before + 1
    read = {name: times for name, times in loads.items() if name not in BESIDE}
    # The entry: for its items, and for the names in the answer. The cases: whether one is open.
    assert read == {"entries": 2, "cases": 1, "rules": 1, "calendar_years": 1, "uploads": 1}
    with counted_loads() as loads:
        city.caller("centre", sub="officer:loads").does("accept", number)
    read = {name: times for name, times in loads.items() if name not in BESIDE}
    assert read == {"cases": 1, "rules": 1, "calendar_years": 1, "entries": 1}
