"""Disclosure's documents. Every query on them is in `store.py`."""

from mongoengine import BooleanField, Document, DynamicDocument, IntField, ListField, StringField


class EntryRow(DynamicDocument):
    """A published version of a catalog entry, as the catalog's feed gave it."""

    key = StringField(primary_key=True)  # <code>:<version>
    meta = {"db_alias": "disclosure", "collection": "entries"}


class SubjectRow(DynamicDocument):
    """A subject with its newest page: a blob per view."""

    subject_ref = StringField(primary_key=True)
    kind = StringField(required=True)
    meta = {"db_alias": "disclosure", "collection": "subjects"}


class PageRow(DynamicDocument):
    """An older page of a subject: a blob per view."""

    key = StringField(primary_key=True)  # <subject_ref>:<page>
    ref = StringField(required=True)
    meta = {"db_alias": "disclosure", "collection": "pages", "indexes": ["ref"]}


class RecordRow(Document):
    """Where a record is, and which version of it is kept."""

    record_id = StringField(primary_key=True)
    ref = StringField(required=True)
    seat = IntField(required=True)
    version = IntField(required=True)
    revoked = BooleanField()
    # The last day of disclosure of what is to be archived after it; absent otherwise.
    due = StringField()
    # Numbers of the links that this record is evidence of.
    links = ListField(StringField(), default=None)
    # "<provider> <record>" while it is public.
    shown = StringField()
    meta = {
        "db_alias": "disclosure",
        "collection": "records",
        "indexes": [{"fields": ["due"], "sparse": True}, {"fields": ["shown"], "sparse": True}],
    }


class ObjectionRow(Document):
    """Whether an objection to a record is open, and which change said so."""

    objection_no = StringField(primary_key=True)
    record_id = StringField(required=True)
    open = BooleanField(required=True)
    position = IntField(required=True)
    meta = {"db_alias": "disclosure", "collection": "objections", "indexes": ["record_id"]}


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
    # As `identity.State`; of conflicts also since when, which is how they are listed.
    state = StringField(required=True)
    conflict_since = StringField()
    meta = {
        "db_alias": "disclosure",
        "collection": "links",
        "indexes": ["refs", {"fields": ["conflict_since"], "sparse": True}],
    }


class DifferingRow(DynamicDocument):
    """A subject whose facts providers tell differently."""

    subject_ref = StringField(primary_key=True)  # the strongest reference
    refs = ListField(StringField(), required=True)
    # Since when, and the reference: how it is listed.
    place = StringField(required=True)
    meta = {"db_alias": "disclosure", "collection": "differing", "indexes": ["place"]}


class ConsentRow(DynamicDocument):
    """A consent, as JSON."""

    consent_id = StringField(primary_key=True)
    subject_ref = StringField(required=True)
    # SHA-256 of the code that the grantee exchanges.
    code_digest = StringField()
    meta = {
        "db_alias": "disclosure",
        "collection": "consents",
        "indexes": ["subject_ref", {"fields": ["code_digest"], "sparse": True}],
    }
