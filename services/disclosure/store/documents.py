"""Disclosure's documents. Derived ones belong to one generation (`disclosure_store.py`), the others to all of them."""

from mongoengine import BooleanField, Document, DynamicDocument, IntField, ListField, StringField


class FollowedEntryRow(DynamicDocument):
    """A published version of a catalog entry, as the catalog's feed sent it."""

    key = StringField(primary_key=True)  # <code>:<version>
    meta = {"collection": "entries"}


class SubjectRow(DynamicDocument):
    """A subject: its state, and its newest page of records."""

    subject_ref = StringField(primary_key=True)
    # The number of the newest page, and the next slot.
    page = IntField(required=True)
    slots = IntField(required=True)
    # `state` and `tail` are blobs. `grouped` marks a subject that has, or had, a MemberRow.
    grouped = BooleanField()
    meta = {"collection": "subjects"}


class PageRow(DynamicDocument):
    """An older page of a subject's records: a blob."""

    key = StringField(primary_key=True)  # <subject_ref>:<page>
    meta = {"collection": "pages"}


class LongRecordRow(DynamicDocument):
    """The items, as a blob, and the version of a record that is too long for a page."""

    record_id = StringField(primary_key=True)
    meta = {"collection": "long_records"}


class SummaryRow(DynamicDocument):
    """The summaries of some older pages of a subject: a blob."""

    key = StringField(primary_key=True)  # <subject_ref>:<block>
    meta = {"collection": "summaries"}


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
    meta = {"collection": "records"}


class ShownRow(Document):
    """Records of one provider that became public in one transaction and whose ids begin with the same character."""

    number = StringField(primary_key=True)
    part = StringField(required=True)  # <provider>:<first character of the id, after its prefix>
    records = ListField(StringField())
    meta = {"collection": "shown", "indexes": ["part"]}


class DueRow(Document):
    """Records whose disclosure was to end on this day when they were taken in. On that day it is looked up whether it
    still is to end."""

    number = StringField(primary_key=True)
    day = StringField(required=True)
    records = ListField(StringField())
    meta = {"collection": "due", "indexes": ["day"]}


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
        "indexes": ["record_id", {"fields": ["waiting"], "sparse": True}],
    }


class NameRow(DynamicDocument):
    """The public search entry of a subject that has something public."""

    subject_ref = StringField(primary_key=True)
    # The number of the last change, for what keeps a copy.
    seq = IntField(required=True)
    meta = {"collection": "names", "indexes": ["seq"]}


class LinkRow(DynamicDocument):
    """Two references that records or officers call one subject: how many records, and what officers decided."""

    link_id = StringField(primary_key=True)  # <ref>.<ref>, sorted
    refs = ListField(StringField(), required=True)
    # An `entity_resolution.LinkState`. A conflict also has the time since when, and conflicts are listed by it.
    state = StringField(required=True)
    conflict_since = StringField()
    meta = {
        "collection": "links",
        "indexes": ["refs", {"fields": ["conflict_since"], "sparse": True}],
    }


class SubjectGroupRow(DynamicDocument):
    """References that are one subject: those that have records, and the strongest one, with their states in a blob."""

    group_id = StringField(primary_key=True)
    refs = ListField(StringField(), required=True)
    meta = {"collection": "groups"}


class MemberRow(Document):
    """The group that a reference is in."""

    subject_ref = StringField(primary_key=True)
    group = StringField(required=True)
    meta = {"collection": "members"}


class DisagreementRow(DynamicDocument):
    """A subject on whose facts providers disagree."""

    subject_ref = StringField(primary_key=True)  # the strongest reference
    refs = ListField(StringField(), required=True)
    # Since when they disagree, and the reference: subjects are listed by it.
    place = StringField(required=True)
    meta = {"collection": "differing", "indexes": ["place"]}


class AnnouncementRow(DynamicDocument):
    """Changes that are still to be published in the public feed, because they were too much for one transaction:
    records with provider and entry, or the records of a reference from a page on. It belongs to no generation."""

    number = StringField(primary_key=True)
    # The generation from which on it is published.
    since = IntField(required=True)
    meta = {"collection": "announcements", "indexes": ["since"]}


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
    # SHA-256 of the code that the grantee exchanges.
    code_digest = StringField()
    meta = {
        "collection": "consents",
        "indexes": ["subject_ref", {"fields": ["code_digest"], "sparse": True}],
    }


class GenerationRow(DynamicDocument):
    """The generation in use (`current`), or the rebuild that was requested last (`rebuild`)."""

    name = StringField(primary_key=True)
    number = IntField(required=True)
    # Of the rebuild: asked, filling, failed, done.
    state = StringField()
    # Of the generation: the one before it, whether it is still filled from nothing, and how many decisions it has.
    previous = IntField()
    filling = BooleanField()
    acts = IntField()
    # Whether what officers of a former version merged was judged by the rule that two persons are never one.
    judged = BooleanField()
    meta = {"collection": "generations"}


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
LASTING = (AnnouncementRow, ConsentRow, GenerationRow)
ALL = (*DERIVED, *LASTING)
