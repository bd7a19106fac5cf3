"""What the stores of a running city hold fits the documents that declare it, whichever way it was written."""

import re
from collections.abc import Iterator
from typing import Any

import mongoengine
import pytest
from mongoengine.errors import FieldDoesNotExist, ValidationError

import gateway.store.accounts
import gateway.store.administration
import services.audit.store.log
import services.catalog.store.catalog
import services.disclosure.store.documents
import services.ingest.store.agreements
import services.ingest.store.documents
import services.ingest.store.quality
import services.objection.store.documents
from tests.city import City

MODULES = {
    "audit": (services.audit.store.log,),
    "catalog": (services.catalog.store.catalog,),
    "disclosure": (services.disclosure.store.documents,),
    "gateway": (gateway.store.accounts, gateway.store.administration),
    "ingest": (services.ingest.store.documents, services.ingest.store.agreements, services.ingest.store.quality),
    "objection": (services.objection.store.documents,),
}
# Of the kernel's store, the same in every service; `chengxin.store` alone writes them.
KERNEL = {"outbox", "counters", "positions", "idempotency", "transaction_sessions", "quarantine", "leases"}
# Of each collection so many are looked at.
MOST = 300


def documents(service: str) -> dict[str, type[mongoengine.Document]]:
    """The documents of a service by the name of their collection."""
    return {
        value._get_collection_name(): value
        for module in MODULES[service]
        for value in vars(module).values()
        if isinstance(value, type)
        and issubclass(value, mongoengine.Document)
        and value.__module__ == module.__name__
        and not value._meta.get("abstract")
    }


def collections(city: City, service: str) -> Iterator[tuple[str, Any]]:
    """The collections of a service; those of a generation under the name that they have in every one."""
    database = city.store(service)
    for name in database.list_collection_names():
        base = re.sub(r"^g[0-9]+[._]|[._]g?[0-9]+$", "", name)
        if base not in KERNEL and not name.startswith("system."):
            yield base, database[name]


@pytest.mark.parametrize("service", MODULES)
def test_what_is_kept_fits_its_document(city: City, service: str) -> None:
    declared, wrong, seen = documents(service), [], 0
    for name, collection in collections(city, service):
        if name not in declared:
            wrong.append(f"{name}: no document declares it")
            continue
        for row in collection.find().limit(MOST):
            seen += 1
            try:
                declared[name]._from_son(row).validate(clean=False)
            except (FieldDoesNotExist, ValidationError, TypeError, ValueError) as e:
                wrong.append(f"{name}: {type(e).__name__}: {str(e)[:300]}")
                break
    assert not wrong, "\n".join(wrong)
    assert seen
