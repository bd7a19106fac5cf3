"""Objections to records, as the objection service's feed tells them."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from pymongo.collection import Collection

from chengxin.store.database import UnitOfWork, find_among
from chengxin.values.document import RawDocument
from services.disclosure.store.documents import ObjectionRow
from services.disclosure.store.subject_state import RecordLocation

# Awaited records that one round looks at.
_AWAITED_PER_ROUND: Final = 1000


class FollowedObjectionStore:
    """Which records are objected to, also those that have not come yet."""

    def __init__(
        self,
        rows: Callable[[Any], Collection[RawDocument]],
        locations: Callable[[Sequence[str]], Mapping[str, RecordLocation]],
    ) -> None:
        self._rows = rows
        self._locations = locations

    def objected(self, record_ids: Sequence[str], unit: UnitOfWork) -> set[str]:
        """Returns those of the records to which an objection is open."""
        rows = find_among(self._rows(ObjectionRow), "record_id", record_ids, None, unit.session)
        return {row["record_id"] for row in rows if row["open"]}

    def awaited(self, record_ids: Sequence[str], unit: UnitOfWork) -> set[str]:
        """Returns those of new records to which an open objection came before them. From now on no objection awaits
        them."""
        rows = self._rows(ObjectionRow)
        if rows.find_one({"waiting": True}, {"_id": 1}, session=unit.session) is None:
            return set()
        objected = self.objected(record_ids, unit)
        for record_id in record_ids:
            rows.update_many(
                {"record_id": record_id, "waiting": True}, {"$unset": {"waiting": ""}}, session=unit.session
            )
        return objected

    def awaited_in_vain(self, after: str = "") -> tuple[list[str], str]:
        """Returns records that are known while an objection still awaits them: they came at the same moment as the
        objection, in another process. It looks at some of the objections that wait, those after a number, and returns
        the number to go on after; empty at the end."""
        query: RawDocument = {"waiting": True, "_id": {"$gt": after}}
        found = self._rows(ObjectionRow).find(query, {"record_id": 1}).sort("_id", 1).limit(_AWAITED_PER_ROUND)
        rows = list(found)
        known = self._locations(list(dict.fromkeys(row["record_id"] for row in rows)))
        return list(known), rows[-1]["_id"] if len(rows) == _AWAITED_PER_ROUND else ""

    def save(
        self, number: str, record_id: str, is_open: bool, position: int, known_record: bool, unit: UnitOfWork
    ) -> bool:
        """Keeps the state of an objection. Returns False when a newer state is known."""
        rows = self._rows(ObjectionRow)
        known = rows.find_one({"_id": number}, session=unit.session)
        if known is not None and known["position"] > position:
            return False
        row: RawDocument = {"_id": number, "record_id": record_id, "open": is_open, "position": position}
        if not known_record:
            row["waiting"] = True
        rows.replace_one({"_id": number}, row, upsert=True, session=unit.session)
        return True
