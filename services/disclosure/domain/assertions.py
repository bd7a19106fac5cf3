"""What the providers say of one subject's facts, in short: kept beside its pages, to know without reading them where
providers differ (Art. 5, 12), and in which records. Of each provider its newest statement counts, in a register before
elsewhere; what others than a register said before the newest basic record was made is history. Pure."""

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final, Protocol, TypeVar

import msgspec

from services.disclosure.domain.catalog_entry import BASIC, NAME, DisclosureEntry
from services.disclosure.domain.record_fragments import Fragment
from services.disclosure.domain.record_views import View
from services.disclosure.domain.text_normalisation import normalised

_MARK_BYTES: Final = 8


class ProviderAssertion(Protocol):
    """A provider's newest statement of a fact."""

    @property
    def recorded_at(self) -> str: ...

    @property
    def basic(self) -> bool: ...

    @property
    def record_id(self) -> str: ...

    @property
    def mark(self) -> bytes: ...


S = TypeVar("S", bound=ProviderAssertion)


class Assertion(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A provider's newest statement of a fact."""

    fact: str
    provider: str
    recorded_at: str
    value: str
    basic: bool
    record_id: str

    @property
    def mark(self) -> bytes:
        """What only equal values share."""
        return mark_of(self.value)


@dataclass(frozen=True)
class DisputedFact:
    """A fact that providers tell differently: how many values, by whom (newest first), since when."""

    fact: str
    values: int
    providers: tuple[str, ...]
    since: str


class Assertions(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What providers say of a subject, on one page of its records or on several."""

    words: tuple[Assertion, ...] = ()
    # By fact, when the newest basic record told it.
    registered: dict[str, str] = {}

    def merged(self, other: "Assertions") -> "Assertions":
        """Both together: of each provider the newest statement of a fact."""
        if not (self.words and other.words):
            return self if self.words else other
        words = {(w.fact, w.provider): w for w in self.words}
        for word in other.words:
            known = words.get((word.fact, word.provider))
            if known is None or is_newer(word, known):
                words[word.fact, word.provider] = word
        registered = dict(self.registered)
        for fact, at in other.registered.items():
            registered[fact] = max(registered.get(fact, ""), at)
        return Assertions(tuple(words.values()), registered)

    def taking(self, records: Iterable[Fragment], entry_of: Callable[[str, int], DisclosureEntry]) -> "Assertions":
        """This, and what the providers of further records say; archived ones say nothing any more."""
        words, registered = {(w.fact, w.provider): w for w in self.words}, dict(self.registered)
        for shown in records:
            if shown.archived:
                continue
            entry = entry_of(shown.entry_code, shown.entry_version)
            at, provider = shown.recorded_at, shown.provider_uscc
            basic = entry.information_class == BASIC
            items = shown.items(View.OWN)
            for fact, item in entry.facts:
                if not (value := items.get(item)):
                    continue
                word, known = Assertion(fact, provider, at, value, basic, shown.record_id), words.get((fact, provider))
                if known is None or is_newer(word, known):
                    words[fact, provider] = word
                if basic and registered.get(fact, "") < at:
                    registered[fact] = at
        return Assertions(tuple(words.values()), registered)

    def names(self) -> list[Assertion]:
        """What the subject is called now: first what a register said last, else what anybody did."""
        words = standing((w for w in self.words if w.fact == NAME), self.registered.get(NAME, ""))
        return sorted(words, key=lambda w: (w.basic, w.recorded_at, w.mark), reverse=True)

    def differing(self) -> list[DisputedFact]:
        """The facts that are told differently."""
        # Mostly none: to find that out is all that most subjects pay for.
        first: dict[str, str] = {}
        suspect = {w.fact for w in self.words if first.setdefault(w.fact, w.value) != w.value}
        found = []
        for fact in sorted(suspect):
            words = (w for w in self.words if w.fact == fact)
            if told := differing(words, self.registered.get(fact, "")):
                oldest = told[-1].mark
                since = min(w.recorded_at for w in told if w.mark != oldest)
                providers = tuple(w.provider for w in told)
                found.append(DisputedFact(fact, len({w.mark for w in told}), providers, since))
        return found


NOTHING: Final = Assertions()


def is_newer(one: ProviderAssertion, other: ProviderAssertion) -> bool:
    """Which of two statements of one provider counts: what it registered before what it says elsewhere, then the newer; of
    the same instant always the same one."""
    if one.basic != other.basic:
        return one.basic
    if one.recorded_at == other.recorded_at:
        return (one.mark, one.record_id) > (other.mark, other.record_id)
    return one.recorded_at > other.recorded_at


def standing(said: Iterable[S], registered: str) -> list[S]:
    """What counts of the providers' statements of a fact.

    What others than a register said before the newest basic record was made is history.
    """
    return [s for s in said if s.basic or s.recorded_at >= registered]


def differing(said: Iterable[S], registered: str) -> list[S]:
    """What counts of the providers' statements of a fact, newest first, when it differs; else nothing."""
    counted = standing(said, registered)
    if len({s.mark for s in counted}) < 2:
        return []
    return sorted(counted, key=lambda s: (s.recorded_at, s.mark), reverse=True)


def mark_of(value: str) -> bytes:
    """The mark of a value: spelling, width and spaces make no difference."""
    return hashlib.blake2b(normalised(value).encode(), digest_size=_MARK_BYTES).digest()


_encoder: Final = msgspec.msgpack.Encoder()
_decoder: Final = msgspec.msgpack.Decoder(Assertions)


def packed(said: Assertions) -> bytes:
    """As it is stored."""
    return _encoder.encode(said)


def unpacked(blob: bytes | None) -> Assertions:
    """What `packed` gave; nothing where there is nothing."""
    return _decoder.decode(blob) if blob else NOTHING
