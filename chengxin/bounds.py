"""The bounds of what a caller can make a process hold: connections, threads, streams, memory, disk, processor time.

A bound is declared in the module that makes the resource, which takes its numbers from it. `tools/list_bounds.py` writes
docs/operations/limits.md from the declarations, and fails when a module makes a resource without one (decision 36).
"""

from dataclasses import dataclass
from typing import Final

# The threads of a service's HTTP face. There are no more requests at once, and none more of what each request holds.
FACE_THREADS: Final = 48


@dataclass(frozen=True)
class Bound:
    """How much there is of a resource in one process, how much of it one caller gets, and for how long."""

    # The module that makes the resource, and the calls that make it as they are written there (`grpc.server`).
    where: str
    made_by: tuple[str, ...]
    resource: str
    total: int
    # A text says why there is no number.
    share: int | str
    seconds: float | str
    why: str
    # What all callers together get who have not proven who they are, where others need the rest.
    strangers: int | None = None
    # The test that exhausts a small one: `tests/gateway/test_x.py::test_y`. Empty when no caller can exhaust it.
    test: str = ""


_DECLARED: Final[list[Bound]] = []


def bound(
    where: str,
    *made_by: str,
    resource: str,
    total: int,
    share: int | str,
    seconds: float | str,
    why: str,
    test: str,
    strangers: int | None = None,
) -> Bound:
    """Declares the bound of a resource that callers hold. `where` is `__name__`; see `Bound` for the rest."""
    declared = Bound(where, made_by, resource, total, share, seconds, why, strangers, test)
    _DECLARED.append(declared)
    return declared


def own(where: str, *made_by: str, resource: str, total: int, why: str) -> Bound:
    """Declares a resource that the process makes for itself. `why` says why no caller can make it grow."""
    declared = Bound(where, made_by, resource, total, "the process's own", "as long as the process", why)
    _DECLARED.append(declared)
    return declared


def declared_bounds() -> tuple[Bound, ...]:
    """Returns what the modules imported so far declare."""
    return tuple(_DECLARED)
