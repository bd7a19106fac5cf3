"""What the stores of a running city hold fits the documents that declare it."""

import pytest

from tests.city import City
from tests.documents import DECLARED, misfits


@pytest.mark.parametrize("service", DECLARED)
def test_what_is_kept_fits_its_document(city: City, service: str) -> None:
    database = city.store(service)
    assert list(misfits(service, database, database.list_collection_names(), 300)) == []
