"""What is declared about a function is kept on it, where those who wrap it (`functools.wraps`) carry it on. Pure."""

from typing import Any, Generic, TypeVar

T = TypeVar("T")


class Mark(Generic[T]):
    """One kind of thing that is declared about functions, under the name of their attribute."""

    def __init__(self, name: str) -> None:
        self._name = name

    def put(self, on: Any, value: T) -> None:
        """Declares it of a function."""
        setattr(on, self._name, value)

    def of(self, function: Any) -> T | None:
        """What was declared of a function; None when nothing was."""
        found: T | None = getattr(function, self._name, None)
        return found
