"""What ingest keeps of each provider: the terms of its agreement, and how its columns are called."""

from collections.abc import Mapping
from typing import Any, Final

from mongoengine import BooleanField, DateTimeField, Document, ListField, StringField
from pymongo.client_session import ClientSession

from chengxin.store.database import Store
from chengxin.values.document import RawDocument


class ProviderAgreement(Document):
    """The terms under which a provider delivers."""

    id = StringField(primary_key=True)  # unified social credit code
    signature_required = BooleanField()
    # The agreement, for example its number.
    document = StringField()
    changed_at = DateTimeField()
    meta: Final = {"db_alias": "ingest", "collection": "agreements", "auto_create_index": False}


class ColumnMapping(Document):
    """Which item a provider's columns of one entry hold."""

    id = StringField(primary_key=True)  # <provider>/<entry code>
    # Header text and item code; no code for a column that is not read. Pairs, for a text may hold any character.
    columns = ListField(ListField(StringField()))
    changed_at = DateTimeField()
    meta: Final = {"db_alias": "ingest", "collection": "mappings", "auto_create_index": False}


class ProviderStore:
    """Every query on what is kept of a provider."""

    def __init__(self, store: Store) -> None:
        self.agreements = store.collection(ProviderAgreement)
        self.mappings = store.collection(ColumnMapping)

    def agreement(self, provider: str) -> RawDocument | None:
        """The terms of a provider; None where nothing was agreed."""
        found: RawDocument | None = self.agreements.find_one({"_id": provider})
        return found

    def keep_agreement(self, provider: str, terms: RawDocument, session: ClientSession) -> None:
        """Puts a provider's terms in place of those before."""
        self.agreements.replace_one({"_id": provider}, terms, upsert=True, session=session)

    def mapping(self, provider: str, entry: str) -> dict[str, str]:
        """A provider's header texts of an entry, with the code of the item, or none for a column that is not read."""
        found = self.mappings.find_one({"_id": f"{provider}/{entry}"})
        return dict(found["columns"]) if found else {}

    def keep_mapping(
        self, provider: str, entry: str, columns: Mapping[str, str], at: Any, session: ClientSession
    ) -> None:
        """Puts a mapping in place of the one before."""
        row = {"columns": [[label, code] for label, code in columns.items()], "changed_at": at}
        self.mappings.replace_one({"_id": f"{provider}/{entry}"}, row, upsert=True, session=session)
