"""The present and former names of a subject (Art. 2, 5).

A name from a register takes precedence over names from other records: another name is shown as a conflict, and does not
count as a former name.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, replace

from services.disclosure.domain.assertions import Assertions


@dataclass(frozen=True, slots=True)
class NameHistory:
    """The name of a subject, and its former names.

    `at` is the time of the record that states the name; `registered` is the same time if a register states it.
    """

    name: str = ""
    former: Sequence[str] = ()
    at: str = ""
    registered: str = ""

    def same_as(self, other: "NameHistory") -> bool:
        """Whether both have the same names, whatever the time of the last record."""
        mine, others = ((history.name, list(history.former), history.registered) for history in (self, other))
        return mine == others

    def among(self, names: Collection[str]) -> "NameHistory":
        """Returns the history restricted to these names."""
        name = self.name if self.name in names else ""
        return replace(self, name=name, former=[former for former in self.former if former in names])

    def renamed(self, asserted: Assertions, incoming: Mapping[str, bool], withdrawn: Set[str]) -> "NameHistory":
        """Returns the history after changes.

        `asserted` holds the providers' present assertions, `incoming` the names that the changes brought (True: from a
        register), and `withdrawn` the names of records that were taken back.
        """
        if not (assertions := asserted.names()):
            return self
        newest, current = assertions[0], {a.value for a in assertions}
        if newest.basic:
            registered_before = [*self.former, self.name] if self.registered else []
            earlier = [*registered_before, *(name for name, basic in incoming.items() if basic)]
        else:
            earlier = [*self.former, self.name, *incoming]
        former = [name for name in dict.fromkeys(earlier) if name and name not in current and name not in withdrawn]
        return NameHistory(newest.value, former, newest.recorded_at, newest.recorded_at if newest.basic else "")


def merge_names(called: Iterable[NameHistory]) -> NameHistory:
    """Returns the names of a subject with several references; `called` has the strongest reference first.

    The newest name from a register counts. Without one, the name under the strongest reference counts, and names that
    other references had earlier are former names.
    """
    histories = list(called)
    chosen = max(histories, key=lambda history: history.registered)
    if chosen.registered:
        earlier = [name for history in histories if history.registered for name in (*history.former, history.name)]
    else:
        earlier = [
            name
            for history in histories
            for name in (*history.former, *((history.name,) if history.at < chosen.at else ()))
        ]
    former = [name for name in dict.fromkeys(earlier) if name and name != chosen.name]
    return NameHistory(chosen.name, former, chosen.at, chosen.registered)
