"""Consents as they are kept."""

from chengxin.store.database import Store, UnitOfWork
from chengxin.values.document import RawDocument
from services.disclosure.store.documents import ConsentRow


class ConsentStore:
    """Consents: given by subjects, so the same in every generation."""

    def __init__(self, store: Store) -> None:
        self._rows = store.collection

    def by_id(self, consent_id: str, unit: UnitOfWork) -> RawDocument | None:
        """A consent."""
        return _consent(self._rows(ConsentRow).find_one({"_id": consent_id}, session=unit.session))

    def by_code(self, code_digest: str) -> RawDocument | None:
        """The consent whose code has this digest."""
        return _consent(self._rows(ConsentRow).find_one({"code_digest": code_digest}))

    def of_subject(self, ref: str, before: str, limit: int) -> list[RawDocument]:
        """A subject's consents, newest first, before one."""
        # A subject has few; a range of `_id` would read the whole collection.
        found = sorted(self._rows(ConsentRow).find({"subject_ref": ref}), key=lambda c: str(c["_id"]), reverse=True)
        return [{**c, "consent_id": c["_id"]} for c in found if not before or c["_id"] < before][:limit]

    def save(self, consent: RawDocument, unit: UnitOfWork) -> None:
        """Writes a consent, new or changed; what is not named stays."""
        row = {name: value for name, value in consent.items() if name not in ("_id", "consent_id")}
        self._rows(ConsentRow).update_one(
            {"_id": consent["consent_id"]}, {"$set": row}, upsert=True, session=unit.session
        )

    def return_use(self, consent_id: str) -> None:
        """One more use of a consent whose uses are counted."""
        self._rows(ConsentRow).update_one({"_id": consent_id}, {"$inc": {"uses_left": 1}})


def _consent(found: RawDocument | None) -> RawDocument | None:
    return found and {**found, "consent_id": found["_id"]}
