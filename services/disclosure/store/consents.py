"""The stored consents."""

from typing import Final

from chengxin.store.database import Store, UnitOfWork, session_of
from chengxin.store.documents import fields_of, stored_form
from chengxin.values.document import RawDocument
from services.disclosure.store.documents import ConsentRow

# Queries of one consent that go on at a time: the oldest is forgotten.
_MOST_FURTHER: Final = 50


class ConsentStore:
    """Consents. Subjects give them, so they are the same in every generation."""

    def __init__(self, store: Store) -> None:
        self._consents = store.documents(ConsentRow)

    def by_id(self, consent_id: str, unit: UnitOfWork | None = None) -> RawDocument | None:
        """Returns a consent by its id."""
        row = self._consents.get(consent_id, session_of(unit))
        return fields_of(row) if row else None

    def by_code(self, code_digest: str) -> RawDocument | None:
        """Returns the consent whose code has this digest."""
        row = self._consents.first({"code_digest": code_digest})
        return fields_of(row) if row else None

    def of_subject(self, ref: str, before: str, limit: int) -> list[RawDocument]:
        """Returns a subject's consents before one, newest first."""
        # A subject has few consents; a query for a range of `_id` would read the whole collection.
        rows = sorted(self._consents.find({"subject_ref": ref}), key=lambda row: str(row.consent_id), reverse=True)
        return [fields_of(row) for row in rows if not before or row.consent_id < before][:limit]

    def save(self, consent: RawDocument, unit: UnitOfWork) -> None:
        """Writes a consent, new or changed. The digest of its code stays where none is named. Raises
        `ValidationError`."""
        fields = stored_form(ConsentRow(**consent))
        self._consents.collection.update_one(
            {"_id": fields.pop("_id")}, {"$set": fields}, upsert=True, session=unit.session
        )

    def take_use(self, consent_id: str) -> bool:
        """Takes one use of a consent whose uses are counted. Returns False when none is left."""
        left = {"_id": consent_id, "uses_left": {"$gt": 0}}
        return bool(self._consents.collection.update_one(left, {"$inc": {"uses_left": -1}}).modified_count)

    def add_further(self, consent_id: str, page: str) -> None:
        """Remembers a further page of a query that was counted."""
        pages = {"$each": [page], "$slice": -_MOST_FURTHER}
        self._consents.collection.update_one({"_id": consent_id}, {"$push": {"further": pages}})

    def return_use(self, consent_id: str) -> None:
        """Gives back one use of a consent whose uses are counted."""
        self._consents.collection.update_one({"_id": consent_id}, {"$inc": {"uses_left": 1}})
