"""Records are answered page by page, the newest first."""

import pytest

from tests.disclosure.licences import everything, licence
from tests.disclosure.running_disclosure import COMPANY, RunningDisclosure


@pytest.mark.parametrize("size", [1, 7, 25, 50, 200])
def test_pages_are_newest_first_and_none_is_missed_or_repeated(city: RunningDisclosure, size: int) -> None:
    city.delivers(*(licence(city, f"{n:03d}") for n in range(77)))
    assert [r["record_id"] for r in everything(city, size)] == [f"r_{n:03d}" for n in reversed(range(77))]


def test_a_page_that_was_begun_goes_on_where_it_was(city: RunningDisclosure) -> None:
    city.delivers(*(licence(city, f"{n:03d}") for n in range(60)))
    path = f"/v1/public/subjects/{city.ref(COMPANY)}?page_size=10"
    first = city.anybody.get(path).json
    # The record at the end of the page is revoked, and new ones arrive.
    city.delivers(licence(city, "050", version=2, revoked=True), *(licence(city, f"{n:03d}") for n in range(60, 90)))
    second = city.anybody.get(f"{path}&page_token={first['next_page_token']}").json
    assert [r["record_id"] for r in second["records"]] == [f"r_{n:03d}" for n in range(49, 39, -1)]


@pytest.mark.parametrize("token", ["x", "!!", "MTI", "InJfdW5rbm93biI"])
def test_a_page_token_of_ones_own_making_is_refused(city: RunningDisclosure, token: str) -> None:
    city.delivers(licence(city))
    answer = city.anybody.get(f"/v1/public/subjects/{city.ref(COMPANY)}?page_token={token}")
    assert (answer.status_code, answer.json["code"]) == (400, "INPUT_INVALID")


@pytest.mark.parametrize("size", ["0", "201", "-1", "x"])
def test_a_page_has_1_to_200_records(city: RunningDisclosure, size: str) -> None:
    assert city.person().get(f"/v1/me/records?page_size={size}").status_code == 400
