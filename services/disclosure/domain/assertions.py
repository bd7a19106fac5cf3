"""The providers' statements of one subject's facts, in short.

They are stored beside the subject's pages, so that disclosure knows without reading the pages where providers differ
(Art. 5, 12), and in which records. Of each provider the newest statement counts, but one in a register before others. A
statement outside a register that is older than the newest basic record is history.
"""

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final, Protocol, TypeVar

import msgspec

from services.disclosure.domain.catalog_entry import BASIC, NAME, DisclosureEntry
from services.disclosure.domain.record_fragments import Fragment
from services.disclosure.domain.record_views import View
from services.disclosure.domain.text_normalisation import normalised

_DIGEST_BYTES: Final = 8


class ProviderAssertion(Protocol):
    """The attributes of a statement that decide whether it counts."""

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
        """A digest of the value; only equal values share it."""
        return value_digest_of(self.value)


@dataclass(frozen=True)
class DisputedFact:
    """A fact on which providers differ: how many values it has, from which providers (newest first), and since when."""

    fact: str
    values: int
    providers: tuple[str, ...]
    since: str


class Assertions(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """The providers' statements of a subject, from one page of its records or from several."""

    words: tuple[Assertion, ...] = ()
    # Fact to the time of the newest basic record that states it.
    registered: dict[str, str] = {}

    def merged(self, other: "Assertions") -> "Assertions":
        """Returns both together, with the newest statement of each fact by each provider."""
        if not (self.words and other.words):
            return self if self.words else other
        merged = {(a.fact, a.provider): a for a in self.words}
        for assertion in other.words:
            earlier = merged.get((assertion.fact, assertion.provider))
            if earlier is None or is_newer(assertion, earlier):
                merged[assertion.fact, assertion.provider] = assertion
        registered = dict(self.registered)
        for fact, at in other.registered.items():
            registered[fact] = max(registered.get(fact, ""), at)
        return Assertions(tuple(merged.values()), registered)

    def taking(self, records: Iterable[Fragment], entry_of: Callable[[str, int], DisclosureEntry]) -> "Assertions":
        """Returns these statements and those of further records; archived records do not count."""
        merged, registered = {(a.fact, a.provider): a for a in self.words}, dict(self.registered)
        for fragment in records:
            if fragment.archived:
                continue
            entry = entry_of(fragment.entry_code, fragment.entry_version)
            at, provider = fragment.recorded_at, fragment.provider_uscc
            basic = entry.information_class == BASIC
            items = fragment.items(View.OWN)
            for fact, item in entry.facts:
                if not (value := items.get(item)):
                    continue
                assertion, earlier = (
                    Assertion(fact, provider, at, value, basic, fragment.record_id),
                    merged.get((fact, provider)),
                )
                if earlier is None or is_newer(assertion, earlier):
                    merged[fact, provider] = assertion
                if basic and registered.get(fact, "") < at:
                    registered[fact] = at
        return Assertions(tuple(merged.values()), registered)

    def names(self) -> list[Assertion]:
        """Returns the subject's present names: first the newest from a register, then the newest of other records."""
        assertions = in_effect((a for a in self.words if a.fact == NAME), self.registered.get(NAME, ""))
        return sorted(assertions, key=lambda a: (a.basic, a.recorded_at, a.mark), reverse=True)

    def differing(self) -> list[DisputedFact]:
        """Returns the facts on which providers differ."""
        # Most subjects have no such fact, so this cheap check comes first.
        first: dict[str, str] = {}
        suspects = {a.fact for a in self.words if first.setdefault(a.fact, a.value) != a.value}
        found = []
        for fact in sorted(suspects):
            assertions = (a for a in self.words if a.fact == fact)
            if assertions_in_conflict := conflicting(assertions, self.registered.get(fact, "")):
                oldest = assertions_in_conflict[-1].mark
                since = min(a.recorded_at for a in assertions_in_conflict if a.mark != oldest)
                providers = tuple(a.provider for a in assertions_in_conflict)
                found.append(DisputedFact(fact, len({a.mark for a in assertions_in_conflict}), providers, since))
        return found


NOTHING: Final = Assertions()


def is_newer(one: ProviderAssertion, other: ProviderAssertion) -> bool:
    """Whether `one` counts before `other`, of two statements by one provider.

    A statement in a register comes before one elsewhere, then the newer before the older. Of two statements with the
    same time, the choice is always the same.
    """
    if one.basic != other.basic:
        return one.basic
    if one.recorded_at == other.recorded_at:
        return (one.mark, one.record_id) > (other.mark, other.record_id)
    return one.recorded_at > other.recorded_at


def in_effect(said: Iterable[S], registered: str) -> list[S]:
    """Returns the statements of a fact that count.

    A statement outside a register that is older than the newest basic record is history.
    """
    return [s for s in said if s.basic or s.recorded_at >= registered]


def conflicting(said: Iterable[S], registered: str) -> list[S]:
    """Returns the statements of a fact that count, newest first, if their values differ; otherwise an empty list."""
    counted = in_effect(said, registered)
    if len({s.mark for s in counted}) < 2:
        return []
    return sorted(counted, key=lambda s: (s.recorded_at, s.mark), reverse=True)


def value_digest_of(value: str) -> bytes:
    """Returns the digest of a value; case, width and spaces make no difference."""
    return hashlib.blake2b(normalised(value).encode(), digest_size=_DIGEST_BYTES).digest()


_encoder: Final = msgspec.msgpack.Encoder()
_decoder: Final = msgspec.msgpack.Decoder(Assertions)


def packed(said: Assertions) -> bytes:
    """Returns the bytes that are stored."""
    return _encoder.encode(said)


def unpacked(blob: bytes | None) -> Assertions:
    """Reads the bytes that `packed` returned; without bytes there are no statements."""
    return _decoder.decode(blob) if blob else NOTHING
