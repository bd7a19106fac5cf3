"""What the public feed and its report of differences read beside the views."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from chengxin.mongo import Store, Unit
from services.disclosure.model import Shown, View
from services.disclosure.rows import PageRow, RecordRow, SubjectRow
from services.disclosure.shelf import unpack

Plain = dict[str, Any]

_PUBLIC: Final = View.PUBLIC.value


@dataclass(frozen=True, slots=True)
class Standing:
    """A record that is shown to the public, unless its period is over."""

    record_id: str
    version: int
    # The last day of disclosure; empty when there is none.
    due: str


class FeedStore:
    """Public records by subject and by provider."""

    def __init__(self, store: Store) -> None:
        self._rows = store.collection

    def public_of(self, ref: str, unit: Unit) -> Iterator[Shown]:
        """The public view of everything under one reference."""
        pages = list(self._rows(SubjectRow).find({"_id": ref}, {_PUBLIC: 1}, session=unit.session))
        pages += self._rows(PageRow).find({"ref": ref}, {_PUBLIC: 1}, session=unit.session)
        for page in pages:
            yield from unpack(page.get(_PUBLIC)).records

    def shown_by(self, provider: str, after: str, through: str, limit: int) -> list[Standing]:
        """What a provider's records the public is shown, in the order of record ids: after one, through another one, or
        with an empty `through` to the last."""
        # "!" comes after the space that ends a provider's code in the key.
        last = f"{provider} {through}" if through else f"{provider}!"
        query: Plain = {"shown": {"$gt": f"{provider} {after}", "$lte": last}}
        found = self._rows(RecordRow).find(query, {"version": 1, "due": 1}).sort("shown", 1).limit(limit)
        return [Standing(row["_id"], row["version"], row.get("due", "")) for row in found]
