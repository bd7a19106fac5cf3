"""Disclosure's documents. Derived ones belong to one generation (`disclosure_store.py`), the others to all of them."""

from mongoengine import BooleanField, Document, DynamicDocument, IntField, ListField, StringField

from chengxin.proposals.documents import ProposalRow
from chengxin.store.retention import bounded, kept, removed

_WITH_GENERATION = "with its generation, when a rebuild has put another one in use"


class FollowedEntryRow(DynamicDocument):
    """A published version of a catalog entry, as the catalog's feed sent it."""

    key = StringField(primary_key=True)  # <code>:<version>
    meta = {"collection": "entries", "retention": removed(_WITH_GENERATION)}


class SubjectRow(DynamicDocument):
    """A subject: its state, and its newest page of records."""

    subject_ref = StringField(primary_key=True)
    # The number of the newest page, and the next slot.
    page = IntField(required=True)
    slots = IntField(required=True)
    # `state` and `tail` are blobs. `grouped` marks a subject that has, or had, a MemberRow.
    grouped = BooleanField()
    meta = {"collection": "subjects", "retention": removed(_WITH_GENERATION)}


class PageRow(DynamicDocument):
    """An older page of a subject's records: a blob."""

    key = StringField(primary_key=True)  # <subject_ref>:<page>
    meta = {"collection": "pages", "retention": removed(_WITH_GENERATION)}


class LongRecordRow(DynamicDocument):
    """The items, as a blob, and the version of a record that is too long for a page."""

    record_id = StringField(primary_key=True)
    meta = {"collection": "long_records", "retention": removed(_WITH_GENERATION)}


class SummaryRow(DynamicDocument):
    """The summaries of some older pages of a subject: a blob."""

    key = StringField(primary_key=True)  # <subject_ref>:<block>
    meta = {"collection": "summaries", "retention": removed(_WITH_GENERATION)}


class RecordRow(Document):
    """Where a record is, and which of its versions is kept."""

    record_id = StringField(primary_key=True)
    ref = StringField(required=True)
    page = IntField(required=True)
    slot = IntField(required=True)
    version = IntField(required=True)
    revoked = BooleanField()
    # The last day of disclosure of a record that is to be archived after it; absent otherwise.
    due = StringField()
    # Numbers of the links that this record is evidence of.
    links = ListField(StringField(), default=None)
    # Its provider, while it is public.
    shown = StringField()
    # An objection to it is open.
    objected = BooleanField()
    meta = {"collection": "records", "retention": removed(_WITH_GENERATION)}


class ShownRow(Document):
    """Records of one provider that became public in one transaction and whose ids begin with the same character."""

    number = StringField(primary_key=True)
    part = StringField(required=True)  # <provider>:<first character of the id, after its prefix>
    records = ListField(StringField())
    meta = {"collection": "shown", "retention": removed(_WITH_GENERATION), "indexes": ["part"]}


class DueRow(Document):
    """Records whose disclosure was to end on this day when they were taken in. On that day it is looked up whether it
    still is to end."""

    number = StringField(primary_key=True)
    day = StringField(required=True)
    records = ListField(StringField())
    meta = {
        "collection": "due",
        "retention": removed("when none of its records is to be archived any more"),
        "indexes": ["day"],
    }


class ObjectionRow(Document):
    """Whether an objection to a record is open, and the position of the change that brought this state."""

    objection_no = StringField(primary_key=True)
    record_id = StringField(required=True)
    open = BooleanField(required=True)
    position = IntField(required=True)
    # The record has not come yet; absent once it has.
    waiting = BooleanField()
    meta = {
        "collection": "objections",
        "retention": removed(_WITH_GENERATION),
        "indexes": ["record_id", {"fields": ["waiting"], "sparse": True}],
    }


class NameRow(DynamicDocument):
    """The public search entry of a subject that has something public."""

    subject_ref = StringField(primary_key=True)
    # The number of the last change, for what keeps a copy.
    seq = IntField(required=True)
    meta = {"collection": "names", "retention": removed(_WITH_GENERATION), "indexes": ["seq"]}


class LinkRow(DynamicDocument):
    """Two references that records or officers call one subject: how many records, and what officers decided."""

    link_id = StringField(primary_key=True)  # <ref>.<ref>, sorted
    refs = ListField(StringField(), required=True)
    # An `entity_resolution.LinkState`. A conflict also has the time since when, and conflicts are listed by it.
    state = StringField(required=True)
    conflict_since = StringField()
    meta = {
        "collection": "links",
        "retention": removed("with its generation; officers' decisions are carried over, for ever (Art. 31)"),
        "direct_writes": {"carry_decisions": "a copy of what is on record, into a generation that is not in use"},
        "indexes": ["refs", {"fields": ["conflict_since"], "sparse": True}],
    }


class SubjectGroupRow(DynamicDocument):
    """References that are one subject: those that have records, and the strongest one, with their states in a blob."""

    group_id = StringField(primary_key=True)
    refs = ListField(StringField(), required=True)
    meta = {"collection": "groups", "retention": removed(_WITH_GENERATION)}


class MemberRow(Document):
    """The group that a reference is in."""

    subject_ref = StringField(primary_key=True)
    group = StringField(required=True)
    meta = {"collection": "members", "retention": removed(_WITH_GENERATION)}


class DisagreementRow(DynamicDocument):
    """A subject on whose facts providers disagree."""

    subject_ref = StringField(primary_key=True)  # the strongest reference
    refs = ListField(StringField(), required=True)
    # Since when they disagree, and the reference: subjects are listed by it.
    place = StringField(required=True)
    meta = {
        "collection": "differing",
        "retention": removed("when providers agree again, or with its generation"),
        "indexes": ["place"],
    }


class AnnouncementRow(DynamicDocument):
    """Changes that are still to be published in the public feed, because they were too much for one transaction:
    records with provider and entry, or the records of a reference from a page on. It belongs to no generation."""

    number = StringField(primary_key=True)
    # The generation from which on it is published.
    since = IntField(required=True)
    meta = {
        "collection": "announcements",
        "retention": removed("when it is published"),
        "direct_writes": {
            "tell_later": "found by a rebuild; what is published is on record",
            "forget": "they are found again",
        },
        "indexes": ["since"],
    }


class ConsentRow(Document):
    """A consent. Its subject gives it; it is derived from nothing."""

    consent_id = StringField(primary_key=True)
    subject_ref = StringField(required=True)
    grantee = StringField(required=True)
    purpose = StringField(required=True)
    entries = ListField(StringField())
    # ISO dates.
    valid_from = StringField(required=True)
    valid_to = StringField(required=True)
    # None where uses are not counted.
    uses_left = IntField(null=True)
    given_at = StringField(required=True)
    # Empty until the subject withdraws it.
    withdrawn_at = StringField()
    # Who gave it for an organisation, and in which capacity; empty for a person's own.
    given_by = StringField()
    given_as = StringField()
    # SHA-256 of the code that the grantee exchanges.
    code_digest = StringField()
    # Digests of the pages that were told to follow, the newest last: each is of a use that was counted.
    further = ListField(StringField())
    meta = {
        "collection": "consents",
        "retention": kept("who was allowed what (Art. 16)"),
        "direct_writes": {
            "take_use": "one conditional write, so that a use is counted once; the query is on record",
            "add_further": "the page after an answer, which is on record",
            "return_use": "one use, of a query that was not answered",
        },
        "indexes": ["subject_ref", {"fields": ["code_digest"], "sparse": True}],
    }


class GenerationRow(DynamicDocument):
    """The generation in use (`current`), or the rebuild that was requested last (`rebuild`)."""

    name = StringField(primary_key=True)
    number = IntField(required=True)
    # Of the rebuild: asked, filling, failed, done.
    state = StringField()
    # Of the generation: the one before it, whether it is still filled from nothing, how many decisions it has, and the
    # form of its documents (`FORM` of `generations.py`).
    previous = IntField()
    filling = BooleanField()
    acts = IntField()
    form = IntField()
    # Whether what officers of a former version merged was judged by the rule that two persons are never one.
    judged = BooleanField()
    meta = {
        "collection": "generations",
        "retention": bounded("two documents"),
        "direct_writes": {
            "prepare": "before anything is in use",
            "filled": "nothing is told of it",
            "judged": "at the start: what it notes is done again when it is not noted",
            "report_progress": "how far a rebuild is",
        },
    }


DERIVED = (
    FollowedEntryRow,
    SubjectRow,
    PageRow,
    LongRecordRow,
    SummaryRow,
    RecordRow,
    ShownRow,
    DueRow,
    ObjectionRow,
    NameRow,
    LinkRow,
    SubjectGroupRow,
    MemberRow,
    DisagreementRow,
)
# What belongs to no generation.
LASTING = (AnnouncementRow, ConsentRow, GenerationRow, ProposalRow)
ALL = (*DERIVED, *LASTING)
