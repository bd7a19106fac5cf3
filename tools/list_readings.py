"""Writes services/disclosure/domain/pinyin_letters.py, the first pinyin letters of Chinese characters, from pypinyin.

usage: python tools/list_readings.py [--check]

A character has the letter of its commonest reading, and those of its other readings that the library's phrases have
at least twice: 会 is read h, and k as in 会计. Rarer readings would only make unrelated names alike.
"""

import sys
import unicodedata
from collections import Counter, defaultdict
from pathlib import Path
from typing import Final

TARGET: Final = Path(__file__).parents[1] / "services" / "disclosure" / "domain" / "pinyin_letters.py"
_OFTEN_ENOUGH: Final = 2
# The letters of surnames, because pypinyin's phrases hardly have them.
_SURNAMES: Final = {
    "单": "s",
    "解": "x",
    "仇": "q",
    "查": "z",
    "朴": "p",
    "盖": "g",
    "翟": "z",
    "曾": "z",
    "尉": "y",
    "乐": "y",
}
_HEAD: Final = '''"""The first letters of Chinese characters in pinyin: letters, the commonest first, to characters.

Made by tools/list_readings.py from pypinyin (MIT, © mozillazg), whose data is pinyin-data's and phrase-pinyin-data's (MIT).
"""

from typing import Final

CHARACTERS: Final[dict[str, str]] = {
'''


def letters() -> dict[str, str]:
    """The letters of each character."""
    from pypinyin.constants import PHRASES_DICT, PINYIN_DICT

    seen: dict[str, Counter[str]] = defaultdict(Counter)
    for phrase, readings in PHRASES_DICT.items():
        if len(phrase) == len(readings):
            for character, reading in zip(phrase, readings, strict=True):
                seen[character][_first_letter(reading[0])] += 1
    letters_of: dict[str, str] = {}
    for point, all_readings in PINYIN_DICT.items():
        known = [letter for reading in all_readings.split(",") if (letter := _first_letter(reading))]
        if not known:
            continue
        character = chr(point)
        others = [
            letter for letter, count in seen[character].most_common() if count >= _OFTEN_ENOUGH and letter in known
        ]
        surname = [letter for letter in _SURNAMES.get(character, "") if letter in known]
        letters_of[character] = "".join(dict.fromkeys([known[0], *others, *surname]))
    return letters_of


def module() -> str:
    """The whole module."""
    characters: dict[str, list[str]] = defaultdict(list)
    for character, initials in letters().items():
        characters[initials].append(character)
    lines = (f'    "{initials}": "{"".join(sorted(characters[initials]))}",\n' for initials in sorted(characters))
    return _HEAD + "".join(lines) + "}\n"


def _first_letter(reading: str) -> str:
    letter = unicodedata.normalize("NFD", reading)[:1].lower()
    return letter if "a" <= letter <= "z" else ""


def main() -> None:
    """Writes the module, or compares it."""
    text = module()
    if "--check" in sys.argv[1:]:
        if TARGET.read_text(encoding="utf-8") != text:
            sys.exit(f"{TARGET} is stale: run python tools/list_readings.py")
        return
    TARGET.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
