"""Whatever ingest accepts: records of the demonstration entries with every item at its extremes, by its own validation."""

from collections.abc import Mapping
from datetime import date
from typing import Any

from hypothesis import assume
from hypothesis import strategies as st

from chengxin.store.field_encryption import KeyRing
from chengxin.values.identifiers import PERSONAL
from chengxin.values.ids import SubjectKey
from chengxin.values.text_forms import first_hidden
from chengxin_api.catalog.v1 import catalog_pb2
from chengxin_api.ingest.v1 import ingest_pb2
from demo.identifiers import demo_identity_number, demo_permanent_residence, demo_uscc, organisation_code
from services.ingest.domain.catalog_entry import DeliveryEntry, DeliveryItem, EntryProvider, read_entry
from services.ingest.domain.published_version import PublishedVersion
from services.ingest.domain.submission import DeliveredRecord
from services.ingest.domain.validator import Validator
from services.ingest.grpc import mapping
from services.ingest.store.record_factory import RecordFactory

# Texts that have meant something to a program before; each is accepted as a text.
ODD_TEXTS = (
    *("enc:", "enc:1:AAAA", "enc:x:y", "enc:1:" + "A" * 60, "enc:99999999999999999999:AAAA"),
    *(
        "*",
        "**",
        "·",
        "（）",
        "a",
        "-",
        "0",
        ".",
        "..",
        "$ne",
        "a.b",
        "null",
        "{}",
        "%s",
        "{0}",
        "=1+1",
        "\\",
        '"',
        "'",
    ),
    *("<script>alert(1)</script>", "&amp;", "]]>", "<!--", "http://x/?a=b&c", "a\tb", "a\nb", "a\r\nb"),
    # One grows eighteenfold when normalised, some change length with case.
    *("\ufdfa", "İ", "ß", "ﬀ", "e\u0301", "\u0e33"),
    *("𠮷", "🏢", "\U0003fffd", "٣" * 18, "１２３", "²", "Ⅷ", "㊀", "\ud7fb"),
    # What masks look for.
    *("441702189001010020", "身份证441702189001010020。", "9" * 18, "91000000MA000901XJ", "2099-12-31"),
)
DAYS = ("1900-01-01", "1900-12-31", "1904-02-29", "1900-02-28", "2024-02-29", "2026-11-24", "2026-11-25", "2099-12-31")
TODAY = date(2026, 11, 24)
DAYS += ("2100-01-01", "9898-12-31", "9899-01-01", "9996-02-29", "9998-12-31", "9999-12-31")
_PLAIN = {r"20\d{2}": "2025", r"（\d{4}）.{1,40}号": "（2026）粤1702执1号"}
_SEEN = st.characters(exclude_categories=["Cs", "Cc", "Cf", "Cn", "Co", "Zl", "Zp"]).filter(
    lambda c: not first_hidden(c, 1)
)
PROVIDER = EntryProvider("11441700007332458X", "阳江市市场监督管理局")


def value_of(item: DeliveryItem) -> st.SearchStrategy[str]:
    """Values of an item, extremes first."""
    if item.type == "date":
        days = st.sampled_from(DAYS) | st.dates(date(1900, 1, 1)).map(date.isoformat)
        return days.map(lambda day: min(day, TODAY.isoformat())) if item.not_after_delivery else days
    if item.type == "number":
        whole = "9" * (item.length - item.scale) or "0"
        fraction = "." + "9" * item.scale if item.scale else ""
        small = "0." + "0" * (item.scale - 1) + "1" if item.scale else "1"
        return st.sampled_from(("0", "1", whole + fraction, f"-{whole}{fraction}", small, f"-{small}"))
    if item.code_list:
        codes = [value.code for value in item.code_list]
        return st.just(";".join(codes)) | st.sampled_from(codes) if item.multiple else st.sampled_from(codes)
    if item.pattern:
        return st.sampled_from([_PLAIN[item.pattern]])
    if item.identifier:
        return st.sampled_from(identifiers_of(item.identifier))
    longest = item.length or 4000
    return (
        st.sampled_from([text[:longest] for text in ODD_TEXTS])
        | st.sampled_from(["长" * longest, "𠮷" * longest, "\ufdfa" * longest, "x" * longest, "; " * (longest // 2)])
        | st.text(_SEEN, min_size=1, max_size=longest)
    )


def identifiers_of(scheme: str) -> list[str]:
    """Identifiers of a scheme, at their extremes."""
    match scheme:
        case "uscc":
            return [demo_uscc("91", n, "MA") for n in (1, 2)] + [
                demo_uscc("51", 3),
                demo_uscc("12", 4),
                demo_uscc("91", 16),
            ]
        case "identity_number":
            return [demo_identity_number(date(1886, 1, 1), 1), demo_identity_number(date(1896, 2, 29), 999)]
        case "personal_document":
            residence = demo_permanent_residence(date(1896, 2, 29), 999)
            return [
                *identifiers_of("identity_number"),
                residence,
                *("UTO440096022901", "H00000000", "00000000", "UTO-E00000000"),
            ]
        case "organisation_code":
            return [organisation_code("00000000"), organisation_code("ZZZZZZZZ"), demo_uscc("91", 1, "MA")[8:17]]
    return ["0" * 15, "9" * 15, "441700000000001"]


class Accepting:
    """Validates and records one entry as ingest does."""

    def __init__(self, entry: dict[str, Any], keys: SubjectKey, ring: KeyRing) -> None:
        self.entry: DeliveryEntry = read_entry(entry | {"version": 1})
        self.catalog = entry | {"version": 1}
        self._validator = Validator(self.entry)
        self._recorder = RecordFactory(keys, ring)

    def records(self) -> st.SearchStrategy[dict[str, Any]]:
        """Documents of records that are accepted, without version and time."""
        parts = {item.code: value_of(item) for item in self.entry.items}
        optional = [item.code for item in self.entry.items if not item.required]
        whole = st.fixed_dictionaries(parts)
        return st.builds(self._accepted, whole, st.sets(st.sampled_from(optional)) if optional else st.just(set()))

    def _accepted(self, items: Mapping[str, str], left_out: set[str]) -> dict[str, Any]:
        """The document of these items, corrected where it breaks a rule across items."""
        chosen = {code: value for code, value in items.items() if code not in left_out}
        checked = self._recorder.check(self._validator, PROVIDER, DeliveredRecord(1, chosen), TODAY)
        for _ in range(8):
            if checked.document is not None:
                return checked.document
            for wrong in checked.violations:
                self._put_right(chosen, items, wrong.item, wrong.rule)
            checked = self._recorder.check(self._validator, PROVIDER, DeliveredRecord(1, chosen), TODAY)
        assume(checked.document is not None)
        raise AssertionError(checked.violations)

    def _put_right(self, chosen: dict[str, str], items: Mapping[str, str], code: str, rule: str) -> None:
        if rule in ("required_when", "required"):
            # A text of spaces, or of characters that count as spaces, is empty.
            chosen[code] = items[code] if code not in chosen and items[code].strip() else "内容"
        elif rule == "not_before":
            other = next(r.other for r in self.entry.cross_rules if r.rule == rule and r.item == code)
            chosen[other] = chosen[code]
        elif rule == "subject.two":
            for item in self.entry.items:
                if item.code in self.entry.subject_id_items and item.identifier in PERSONAL:
                    chosen.pop(item.code, None)
        elif code:
            chosen.pop(code, None)
            if self.entry.by_code[code].required:
                chosen[code] = "内容"[: self.entry.by_code[code].length or None]
        else:
            chosen.update({code: items[code] for code in self.entry.subject_id_items})


def version_of(document: Mapping[str, Any], version: int, at: Any, revoked: bool = False) -> ingest_pb2.RecordVersion:
    """A version of a record as ingest's feed publishes it."""
    row = {**document, "version": version, "recorded_at": at, "revoked": revoked}
    return mapping.record_version(PublishedVersion.read(row))


def entry_message(entry: dict[str, Any]) -> catalog_pb2.Entry:
    """A demonstration entry as the catalog's feed publishes it."""
    from google.protobuf.json_format import ParseDict

    return ParseDict(entry, catalog_pb2.Entry())
