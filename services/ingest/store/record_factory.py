"""Makes the document of a record from a valid delivery: its id, its subject, its sealed items."""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Final

import msgspec

from chengxin.store.field_encryption import KeyRing
from chengxin.values.document import RawDocument
from chengxin.values.identifiers import scheme_of
from chengxin.values.ids import SubjectKey
from chengxin.values.subject_kinds import subject_kind
from chengxin.values.text_forms import earlier_identity_key, identity_key
from services.ingest.domain.catalog_entry import DeliveryEntry, EntryProvider
from services.ingest.domain.record_versioning import ValidatedRecord
from services.ingest.domain.submission import DeliveredRecord
from services.ingest.domain.validator import Validator

_sorted_encoder: Final = msgspec.json.Encoder(order="sorted")


class RecordFactory:
    """Makes the documents of records: pseudonyms by the subject key, personal identifiers sealed by the key ring."""

    def __init__(self, keys: SubjectKey, ring: KeyRing) -> None:
        self._keys = keys
        self._ring = ring

    def check(
        self, validator: Validator, provider: EntryProvider, delivered: DeliveredRecord, today: date
    ) -> ValidatedRecord:
        """Validates one record as of a Shanghai date, and makes its document, without version and time."""
        items, violations = validator.check(delivered.items, today)
        if violations:
            return ValidatedRecord(delivered.row, None, violations)
        record_id, *earlier_ids = self.record_ids(validator.entry, provider.uscc, items)
        document = self.document(record_id, validator.entry, provider, items, delivered.items)
        return ValidatedRecord(delivered.row, document, earlier_ids=earlier_ids)

    def document(
        self,
        record_id: str,
        entry: DeliveryEntry,
        provider: EntryProvider,
        items: dict[str, str],
        delivered: Mapping[str, str],
    ) -> RawDocument:
        """Makes the document of valid, standardised items. `raw` has the delivered values of those that were
        delivered in another form."""
        document = {
            "_id": record_id,
            "entry_code": entry.code,
            "entry_version": entry.version,
            "provider": provider.uscc,
            "provider_name": provider.name,
            "subject": self._make_subject(entry, items),
            "items": self._seal(entry, items),
            "tag": self._content_mac(entry, items),
        }
        # Most values are the same objects, so Python compares no texts.
        if items != delivered:
            raw = {code: value for code, value in delivered.items() if code in items and items[code] != value}
            if raw:
                document["raw"] = self._seal(entry, raw)
        return document

    def record_ids(self, entry: DeliveryEntry, provider: str, items: Mapping[str, str]) -> Sequence[str]:
        """Returns the id of the record that these items identify, and after it those under which it may be on record from
        versions before; usually there are none of these.

        Values that look the same identify the same record. In the versions before, the values themselves made the id,
        and later on, keys that kept more of them apart.
        """
        values = tuple(items.get(code, "") for code in entry.natural_key)
        keys = {tuple(map(identity_key, values)): None}
        if values not in keys:
            keys |= dict.fromkeys((values, tuple(map(earlier_identity_key, values))))
        return [self._keys.record_id(entry.code, provider, key) for key in keys]

    def _make_subject(self, entry: DeliveryEntry, items: dict[str, str]) -> RawDocument:
        code = next(code for code in entry.subject_id_items if code in items)
        identifier = items[code]
        scheme = scheme_of(entry.by_code[code].identifier, identifier) or f"item:{code}"
        return {
            "ref": self._keys.subject_ref(scheme, identifier),
            "kind": subject_kind(scheme, identifier, entry.subject_kinds),
            "name": items.get(entry.subject_name_item, ""),
            "scheme": scheme,
            "uscc": identifier if scheme == "uscc" else "",
        }

    def _seal(self, entry: DeliveryEntry, items: dict[str, str]) -> dict[str, str]:
        sealed = [code for code in entry.sealed if code in items]
        if not sealed:
            return items
        return items | {code: self._ring.encrypt(items[code], code) for code in sealed}

    def _content_mac(self, entry: DeliveryEntry, items: dict[str, str]) -> str:
        return self._keys.content_tag(entry.code, _sorted_encoder.encode(items))

    def opened(self, entry: DeliveryEntry, document: RawDocument, part: str = "items") -> dict[str, str]:
        """Decrypts the items of a stored record, or its `raw` values. Raises `DecryptionError`."""
        items = dict(document.get(part) or {})
        return items | {code: self._ring.decrypt(items[code], code) for code in entry.sealed if code in items}
