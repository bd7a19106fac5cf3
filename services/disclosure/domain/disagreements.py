"""Where providers say different things of one subject at the same time (Art. 12). Pure: shown, never resolved.

Compared are the subject's name, in every record, and what a basic record says of the subject itself. Of each provider its
newest statement counts, in a register before elsewhere. What others than a register said before the newest basic record was
made is history.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Final

from services.disclosure.domain.assertions import differing, is_newer, mark_of
from services.disclosure.domain.catalog_entry import BASIC, Entry, LocalText
from services.disclosure.domain.record_views import RecordView

_WORDS: Final = {
    "name": LocalText("名称或者姓名", "Name"),
    "legal_representative": LocalText("法定代表人", "Legal representative"),
    "status": LocalText("登记状态", "Registration status"),
    "type": LocalText("主体类型", "Type of subject"),
    "established": LocalText("成立日期", "Date of establishment"),
    "domicile": LocalText("住所", "Domicile"),
}


@dataclass(frozen=True)
class Statement:
    """What a provider says."""

    provider_uscc: str
    provider_name: str
    record_id: str
    entry_code: str
    item: str
    value: str
    recorded_at: str
    basic: bool = False

    @property
    def mark(self) -> bytes:
        """What only equal values share."""
        return mark_of(self.value)


@dataclass(frozen=True)
class Disagreement:
    """One fact, and what each provider says of it, newest first."""

    fact: LocalText
    statements: tuple[Statement, ...]


@dataclass
class _Fact:
    said: dict[str, Statement] = field(default_factory=dict)
    # When the newest basic record told it.
    registered: str = ""


def disagreements(records: Collection[RecordView], entry_of: Callable[[str, int], Entry | None]) -> list[Disagreement]:
    """What the providers of these records, in full, say differently of their subject."""
    # Mostly nothing: to find that out is all that most queries pay for.
    return _weighed(records, entry_of) if _differ(records, entry_of) else []


def _differ(records: Collection[RecordView], entry_of: Callable[[str, int], Entry | None]) -> bool:
    told: dict[str, str] = {}
    for shown in records:
        if (entry := entry_of(shown.entry_code, shown.entry_version)) is not None:
            for name, item in entry.facts:
                if (value := shown.items.get(item)) and told.setdefault(name, value) != value:
                    return True
    return False


def _weighed(records: Collection[RecordView], entry_of: Callable[[str, int], Entry | None]) -> list[Disagreement]:
    facts: dict[str, _Fact] = {}
    for shown in records:
        if (entry := entry_of(shown.entry_code, shown.entry_version)) is None:
            continue
        basic = entry.information_class == BASIC
        for name, item in entry.facts:
            if not (value := shown.items.get(item, "")):
                continue
            if (fact := facts.get(name)) is None:
                fact = facts[name] = _Fact()
            one, known = _statement(shown, item, value, basic), fact.said.get(shown.provider_uscc)
            if known is None or is_newer(one, known):
                fact.said[shown.provider_uscc] = one
            if basic:
                fact.registered = max(fact.registered, shown.recorded_at)
    found = []
    for name, fact in facts.items():
        if standing := differing(fact.said.values(), fact.registered):
            found.append(Disagreement(_WORDS[name], tuple(standing)))
    return found


def fact_named(name: str) -> LocalText:
    """A fact in words."""
    return _WORDS[name]


def _statement(shown: RecordView, item: str, value: str, basic: bool) -> Statement:
    return Statement(
        shown.provider_uscc,
        shown.provider_name,
        shown.record_id,
        shown.entry_code,
        item,
        value,
        shown.recorded_at,
        basic,
    )
