"""A consumer of a feed of records."""

import pytest

from chengxin.store.database import Store
from tests.chengxin.feeds.record_consumer import RecordConsumer


@pytest.fixture
def consumer(store: Store) -> RecordConsumer:
    return RecordConsumer(store)
