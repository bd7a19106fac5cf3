"""Facts of one subject on which providers disagree, with the records that state them (Art. 12): shown, never resolved.

The rule is `disagreeing`. It compares every record's name of the subject, and the facts that basic records state.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from chengxin.values.catalog_contract import TranslatedText
from services.disclosure.domain.assertions import Assertion, Assertions, in_effect, value_digest_of
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
class DisagreementSummary:
    """A fact on which providers disagree: how many values it has, from which providers (newest first), and since when."""

    fact: str
    values: int
    providers: tuple[str, ...]
    since: str


@dataclass(frozen=True)
class DisagreeingAssertions:
    """A fact on which providers disagree, and the assertions that count, newest first."""

    fact: str
    assertions: Sequence[Assertion]

    def summary(self) -> DisagreementSummary:
        """Returns the disagreement without its values. It began when a value other than the oldest was asserted first."""
        oldest = self.assertions[-1].value_digest
        since = min(a.recorded_at for a in self.assertions if a.value_digest != oldest)
        values = len({a.value_digest for a in self.assertions})
        return DisagreementSummary(self.fact, values, tuple(a.provider for a in self.assertions), since)


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


def disagreeing(assertions: Sequence[Assertion], registered: Mapping[str, str]) -> list[DisagreeingAssertions]:
    """Returns the facts on which providers disagree, in the order of their names.

    Providers disagree when the assertions that count have more than one value. `registered` is that of the `Assertions`
    that these are from. Assertions of the same time and value stay in the order in which they are given.
    """
    # Most subjects have no such fact, so this cheap check comes first.
    first: dict[str, str] = {}
    suspects = {a.fact for a in assertions if first.setdefault(a.fact, a.value) != a.value}
    found = []
    for fact in sorted(suspects):
        counted = in_effect((a for a in assertions if a.fact == fact), registered)
        if len({a.value_digest for a in counted}) > 1:
            newest_first = sorted(counted, key=lambda a: (a.recorded_at, a.value_digest), reverse=True)
            found.append(DisagreeingAssertions(fact, newest_first))
    return found


def disagreement_summaries(asserted: Assertions) -> list[DisagreementSummary]:
    """Returns the facts on which providers disagree, without the values."""
    return [found.summary() for found in disagreeing(asserted.newest, asserted.registered)]


def disagreeing_record_ids(asserted: Assertions) -> list[str]:
    """Returns the ids of the records whose assertions disagree."""
    found = disagreeing(asserted.newest, asserted.registered)
    return list(dict.fromkeys(assertion.record_id for one in found for assertion in one.assertions))


def disagreements(
    asserted: Assertions, records: Mapping[str, RecordView], entry_of: Callable[[str, int], DisclosureEntry | None]
) -> list[Disagreement]:
    """Returns the disagreements among `records`: those of `disagreeing_record_ids` that still exist, in their order."""
    order = {record_id: number for number, record_id in enumerate(records)}
    remaining = sorted((a for a in asserted.newest if a.record_id in order), key=lambda a: order[a.record_id])
    found = {one.fact: one for one in disagreeing(remaining, asserted.registered)}
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
