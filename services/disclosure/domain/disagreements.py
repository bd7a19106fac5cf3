"""Facts of one subject on which providers disagree, with the records that state them (Art. 12): shown, never resolved.

The rule is in `assertions.py`. It compares every record's name of the subject, and the facts that basic records state.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from chengxin.values.catalog_contract import TranslatedText
from services.disclosure.domain.assertions import Assertion, Assertions, disputes, value_digest_of
from services.disclosure.domain.catalog_entry import DisclosureEntry
from services.disclosure.domain.record_views import RecordView

_FACT_NAMES: Final = {
    "name": TranslatedText("名称或者姓名", "Name"),
    "legal_representative": TranslatedText("法定代表人", "Legal representative"),
    "status": TranslatedText("登记状态", "Registration status"),
    "type": TranslatedText("主体类型", "Type of subject"),
    "established": TranslatedText("成立日期", "Date of establishment"),
    "domicile": TranslatedText("住所", "Domicile"),
}


@dataclass(frozen=True)
class Statement:
    """A provider's statement of a fact, with the record that makes it."""

    provider_uscc: str
    provider_name: str
    record_id: str
    entry_code: str
    item: str
    value: str
    recorded_at: str
    basic: bool = False


@dataclass(frozen=True)
class Disagreement:
    """One fact, and each provider's statement of it, newest first."""

    fact: TranslatedText
    statements: tuple[Statement, ...]


def disputed_record_ids(asserted: Assertions) -> list[str]:
    """Returns the ids of the records whose assertions disagree."""
    found = disputes(asserted.newest, asserted.registered)
    return list(dict.fromkeys(assertion.record_id for dispute in found for assertion in dispute.assertions))


def disagreements(
    asserted: Assertions, records: Mapping[str, RecordView], entry_of: Callable[[str, int], DisclosureEntry | None]
) -> list[Disagreement]:
    """Returns the disagreements among `records`: those of the ids from `disputed_record_ids` that still exist, in their order."""
    order = {record_id: number for number, record_id in enumerate(records)}
    remaining = sorted((a for a in asserted.newest if a.record_id in order), key=lambda a: order[a.record_id])
    found = {dispute.fact: dispute for dispute in disputes(remaining, asserted.registered)}
    return [
        Disagreement(name, tuple(_make_statement(a, records[a.record_id], entry_of) for a in found[fact].assertions))
        for fact, name in _FACT_NAMES.items()
        if fact in found
    ]


def fact_name(name: str) -> TranslatedText:
    """Returns the name of a fact in both languages."""
    return _FACT_NAMES[name]


def _make_statement(
    assertion: Assertion, view: RecordView, entry_of: Callable[[str, int], DisclosureEntry | None]
) -> Statement:
    entry = entry_of(view.entry_code, view.entry_version)
    items = [item for name, item in entry.facts if name == assertion.fact] if entry else []
    item = next((item for item in items if value_digest_of(view.items.get(item, "")) == assertion.value_digest), "")
    return Statement(
        view.provider_uscc,
        view.provider_name,
        view.record_id,
        view.entry_code,
        item,
        view.items.get(item, ""),
        view.recorded_at,
        assertion.basic,
    )
