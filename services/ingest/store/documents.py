"""Ingest's documents, which describe its collections and their indexes."""

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
    """A published version of an entry, as the catalog's feed brought it."""

    id = StringField(primary_key=True)  # <code>:<version>
    code = StringField()
    version = IntField()
    entry = DictField()
    meta: Final = {
        "collection": "entries",
        "indexes": [("code", "version")],
    }


class FollowedCalendarYear(Document):
    """The working days of a year, as the catalog's feed brought them."""

    id = IntField(primary_key=True)
    announced = BooleanField()
    days_off = ListField(StringField())
    days_worked = ListField(StringField())
    meta: Final = {"collection": "calendar"}


class Record(Document):
    """The current version of a record. Identifier items are sealed."""

    id = StringField(primary_key=True)
    entry_code = StringField()
    entry_version = IntField()
    provider = StringField()
    provider_name = StringField()
    subject = DictField()
    items = DictField()
    # The values as delivered of items whose standard form differs (Art. 9). Identifier items are sealed.
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
    # True where the calendar of a year was missing.
    late_undetermined = BooleanField()
    # For a version that a change of the single record made: its receipt, sealed, and the key with which its provider
    # signed.
    receipt = StringField()
    signed_by = StringField()
    meta: Final = {"collection": "records"}


class SupersededVersion(Document):
    """A superseded version of a record, kept for ever. It is like a `Record`, but has the record's id in `record`."""

    id = StringField(primary_key=True)  # <record id>:<version, 6 digits>
    record = StringField()
    version = IntField()
    meta: Final = {
        "collection": "record_versions",
        "strict": False,
        "indexes": [("record", "version")],
    }


class Submission(Document):
    """A delivery: its entry, how far it is, and its receipt."""

    id = StringField(primary_key=True)  # <provider>/<submission id>
    provider = StringField()
    submission_id = StringField()
    entry_code = StringField()
    entry_version = IntField()
    batches_committed = IntField()
    counts = DictField()
    file_name = StringField()
    file_sha256 = StringField()
    # The number of records that was announced; 0 when none was.
    record_count = IntField()
    # Whether the delivered file itself is among the originals.
    file_kept = BooleanField()
    # csv, xlsx or jsonl.
    file_kind = StringField()
    # The encoding of its text, as Python names it.
    file_encoding = StringField()
    # The sheets that have content and were not read.
    sheets_not_read = ListField(StringField())
    # Columns of the delivered file in order, [label, item code], so that rejects go back in the same form.
    columns = ListField(ListField(StringField()))
    created_at = DateTimeField()
    receipt = DictField()
    # The provider's signature, if it gave one: {jws, kid, client_id}.
    signature = DictField()
    meta: Final = {
        "collection": "submissions",
        "indexes": [("provider", "-created_at", "-id"), ("-created_at", "-id")],
    }


class BatchRow(Document):
    """A committed batch: its digest, and the outcome of each record in order."""

    id = StringField(primary_key=True)  # <submission>:<number, 6 digits>
    submission = StringField()
    number = IntField()
    digest = StringField()
    counts = DictField()
    first_row = IntField()
    last_row = IntField()
    # Record ids in order of delivery (empty when rejected). Records are new unless `others` names them.
    records = ListField(StringField())
    # [outcome, version] by index, of records that were not new.
    others = DictField()
    committed_at = DateTimeField()
    meta: Final = {"collection": "batches"}


class Reject(Document):
    """A rejected record: its items as delivered and its violations, sealed together."""

    id = StringField(primary_key=True)  # <batch>:<index, 4 digits>
    submission = StringField()
    row = IntField()
    sealed = BinaryField()
    meta: Final = {
        "collection": "rejects",
        "indexes": [("submission", "row", "id")],
    }


class Original(Document):
    """A piece of the bytes as received, deflated and sealed."""

    id = StringField(primary_key=True)  # <batch or file>/<piece, 4 digits>
    sha256 = StringField()
    size = IntField()
    body = BinaryField()
    meta: Final = {"collection": "originals"}


class ReceiptKey(Document):
    """A public key with which receipts were signed. It stays when the key is changed, so that old receipts verify."""

    id = StringField(primary_key=True)  # kid
    jwk = DictField()
    meta: Final = {"collection": "receipt_keys"}


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
