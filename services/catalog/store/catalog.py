"""The catalog's collections and every query on them.

A document has the fields of the JSON of what it keeps, in the same order.
"""

from collections import defaultdict
from datetime import date
from typing import Final, TypeVar

from mongoengine import BooleanField, Document, IntField, ListField, StringField

from chengxin.proposals.documents import ProposalRow
from chengxin.store.database import Store, UnitOfWork, session_of
from chengxin.store.documents import ObjectField, ObjectListField, fields_of
from chengxin.store.retention import bounded, kept
from chengxin.values.document import RawDocument
from chengxin.values.workdays import CalendarYear
from services.catalog.domain import holiday_notice
from services.catalog.domain.code_list import CodeList, CodeListDraft, read_code_list, read_list_draft
from services.catalog.domain.draft import Comment, Draft, read_comment, read_draft
from services.catalog.domain.entry import Entry, Masking, Mode, SubjectKind, VersionName
from services.catalog.domain.entry_versions import read_entry
from services.catalog.domain.organisation import DirectoryEntry, read_organisation
from services.catalog.domain.rule_set import RuleSet, read_rule_set

R = TypeVar("R")
T = TypeVar("T")

# Sorts after every date: the last day of a version that has none.
_OPEN_END: Final = "9999-12-31"
_NEWEST: Final = (("version", -1),)
_BY_NAME: Final = (("name", 1), ("version", 1))


class DraftRow(Document):
    """A draft."""

    draft_id = StringField(primary_key=True)
    code = StringField(required=True)
    state = StringField(required=True)
    revision = IntField(required=True)
    version = IntField()
    created_at = StringField(required=True)
    updated_at = StringField(required=True)
    authors = ListField(StringField())
    reviews = ObjectListField()
    entry = ObjectField(required=True)
    meta = {
        "collection": "drafts",
        "retention": kept("how an entry came about: who proposed, reviewed and refused (Art. 8)"),
    }


class EntryRow(Document):
    """A published version: the contract's Entry."""

    key = StringField(primary_key=True)  # <code>:<version, 6 digits>
    code = StringField(required=True)
    name = ObjectField(required=True)
    providers = ObjectListField(required=True)
    subject_kinds = ListField(StringField())
    information_class = StringField()
    regions = ListField(StringField())
    update_cycle = StringField()
    sharing = ObjectField()
    openness = ObjectField()
    modes = ListField(StringField())
    items = ObjectListField(required=True)
    natural_key = ListField(StringField())
    subject_name_item = StringField()
    subject_id_items = ListField(StringField())
    reporting_limit_working_days = IntField()
    disclosure_period = ObjectField()
    legal_basis = ListField(StringField())
    legal_document = ObjectField()
    required_one_of = ObjectListField()
    cross_rules = ObjectListField()
    description = StringField()
    resource_code = StringField()
    coverage_note = StringField()
    version = IntField(required=True)
    effective_from = StringField(required=True)
    effective_to = StringField(required=True)
    published_at = StringField(required=True)
    publication_document = StringField()
    retirement_basis = StringField()
    # The last day in force, or `_OPEN_END`.
    until = StringField(required=True)
    meta = {
        "collection": "entries",
        "indexes": [{"fields": ["code", "version"], "unique": True}, ["effective_from", "until", "code"]],
        "retention": kept("a published version is what records, receipts and cases refer to for ever"),
    }


class RuleSetRow(Document):
    """A version of a rule set."""

    key = StringField(primary_key=True)  # <name>:<version, 6 digits>
    name = StringField(required=True)
    version = IntField(required=True)
    effective_from = StringField(required=True)
    values = ObjectField(required=True)
    meta = {
        "collection": "rule_sets",
        "retention": kept("a case remembers the version that it used (principle 10)"),
        "indexes": [{"fields": ["name", "version"], "unique": True}],
    }


class CalendarYearRow(Document):
    """The working days of a year."""

    year = IntField(primary_key=True)
    announced = BooleanField(required=True)
    days_off = ListField(StringField())
    days_worked = ListField(StringField())
    meta = {"collection": "calendar_years", "retention": bounded("one for each year")}


class CommentRow(Document):
    """A comment on a draft."""

    comment_id = StringField(primary_key=True)
    draft_id = StringField(required=True)
    # The revision that was read, and the place in it.
    revision = IntField(required=True)
    where = StringField()
    stance = StringField(required=True)
    text = StringField(required=True)
    org = StringField(required=True)
    author = StringField(required=True)
    at = StringField(required=True)
    meta = {
        "collection": "draft_comments",
        "indexes": [["draft_id", "comment_id"]],
        "retention": kept("part of how an entry came about"),
    }


class CodeListRow(Document):
    """A published version of a code list."""

    key = StringField(primary_key=True)  # <name>:<version, 6 digits>
    name = StringField(required=True)
    title = ObjectField(required=True)
    values = ObjectListField(required=True)
    standard = StringField()
    version = IntField(required=True)
    effective_from = StringField(required=True)
    published_at = StringField(required=True)
    meta = {
        "collection": "code_lists",
        "retention": kept("as published versions of entries, which have copies of them (decision 9)"),
        "indexes": [{"fields": ["name", "version"], "unique": True}],
    }


class CodeListDraftRow(Document):
    """A version of a code list in preparation."""

    draft_id = StringField(primary_key=True)
    # The version as which it was published; 0 before that.
    version = IntField(required=True)
    code_list = ObjectField(required=True)
    # Drafts of former versions lack these.
    revision = IntField()
    authors = ListField(StringField())
    meta = {"collection": "code_list_drafts", "retention": kept("how a code list came about")}


class OrganisationRow(Document):
    """An organisation of the directory."""

    uscc = StringField(primary_key=True)
    name = StringField(required=True)
    kind = StringField(required=True)
    region = StringField(required=True)
    functions = ListField(StringField(), required=True)
    responsible_unit = StringField()
    contact_function = StringField()
    telephone = StringField()
    officers = ObjectListField()
    active = BooleanField(required=True)
    # Whether the feed told its region; a former version did not.
    region_told = BooleanField()
    meta = {
        "collection": "organisations",
        "indexes": [["region", "uscc"]],
        "retention": bounded("one for each organisation of the directory, also of those that are dissolved"),
    }


ALL: Final = (
    *(DraftRow, EntryRow, RuleSetRow, CalendarYearRow, CommentRow),
    *(CodeListRow, CodeListDraftRow, OrganisationRow, ProposalRow),
)


class CatalogStore:
    """The catalog's database."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.transact = store.transact
        self.once = store.once
        self.once_on = store.once_on
        self.follow = store.follow
        self._drafts = store.documents(DraftRow)
        self._comments = store.documents(CommentRow)
        self._entries = store.documents(EntryRow)
        self._rule_sets = store.documents(RuleSetRow)
        self._years = store.documents(CalendarYearRow)
        self._lists = store.documents(CodeListRow)
        self._list_drafts = store.documents(CodeListDraftRow)
        self._organisations = store.documents(OrganisationRow)

    def create_indexes(self) -> None:
        """Makes the collections and their indexes. A second call changes nothing."""
        self.store.create(ALL)

    def draft(self, draft_id: str, unit: UnitOfWork | None = None) -> Draft | None:
        """Returns a draft by its id."""
        row = self._drafts.get(draft_id, session_of(unit))
        return read_draft(fields_of(row)) if row else None

    def drafts(self, after: str, limit: int, provider: str | None = None) -> list[Draft]:
        """Returns drafts after an id, oldest first; where a provider is given, only those that name it."""
        query: RawDocument = {"_id": {"$gt": after}}
        if provider is not None:
            query["entry.providers.uscc"] = provider
        return [read_draft(fields_of(row)) for row in self._drafts.find(query, [("_id", 1)], limit)]

    def save_draft(self, draft: Draft, unit: UnitOfWork) -> None:
        """Writes a draft, new or edited."""
        self._drafts.replace(DraftRow(**draft.to_dict()), unit.session)

    def comments(self, draft_id: str, after: str, limit: int) -> list[Comment]:
        """Returns the comments on a draft after an id, oldest first."""
        query = {"draft_id": draft_id, "_id": {"$gt": after}}
        return [read_comment(fields_of(row)) for row in self._comments.find(query, [("_id", 1)], limit)]

    def save_comment(self, comment: Comment, unit: UnitOfWork) -> None:
        """Writes a new comment."""
        self._comments.insert(CommentRow(**comment.to_dict()), unit.session)

    def entry(self, code: str, version: int) -> Entry | None:
        """Returns one published version."""
        row = self._entries.get(_key(code, version))
        return read_entry(fields_of(row)) if row else None

    def entry_in_force(self, code: str, day: date) -> Entry | None:
        """Returns the version in force on a day."""
        row = self._entries.first({"code": code, **_in_force(day)})
        return read_entry(fields_of(row)) if row else None

    def entries_in_force(self, day: date, after: str, limit: int) -> list[Entry]:
        """Returns the versions in force on a day, by code, after a code."""
        rows = self._entries.find({"code": {"$gt": after}, **_in_force(day)}, [("code", 1)], limit)
        return [read_entry(fields_of(row)) for row in rows]

    def names_masked(self, day: date, but: str, unit: UnitOfWork | None = None) -> dict[str, set[str]]:
        """Returns whose names (`EntryContent.names_masked`) entries in force on a day or later mask in public, with their
        codes; one entry is left out."""
        query: RawDocument = {"until": {"$gte": day.isoformat()}, "code": {"$ne": but}, "modes": Mode.PUBLIC.value}
        query |= {"$or": [{"subject_kinds": SubjectKind.INDIVIDUAL.value}, {"items.masking": Masking.NAME.value}]}
        masked: dict[str, set[str]] = defaultdict(set)
        for row in self._entries.find(query, session=session_of(unit)):
            content = read_entry(fields_of(row)).content
            for persons in content.names_masked():
                masked[persons].add(content.code)
        return masked

    def versions_in_force(self, day: date, limit: int) -> list[VersionName]:
        """Returns the names of the versions in force on a day, by code, without reading what they say."""
        rows = self._entries.collection.find(_in_force(day), {"code": 1, "version": 1}, sort=[("code", 1)], limit=limit)
        return [VersionName(row["code"], row["version"]) for row in rows]

    def versions(self, code: str, after: int, limit: int) -> list[Entry]:
        """Returns every version of an entry after a version, oldest first."""
        rows = self._entries.find({"code": code, "version": {"$gt": after}}, [("version", 1)], limit)
        return [read_entry(fields_of(row)) for row in rows]

    def newest(self, code: str, unit: UnitOfWork | None = None) -> Entry | None:
        """Returns the newest version of an entry, in force or not."""
        row = self._entries.first({"code": code}, _NEWEST, session_of(unit))
        return read_entry(fields_of(row)) if row else None

    def save_entry(self, entry: Entry, unit: UnitOfWork) -> None:
        """Writes a new version, or the last day of one."""
        fields = entry.to_dict()
        key, until = _key(fields["code"], entry.version), fields["effective_to"] or _OPEN_END
        self._entries.replace(EntryRow(key=key, until=until, **fields), unit.session)

    def rule_sets(self, name: str, after: tuple[str, int], limit: int) -> list[RuleSet]:
        """Returns every version of all rule sets, or of those of one name, after a name and version."""
        query: RawDocument = {"$or": [{"name": {"$gt": after[0]}}, {"name": after[0], "version": {"$gt": after[1]}}]}
        if name:
            query["name"] = name
        return [read_rule_set(fields_of(row)) for row in self._rule_sets.find(query, _BY_NAME, limit)]

    def newest_rule_set(self, name: str, unit: UnitOfWork | None = None) -> RuleSet | None:
        """Returns the newest rules of a name, in force or not."""
        row = self._rule_sets.first({"name": name}, _NEWEST, session_of(unit))
        return read_rule_set(fields_of(row)) if row else None

    def rule_set_in_force(self, name: str, day: date, unit: UnitOfWork | None = None) -> RuleSet | None:
        """Returns the newest rules of a name that are effective on a day."""
        query = {"name": name, "effective_from": {"$lte": day.isoformat()}}
        row = self._rule_sets.first(query, _NEWEST, session_of(unit))
        return read_rule_set(fields_of(row)) if row else None

    def save_rule_set(self, rules: RuleSet, unit: UnitOfWork) -> None:
        """Writes a new version."""
        self._rule_sets.insert(RuleSetRow(key=_key(rules.name, rules.version), **rules.to_dict()), unit.session)

    def calendar_year(self, year: int, unit: UnitOfWork | None = None) -> CalendarYear | None:
        """Returns the working days of a year."""
        row = self._years.get(year, session_of(unit))
        return holiday_notice.read_year(fields_of(row)) if row else None

    def calendar_years(self) -> list[CalendarYear]:
        """Returns all years of the calendar, in order."""
        return [holiday_notice.read_year(fields_of(row)) for row in self._years.find({}, [("_id", 1)])]

    def save_calendar_year(self, year: CalendarYear, unit: UnitOfWork) -> None:
        """Writes a year, new or corrected."""
        self._years.replace(CalendarYearRow(**holiday_notice.year_to_dict(year)), unit.session)

    def code_list(self, name: str, version: int, unit: UnitOfWork | None = None) -> CodeList | None:
        """Returns one published version of a code list."""
        row = self._lists.get(_key(name, version), session_of(unit))
        return read_code_list(fields_of(row)) if row else None

    def code_list_in_force(self, name: str, day: date, unit: UnitOfWork | None = None) -> CodeList | None:
        """Returns the newest version of a code list that is effective on a day."""
        row = self._lists.first({"name": name, "effective_from": {"$lte": day.isoformat()}}, _NEWEST, session_of(unit))
        return read_code_list(fields_of(row)) if row else None

    def code_lists_in_force(self, day: date, after: str, limit: int) -> list[CodeList]:
        """Returns the lists in force on a day, one version of each, by name, after a name."""
        query = {"name": {"$gt": after}, "effective_from": {"$lte": day.isoformat()}}
        newest: dict[str, CodeListRow] = {}
        # There are tens of lists, and each has few versions.
        for row in self._lists.find(query, _BY_NAME):
            if len(newest | {row.name: row}) > limit:
                break
            newest[row.name] = row
        return [read_code_list(fields_of(row)) for row in newest.values()]

    def newest_code_list(self, name: str, unit: UnitOfWork | None = None) -> CodeList | None:
        """Returns the newest version of a code list, in force or not."""
        row = self._lists.first({"name": name}, _NEWEST, session_of(unit))
        return read_code_list(fields_of(row)) if row else None

    def save_code_list(self, codes: CodeList, unit: UnitOfWork) -> None:
        """Writes a new version."""
        key = _key(codes.content.name, codes.version)
        self._lists.insert(CodeListRow(key=key, **codes.to_dict()), unit.session)

    def list_draft(self, draft_id: str, unit: UnitOfWork | None = None) -> CodeListDraft | None:
        """Returns a draft of a code list by its id."""
        row = self._list_drafts.get(draft_id, session_of(unit))
        return read_list_draft(fields_of(row)) if row else None

    def list_drafts(self, after: str, limit: int) -> list[CodeListDraft]:
        """Returns drafts of code lists after an id, oldest first."""
        rows = self._list_drafts.find({"_id": {"$gt": after}}, [("_id", 1)], limit)
        return [read_list_draft(fields_of(row)) for row in rows]

    def save_list_draft(self, draft: CodeListDraft, unit: UnitOfWork) -> None:
        """Writes a draft of a code list, new or edited."""
        self._list_drafts.replace(CodeListDraftRow(**draft.to_dict()), unit.session)

    def organisation(self, uscc: str, unit: UnitOfWork | None = None) -> DirectoryEntry | None:
        """Returns an organisation by its credit code."""
        row = self._organisations.get(uscc, session_of(unit))
        return read_organisation(fields_of(row)) if row else None

    def organisations(self, region: str, function: str, after: str, limit: int) -> list[DirectoryEntry]:
        """Returns organisations by credit code, after a code; where a region or a function is given, only those that
        have it."""
        query: RawDocument = {"_id": {"$gt": after}}
        if region:
            query["region"] = region
        if function:
            query["functions"] = function
        rows = self._organisations.find(query, [("_id", 1)], limit)
        return [read_organisation(fields_of(row)) for row in rows]

    def save_organisation(self, organisation: DirectoryEntry, unit: UnitOfWork) -> None:
        """Writes an organisation, new or changed, and tells its region in the feed."""
        row = OrganisationRow(**organisation.to_dict(), region_told=True)
        self._organisations.replace(row, unit.session)
        told = {"uscc": organisation.uscc, "region": organisation.region}
        unit.publish("organisation_region", organisation_region=told)

    def region_untold(self, unit: UnitOfWork, limit: int) -> list[DirectoryEntry]:
        """Returns organisations whose region the feed has not told."""
        rows = self._organisations.find({"region_told": {"$ne": True}}, [("_id", 1)], limit, unit.session)
        return [read_organisation(fields_of(row)) for row in rows]


def _key(name: str, version: int) -> str:
    return f"{name}:{version:06d}"


def _in_force(day: date) -> RawDocument:
    return {"effective_from": {"$lte": day.isoformat()}, "until": {"$gte": day.isoformat()}}
