"""Disclosure's documents. Derived ones belong to a generation (`disclosure_store.py`), the others to all of them."""

from mongoengine import BooleanField, Document, DynamicDocument, IntField, ListField, StringField


class FollowedEntryRow(DynamicDocument):
    """A published version of a catalog entry, as the catalog's feed gave it."""

    key = StringField(primary_key=True)  # <code>:<version>
    meta = {"db_alias": "disclosure", "collection": "entries"}


class SubjectRow(DynamicDocument):
    """A subject: its state, and its newest page of records."""

    subject_ref = StringField(primary_key=True)
    # The number of the newest page, and the next slot.
    page = IntField(required=True)
    slots = IntField(required=True)
    # `state` and `tail` are blobs; `grouped` says that there is, or was, a MemberRow.
    grouped = BooleanField()
    meta = {"db_alias": "disclosure", "collection": "subjects"}


class PageRow(DynamicDocument):
    """An older page of a subject's records: a blob."""

    key = StringField(primary_key=True)  # <subject_ref>:<page>
    meta = {"db_alias": "disclosure", "collection": "pages"}


class LongRecordRow(DynamicDocument):
    """The items of a version of a record that is too long to be kept among others: a blob, and which version it is."""

    record_id = StringField(primary_key=True)
    meta = {"db_alias": "disclosure", "collection": "long_records"}


class SummaryRow(DynamicDocument):
    """The summaries of some older pages of a subject: a blob."""

    key = StringField(primary_key=True)  # <subject_ref>:<block>
    meta = {"db_alias": "disclosure", "collection": "summaries"}


class RecordRow(Document):
    """Where a record is, and which version of it is kept."""

    record_id = StringField(primary_key=True)
    ref = StringField(required=True)
    page = IntField(required=True)
    slot = IntField(required=True)
    version = IntField(required=True)
    revoked = BooleanField()
    # The last day of disclosure of what is to be archived after it; absent otherwise.
    due = StringField()
    # Numbers of the links that this record is evidence of.
    links = ListField(StringField(), default=None)
    # Its provider, while it is public.
    shown = StringField()
    # An objection to it is open.
    objected = BooleanField()
    meta = {"db_alias": "disclosure", "collection": "records"}


class ShownRow(Document):
    """Records that became public in one transaction, of one provider, whose ids begin alike."""

    number = StringField(primary_key=True)
    part = StringField(required=True)  # <provider>:<first character of the id, after its prefix>
    records = ListField(StringField())
    meta = {"db_alias": "disclosure", "collection": "shown", "indexes": ["part"]}


class DueRow(Document):
    """Records whose disclosure was to end on a day when they were taken in; which still is to be is looked up then."""

    number = StringField(primary_key=True)
    day = StringField(required=True)
    records = ListField(StringField())
    meta = {"db_alias": "disclosure", "collection": "due", "indexes": ["day"]}


class ObjectionRow(Document):
    """Whether an objection to a record is open, and which change said so."""

    objection_no = StringField(primary_key=True)
    record_id = StringField(required=True)
    open = BooleanField(required=True)
    position = IntField(required=True)
    # The record has not come yet; absent once it has.
    waiting = BooleanField()
    meta = {
        "db_alias": "disclosure",
        "collection": "objections",
        "indexes": ["record_id", {"fields": ["waiting"], "sparse": True}],
    }


class NameRow(DynamicDocument):
    """What the public finds a subject by; only of subjects with something public."""

    subject_ref = StringField(primary_key=True)
    # Which change of names this is, for those who keep a copy.
    seq = IntField(required=True)
    meta = {"db_alias": "disclosure", "collection": "names", "indexes": ["seq"]}


class LinkRow(DynamicDocument):
    """Two references that are called one subject: by how many records, and what officers decided of it."""

    link_id = StringField(primary_key=True)  # <ref>.<ref>, sorted
    refs = ListField(StringField(), required=True)
    # As `entity_resolution.State`; of conflicts also since when, which is how they are listed.
    state = StringField(required=True)
    conflict_since = StringField()
    meta = {
        "db_alias": "disclosure",
        "collection": "links",
        "indexes": ["refs", {"fields": ["conflict_since"], "sparse": True}],
    }


class SubjectGroupRow(DynamicDocument):
    """References that are one subject: those that have records, and the strongest, with their states in a blob."""

    group_id = StringField(primary_key=True)
    refs = ListField(StringField(), required=True)
    meta = {"db_alias": "disclosure", "collection": "groups"}


class MemberRow(Document):
    """In which group a reference is."""

    subject_ref = StringField(primary_key=True)
    group = StringField(required=True)
    meta = {"db_alias": "disclosure", "collection": "members"}


class DifferingRow(DynamicDocument):
    """A subject whose facts providers tell differently."""

    subject_ref = StringField(primary_key=True)  # the strongest reference
    refs = ListField(StringField(), required=True)
    # Since when, and the reference: how it is listed.
    place = StringField(required=True)
    meta = {"db_alias": "disclosure", "collection": "differing", "indexes": ["place"]}


class AnnouncementRow(DynamicDocument):
    """What the public feed is still to be told, for it was too much for one transaction: records with provider and entry, or
    those of a reference from a page on. Of no generation."""

    number = StringField(primary_key=True)
    # The generation with which it is told.
    since = IntField(required=True)
    meta = {"db_alias": "disclosure", "collection": "announcements", "indexes": ["since"]}


class ConsentRow(DynamicDocument):
    """A consent, as JSON. Given by its subject, derived from nothing."""

    consent_id = StringField(primary_key=True)
    subject_ref = StringField(required=True)
    # SHA-256 of the code that the grantee exchanges.
    code_digest = StringField()
    meta = {
        "db_alias": "disclosure",
        "collection": "consents",
        "indexes": ["subject_ref", {"fields": ["code_digest"], "sparse": True}],
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
    DifferingRow,
)
