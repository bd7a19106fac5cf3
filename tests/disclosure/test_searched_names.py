"""Which names the public search finds, as records come, change and go."""

from datetime import timedelta

from tests.disclosure.licences import licence
from tests.disclosure.running_disclosure import LI_NA, RunningDisclosure


def test_a_new_name_is_found_and_the_old_one_while_a_record_shows_it(city: RunningDisclosure) -> None:
    at = city.clock.now()
    city.delivers(licence(city, "a", name="阳江市旧名贸易有限公司", at=at))
    city.delivers(licence(city, "b", name="阳江市新名贸易有限公司", at=at + timedelta(days=1)))
    [found] = city.found("旧名")
    assert (found["name"], found["former_names"]) == ("阳江市新名贸易有限公司", ["阳江市旧名贸易有限公司"])
    city.delivers(licence(city, "a", version=2, revoked=True))
    assert city.found("旧名") == []
    assert [s["former_names"] for s in city.found("新名")] == [[]]


def test_a_name_far_down_disappears_when_its_record_is_revoked(city: RunningDisclosure) -> None:
    city.delivers(licence(city, "old", name="阳江市旧名贸易有限公司"))
    city.delivers(*(licence(city, str(n)) for n in range(60)))
    assert len(city.found("旧名")) == 1
    city.delivers(licence(city, "old", version=2, revoked=True))
    assert city.found("旧名") == []
    assert len(city.found("海陵")) == 1


def test_an_individual_is_found_only_as_public_records_show_her(city: RunningDisclosure) -> None:
    city.delivers(city.record("CFGR", LI_NA, "李娜", "fine", CF_WSH="1", CF_GSJZQ="2027-01-01"))
    assert city.found("李娜") == []
    [found] = city.found("李")
    assert (found["name"], found["kind"], found["uscc"]) == ("李**", "individual", "")
    assert city.found(LI_NA) == []
