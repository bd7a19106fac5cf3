"""How each service's feed is split into parts, for its followers (chengxin.feeds.splitting)."""

from collections.abc import Sequence

from chengxin.feeds.splitting import FeedParts, Label
from chengxin_api.catalog.v1 import catalog_pb2
from chengxin_api.ingest.v1 import ingest_pb2
from chengxin_api.objection.v1 import objection_pb2


class CatalogParts(FeedParts):
    """A change of the catalog is one version of one thing; a later change of the same version replaces it."""

    def label(self, part: catalog_pb2.Change) -> Label:
        """The thing and its version."""
        match part.WhichOneof("change"):
            case "entry":
                return Label(f"{part.entry.code}:{part.entry.version}")
            case "rule_set":
                return Label(f"rules {part.rule_set.name}:{part.rule_set.version}")
            case "calendar_year":
                return Label(f"year {part.calendar_year.year}")
            case "organisation_region":
                return Label(f"organisation {part.organisation_region.uscc}")
        return super().label(part)


class ObjectionParts(FeedParts):
    """A change of the objection feed is one part; changes of the same record keep their order."""

    def label(self, part: objection_pb2.Change) -> Label:
        """The objection and its record."""
        return Label(part.objection_no, (part.record_id,))


class RecordParts(FeedParts):
    """A change of ingest holds many records. Each is a part; the records of one subject keep their order."""

    def split(self, change: ingest_pb2.Change) -> list[ingest_pb2.Change]:
        """One part for each record."""
        return [ingest_pb2.Change(position=change.position, records=[record]) for record in change.records]

    def join(self, change: ingest_pb2.Change, parts: Sequence[ingest_pb2.Change], last: bool) -> ingest_pb2.Change:
        """One change with the records of all the parts."""
        records = [record for part in parts for record in part.records]
        return ingest_pb2.Change(position=change.position, records=records, last=last)

    def label(self, part: ingest_pb2.Change) -> Label:
        """The record, its subject and its version."""
        [record] = part.records
        return Label(record.record_id, (record.subject.subject_ref,), record.version)
