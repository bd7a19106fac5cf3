"""The objection service's documents, which describe its collections and their indexes."""

from typing import Final

from mongoengine import BinaryField, BooleanField, DateTimeField, DictField, Document, IntField, ListField, StringField

from chengxin.feeds.provider_regions import OrganisationRegionRow
from chengxin.store.documents import ObjectField, ObjectListField
from chengxin.store.retention import bounded, kept, removed


class CaseRow(Document):
    """An objection. `words` has everything that people wrote, sealed."""

    id = StringField(primary_key=True)
    applicant = StringField(required=True)
    record = DictField()
    items = ListField(StringField())
    state = StringField(required=True)
    open = BooleanField(required=True)
    rules_version = IntField()
    periods = ObjectListField()
    history = ObjectListField()
    evidence = ObjectListField()
    finding = StringField()
    answer = StringField()
    outcome = StringField()
    correction = ObjectField()
    # Without the words in them, which are sealed.
    record_changes = ObjectListField()
    retractions = ObjectListField()
    filed_at = DateTimeField()
    words = StringField()
    version = IntField(required=True)
    # For queries, derived from the fields above: when the running period began and ends, and the provider's due date.
    started = StringField()
    due = StringField()
    answer_due = StringField()
    meta: Final = {
        "collection": "cases",
        "retention": kept("what was objected to, found and told, with its deadlines (Art. 23 to 27, 31)"),
        "indexes": [
            ("applicant", "-id"),
            ("record.record_id", "open"),
            ("state", "id"),
            ("record.provider_uscc", "answer_due", "id"),
            ("open", "due"),
        ],
    }


class EvidenceRow(Document):
    """The sealed content of an attachment."""

    id = StringField(primary_key=True)
    content = BinaryField()
    meta: Final = {
        "collection": "evidence",
        "retention": kept("part of its case; what no case took over is deleted"),
        "direct_writes": {
            "upload": "too large for a transaction; the case that takes it over is on record",
            "drop": "no case has taken it over",
        },
    }


class UploadRow(Document):
    """An attachment that no case has taken over yet."""

    id = StringField(primary_key=True)  # the id of the evidence
    at = DateTimeField()
    meta: Final = {
        "collection": "uploads",
        "retention": removed("when a case takes the attachment over, or a day later with the attachment"),
        "direct_writes": {"upload": "as `evidence`", "drop": "as `evidence`"},
    }


class EntryNamesRow(Document):
    """The names of a catalog entry version and its items, from the catalog's feed."""

    id = StringField(primary_key=True)  # <code>:<version>
    name = ObjectField()
    items = ObjectField()
    meta: Final = {"collection": "entries", "retention": bounded("one for each published version of an entry")}


class RulesRow(Document):
    """A version of the deadlines, from the catalog's feed."""

    id = IntField(primary_key=True)
    effective_from = StringField()
    values = ObjectField()
    meta: Final = {"collection": "rules", "retention": bounded("one for each version of the deadlines")}


class CalendarRow(Document):
    """A year of the calendar, from the catalog's feed."""

    id = IntField(primary_key=True)
    announced = BooleanField()
    days_off = ListField(StringField())
    days_worked = ListField(StringField())
    meta: Final = {"collection": "calendar_years", "retention": bounded("one for each year")}


class RecountRow(Document):
    """A year of the calendar that has changed, while deadlines are still to be counted again."""

    id = IntField(primary_key=True)
    # Distinguishes this change from a later change of the same year.
    mark = StringField()
    meta: Final = {
        "collection": "recounts",
        "retention": removed("when the deadlines of its year are counted again"),
        "direct_writes": {"recounted": "each case that was counted again is on record"},
    }


class NumberRow(Document):
    """The number of objections that were filed on a day."""

    id = StringField(primary_key=True)
    count = IntField()
    meta: Final = {"collection": "numbers", "retention": bounded("one for each day on which somebody objected")}


ALL: Final = (
    CaseRow,
    EvidenceRow,
    UploadRow,
    EntryNamesRow,
    RulesRow,
    CalendarRow,
    RecountRow,
    NumberRow,
    OrganisationRegionRow,
)
