"""What ingest keeps of each provider: the terms of its agreement, and the names of its columns."""

from collections.abc import Mapping
from typing import Any

from pymongo.client_session import ClientSession

from chengxin.store.database import Store
from chengxin.store.documents import fields_of
from chengxin.values.document import RawDocument
from services.ingest.store.documents import ColumnMapping, ProviderAgreement


class ProviderStore:
    """Every query on the terms and columns of providers."""

    def __init__(self, store: Store) -> None:
        self._agreements = store.documents(ProviderAgreement)
        self._mappings = store.documents(ColumnMapping)

    def agreement(self, provider: str, session: ClientSession | None = None) -> RawDocument | None:
        """Returns the terms of a provider; None where nothing was agreed."""
        terms = self._agreements.get(provider, session)
        return fields_of(terms) if terms else None

    def keep_agreement(self, provider: str, terms: RawDocument, session: ClientSession) -> None:
        """Puts a provider's terms in the place of those before."""
        self._agreements.replace(ProviderAgreement(id=provider, **terms), session)

    def mapping(self, provider: str, entry: str) -> dict[str, str]:
        """Returns a provider's header texts for an entry, each with its item code; the code is empty for a column that
        is not read."""
        row = self._mappings.get(f"{provider}/{entry}")
        return dict(row.columns) if row else {}

    def keep_mapping(
        self, provider: str, entry: str, columns: Mapping[str, str], at: Any, session: ClientSession
    ) -> None:
        """Puts a mapping in the place of the one before."""
        pairs = [[label, code] for label, code in columns.items()]
        self._mappings.replace(ColumnMapping(id=f"{provider}/{entry}", columns=pairs, changed_at=at), session)
