"""What an officer's command is as a power over others: in which regions, by how many officers, who is told. Pure.

Each command that an officer of the administration may run declares it (Art. 16, 29, 31; decision 34), and
`docs/powers.md` is made from these declarations.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from chengxin.auth.principal import Role

# The roles of those who act on what is others'. A provider's officer acts for the provider alone.
ADMINISTRATORS: Final = frozenset({Role.CENTRE, Role.AUTHORITY, Role.SUPERVISOR})


class Scope(StrEnum):
    """How far a power reaches."""

    OWN = "own"
    CITY = "city"
    ANY = "any"


@dataclass(frozen=True)
class Reach:
    """The regions in which an officer has a power; for any region, `reason` says why regions do not matter."""

    scope: Scope
    reason: str = ""


# The region of the thing lies within the officer's: a condition or the permission of the rule judges that
# (`regions.within`).
OWN: Final = Reach(Scope.OWN)
# What is the whole city's; the executor refuses an officer of a county.
CITY: Final = Reach(Scope.CITY)


def anywhere(reason: str) -> Reach:
    """A power that no region limits, and why."""
    return Reach(Scope.ANY, reason)


@dataclass(frozen=True)
class Officers:
    """How many officers the act takes, and why."""

    number: int
    reason: str


def one(reason: str) -> Officers:
    """One officer is enough, for this reason: it only takes away, say."""
    return Officers(1, reason)


def two(reason: str) -> Officers:
    """One officer proposes, another approves (`chengxin/proposals/`). `reason` says what would happen otherwise, and
    when the act is done at once because it gives nothing."""
    return Officers(2, reason)


@dataclass(frozen=True)
class Power:
    """The declaration of a command: where, by how many, and who is told of it and sees it where."""

    region: Reach
    officers: Officers
    told: str

    def to_dict(self) -> dict[str, object]:
        """As `chengxin policy` shows it."""
        return {
            "region": self.region.scope,
            **({"region_reason": self.region.reason} if self.region.reason else {}),
            "officers": self.officers.number,
            "officers_reason": self.officers.reason,
            "told": self.told,
        }
