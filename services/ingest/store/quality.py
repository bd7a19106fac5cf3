"""The collections of quality and timeliness, and every query on them. Everything but declarations is derived."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime
from typing import Any, Final

from pymongo.client_session import ClientSession

from chengxin.store.database import Store, find_among
from chengxin.values.document import RawDocument
from services.ingest.store.documents import (
    FollowedRuleSet,
    QualityDay,
    QualityFinding,
    QualitySeries,
    QualityState,
)

_STATE: Final = "derived"


class QualityStore:
    """Every query of quality and timeliness on ingest's store."""

    def __init__(self, store: Store) -> None:
        self.states = store.collection(QualityState)
        self.series = store.collection(QualitySeries)
        self.days = store.collection(QualityDay)
        self.findings = store.collection(QualityFinding)
        self.rules = store.collection(FollowedRuleSet)

    def state(self, session: ClientSession | None = None) -> RawDocument:
        """Returns how far counting is; empty before it began."""
        return self.states.find_one({"_id": _STATE}, session=session) or {}

    def set_state(self, values: Mapping[str, Any], session: ClientSession) -> None:
        """Saves how far counting is, in the transaction that writes the derived figures."""
        self.states.update_one({"_id": _STATE}, {"$set": dict(values)}, upsert=True, session=session)

    def one_series(self, key: str, session: ClientSession | None = None) -> RawDocument | None:
        """Returns a series by its key."""
        return self.series.find_one({"_id": key}, session=session)

    def put_series(self, row: RawDocument, session: ClientSession) -> None:
        """Keeps a series."""
        self.series.replace_one({"_id": row["_id"]}, row, upsert=True, session=session)

    def series_of(self, provider: str) -> dict[str, RawDocument]:
        """Returns the series of a provider by key; of all providers when `provider` is empty."""
        return {row["_id"]: row for row in self.series.find({"provider": provider} if provider else {})}

    def providers_in(self, region: str) -> list[str]:
        """Returns the providers of a region that have a series."""
        return sorted(self.series.distinct("provider", {"region": region}))

    def counted_entries(self) -> set[str]:
        """Returns the codes of the entries that have a series."""
        return set(self.series.distinct("entry_code"))

    def day(self, series: str, day: str, session: ClientSession) -> RawDocument | None:
        """Returns the document with the figures of a series on a day."""
        return self.days.find_one({"_id": f"{series}/{day}"}, session=session)

    def put_day(self, series: str, day: str, figures: RawDocument, session: ClientSession) -> None:
        """Keeps the figures of a day."""
        row = {"_id": f"{series}/{day}", "series": series, "day": day, "figures": figures}
        self.days.replace_one({"_id": row["_id"]}, row, upsert=True, session=session)

    def days_of(self, series: str, first: date, last: date) -> Iterator[tuple[date, RawDocument]]:
        """Yields the figures of a series from day `first` to day `last`; days without figures are left out."""
        query = {"series": series, "day": {"$gte": first.isoformat(), "$lte": last.isoformat()}}
        for row in self.days.find(query):
            yield date.fromisoformat(row["day"]), row["figures"]

    def finding(self, finding_id: str, session: ClientSession | None = None) -> RawDocument | None:
        """Returns a finding by its id."""
        return self.findings.find_one({"_id": finding_id}, session=session)

    def findings_named(self, ids: Sequence[str], session: ClientSession) -> dict[str, RawDocument]:
        """Returns those of these findings that exist, by id."""
        return {row["_id"]: row for row in find_among(self.findings, "_id", ids, session=session)}

    def put_finding(self, row: RawDocument, session: ClientSession) -> None:
        """Keeps a finding. What another version has stored of it stays."""
        fields = {name: value for name, value in row.items() if name != "_id"}
        self.findings.update_one({"_id": row["_id"]}, {"$set": fields}, upsert=True, session=session)

    def findings_of(self, wanted: RawDocument, before: Any, limit: int) -> list[RawDocument]:
        """Returns findings with these values, latest first, after the position `before` (first_seen, _id). A `limit` of
        0 is no limit."""
        query: RawDocument = {name: value for name, value in wanted.items() if value}
        if before is not None:
            at = datetime.fromisoformat(before[0])
            query["$or"] = [{"first_seen": {"$lt": at}}, {"first_seen": at, "_id": {"$lt": before[1]}}]
        return list(self.findings.find(query).sort([("first_seen", -1), ("_id", -1)]).limit(limit))

    def put_rules(self, version: int, effective_from: str, values: Mapping[str, int], session: ClientSession) -> None:
        """Keeps a version of the thresholds."""
        row = {"effective_from": effective_from, "values": dict(values)}
        self.rules.replace_one({"_id": version}, row, upsert=True, session=session)

    def rule_versions(self) -> list[RawDocument]:
        """Returns every version of the thresholds."""
        return list(self.rules.find())


def series_key(provider: str, entry: str) -> str:
    """Returns the key of a series."""
    return f"{provider}/{entry}"
