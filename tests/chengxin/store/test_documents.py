"""Documents declare what a store keeps; each store has its own connection."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import mongoengine
import pytest
from mongoengine import DateTimeField, Document, IntField, StringField
from pymongo.errors import InvalidOperation, OperationFailure

from chengxin.store.database import Store
from chengxin.store.documents import collection_name
from chengxin.values.clock import FixedClock
from chengxin.values.ids import new_id

NOW = datetime(2026, 11, 24, 4, 0, tzinfo=UTC)


class Thing(Document):
    """Something to keep."""

    key = StringField(primary_key=True)
    owner = StringField(required=True)
    size = IntField()
    code = StringField()
    expires_at = DateTimeField()
    meta = {
        "collection": "kept_things",
        "indexes": [
            ("owner", "-size", "key"),
            {"fields": ["code"], "unique": True, "sparse": True},
            {"fields": ["expires_at"], "expireAfterSeconds": 0},
            {"fields": ["size"], "partialFilterExpression": {"size": {"$gt": 5}}},
        ],
    }


class OddThing(Document):
    """Something without an index."""

    key = StringField(primary_key=True)
    meta = {"collection": "odd_things"}


def indexes_of(store: Store, name: str) -> dict[str, dict[str, Any]]:
    """The indexes of a collection by name, without the version of their format."""
    found = [dict(index) for index in store.db[name].list_indexes()]
    return {index["name"]: {k: v for k, v in index.items() if k not in ("v", "name")} for index in found}


def test_collections_and_indexes_are_as_the_documents_declare_them(store: Store) -> None:
    store.create((Thing, OddThing))
    assert indexes_of(store, "odd_things") == {"_id_": {"key": {"_id": 1}}}
    assert indexes_of(store, "kept_things") == {
        "_id_": {"key": {"_id": 1}},
        "owner_1_size_-1__id_1": {"key": {"owner": 1, "size": -1, "_id": 1}},
        "code_1": {"key": {"code": 1}, "unique": True, "sparse": True},
        "expires_at_1": {"key": {"expires_at": 1}, "expireAfterSeconds": 0},
        "size_1": {"key": {"size": 1}, "partialFilterExpression": {"size": {"$gt": 5}}},
    }


def test_a_second_start_changes_nothing_also_where_mongoengine_made_the_indexes(store: Store) -> None:
    # Versions before this one had mongoengine make them, which adds an option that stores ignore.
    store.db["kept_things"].create_index([("owner", 1), ("size", -1), ("_id", 1)], background=False)
    store.create((Thing, OddThing))
    store.db["kept_things"].insert_one({"_id": "a", "owner": "b"})
    before = indexes_of(store, "kept_things")
    store.create((Thing, OddThing))
    assert indexes_of(store, "kept_things") == before
    assert len(before) == 5
    assert store.db["kept_things"].count_documents({}) == 1


def test_a_store_refuses_an_index_that_it_has_with_other_options(store: Store) -> None:
    store.db["kept_things"].create_index("code", unique=False)
    with pytest.raises(OperationFailure, match="code_1"):
        store.create((Thing,))


def test_a_collection_may_have_another_name_than_its_document_declares(store: Store) -> None:
    store.create((Thing, OddThing), lambda document: f"{collection_name(document)}.7")
    assert {"kept_things.7", "odd_things.7"} <= set(store.db.list_collection_names())
    assert "code_1" in indexes_of(store, "kept_things.7")


def test_two_stores_of_one_service_in_one_process_share_nothing(stores: Callable[[str], str]) -> None:
    first, second = (Store(stores(new_id("own")), "own", FixedClock(NOW)) for _ in range(2))
    try:
        for store, name in ((first, "a"), (second, "b")):
            store.create((Thing,))
            store.collection(Thing).insert_one({"_id": name, "owner": name})
        assert [row["_id"] for row in first.collection(Thing).find()] == ["a"]
        first.close()
        assert [row["_id"] for row in second.collection(Thing).find()] == ["b"]
        # A thread that still uses the closed store fails; it does not reach another one.
        with pytest.raises(InvalidOperation):
            first.collection(Thing).find_one({})
    finally:
        first.close()
        second.close()


def test_documents_know_no_connection(store: Store) -> None:
    store.create((Thing,))
    with pytest.raises(mongoengine.ConnectionFailure):
        mongoengine.get_connection()
    with pytest.raises(mongoengine.ConnectionFailure):
        Thing.objects.first()
