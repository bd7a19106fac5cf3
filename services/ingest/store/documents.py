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

from chengxin.feeds.provider_regions import OrganisationRegionRow
from chengxin.proposals.documents import ProposalRow
from chengxin.store.retention import bounded, kept


class CatalogEntry(Document):
    """A published version of an entry, as the catalog's feed brought it."""

    id = StringField(primary_key=True)  # <code>:<version>
    code = StringField()
    version = IntField()
    entry = DictField()
    meta: Final = {
        "collection": "entries",
        "retention": bounded("one for each published version of an entry"),
        "indexes": [("code", "version")],
    }


class FollowedCalendarYear(Document):
    """The working days of a year, as the catalog's feed brought them."""

    id = IntField(primary_key=True)
    announced = BooleanField()
    days_off = ListField(StringField())
    days_worked = ListField(StringField())
    meta: Final = {"collection": "calendar", "retention": bounded("one for each year")}


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
    meta: Final = {
        "collection": "records",
        "retention": kept("a record whose disclosure ends or that is revoked stays in the history (Art. 11, 18)"),
    }


class SupersededVersion(Document):
    """A superseded version of a record, kept for ever. It is like a `Record`, but has the record's id in `record`."""

    id = StringField(primary_key=True)  # <record id>:<version, 6 digits>
    record = StringField()
    version = IntField()
    meta: Final = {
        "collection": "record_versions",
        "retention": kept("what was on record when somebody relied on it (Art. 12, 31)"),
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
        "retention": kept("receipts, which prove what was delivered by whom (Art. 12)"),
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
    meta: Final = {
        "collection": "batches",
        "retention": kept("receipts name its digest, and the feed names the batch"),
    }


class Reject(Document):
    """A rejected record: its items as delivered and its violations, sealed together."""

    id = StringField(primary_key=True)  # <batch>:<index, 4 digits>
    submission = StringField()
    row = IntField()
    sealed = BinaryField()
    meta: Final = {
        "collection": "rejects",
        "retention": kept("what a provider delivered and why it was refused (Art. 9, 12)"),
        "indexes": [("submission", "row", "id")],
    }


class Original(Document):
    """A piece of the bytes as received, deflated and sealed."""

    id = StringField(primary_key=True)  # <batch or file>/<piece, 4 digits>
    sha256 = StringField()
    size = IntField()
    body = BinaryField()
    meta: Final = {
        "collection": "originals",
        "retention": kept("the bytes as received, which receipts prove (Art. 12)"),
        "direct_writes": {"keep_piece": "a file before its first batch; the submission that names it is on record"},
    }


class ReceiptKey(Document):
    """A public key with which receipts were signed. It stays when the key is changed, so that old receipts verify."""

    id = StringField(primary_key=True)  # kid
    jwk = DictField()
    meta: Final = {
        "collection": "receipt_keys",
        "retention": bounded("one for each key that has signed receipts"),
        "direct_writes": {"keep_receipt_key": "a public key, at the start"},
    }


class ProviderAgreement(Document):
    """The terms under which a provider delivers."""

    id = StringField(primary_key=True)  # unified social credit code
    signature_required = BooleanField()
    # The agreement, for example its number.
    document = StringField()
    changed_at = DateTimeField()
    meta: Final = {"collection": "agreements", "retention": bounded("one for each provider")}


class ColumnMapping(Document):
    """The items that a provider's columns hold, for one entry."""

    id = StringField(primary_key=True)  # <provider>/<entry code>
    # Header text and item code; the code is empty for a column that is not read. Pairs, because a text may contain any
    # character.
    columns = ListField(ListField(StringField()))
    changed_at = DateTimeField()
    meta: Final = {"collection": "mappings", "retention": bounded("one for each provider and entry")}


class QualityState(Document):
    """The position up to which the outbox is counted, the day on which counting began, and the day of the last search
    for anomalies."""

    id = StringField(primary_key=True)
    position = IntField()
    began = StringField()
    searched_on = StringField()
    meta: Final = {"collection": "quality_state", "retention": bounded("one document")}


class QualitySeries(Document):
    """What one provider delivers for one entry: on which days, and for which periods it declared that it has none."""

    id = StringField(primary_key=True)  # <provider>/<entry>
    provider = StringField()
    entry_code = StringField()
    # The region of the client that delivered last, where its token names one.
    region = StringField()
    # Days on which something was delivered, latest `LOOKED_BACK`.
    days = ListField(StringField())
    # [period, day, time, by whom] of each declaration.
    declared = ListField(ListField(StringField()))
    # Records in force: those accepted since counting began, less those revoked.
    on_record = IntField()
    meta: Final = {
        "collection": "quality_series",
        "retention": bounded("one for each provider and entry"),
        "indexes": ["provider"],
    }


class QualityDay(Document):
    """The figures of a series on a Shanghai date."""

    id = StringField(primary_key=True)  # <provider>/<entry>/<day>
    series = StringField()
    day = StringField()
    figures = DictField()
    meta: Final = {
        "collection": "quality_days",
        "retention": kept("figures of past periods, as they were supervised (Art. 30)"),
        "indexes": [("series", "day")],
    }


class QualityFinding(Document):
    """An anomaly of a period, and the remarks of its provider and the supervisor on it."""

    id = StringField(primary_key=True)
    kind = StringField()
    provider = StringField()
    provider_name = StringField()
    entry_code = StringField()
    # In `zh` and `en`.
    entry_name = DictField()
    period = StringField()
    first_day = StringField()
    last_day = StringField()
    figures = DictField()
    state = StringField()
    first_seen = DateTimeField()
    last_seen = DateTimeField()
    # {act, by, at, text} of each remark, in order.
    acts = ListField(DictField())
    meta: Final = {
        "collection": "quality_findings",
        "retention": kept("what was found, answered and decided (Art. 30)"),
        "indexes": [("provider", "-first_seen", "-id"), ("-first_seen", "-id")],
    }


class FollowedRuleSet(Document):
    """A version of the thresholds, as the catalog's feed brought it."""

    id = IntField(primary_key=True)  # version
    effective_from = StringField()
    values = DictField()
    meta: Final = {"collection": "quality_rules", "retention": bounded("one for each version of the thresholds")}


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
    ProviderAgreement,
    ColumnMapping,
    QualityState,
    QualitySeries,
    QualityDay,
    QualityFinding,
    FollowedRuleSet,
    OrganisationRegionRow,
    ProposalRow,
)
