"""How a consumer splits a feed's changes into parts, names the parts and stores them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from google.protobuf import descriptor_pool, message_factory
from google.protobuf.message import Message


@dataclass(frozen=True)
class Label:
    """The name of a part, and the keys under which order matters: pseudonyms and codes, no personal data.

    Of parts with the same name the one with the greatest version counts; without versions, the greatest position.
    """

    name: str
    keys: tuple[str, ...] = ()
    version: int = 0


class FeedParts:
    """How a consumer splits a feed's changes, names the parts and stores them. This class leaves changes whole."""

    def split(self, change: Any) -> list[Any]:
        """The parts of a change that can each be applied alone, in order."""
        return [change]

    def join(self, change: Any, parts: Sequence[Any], last: bool) -> Any:
        """Some parts of a change as one change; `last` when its position is stored with it."""
        return parts[0]

    def label(self, part: Any) -> Label:
        """The name of a part, and the keys that it concerns."""
        return Label(str(part.position))

    def pack(self, part: Any) -> bytes:
        """A part as it is stored: no more than is needed to apply it again, and no personal data in clear text."""
        return bytes(part.SerializeToString())

    def unpack(self, kind: str, message: bytes) -> Any:
        """The part that `pack` was given. `kind` is the full name of its message type."""
        part: Message = message_factory.GetMessageClass(descriptor_pool.Default().FindMessageTypeByName(kind))()
        part.ParseFromString(message)
        return part
