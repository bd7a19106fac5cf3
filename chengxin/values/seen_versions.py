"""The versions of a thing that a caller acts on (`If-Match`; RFC 9110, 13.1.1)."""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class SeenVersions:
    """The versions that a caller has seen: another one it does not change."""

    # None: whichever there is.
    numbers: frozenset[int] | None

    def leave_out(self, version: int) -> bool:
        """Whether the caller has not seen this version, and so does not act on it."""
        return self.numbers is not None and version not in self.numbers

    @property
    def names_none(self) -> bool:
        """Whether the caller acts on whichever version there is."""
        return self.numbers is None

    def to_list(self) -> list[int] | None:
        """As a request is remembered for its repeats."""
        return None if self.numbers is None else sorted(self.numbers)


ANY_VERSION: Final = SeenVersions(None)
