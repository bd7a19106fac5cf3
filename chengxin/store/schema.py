"""Makes the collections and indexes that documents declare, when a service starts."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final

from pymongo.collection import Collection
from pymongo.database import Database
from pymongo.errors import OperationFailure

from chengxin.store.documents import DocumentClass, index_form, indexes, missing_indexes
from chengxin.values.document import RawDocument

# What a store answers to the creation of a collection that is there.
_NAMESPACE_EXISTS: Final = 48
# What it answers to an index that it has under this name, or over these fields, in another form.
_INDEX_OPTIONS_CONFLICT: Final = 85
_INDEX_KEY_SPECS_CONFLICT: Final = 86
# Two documents that a unique index forbids.
_DUPLICATE_KEY: Final = 11000
_CONFLICTS: Final = (_INDEX_OPTIONS_CONFLICT, _INDEX_KEY_SPECS_CONFLICT, _DUPLICATE_KEY)


class IndexConflict(RuntimeError):
    """A store has an index in another form than a document declares, or documents that a declared index forbids.

    The service does not start. Nothing is dropped for it: somebody may have made the index by hand, for a reason.
    """


def create_collections(
    db: Database[RawDocument], documents: Iterable[DocumentClass], name: Callable[[DocumentClass], str]
) -> None:
    """Makes the collections and indexes of document classes that are missing; `name` says where they are kept.

    Each collection is there before a transaction writes to it, because the embedded server makes none in a transaction.
    Raises `IndexConflict`.
    """
    existing = set(db.list_collection_names())
    for document in documents:
        collection = db[name(document)]
        declared = indexes(document)
        if declared and collection.name in existing:
            declared = missing_indexes(declared, collection)
        if declared:
            try:
                # One command makes all of them, and the collection.
                collection.create_indexes(declared)
            except OperationFailure as e:
                if e.code not in _CONFLICTS:
                    raise
                wanted = [index.document for index in declared]
                raise IndexConflict(_explanation(document.__name__, collection, wanted, e)) from e
        elif collection.name not in existing:
            _create_collection(db, collection.name)


def _create_collection(db: Database[RawDocument], name: str) -> None:
    try:
        db.create_collection(name, check_exists=False)
    except OperationFailure as e:
        # Another process of the service starts at the same moment.
        if e.code != _NAMESPACE_EXISTS:
            raise


def _explanation(
    document: str, collection: Collection[RawDocument], wanted: Sequence[RawDocument], error: OperationFailure
) -> str:
    """What is wrong and how to mend it, in lines that the log does not cut."""
    where = f"{collection.database.name}.{collection.name}"
    # The store may have made some of them before it came to the one that it refuses.
    there = [(stored, index_form(stored)) for stored in collection.list_indexes()]
    for index in wanted:
        form = index_form(index)
        for stored, stored_form in there:
            if stored_form == form or (stored["name"] != index["name"] and stored_form["key"] != form["key"]):
                continue
            drop = f'db.getCollection("{collection.name}").dropIndex("{stored["name"]}")'
            return (
                f"集合 {where} 的索引 {stored['name']} 与 {document} 的声明不同，服务无法启动。\n"
                f"如无人需要该索引，请执行 {drop} 后重新启动。\n"
                f"The index {stored['name']} of the collection {where} differs from what {document} declares.\n"
                f"The service does not start. If nobody needs that index, run {drop} and start again.\n"
                f"stored: {_told(stored)}\n"
                f"declared: {_told(index)}"
            )
    fields = [dict(index["key"]) for index in wanted if index.get("unique")]
    return (
        f"集合 {where} 中有 {document} 的唯一索引 {fields} 不允许的重复文档，服务无法启动。\n"
        "请更正或删除重复的文档后重新启动。\n"
        f"The collection {where} has documents that the unique index {fields} of {document} forbids.\n"
        "The service does not start. Correct or remove the duplicates, and start again.\n"
        f"the store says: {str(error)[:150]}"
    )


def _told(index: Mapping[str, Any]) -> RawDocument:
    return {name: dict(value) if name == "key" else value for name, value in index.items() if name != "v"}
