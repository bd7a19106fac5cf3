"""What a store keeps, as mongoengine documents declare it: its shape, its indexes and its validation.

mongoengine knows the documents, pymongo does the I/O on the connection of one store. So no document knows a connection,
and two stores of one process share nothing.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Generic, TypeAlias, TypeVar, cast

import mongoengine
from mongoengine.base import BaseField
from pymongo import IndexModel
from pymongo.client_session import ClientSession
from pymongo.collection import Collection

from chengxin.values.document import RawDocument

DocumentClass: TypeAlias = type[mongoengine.Document]
D = TypeVar("D")


class ObjectField(BaseField):
    """An object in JSON whose inner shape the domain declares. It is kept as it is.

    mongoengine's `DictField` takes 40 ms to read a list of 3,500 regions, and makes lists of numbers of bytes.
    """

    def validate(self, value: Any) -> None:
        """Raises `ValidationError` unless it is an object."""
        if not _is_object(value):
            self.error("not an object with names")


class ObjectListField(BaseField):
    """A list of such objects."""

    def validate(self, value: Any) -> None:
        """Raises `ValidationError` unless it is a list of objects, with one at least where it is required."""
        if not isinstance(value, (list, tuple)) or not all(map(_is_object, value)):
            self.error("not a list of objects with names")
        if self.required and not value:
            self.error("the list is empty")


def _is_object(value: Any) -> bool:
    return isinstance(value, dict) and all(isinstance(name, str) for name in value)


class Documents(Generic[D]):
    """The documents of one class in one store, read and written as their class declares them."""

    def __init__(self, document: type[D], collection: Collection[RawDocument]) -> None:
        self.collection = collection
        # mongoengine has no types.
        self._class = cast(Any, document)
        self._names = frozenset(field.db_field for field in self._class._fields.values())

    def get(self, key: Any, session: ClientSession | None = None) -> D | None:
        """Returns the document with this key."""
        return self.first({"_id": key}, session=session)

    def first(
        self, query: RawDocument, order: Sequence[tuple[str, int]] = (), session: ClientSession | None = None
    ) -> D | None:
        """Returns the first document of a query in an order."""
        row = self.collection.find_one(query, sort=order or None, session=session)
        return None if row is None else self.read(row)

    def find(
        self,
        query: RawDocument,
        order: Sequence[tuple[str, int]] = (),
        limit: int = 0,
        session: ClientSession | None = None,
    ) -> Iterator[D]:
        """Yields the documents of a query in an order; a `limit` of 0 is no limit."""
        rows = self.collection.find(query, sort=order or None, limit=limit, session=session)
        return map(self.read, rows)

    def insert(self, document: D, session: ClientSession | None = None) -> None:
        """Writes a new document. Raises `ValidationError`, `DuplicateKeyError`."""
        self.collection.insert_one(stored_form(document), session=session)

    def insert_row(self, row: RawDocument, session: ClientSession | None = None) -> None:
        """Writes a new document that is given in its stored form. Raises as `insert`, and `FieldDoesNotExist`."""
        self.collection.insert_one(self.checked(row), session=session)

    def checked(self, row: RawDocument) -> RawDocument:
        """Returns a stored form that fits. Raises `ValidationError`, `FieldDoesNotExist`."""
        self._class._from_son(row).validate()
        return row

    def replace(self, document: D, session: ClientSession | None = None) -> None:
        """Writes a document, new or in the place of that with its key. Raises `ValidationError`.

        What is not declared stays as it is stored: a process of another version may have written it.
        """
        row = stored_form(document)
        before = self.collection.find_one({"_id": row["_id"]}, session=session) or {}
        undeclared = {n: v for n, v in before.items() if n not in self._names}
        self.collection.replace_one({"_id": row["_id"]}, row | undeclared, upsert=True, session=session)

    def replace_found(self, query: RawDocument, row: RawDocument, session: ClientSession | None = None) -> bool:
        """Writes a stored form in the place of the document that a query finds. Returns whether it finds one. Raises
        `ValidationError`, `FieldDoesNotExist`.

        As with `replace`, what is not declared stays as it is stored.
        """
        fields = {name: value for name, value in self.checked(row).items() if name != "_id"}
        change: RawDocument = {"$set": fields}
        if left_out := self._names - row.keys():
            change["$unset"] = dict.fromkeys(left_out, "")
        return bool(self.collection.update_one(query, change, session=session).matched_count)

    def delete(self, key: Any, session: ClientSession | None = None) -> bool:
        """Deletes the document with this key. Returns whether there was one."""
        return bool(self.collection.delete_one({"_id": key}, session=session).deleted_count)

    def read(self, row: RawDocument) -> D:
        """Reads a stored document. What is not declared, of another version say, is left out."""
        document: D = self._class._from_son({n: v for n, v in row.items() if n in self._names})
        return document


def stored_form(document: Any) -> RawDocument:
    """The form in which a document is stored. Raises `ValidationError` when it does not fit its declaration."""
    document.validate()
    row: RawDocument = document.to_mongo()
    return row


def fields_of(document: Any) -> RawDocument:
    """The values of a document by the names of its fields, the key among them."""
    fields: RawDocument = document.to_mongo(use_db_field=False)
    return fields


def collection_name(document: DocumentClass) -> str:
    """The name of the collection that a document class declares."""
    return str(document._get_collection_name())


def indexes(document: DocumentClass) -> list[IndexModel]:
    """The indexes that a document class declares in its `meta`, beside that on `_id`."""
    specs: list[dict[str, Any]] = document._meta["index_specs"]
    return [IndexModel(spec["fields"], **{name: spec[name] for name in spec if name != "fields"}) for spec in specs]


def missing_indexes(declared: Sequence[IndexModel], collection: Collection[RawDocument]) -> list[IndexModel]:
    """Those of these indexes that a collection does not have in this form."""
    there = [index_form(index) for index in collection.list_indexes()]
    return [index for index in declared if index_form(index.document) not in there]


def index_form(index: Mapping[str, Any]) -> RawDocument:
    """An index by what it does: its name, fields in order, and options."""
    # The version is of the store's format; `background`, which mongoengine used to set, has no effect.
    options = {name: value for name, value in index.items() if name not in ("v", "background")}
    return options | {"key": list(index["key"].items())}
