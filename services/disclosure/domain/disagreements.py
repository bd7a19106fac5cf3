"""Where providers say different things of one subject at the same time, in words (Art. 12). Pure: shown, never resolved.

Compared are the subject's name, in every record, and what a basic record says of the subject itself (`assertions.py`).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from chengxin.values.catalog_contract import TranslatedText
from services.disclosure.domain.assertions import Assertion, Assertions, differing, mark_of
from services.disclosure.domain.catalog_entry import DisclosureEntry
from services.disclosure.domain.record_views import RecordView

_WORDS: Final = {
    "name": TranslatedText("名称或者姓名", "Name"),
    "legal_representative": TranslatedText("法定代表人", "Legal representative"),
    "status": TranslatedText("登记状态", "Registration status"),
    "type": TranslatedText("主体类型", "Type of subject"),
    "established": TranslatedText("成立日期", "Date of establishment"),
    "domicile": TranslatedText("住所", "Domicile"),
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


@dataclass(frozen=True)
class Disagreement:
    """One fact, and what each provider says of it, newest first."""

    fact: TranslatedText
    statements: tuple[Statement, ...]


def told_in(said: Assertions) -> list[str]:
    """The records in which facts are told differently."""
    facts = {disputed.fact for disputed in said.differing()}
    return list(dict.fromkeys(word.record_id for word in said.words if word.fact in facts))


def disagreements(
    said: Assertions, records: Mapping[str, RecordView], entry_of: Callable[[str, int], DisclosureEntry | None]
) -> list[Disagreement]:
    """What providers say differently of a subject in those of the records `told_in` that stand, in their order."""
    found = []
    order = {record_id: number for number, record_id in enumerate(records)}
    words_of = sorted((w for w in said.words if w.record_id in order), key=lambda w: order[w.record_id])
    for fact, words in _WORDS.items():
        standing = [w for w in words_of if w.fact == fact]
        if told := differing(standing, said.registered.get(fact, "")):
            statements = (_statement(word, records[word.record_id], entry_of) for word in told)
            found.append(Disagreement(words, tuple(statements)))
    return found


def fact_named(name: str) -> TranslatedText:
    """A fact in words."""
    return _WORDS[name]


def _statement(word: Assertion, shown: RecordView, entry_of: Callable[[str, int], DisclosureEntry | None]) -> Statement:
    entry = entry_of(shown.entry_code, shown.entry_version)
    items = [item for name, item in entry.facts if name == word.fact] if entry else []
    item = next((item for item in items if mark_of(shown.items.get(item, "")) == word.mark), "")
    return Statement(
        shown.provider_uscc,
        shown.provider_name,
        shown.record_id,
        shown.entry_code,
        item,
        shown.items.get(item, ""),
        shown.recorded_at,
        word.basic,
    )
