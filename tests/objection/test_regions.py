"""The centre's officers act on objections to records of providers in their own region (Art. 6, 24), and nowhere else."""

from typing import Any

import pytest

from chengxin_api.catalog.v1 import catalog_pb2
from services.objection.__main__ import policy
from tests.objection.conftest import RunningObjection
from tests.objection.sources import REGULATOR

CITY, JIANGCHENG, YANGXI = "441700", "441702", "441721"
# Every act of the centre on a case, with a body that fits.
ACTS: dict[str, dict[str, Any]] = {
    "accept": {},
    "refuse": {"reason": "不属于受理范围"},
    "request-supplement": {"missing": ["许可证原件"]},
    "verify": {"finding": "consistent_with_source", "note": "与来源一致"},
    "decide": {"outcome": "upheld", "explanation": "与来源一致"},
    "retract": {"reason": "误点"},
}


def lies_in(city: RunningObjection, region: str) -> None:
    """The directory says where the regulator is."""
    told = catalog_pb2.OrganisationRegion(uscc=REGULATOR, region=region)
    city.catalog.feed.tell(catalog_pb2.Change(organisation_region=told))
    city.caught_up()


def test_these_are_all_acts_of_the_centre_on_a_case() -> None:
    path = "POST /v1/objections/<objection_no>/"
    faces = {
        row["face"].removeprefix(path) for row in policy() if row["face"].startswith(path) and "centre" in row["roles"]
    }
    assert faces == ACTS.keys()


@pytest.mark.parametrize("act", ACTS)
def test_an_officer_of_another_county_does_not_act_on_a_case(city: RunningObjection, act: str) -> None:
    number = city.filed()
    [before] = city.ctx.store.store.db["cases"].find()
    # Not listed in the directory, the city's, and of the county beside.
    for region in ("", CITY, JIANGCHENG):
        if region:
            lies_in(city, region)
        stranger = city.caller("centre", sub="officer:yangxi", region=YANGXI)
        refused = stranger.post(f"/v1/objections/{number}/{act}", ACTS[act])
        assert (region, refused.status_code, refused.json["code"]) == (region, 403, "OUTSIDE_REGION")
    [row] = [row for row in policy() if row["face"] == f"POST /v1/objections/<objection_no>/{act}"]
    events = city.audit.of(row["act"])
    assert [(e["outcome"], e["details"]["code"]) for e in events] == [("refused", "OUTSIDE_REGION")] * 3
    assert list(city.ctx.store.store.db["cases"].find()) == [before]


@pytest.mark.parametrize(("lies", "acts"), [(YANGXI, YANGXI), (YANGXI, CITY), ("", CITY)])
def test_an_officer_acts_in_the_own_county_and_one_of_the_city_everywhere(
    city: RunningObjection, lies: str, acts: str
) -> None:
    number = city.filed()
    if lies:
        lies_in(city, lies)
    assert city.caller("centre", sub="officer:own", region=acts).does("accept", number)["state"] == "accepted"
