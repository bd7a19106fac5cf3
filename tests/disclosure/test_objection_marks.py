"""A record is marked while an objection to it is open."""

from tests.disclosure.licences import licence
from tests.disclosure.running_disclosure import RunningDisclosure


def test_an_objection_mark_comes_and_goes(city: RunningDisclosure) -> None:
    city.delivers(licence(city))
    city.objection("Y1", "a", True)
    city.objection("Y2", "a", True)
    assert city.public()[0]["under_objection"]
    city.objection("Y1", "a", False)
    assert city.public()[0]["under_objection"]
    city.objection("Y2", "a", False)
    assert not city.public()[0]["under_objection"]


def test_an_objection_mark_waits_for_its_record_and_survives_an_amendment(city: RunningDisclosure) -> None:
    city.objection("Y1", "a", True)
    city.delivers(licence(city))
    assert city.public()[0]["under_objection"]
    city.delivers(licence(city, version=2))
    assert city.public()[0]["under_objection"]


def test_an_older_state_of_an_objection_is_ignored(city: RunningDisclosure) -> None:
    city.delivers(licence(city))
    city.objection("Y1", "a", False, position=9)
    city.objection("Y1", "a", True, position=8)
    assert not city.public()[0]["under_objection"]
