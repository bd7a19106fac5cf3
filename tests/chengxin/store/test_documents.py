"""Documents declare what a store keeps; each store has its own connection."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import bson
import mongoengine
import pytest
from mongoengine import DateTimeField, Document, IntField, StringField
from mongoengine.errors import FieldDoesNotExist
from pymongo.errors import InvalidOperation

from chengxin.store import kernel_documents
from chengxin.store.database import Store, UnitOfWork
from chengxin.store.documents import ObjectField, ObjectListField, collection_name, fields_of, stored_form
from chengxin.store.schema import IndexConflict
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


class Notice(Document):
    """Something with objects in it."""

    key = StringField(primary_key=True)
    words = ObjectField(required=True)
    parts = ObjectListField(required=True)
    until = StringField()
    meta = {"collection": "notices"}


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


def test_an_index_in_another_form_is_told_with_what_to_do(store: Store) -> None:
    name = store.db["kept_things"].create_index("code", unique=False)
    with pytest.raises(IndexConflict) as told:
        store.create((Thing,))
    lines = str(told.value).splitlines()
    assert f"The index {name} of the collection {store.db.name}.kept_things" in lines[2]
    assert f'db.getCollection("kept_things").dropIndex("{name}")' in lines[1]
    assert f'run db.getCollection("kept_things").dropIndex("{name}") and start again' in lines[3]
    assert "'unique': True" in lines[5]
    # The log cuts longer lines.
    assert max(map(len, lines)) < 200
    store.db["kept_things"].drop_index(name)
    store.create((Thing,))


def test_documents_that_a_unique_index_forbids_are_told(store: Store) -> None:
    store.db["kept_things"].insert_many({"_id": n, "owner": "a", "code": "same"} for n in range(2))
    with pytest.raises(IndexConflict) as told:
        store.create((Thing,))
    assert f"The collection {store.db.name}.kept_things has documents that the unique index" in str(told.value)


def test_every_store_has_what_the_kernel_keeps(store: Store) -> None:
    # A store of the version before has answers, and no index by which they end.
    store.db["idempotency"].insert_one({"_id": "her k", "asked": "", "answer": {}, "at": NOW})
    store.create(())
    assert indexes_of(store, "idempotency")["at_1"] == {"key": {"at": 1}, "expireAfterSeconds": 30 * 24 * 3600}
    assert {collection_name(document) for document in kernel_documents.ALL} <= set(store.db.list_collection_names())
    assert store.db["idempotency"].count_documents({}) == 1


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


def test_objects_are_kept_as_they_are(store: Store) -> None:
    store.create((Notice,))
    notices = store.documents(Notice)
    words = {"b": 1, "a": [1, "2", None, {"x": b"bytes"}], "c": {}}
    store.transact(lambda unit: notices.insert(Notice(key="n1", words=words, parts=[{"z": 1}, {}]), unit.session))
    [row] = notices.collection.find()
    assert list(row) == ["_id", "words", "parts"]
    assert (list(row["words"]), row["words"], row["parts"]) == (["b", "a", "c"], words, [{"z": 1}, {}])
    found = notices.get("n1")
    assert found is not None
    assert (found.key, found.words, found.parts, found.until) == ("n1", words, [{"z": 1}, {}], None)
    assert bson.encode(stored_form(found)) == bson.encode(row)


@pytest.mark.parametrize(
    "fields",
    [
        {"words": {}},
        {"words": {}, "parts": []},
        {"words": {}, "parts": [1]},
        {"words": {}, "parts": {"a": 1}},
        {"words": [], "parts": [{}]},
        {"words": {1: "a"}, "parts": [{}]},
    ],
)
def test_an_object_that_does_not_fit_is_not_written(store: Store, fields: dict[str, Any]) -> None:
    with pytest.raises(mongoengine.ValidationError):
        store.documents(Notice).replace(Notice(key="n1", **fields))
    with pytest.raises((mongoengine.ValidationError, FieldDoesNotExist)):
        store.documents(Notice).insert_row({"_id": "n1", **fields, "more": 1})
    assert store.db["notices"].count_documents({}) == 0


def test_what_another_version_stored_stays_when_a_document_is_written_again(store: Store) -> None:
    store.create((Notice,))
    notices = store.documents(Notice)
    stored = {"_id": "n1", "words": {"a": 1}, "parts": [{}], "until": "2026", "later": {"by": "a version to come"}}
    notices.collection.insert_one(dict(stored))
    notices.replace(Notice(key="n1", words={"a": 2}, parts=[{}]))
    [row] = notices.collection.find()
    assert row == {"_id": "n1", "words": {"a": 2}, "parts": [{}], "later": stored["later"]}
    assert notices.replace_found(
        {"_id": "n1", "words.a": 2}, {"_id": "n1", "words": {}, "parts": [{"z": 1}], "until": "x"}
    )
    assert notices.replace_found({"_id": "n1", "until": "x"}, {"_id": "n1", "words": {}, "parts": [{}]})
    [row] = notices.collection.find()
    assert row == {"_id": "n1", "words": {}, "parts": [{}], "later": stored["later"]}
    assert not notices.replace_found({"_id": "n1", "until": "x"}, {"_id": "n1", "words": {}, "parts": [{}]})
    with pytest.raises(FieldDoesNotExist):
        notices.replace_found({"_id": "n1"}, {"_id": "n1", "words": {}, "parts": [{}], "odd": 1})


def test_documents_are_found_in_order_within_their_transaction(store: Store) -> None:
    notices = store.documents(Notice)

    def work(unit: UnitOfWork) -> None:
        for key in ("b", "a", "c"):
            notices.insert(Notice(key=key, words={}, parts=[{}]), unit.session)
        assert notices.get("a", unit.session) is not None
        assert notices.get("a") is None

    store.create((Notice,))
    store.transact(work)
    assert [found.key for found in notices.find({}, [("_id", -1)], limit=2)] == ["c", "b"]
    first = notices.first({"_id": {"$gt": "a"}}, [("_id", 1)])
    assert first is not None
    assert first.key == "b"
    assert notices.delete("a")
    assert not notices.delete("a")
    assert notices.get("a") is None


def test_what_another_version_has_stored_beyond_the_declaration_is_left_out(store: Store) -> None:
    store.db["notices"].insert_one({"_id": "n1", "words": {}, "parts": [{}], "later": True})
    found = store.documents(Notice).get("n1")
    assert found is not None
    assert fields_of(found) == {"key": "n1", "words": {}, "parts": [{}]}
