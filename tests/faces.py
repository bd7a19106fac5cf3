"""The faces of a service for many tests: making an app took a third of the time of a service's tests."""

from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any


class StandIn:
    """What a face is made with: it is whatever the test at hand has put behind it, to `isinstance`, too."""

    def __init__(self, behind: Any) -> None:
        self.behind = behind

    @property  # type: ignore[misc]
    def __class__(self) -> type:
        return type(self.behind)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.behind, name)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.behind(*args, **kwargs)


@dataclass
class Faces:
    """Both faces of a service, and what they were made with."""

    stand_ins: tuple[StandIn, ...]
    app: Any
    servicers: Any


_free: defaultdict[Any, list[Faces]] = defaultdict(list)


@contextmanager
def borrowed(make: Callable[..., tuple[Any, Any]], *behind: Any) -> Iterator[tuple[Any, Any]]:
    """The app and the servicers that `make(*behind)` would make; made anew only when all earlier ones are in use."""
    key = make, tuple(type(real) for real in behind)
    if not _free[key]:
        stand_ins = tuple(StandIn(real) for real in behind)
        _free[key].append(Faces(stand_ins, *make(*stand_ins)))
    faces = _free[key].pop()
    for stand_in, real in zip(faces.stand_ins, behind, strict=True):
        stand_in.behind = real
    try:
        yield faces.app, faces.servicers
    finally:
        _free[key].append(faces)
