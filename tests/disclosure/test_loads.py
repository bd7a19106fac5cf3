"""A query reads each thing once."""

from tests.disclosure.licences import licence
from tests.disclosure.running_disclosure import COMPANY, RunningDisclosure
from tests.loads import counted_loads


def test_ones_own_records_are_one_read(city: RunningDisclosure) -> None:
    city.delivers(licence(city))
    subject = city.caller("subject", sub=city.ref(COMPANY))
    assert len(subject.get("/v1/me/records").json["records"]) == 1
    with counted_loads() as loads:
        assert subject.get("/v1/me/records").status_code == 200
    assert loads == {"subjects": 1}
