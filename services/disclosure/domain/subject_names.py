"""What a subject is called, and what it was (Art. 2, 5). Pure.

A register's word goes before what others call it: that is shown as a conflict, and is no name that the subject had.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, replace

from services.disclosure.domain.assertions import Assertions


@dataclass(frozen=True, slots=True)
class NameHistory:
    """A name with those that the subject had before it; since when, and since when by a register."""

    name: str = ""
    former: Sequence[str] = ()
    at: str = ""
    registered: str = ""

    def same_as(self, other: "NameHistory") -> bool:
        """Whether both tell the same names, whenever they were said last."""
        mine, others = ((c.name, list(c.former), c.registered) for c in (self, other))
        return mine == others

    def among(self, names: Collection[str]) -> "NameHistory":
        """As far as these names tell it."""
        name = self.name if self.name in names else ""
        return replace(self, name=name, former=[former for former in self.former if former in names])

    def renamed(self, said: Assertions, heard: Mapping[str, bool], withdrawn: Set[str]) -> "NameHistory":
        """After changes: what the providers say now, the names that the changes brought (whether a register did), and
        those of records that they took back."""
        if not (words := said.names()):
            return self
        word, now = words[0], {w.value for w in words}
        if word.basic:
            before = [*self.former, self.name] if self.registered else []
            had = [*before, *(name for name, basic in heard.items() if basic)]
        else:
            had = [*self.former, self.name, *heard]
        former = [name for name in dict.fromkeys(had) if name and name not in now and name not in withdrawn]
        return NameHistory(word.value, former, word.recorded_at, word.recorded_at if word.basic else "")


def together(called: Iterable[NameHistory]) -> NameHistory:
    """What a subject of several references is called; the strongest comes first.

    The newest register's word counts; without one, that under the strongest reference, and what others called it before
    is former.
    """
    known = list(called)
    chosen = max(known, key=lambda c: c.registered)
    if chosen.registered:
        had = [n for c in known if c.registered for n in (*c.former, c.name)]
    else:
        had = [n for c in known for n in (*c.former, *((c.name,) if c.at < chosen.at else ()))]
    former = [name for name in dict.fromkeys(had) if name and name != chosen.name]
    return NameHistory(chosen.name, former, chosen.at, chosen.registered)
