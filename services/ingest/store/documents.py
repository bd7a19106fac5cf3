"""Ingest's collections: the documents describe and index them."""

from typing import Final

from mongoengine import (
    BinaryField,
    BooleanField,
    DateTimeField,
    DictField,
    Document,
    IntField,
    ListField,
    StringField,
)


class CatalogEntry(Document):
    """A published entry version, as the catalog's feed brought it."""

    id = StringField(primary_key=True)  # <code>:<version>
    code = StringField()
    version = IntField()
    entry = DictField()
    meta: Final = {
        "db_alias": "ingest",
        "collection": "entries",
        "auto_create_index": False,
        "indexes": [("code", "version")],
    }


class FollowedCalendarYear(Document):
    """The working days of a year, as the catalog's feed brought them."""

    id = IntField(primary_key=True)
    announced = BooleanField()
    days_off = ListField(StringField())
    days_worked = ListField(StringField())
    meta: Final = {"db_alias": "ingest", "collection": "calendar", "auto_create_index": False}


class Record(Document):
    """The current version of a record; identifier items sealed."""

    id = StringField(primary_key=True)
    entry_code = StringField()
    entry_version = IntField()
    provider = StringField()
    provider_name = StringField()
    subject = DictField()
    items = DictField()
    # Values as delivered, of items whose standard form is another (Art. 9); identifier items sealed.
    raw = DictField()
    tag = StringField()
    version = IntField()
    batch = StringField()
    row = IntField()
    recorded_at = DateTimeField()
    revoked = BooleanField()
    reason = StringField()
    document_number = StringField()
    effective_date = StringField()
    objection_no = StringField()
    changed_by = StringField()
    late_working_days = IntField()
    # Where the calendar of a year was missing.
    late_undetermined = BooleanField()
    # Of a version made by a change of the single record: its receipt, sealed, and the key that its provider signed by.
    receipt = StringField()
    signed_by = StringField()
    meta: Final = {"db_alias": "ingest", "collection": "records", "auto_create_index": False}


class SupersededVersion(Document):
    """A superseded version of a record, kept for ever; otherwise as `Record`, with the record's id in `record`."""

    id = StringField(primary_key=True)  # <record id>:<version, 6 digits>
    record = StringField()
    version = IntField()
    meta: Final = {
        "db_alias": "ingest",
        "collection": "record_versions",
        "auto_create_index": False,
        "strict": False,
        "indexes": [("record", "version")],
    }


class Submission(Document):
    """A delivery: what it is for, how far it is, and its receipt."""

    id = StringField(primary_key=True)  # <provider>/<submission id>
    provider = StringField()
    submission_id = StringField()
    entry_code = StringField()
    entry_version = IntField()
    batches_committed = IntField()
    counts = DictField()
    file_name = StringField()
    file_sha256 = StringField()
    # How many records were said to come; 0 when nobody said.
    record_count = IntField()
    # Whether the delivered file itself is among the originals.
    file_kept = BooleanField()
    # csv, xlsx or jsonl.
    file_kind = StringField()
    # What its text is encoded in, as Python names it.
    file_encoding = StringField()
    # Its sheets that hold something and were not read.
    sheets_not_read = ListField(StringField())
    # Columns of the delivered file in order, [label, item code]: rejects go back in the same form.
    columns = ListField(ListField(StringField()))
    created_at = DateTimeField()
    receipt = DictField()
    # The provider's signed word on it, if it gave one: {jws, kid, client_id}.
    signature = DictField()
    meta: Final = {
        "db_alias": "ingest",
        "collection": "submissions",
        "auto_create_index": False,
        "indexes": [("provider", "-created_at", "-id"), ("-created_at", "-id")],
    }


class BatchRow(Document):
    """A committed batch: its digest, and what became of each record in order."""

    id = StringField(primary_key=True)  # <submission>:<number, 6 digits>
    submission = StringField()
    number = IntField()
    digest = StringField()
    counts = DictField()
    first_row = IntField()
    last_row = IntField()
    # Record ids in order of delivery (empty when rejected); new ones unless named in `others`.
    records = ListField(StringField())
    # Index to [outcome, version] of records that were not new.
    others = DictField()
    committed_at = DateTimeField()
    meta: Final = {"db_alias": "ingest", "collection": "batches", "auto_create_index": False}


class Reject(Document):
    """A rejected record: items as delivered and violations, sealed together."""

    id = StringField(primary_key=True)  # <batch>:<index, 4 digits>
    submission = StringField()
    row = IntField()
    sealed = BinaryField()
    meta: Final = {
        "db_alias": "ingest",
        "collection": "rejects",
        "auto_create_index": False,
        "indexes": [("submission", "row", "id")],
    }


class Original(Document):
    """A piece of the bytes as received, deflated and sealed."""

    id = StringField(primary_key=True)  # <batch or file>/<piece, 4 digits>
    sha256 = StringField()
    size = IntField()
    body = BinaryField()
    meta: Final = {"db_alias": "ingest", "collection": "originals", "auto_create_index": False}


class ReceiptKey(Document):
    """A public key that receipts were signed with; kept when the key is changed, so that old receipts verify."""

    id = StringField(primary_key=True)  # kid
    jwk = DictField()
    meta: Final = {"db_alias": "ingest", "collection": "receipt_keys", "auto_create_index": False}


ALL: Final = (
    CatalogEntry,
    FollowedCalendarYear,
    Record,
    SupersededVersion,
    Submission,
    BatchRow,
    Reject,
    Original,
    ReceiptKey,
)
