"""The forms of a text: as it is recorded, as it is compared, as it is searched. Pure.

Recording, search and comparison use these functions and no others, so that what is recorded is found. Decision 43 says
what is the same text, and what is refused.
"""

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Iterator, Set
from functools import cache, lru_cache
from itertools import accumulate, islice
from string import ascii_uppercase
from typing import Final, NamedTuple

from chengxin.bounds import own
from chengxin.values import character_tables as tables


def _class_of(ranges: str) -> str:
    """A class of a regular expression that Python and ECMA-262 (with `u`) read alike, without its brackets."""
    parts = []
    for span in ranges.split():
        first, _, last = span.partition("-")
        parts.append(_escaped(first) + (f"-{_escaped(last)}" if last else ""))
    return "".join(parts)


def _escaped(point: str) -> str:
    # ECMA writes characters beyond the first plane otherwise than Python; both take the character itself.
    return f"\\u{point:0>4}" if len(point) <= 4 else chr(int(point, 16))


# Characters that no text may have: controls but tab and line breaks, format characters, surrogates, private use, line
# and paragraph separators, what is not assigned, Default_Ignorable_Code_Point, letters that are blank, and the two signs
# that stand for what was lost (U+FFFC, U+FFFD).
HIDDEN_CLASS: Final = _class_of(tables.HIDDEN)
_HIDDEN: Final = re.compile(f"[{HIDDEN_CLASS}]")
# Those of them that Python takes for printable. A text that is printable and has none of these has none at all.
_HIDDEN_PRINTABLE: Final = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180d\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\ufffc\ufffd\U00016fe4\U0001d159\U000e0100-\U000e01ef]"
)

_HAN: Final = "\u3007\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
_HAS_HAN: Final = re.compile(f"[{_HAN}]")
# After a Chinese character they choose one of its shapes (UTS 37); the character is the same.
_SHAPES: Final = re.compile(rf"(?<=[{_HAN}])(?:\s*[\ufe00-\ufe0f\U000e0100-\U000e01ef])+")
_LOOK_ALIKES: Final = str.maketrans(tables.LOOKS_LIKE, tables.RECORDED_AS)
_ODD: Final = re.compile(f"[{re.escape(tables.LOOKS_LIKE)}\ufe00-\ufe0f\U000e0100-\U000e01ef]")

_NARROW_SIGNS: Final = {code: code - 0xFEE0 for code in range(0xFF01, 0xFF5F)}
# What UTS 39 takes for the middle dot, and the Japanese ones.
_DOTS: Final = "\u1427\u2022\u2027\u2219\u22c5\u2e31\u30fb\uff65\ua78f\U00010101"
_NAME_SIGNS: Final = str.maketrans(f"(){_DOTS}", "（）" + "·" * len(_DOTS))
_ODD_IN_NAME: Final = re.compile(rf"[\s(){_DOTS}]")
# Chinese characters and signs, beside which a space means nothing.
_CLOSE: Final = _HAN + "\u3001-\u301f（）·"
_NAME_SPACES: Final = re.compile(rf"(?<=[{_CLOSE}])\s+|\s+(?=[{_CLOSE}])")

# How the same sign is typed in the numbers of documents: dashes (with the lines that input methods give for them),
# brackets, slashes, tildes, the Chinese zero.
_DASHES: Final = "\u2010\u2011\u2012\u2013\u2014\u2015\u2043\u2212\u2500\u2501\ufe58\ufe63\uff0d"
_SIGNS: Final = {
    "-": _DASHES,
    "(": "（[【〔〖〘〚",
    ")": "）]】〕〗〙〛",
    "/": "\u2044\u2215",
    "~": "\u223c\u301c",
    "〇": "\u25cb\u25ef",
}
# Greek and Cyrillic letters that are written like Latin ones (UTS 39).
_GREEK_AND_CYRILLIC: Final = (
    "\u0391\u0392\u0395\u0396\u0397\u0399\u039a\u039c\u039d\u039f\u03a1\u03a4\u03a5\u03a7\u03bf"
    "\u0410\u0412\u0415\u041a\u041c\u041d\u041e\u0420\u0421\u0422\u0423\u0425\u0405\u0406\u0408"
    "\u0430\u0435\u043e\u0440\u0441\u0443\u0445\u0455\u0456\u0458"
)
_LATIN: Final = "ABEZHIKMNOPTYXoABEKMHOPCTYXSIJaeopcyxsij"
_SAME_IN_KEYS: Final = str.maketrans(
    {typed: sign for sign, ways in _SIGNS.items() for typed in ways}
    | dict(zip(_GREEK_AND_CYRILLIC, _LATIN, strict=True))
)
_ODD_IN_KEY: Final = re.compile(f"[{re.escape(''.join(map(chr, _SAME_IN_KEYS)))}]")
_PLAIN_DASHES: Final = dict.fromkeys(map(ord, _DASHES), "-")
# The year of a document, for example 〔2026〕; at the beginning, as courts write it, it has round brackets.
_YEAR: Final = re.compile(r"(?<=.)（([0-9]{4})）", re.DOTALL)
# Numbers that compatibility would run into the digits beside them: 1① is not 11. Circled, raised, lowered, fractions.
_NUMBERS_APART: Final = re.compile(
    "([\u00b2\u00b3\u00b9\u00bc-\u00be\u2070\u2074-\u2079\u2080-\u2089\u2150-\u215f\u2189\u2460-\u2473\u24ea\u3192-\u3195"
    "\u3251-\u325f\u3280-\u3289\u32b1-\u32bf])"
)

_UNIFIED_DOTS: Final = str.maketrans(_DOTS, "·" * len(_DOTS))
_SIMPLIFIED: Final = str.maketrans(tables.TRADITIONAL, tables.SIMPLIFIED)

# Compatibility characters and letters with a case are below it, but for Chinese ones.
_LAST_WITH_FORMS: Final = 0x1FFFF
_CHINESE_WITH_FORMS: Final = range(0x2F800, 0x2FA1E)
_HANGUL_SECONDS: Final = frozenset(map(chr, (*range(0x1161, 0x1176), *range(0x11A8, 0x11C3))))
_MOST_NAMES_KEPT: Final = 1024
own(
    __name__,
    "lru_cache",
    resource="Names that were looked for in texts",
    total=_MOST_NAMES_KEPT,
    why="The least recently used is forgotten",
)
own(__name__, "cache", resource="Tables of characters that are one in a search", total=1, why="One table of Unicode's")
own(__name__, "cache", resource="Characters that join the one before", total=1, why="One table of Unicode's")


class TextSpan(NamedTuple):
    """Where a part of a text stands: its first character, and the one after its last."""

    start: int
    end: int


# As it is recorded


def standard_text(text: str) -> str:
    """Writes each character in the one way in which it is recorded, without white space at the ends.

    Canonical equivalents become one (NFC, so that compatibility ideographs become the unified ones), radicals the
    characters that they stand for, full-width letters and digits and every kind of space the ordinary ones. Full-width
    commas and brackets stay: they are Chinese punctuation. Hidden characters stay, so that they are refused, but for the
    selector of a Chinese character's shape, which is left out. A second time changes nothing.
    """
    if text.isascii():
        return text.strip()
    narrow = _SHAPES.sub("", _composed(text).translate(_LOOK_ALIKES))
    return _composed(narrow).strip()


def standard_name(text: str) -> str:
    """Writes a Chinese name with full-width brackets, `·`, and no spaces beside Chinese characters.

    Other names get single spaces.
    """
    narrow = " ".join(standard_text(text).split())
    return _NAME_SPACES.sub("", narrow.translate(_NAME_SIGNS)) if _HAS_HAN.search(narrow) else narrow


def standard_identifier(text: str) -> str:
    """Writes an identifier in capitals, with half-width signs, and without spaces."""
    return _composed("".join(with_narrow_signs(text).upper().split()))


def with_narrow_signs(text: str) -> str:
    """The standard text with half-width signs, where these mean the same: in dates, numbers and identifiers."""
    return standard_text(text).translate(_NARROW_SIGNS)


def with_plain_dashes(text: str) -> str:
    """The text with every kind of dash as the hyphen, where they mean the same: in identifiers."""
    return text.translate(_PLAIN_DASHES)


def is_odd_text(text: str) -> bool:
    """Whether `standard_text` may change a text, but for its ends; a quick look."""
    return not text.isascii() and (bool(_ODD.search(text)) or not unicodedata.is_normalized("NFC", text))


def is_odd_name(text: str) -> bool:
    """Whether `standard_name` may change a text that `is_odd_text` does not find; a quick look."""
    return bool(_ODD_IN_NAME.search(text))


def _composed(text: str) -> str:
    composed = unicodedata.normalize("NFC", text)
    # A few signs become longer, and a text that fits must not become too long.
    return composed if len(composed) <= len(text) else text


# As it is compared and searched


def identity_key(text: str) -> str:
    """The text by which a record is known: what the same clerk types in two ways has the same key.

    That of an ordinary text is the text: the keys of records that were recorded before must not change.
    """
    key = earlier_identity_key(text)
    if _ODD_IN_KEY.search(key):
        key = standard_name(key.translate(_SAME_IN_KEYS))
    return _YEAR.sub(r"〔\1〕", key)


def earlier_identity_key(text: str) -> str:
    """The identity key of the version before, which kept brackets, dashes and letters of other scripts apart."""
    if text.isascii():
        return text
    parts = _NUMBERS_APART.split(standard_text(text))
    return standard_name("".join(unicodedata.normalize("NFKC", p) if n % 2 == 0 else p for n, p in enumerate(parts)))


def comparison_key(text: str) -> str:
    """The text without differences of width, case, dots, spacing, and of what nobody sees (NFKC_Casefold, UAX 44)."""
    alike = unicodedata.normalize("NFKC", text.translate(_LOOK_ALIKES)).translate(_UNIFIED_DOTS)
    plain = "".join(alike.split())
    shown = _HIDDEN.sub("", plain) if _may_hide(plain) else plain
    return unicodedata.normalize("NFKC", shown.casefold())


def search_key(text: str) -> str:
    """The comparison key in simplified characters. 乾隆 is found by 干隆, too: a search may find more."""
    return simplified(comparison_key(text))


def simplified(text: str) -> str:
    """The text with each traditional character as its commonest simplified one; the length stays."""
    return text.translate(_SIMPLIFIED)


def places_of_names(names: Iterable[str], text: str) -> list[TextSpan]:
    """Returns where names stand in a text, in whatever form a search finds them by. A name of one character is a word.

    A text that has a name by a search key, but not in its characters one by one, is one place as a whole.
    """
    # Where signs join the letters before them, these are one character that may be written as one.
    characters = text if _joining().isdisjoint(text) else _joined_characters(text)
    looked_for = map(_looked_for, names)
    sought = [k for k, shapes in looked_for if len(k) > 1 and (characters is not text or _may_have(text, shapes))]
    if not sought:
        return []
    # Once for all names: a text may have a million characters.
    key_of = {char: search_key(char) for char in {*characters}}
    keys = [key_of[char] for char in characters]
    joined, whole = "".join(keys), search_key(text)
    ends = [*accumulate(map(len, characters))]
    numbers = [number for number, part in enumerate(keys) for _ in part]
    places = []
    for key in sought:
        found = [match.span() for match in re.finditer(re.escape(key), joined)]
        if not found and key in whole:
            return [TextSpan(0, len(text))]
        for start, end in found:
            first, last = numbers[start], numbers[end - 1]
            places.append(TextSpan(ends[first] - len(characters[first]), ends[last]))
    return [place for place in places if not _is_within_word(text, place)]


def _joined_characters(text: str) -> list[str]:
    """The characters of a text, each with the signs that join it."""
    joining = _joining()
    characters: list[str] = []
    for char in text:
        if characters and char in joining:
            characters[-1] += char
        else:
            characters.append(char)
    return characters


@cache
def _joining() -> Set[str]:
    """The characters that may become one with that before them (NFC)."""
    points = [chr(point) for point in range(0x80, _LAST_WITH_FORMS)]
    parts = (unicodedata.decomposition(char).split() for char in points)
    # Hangul is composed by arithmetic.
    seconds = {chr(int(part[1], 16)) for part in parts if len(part) == 2 and part[0][0] != "<"} | _HANGUL_SECONDS
    return seconds | {char for char in points if unicodedata.combining(char)}


def _may_have(text: str, characters: Iterable[Iterable[str]]) -> bool:
    """A quick look: most texts lack one of a name's characters in all its shapes."""
    for shapes in characters:
        for shape in shapes:
            if shape in text:
                break
        else:
            return False
    return True


@lru_cache(_MOST_NAMES_KEPT)
def _looked_for(name: str) -> tuple[str, tuple[tuple[str, ...], ...]]:
    """The key of a name, and for each of its characters all that have it in theirs."""
    key = search_key(name)
    return key, tuple((char, *_shapes().get(char, ())) for char in key)


@cache
def _shapes() -> dict[str, list[str]]:
    """For each character of search keys, the others in whose keys it is."""
    ranges = (range(0x80, _LAST_WITH_FORMS), _CHINESE_WITH_FORMS)
    formed = {c for r in ranges for c in map(chr, r) if unicodedata.decomposition(c) or c.casefold() != c}
    formed |= {*tables.LOOKS_LIKE, *tables.TRADITIONAL, *_DOTS, *ascii_uppercase}
    others = defaultdict(list)
    for char in formed:
        for part in {*search_key(char)}:
            others[part].append(char)
    return others


def _is_within_word(text: str, place: TextSpan) -> bool:
    """Whether letters of an alphabet go on before or after a place: `Li` is no name in `Limited`."""
    before, after = text[max(place.start - 1, 0) : place.start + 1], text[place.end - 1 : place.end + 1]
    return any(len(letters) == 2 and all(_has_case(char) for char in letters) for letters in (before, after))


def _has_case(char: str) -> bool:
    return char.lower() != char.upper()


# What nobody sees


def hidden_characters(text: str) -> Iterator[tuple[int, str]]:
    """Yields each hidden character once, with the place of its first occurrence, from 1."""
    if not _may_hide(text):
        return
    seen = set()
    for match in _HIDDEN.finditer(text):
        if match[0] not in seen:
            seen.add(match[0])
            yield match.start() + 1, match[0]


def _may_hide(text: str) -> bool:
    return not text.isprintable() or bool(_HIDDEN_PRINTABLE.search(text))


def code_point(char: str) -> str:
    """A character by its code point, `U+200B`."""
    return f"U+{ord(char):04X}"


def with_hidden_named(text: str) -> str:
    """The text with each hidden character as `<U+200B>`, so that a message shows what is wrong."""
    return _HIDDEN.sub(lambda match: f"<{code_point(match[0])}>", text)


def first_hidden(text: str, most: int) -> list[tuple[int, str]]:
    """The first few hidden characters of a text with their places."""
    return list(islice(hidden_characters(text), most))


def first_unseen(text: str, most: int) -> list[tuple[int, str]]:
    """The first few hidden characters of what somebody wrote, which is kept as it is, with their places; a selector of a
    Chinese character's shape, which records leave out, is none."""
    # A file in Base64 is such a text too, and long.
    if text.isascii() and text.isprintable():
        return []
    return first_hidden(_SHAPES.sub(lambda shape: " " * len(shape[0]), text), most)
