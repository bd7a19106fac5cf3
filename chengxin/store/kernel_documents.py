"""What every service's store has beside the documents of the service."""

from datetime import timedelta
from typing import Final

from mongoengine import DateTimeField, Document, DynamicDocument, IntField, ListField, StringField, UUIDField
from mongoengine.fields import BinaryField, DictField

from chengxin.store.retention import bounded, expires, kept, removed

# How long the answer to a request is kept for its repeats: much longer than any client tries again.
ANSWERS_KEPT: Final = timedelta(days=30)


class CommittedTransactionRow(Document):
    """A committed transaction: its number, what it changed for the feeds, and its audit events."""

    number = IntField(primary_key=True)
    at = DateTimeField(required=True)
    changes = ListField(DictField())
    events = ListField(BinaryField())
    meta: Final = {
        "collection": "outbox",
        "retention": kept(
            "what it changed is the feed, which a new follower and a rebuild read from the beginning. Audit events are"
            " cut out 30 days after they were delivered; the rows before the first change are deleted then"
        ),
    }


class CounterRow(DynamicDocument):
    """A number that counts up: of the newest transaction, of what was set aside, of changed names."""

    name = StringField(primary_key=True)
    meta: Final = {
        "collection": "counters",
        "retention": bounded("one for each kind, and two for each generation of what is derived"),
        "direct_writes": {"identity_of": "a random name of a generation, made once"},
    }


class PositionRow(Document):
    """Where a consumer is in the feed that it follows."""

    consumer = StringField(primary_key=True)
    position = IntField(required=True)
    begun = IntField()
    meta: Final = {
        "collection": "positions",
        "retention": removed("with the generation that it belongs to; else one for each feed"),
        "direct_writes": {
            "set_position": "the relay has delivered what is on record; a second delivery is recognised",
            "set_begun": "as `set_position`",
            "drop_unused": "of a generation that is no longer in use",
        },
    }


class KeptAnswerRow(Document):
    """The answer to a request with an Idempotency-Key, for its repeats."""

    key = StringField(primary_key=True)
    asked = StringField(required=True)
    answer = DictField()
    at = DateTimeField(required=True)
    meta: Final = {
        "collection": "idempotency",
        "indexes": [{"fields": ["at"], "expireAfterSeconds": round(ANSWERS_KEPT.total_seconds())}],
        "retention": expires("30 days after the request"),
    }


class TransactionSessionRow(Document):
    """The session in which a process has its transactions, so that others can end what it has begun."""

    session = UUIDField(primary_key=True)
    since = DateTimeField(required=True)
    meta: Final = {
        "collection": "transaction_sessions",
        "retention": removed("when its process ends; of those that were killed, all but the newest 100"),
        "direct_writes": {
            "_own_session": "before the first transaction",
            "end_transactions": "of processes that are gone",
            "close": "at the end of the process",
        },
    }


class LeaseRow(DynamicDocument):
    """Which process has a piece of the work, or how far a process has counted."""

    name = StringField(primary_key=True)
    meta: Final = {
        "collection": "leases",
        "retention": removed("80 seconds after its process was seen for the last time; else one for each piece"),
        "direct_writes": dict.fromkeys(
            ("_beat", "_take", "release", "leave"), "who does what is no change that anybody made; `confirm` is in one"
        ),
    }


ALL: Final = (
    CommittedTransactionRow,
    CounterRow,
    PositionRow,
    KeptAnswerRow,
    TransactionSessionRow,
    LeaseRow,
)
