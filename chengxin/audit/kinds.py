"""Kinds of values on record. A value that is not of its kind is not written down: `WITHHELD` stands in its place. Pure.

It is masked and not refused: the act happened and must be on record, also when a token or a row of an earlier version
holds a text that would not be taken today. Faces refuse such texts where they come in.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol

from chengxin.values.personal_numbers import holds_personal_number

# No digest: of a number that is known but for some digits, all can be tried.
WITHHELD: Final = "withheld"


class Kind(Protocol):
    """What a value on record may be."""

    @property
    def title(self) -> str:
        """The kind in a word or two, as the documents name it."""

    def admitted(self, value: Any) -> Any:
        """The value, with `WITHHELD` for what is not of this kind."""


@dataclass(frozen=True)
class Text:
    """A text of a form. One that the system made (`made`) is looked at no further; one that a person chose (`chosen`)
    must also hold no number that stands for a person."""

    title: str
    made: re.Pattern[str] | None = None
    chosen: re.Pattern[str] | None = None

    def admitted(self, value: Any) -> Any:
        """The text itself, or `WITHHELD`."""
        if isinstance(value, str):
            if self.made is not None and self.made.fullmatch(value):
                return value
            if self.chosen is not None and self.chosen.fullmatch(value) and not holds_personal_number(value):
                return value
        return WITHHELD


@dataclass(frozen=True)
class Plain:
    """A number or a yes or no."""

    title: str
    type: type

    def admitted(self, value: Any) -> Any:
        """The value itself, or `WITHHELD`."""
        return value if type(value) is self.type else WITHHELD


@dataclass(frozen=True)
class Several:
    """A list of one kind."""

    of: Kind

    @property
    def title(self) -> str:
        """The kind of its members."""
        return f"list of {self.of.title}"

    def admitted(self, value: Any) -> Any:
        """The list, each of its members admitted."""
        return [self.of.admitted(each) for each in value] if isinstance(value, list | tuple) else WITHHELD


@dataclass(frozen=True)
class Named:
    """Values by name."""

    kinds: Mapping[str, Kind]

    @property
    def title(self) -> str:
        """The names and their kinds."""
        return "; ".join(f"{name}: {kind.title}" for name, kind in self.kinds.items())

    def admitted(self, value: Any) -> Any:
        """The values that have a name here, each admitted."""
        if not isinstance(value, Mapping):
            return WITHHELD
        return {name: self.kinds[name].admitted(each) for name, each in value.items() if name in self.kinds}


@dataclass(frozen=True)
class _CountsByWord:
    title: str = "counts by word"

    def admitted(self, value: Any) -> Any:
        if not isinstance(value, Mapping):
            return WITHHELD
        return {WORD.admitted(name): COUNT.admitted(each) for name, each in value.items()}


# `new_id`, pseudonyms and ids of records, rows that are set aside, numbers of objections.
_MADE: Final = re.compile(r"[a-z]{1,8}_(?:[0-9a-v]{26}|[a-z2-7]{26}|[0-9a-f]{24})|YY-20\d{6}-\d{4,9}", re.ASCII)
_WORD: Final = re.compile(r"[A-Za-z0-9_.:@/-]{1,80}", re.ASCII)

COUNT: Final = Plain("count", int)
FLAG: Final = Plain("yes or no", bool)
COUNTS: Final = _CountsByWord()
REFERENCE: Final = Text("reference", _MADE, _WORD)
# A day, an instant, or a period of reporting; empty where there is none.
DATE: Final = Text(
    "date",
    re.compile(r"|\d{4}(?:-\d\d(?:-\d\d(?:T\d\d:\d\d:\d\d(?:\.\d{1,6})?Z)?)?|-W\d\d|-Q[1-4])?", re.ASCII),
)
DIGEST: Final = Text("digest", re.compile(r"[0-9a-f]{32,128}"))
ERROR: Final = Text("code of an error", re.compile(r"[A-Z][A-Z0-9_]{1,63}", re.ASCII))
ENTRY: Final = Text("code of an entry", chosen=re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,63}", re.ASCII))
ITEM: Final = Text("code of an item", chosen=re.compile(r"[A-Za-z][A-Za-z0-9_]{0,63}", re.ASCII))
REGION: Final = Text("region", chosen=re.compile(r"[0-9]{0,12}", re.ASCII))
ORGANISATION: Final = Text("credit code of an organisation", chosen=re.compile(r"[0-9A-Z]{1,18}", re.ASCII))
# A word that somebody gave to a thing when it was registered or begun, or one of a fixed list.
WORD: Final = Text("word", chosen=_WORD)
# How a caller was verified: one way, or several together (`pwd+totp`).
ASSURANCE: Final = Text("way of verifying", chosen=re.compile(r"[a-z0-9_]{1,20}(?:\+[a-z0-9_]{1,20})*", re.ASCII))
# The name of what is set aside: words and numbers of feeds.
LABEL: Final = Text("label", _MADE, re.compile(r"[A-Za-z0-9_.:|, -]{1,100}", re.ASCII))
# What two officers registered, or an organ names as its ground: purposes, provisions of law, numbers of agreements and
# cases.
WORDS: Final = Text("registered words", chosen=re.compile(r"[^\x00-\x1f\x7f-\x9f]{1,200}"))
