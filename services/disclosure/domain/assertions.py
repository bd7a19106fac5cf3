"""The providers' assertions of one subject's facts, in short (Art. 5, 12). `disagreements.py` has the rule by which they
disagree.

They are stored beside the subject's pages, so that disclosure knows without reading the pages where providers disagree,
and in which records. Of each provider the newest assertion counts, but one in a register comes before others. An
assertion outside a register that is older than the newest basic record is history.
"""

import hashlib
from collections.abc import Callable, Iterable, Mapping
from typing import Final

import msgspec

from chengxin.values.text_forms import comparison_key
from services.disclosure.domain.catalog_entry import BASIC, NAME, DisclosureEntry
from services.disclosure.domain.record_fragments import Fragment
from services.disclosure.domain.record_views import View

_DIGEST_BYTES: Final = 8


class Assertion(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A provider's newest assertion of a fact."""

    fact: str
    provider: str
    recorded_at: str
    value: str
    basic: bool
    record_id: str

    @property
    def value_digest(self) -> bytes:
        """A digest of the value; only equal values share it."""
        return value_digest_of(self.value)


class Assertions(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """The providers' assertions of a subject, from one page of its records or from several."""

    # Of each fact, the newest by each provider.
    newest: tuple[Assertion, ...] = ()
    # Fact to the time of the newest basic record that states it.
    registered: dict[str, str] = {}

    def merged(self, other: "Assertions") -> "Assertions":
        """Returns both together, with the newest assertion of each fact by each provider."""
        if not (self.newest and other.newest):
            return self if self.newest else other
        merged = {(a.fact, a.provider): a for a in self.newest}
        for assertion in other.newest:
            earlier = merged.get((assertion.fact, assertion.provider))
            if earlier is None or is_newer(assertion, earlier):
                merged[assertion.fact, assertion.provider] = assertion
        registered = dict(self.registered)
        for fact, at in other.registered.items():
            registered[fact] = max(registered.get(fact, ""), at)
        return Assertions(tuple(merged.values()), registered)

    def taking(self, records: Iterable[Fragment], entry_of: Callable[[str, int], DisclosureEntry]) -> "Assertions":
        """Returns these assertions and those of further records; archived records do not count."""
        merged, registered = {(a.fact, a.provider): a for a in self.newest}, dict(self.registered)
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
        assertions = in_effect((a for a in self.newest if a.fact == NAME), self.registered)
        return sorted(assertions, key=lambda a: (a.basic, a.recorded_at, a.value_digest), reverse=True)


NOTHING: Final = Assertions()


def is_newer(one: Assertion, other: Assertion) -> bool:
    """Whether `one` counts before `other`, of two assertions by one provider.

    An assertion in a register comes before one elsewhere, then the newer before the older. Of two assertions with the
    same time, the choice is always the same.
    """
    if one.basic != other.basic:
        return one.basic
    if one.recorded_at == other.recorded_at:
        return (one.value_digest, one.record_id) > (other.value_digest, other.record_id)
    return one.recorded_at > other.recorded_at


def in_effect(assertions: Iterable[Assertion], registered: Mapping[str, str]) -> list[Assertion]:
    """Returns the assertions that count: one outside a register that is older than the newest basic record is history."""
    return [a for a in assertions if a.basic or a.recorded_at >= registered.get(a.fact, "")]


def value_digest_of(value: str) -> bytes:
    """Returns the digest of a value; case, width and spaces make no difference."""
    return hashlib.blake2b(comparison_key(value).encode(), digest_size=_DIGEST_BYTES).digest()


_encoder: Final = msgspec.msgpack.Encoder()
_decoder: Final = msgspec.msgpack.Decoder(Assertions)


def packed(assertions: Assertions) -> bytes:
    """Returns the bytes that are stored."""
    return _encoder.encode(assertions)


def unpacked(blob: bytes | None) -> Assertions:
    """Reads the bytes that `packed` returned; without bytes there are no assertions."""
    return _decoder.decode(blob) if blob else NOTHING
