"""Facts of one subject on which providers differ at the same time, in words (Art. 12): shown, never resolved.

Every record's name of the subject is compared, and the facts that basic records state (`assertions.py`).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from chengxin.values.catalog_contract import TranslatedText
from services.disclosure.domain.assertions import Assertion, Assertions, conflicting, value_digest_of
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


def disputed_record_ids(said: Assertions) -> list[str]:
    """Returns the ids of the records that state facts on which providers differ."""
    facts = {disputed.fact for disputed in said.differing()}
    return list(dict.fromkeys(assertion.record_id for assertion in said.words if assertion.fact in facts))


def disagreements(
    said: Assertions, records: Mapping[str, RecordView], entry_of: Callable[[str, int], DisclosureEntry | None]
) -> list[Disagreement]:
    """Returns the disagreements among `records`, those of the ids from `disputed_record_ids` that still exist, in their order."""
    found = []
    order = {record_id: number for number, record_id in enumerate(records)}
    assertions = sorted((a for a in said.words if a.record_id in order), key=lambda a: order[a.record_id])
    for fact, name in _FACT_NAMES.items():
        of_fact = [a for a in assertions if a.fact == fact]
        if in_conflict := conflicting(of_fact, said.registered.get(fact, "")):
            statements = (
                _make_statement(assertion, records[assertion.record_id], entry_of) for assertion in in_conflict
            )
            found.append(Disagreement(name, tuple(statements)))
    return found


def fact_name(name: str) -> TranslatedText:
    """Returns the name of a fact in both languages."""
    return _FACT_NAMES[name]


def _make_statement(
    assertion: Assertion, view: RecordView, entry_of: Callable[[str, int], DisclosureEntry | None]
) -> Statement:
    entry = entry_of(view.entry_code, view.entry_version)
    items = [item for name, item in entry.facts if name == assertion.fact] if entry else []
    item = next((item for item in items if value_digest_of(view.items.get(item, "")) == assertion.mark), "")
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
