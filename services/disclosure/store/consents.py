"""The stored consents."""

from chengxin.store.database import Store, UnitOfWork
from chengxin.values.document import RawDocument
from services.disclosure.store.documents import ConsentRow


class ConsentStore:
    """Consents. Subjects give them, so they are the same in every generation."""

    def __init__(self, store: Store) -> None:
        self._collection = store.collection

    def by_id(self, consent_id: str, unit: UnitOfWork) -> RawDocument | None:
        """Returns a consent by its id."""
        return _with_consent_id(self._collection(ConsentRow).find_one({"_id": consent_id}, session=unit.session))

    def by_code(self, code_digest: str) -> RawDocument | None:
        """Returns the consent whose code has this digest."""
        return _with_consent_id(self._collection(ConsentRow).find_one({"code_digest": code_digest}))

    def of_subject(self, ref: str, before: str, limit: int) -> list[RawDocument]:
        """Returns a subject's consents before one, newest first."""
        # A subject has few consents; a query for a range of `_id` would read the whole collection.
        consents = sorted(
            self._collection(ConsentRow).find({"subject_ref": ref}), key=lambda c: str(c["_id"]), reverse=True
        )
        return [{**c, "consent_id": c["_id"]} for c in consents if not before or c["_id"] < before][:limit]

    def save(self, consent: RawDocument, unit: UnitOfWork) -> None:
        """Writes a consent, new or changed. Fields that are not named stay."""
        row = {name: value for name, value in consent.items() if name not in ("_id", "consent_id")}
        self._collection(ConsentRow).update_one(
            {"_id": consent["consent_id"]}, {"$set": row}, upsert=True, session=unit.session
        )

    def return_use(self, consent_id: str) -> None:
        """Gives back one use of a consent whose uses are counted."""
        self._collection(ConsentRow).update_one({"_id": consent_id}, {"$inc": {"uses_left": 1}})


def _with_consent_id(row: RawDocument | None) -> RawDocument | None:
    return row and {**row, "consent_id": row["_id"]}
