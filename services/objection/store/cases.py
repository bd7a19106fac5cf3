"""The objection service's database: cases, their evidence, and what comes from the feeds that the service follows."""

from collections.abc import Iterable, Sequence
from datetime import date, datetime
from itertools import islice

from pymongo import ReturnDocument

from chengxin.errors import InBoth
from chengxin.feeds.provider_regions import ProviderRegions
from chengxin.store.database import Store, UnitOfWork, session_of
from chengxin.store.documents import fields_of
from chengxin.store.field_encryption import KeyRing
from chengxin.values.document import RawDocument
from chengxin.values.ids import new_id
from chengxin.values.workdays import CalendarYear, WorkCalendar
from services.objection.domain.case_views import EntryNames
from services.objection.domain.cases import OBJECTION_CHANGED, Case
from services.objection.domain.deadlines import DEADLINE_UNKNOWN, CaseTimetable, DeadlineRules
from services.objection.store import documents
from services.objection.store.case_mapper import case_row, read_case


class ObjectionStore:
    """The service's own database. A `unit` makes a read part of its transaction."""

    def __init__(self, store: Store, keys: KeyRing) -> None:
        self.store = store
        self.follow = store.follow
        self._keys = keys
        self._case_rows = store.documents(documents.CaseRow)
        self._cases = self._case_rows.collection
        self._evidence = store.collection(documents.EvidenceRow)
        self._uploads = store.collection(documents.UploadRow)
        self._entries = store.documents(documents.EntryNamesRow)
        self._rules = store.documents(documents.RulesRow)
        self._years = store.documents(documents.CalendarRow)
        self._recounts = store.documents(documents.RecountRow)
        self._numbers = store.collection(documents.NumberRow)
        self.regions = ProviderRegions(store)

    def create_indexes(self) -> None:
        """Makes the collections and their indexes. A second call changes nothing."""
        self.store.create(documents.ALL)

    # Cases

    def case(self, objection_no: str, unit: UnitOfWork | None = None) -> Case | None:
        """Returns a case by its number."""
        row = self._cases.find_one({"_id": objection_no}, session=session_of(unit))
        return read_case(row, self._keys) if row else None

    def cases_of(self, applicant: str, before: str, limit: int) -> list[Case]:
        """Returns an applicant's cases before a number, newest first."""
        query: RawDocument = {"applicant": applicant} | ({"_id": {"$lt": before}} if before else {})
        return self._read_cases(self._cases.find(query).sort("_id", -1).limit(limit))

    def cases(self, state: str, late_on: date | None, after: str, limit: int) -> list[Case]:
        """Returns cases after a number, oldest first: those in a state, or all; with `late_on` only those that are
        overdue on that day."""
        query: RawDocument = {"_id": {"$gt": after}} | ({"state": state} if state else {})
        if late_on is not None:
            query |= {"open": True, "due": {"$gt": "", "$lt": late_on.isoformat()}}
        return self._read_cases(self._cases.find(query).sort("_id", 1).limit(limit))

    def tasks(self, provider: str, waiting_in: str, after: tuple[str, str], limit: int) -> list[Case]:
        """Returns a provider's cases since it was notified, in state `waiting_in` or in any, by due date and number."""
        due, _ = after
        query: RawDocument = {
            "record.provider_uscc": provider,
            "answer_due": {"$gte": due} if due else {"$gt": ""},
        }
        if waiting_in:
            query["state"] = waiting_in
        # This skips the cases of the day `due` that are not after `after`: with `$or`, SecantusDB scans everything.
        rows = self._cases.find(query).sort([("answer_due", 1), ("_id", 1)]).batch_size(limit + 1)
        following = (row for row in rows if (row["answer_due"], row["_id"]) > after)
        return self._read_cases(islice(following, limit))

    def open_cases(self, record_id: str, applicant: str, unit: UnitOfWork) -> list[Case]:
        """Returns the open cases of an applicant about a record."""
        query = {"record.record_id": record_id, "open": True, "applicant": applicant}
        return self._read_cases(self._cases.find(query, session=unit.session))

    def open_about(self, records: Sequence[str], unit: UnitOfWork) -> list[tuple[str, str]]:
        """Returns the number and the record of every open case about one of these records."""
        query = {"record.record_id": {"$in": list(records)}, "open": True}
        rows = self._cases.find(query, {"record.record_id": 1}, session=unit.session).sort("_id", 1)
        return [(row["_id"], row["record"]["record_id"]) for row in rows]

    def running_through(self, year: int, after: str, limit: int) -> list[str]:
        """Returns the numbers, after one of them, of open cases with a period that touches a year, or December of the
        year before, because the year's notice settles the end of that one too."""
        query = {
            "_id": {"$gt": after},
            "open": True,
            "due": {"$gte": f"{year - 1}-12-01"},
            "started": {"$lte": f"{year}-12-31"},
        }
        return [row["_id"] for row in self._cases.find(query, {"_id": 1}).sort("_id", 1).limit(limit)]

    def add(self, case: Case, unit: UnitOfWork) -> None:
        """Writes a new case."""
        self._case_rows.insert_row(case_row(case, self._keys), unit.session)

    def save(self, case: Case, before: Case, unit: UnitOfWork) -> None:
        """Writes a case that was changed from `before`. Raises OBJECTION_CHANGED when the stored case has another
        version by now."""
        loaded = {"_id": case.objection_no, "version": before.version}
        if not self._case_rows.replace_found(loaded, case_row(case, self._keys), unit.session):
            raise OBJECTION_CHANGED(objection_no=case.objection_no)

    def next_number(self, day: date, unit: UnitOfWork) -> int:
        """Takes the next number of a day: 1, 2, 3 …"""
        row = self._numbers.find_one_and_update(
            {"_id": day.isoformat()},
            {"$inc": {"count": 1}},
            upsert=True,
            return_document=ReturnDocument.AFTER,
            session=unit.session,
        )
        if row is None:
            raise RuntimeError("an upsert answered without its document")
        return int(row["count"])

    def upload(self, contents: Sequence[bytes], at: datetime) -> list[str]:
        """Keeps attachments, sealed, and returns their keys. A case has to take them over in its transaction.

        They are not written in that transaction, because a store takes no transaction of such a size (SecantusDB with
        a cache of 64 MiB refuses 5 MiB).
        """
        keys = [new_id("file") for _ in contents]
        if keys:
            self._uploads.insert_many([{"_id": key, "at": at} for key in keys])
        for key, content in zip(keys, contents, strict=True):
            self._evidence.insert_one({"_id": key, "content": self._keys.encrypt_bytes(content, key)})
        return keys

    def take_over(self, keys: Sequence[str], unit: UnitOfWork) -> None:
        """Notes that a case has these attachments from now on."""
        if keys:
            self._uploads.delete_many({"_id": {"$in": list(keys)}}, session=unit.session)

    def drop(self, keys: Sequence[str]) -> None:
        """Deletes those of the attachments that no case has taken over."""
        if not keys:
            return
        left = [row["_id"] for row in self._uploads.find({"_id": {"$in": list(keys)}})]
        self._evidence.delete_many({"_id": {"$in": left}})
        self._uploads.delete_many({"_id": {"$in": left}})

    def drop_left(self, before: datetime) -> None:
        """Deletes attachments from before an instant that no case has taken over because a process ended too soon."""
        self.drop([row["_id"] for row in self._uploads.find({"at": {"$lt": before}})])

    def content(self, key: str) -> bytes | None:
        """Returns the content of an attachment. Raises `DecryptionError` when it was altered."""
        row = self._evidence.find_one({"_id": key})
        return self._keys.decrypt_bytes(bytes(row["content"]), key) if row else None

    # What comes from the feeds

    def entry(self, code: str, version: int, unit: UnitOfWork | None = None) -> EntryNames | None:
        """Returns the names of an entry version and its items."""
        row = self._entries.get(f"{code}:{version}", session_of(unit))
        return EntryNames(code, version, row.name, row.items) if row else None

    def save_entry(self, entry: EntryNames, unit: UnitOfWork) -> None:
        """Writes the names of an entry version."""
        row = documents.EntryNamesRow(id=f"{entry.code}:{entry.version}", name=entry.name, items=entry.items)
        self._entries.replace(row, unit.session)

    def save_rules(self, version: int, effective_from: date, values: dict[str, int], unit: UnitOfWork) -> None:
        """Writes a version of the deadlines."""
        row = documents.RulesRow(id=version, effective_from=effective_from.isoformat(), values=values)
        self._rules.replace(row, unit.session)

    def save_year(self, year: CalendarYear, unit: UnitOfWork) -> None:
        """Writes a year of the calendar. When the year changes, marks it, so that its deadlines are counted again."""
        row = documents.CalendarRow(
            id=year.year,
            announced=year.announced,
            days_off=sorted(d.isoformat() for d in year.days_off),
            days_worked=sorted(d.isoformat() for d in year.days_worked),
        )
        before = self._years.get(year.year, unit.session)
        self._years.replace(row, unit.session)
        if before is None or fields_of(before) != fields_of(row):
            self._recounts.replace(documents.RecountRow(id=year.year, mark=new_id("recount")), unit.session)

    def years_to_recount(self) -> list[tuple[int, str]]:
        """Returns the years that have changed while deadlines are still to be counted again, each with the mark of the
        change."""
        return [(row.id, row.mark) for row in self._recounts.find({}, [("_id", 1)])]

    def recounted(self, year: int, mark: str) -> None:
        """Notes that all deadlines that touch a year have been counted again, unless the year has changed again
        meanwhile."""
        self._recounts.collection.delete_one({"_id": year, "mark": mark})

    def timetable_in_force(self, day: date, unit: UnitOfWork | None = None) -> CaseTimetable:
        """Returns the deadlines in force on a day, with the calendar. Raises DEADLINE_UNKNOWN."""
        query = {"effective_from": {"$lte": day.isoformat()}}
        row = self._rules.first(query, [("_id", -1)], session_of(unit))
        return self._make_timetable(row, unit)

    def timetable_of(self, case: Case, unit: UnitOfWork) -> CaseTimetable:
        """Returns the deadlines under which a case was filed, with the calendar. Raises DEADLINE_UNKNOWN."""
        return self._make_timetable(self._rules.get(case.rules_version, unit.session), unit)

    def _make_timetable(self, rules: documents.RulesRow | None, unit: UnitOfWork | None) -> CaseTimetable:
        if rules is None:
            raise DEADLINE_UNKNOWN(what=InBoth("异议处理期限规则", "the rule set of objections"), retry_after=5)
        years = [
            CalendarYear.of(row.id, row.announced, row.days_off, row.days_worked)
            for row in self._years.find({}, session=session_of(unit))
        ]
        return CaseTimetable(DeadlineRules(rules.id, rules.values), WorkCalendar(years))

    def _read_cases(self, rows: Iterable[RawDocument]) -> list[Case]:
        return [read_case(row, self._keys) for row in rows]
