"""Requests that are carried out once: the answer to the first is kept for its repeats."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from pymongo.database import Database

from chengxin.errors import IDEMPOTENCY_CONFLICT
from chengxin.store.unit_of_work import UnitOfWork
from chengxin.values.canonical_json import digest
from chengxin.values.clock import Clock
from chengxin.values.document import RawDocument

T = TypeVar("T")


@dataclass(frozen=True)
class Once(Generic[T]):
    """What became of a request: `value` when it was carried out now, and the answer that is kept for its repeats."""

    answer: RawDocument
    value: T | None = None

    @property
    def first(self) -> bool:
        """Whether the request was carried out now; else it is a repeat."""
        return self.value is not None

    def or_read(self, read: Callable[[RawDocument], T]) -> T:
        """The value, or what `read` makes of the answer to the first request."""
        return read(self.answer) if self.value is None else self.value


class Answers:
    """The answers that a store keeps, by caller and `Idempotency-Key`."""

    def __init__(self, db: Database[RawDocument], clock: Clock) -> None:
        self._answers = db["idempotency"]
        self._clock = clock

    def first_or_repeat(
        self,
        unit: UnitOfWork,
        caller: str,
        key: str,
        request: bytes,
        carry_out: Callable[[], Once[T]],
    ) -> Once[T]:
        """The kept answer to a request under this key of a caller; else what `carry_out` makes of it, which is kept.

        Raises IDEMPOTENCY_CONFLICT when another request had this key.
        """
        name, asked = f"{caller}\0{key}", digest(request)
        known = self._answers.find_one({"_id": name}, session=unit.session)
        if known is not None:
            if known["asked"] != asked:
                raise IDEMPOTENCY_CONFLICT(key=key)
            unit.without_event("a repeat gets the first answer")
            return Once(dict(known["answer"]))
        done = carry_out()
        row = {"_id": name, "asked": asked, "answer": done.answer, "at": self._clock.now()}
        self._answers.insert_one(row, session=unit.session)
        return done
