"""Writes chengxin/values/character_tables.py: which characters nobody sees, and which look like others, from Unicode.

usage: python tools/list_characters.py TSCharacters.txt

It needs node and perl, whose own tables are Unicode's, and OpenCC's TSCharacters.txt (Apache-2.0), which is in the
package opencc-python-reimplemented. None of them is needed when the city runs. tests/chengxin/values compares the
tables with Python's own, and with node's where it is there.
"""

import subprocess
import sys
import textwrap
import unicodedata
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

TARGET: Final = Path(__file__).parents[1] / "chengxin" / "values" / "character_tables.py"
# Letters and signs by their category that are blank: braille, a musical sign, a filler.
_BLANK: Final = (0x2800, 0x16FE4, 0x1D159)
# They stand for an object, and for a character, that a program has lost.
_LOST: Final = (0xFFFC, 0xFFFD)
# Whitespace that a text may have.
_LINES: Final = (0x09, 0x0A, 0x0D)
# Planes of Chinese characters alone: what is not assigned there yet is one.
_HAN_PLANES: Final = (range(0x20000, 0x2FFFE), range(0x30000, 0x3FFFE))
_NODE: Final = r"""
const refused = /[\p{Cn}\p{Cc}\p{Cf}\p{Cs}\p{Co}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}]/u;
const found = [];
for (let c = 0; c < 0x110000; c++) if (refused.test(String.fromCodePoint(c))) found.push(c);
console.log(process.versions.unicode, found.join(" "));
"""
_PERL: Final = 'print do "unicore/To/EqUIdeo.pl"'
# What <wide> and <narrow> characters stand for is recorded, but full-width signs are Chinese punctuation.
_RECORDED_AS: Final = ("<wide>", "<narrow>", "<noBreak>")
# It is hidden, not narrow.
_FILLER: Final = "\uffa0"
_HEAD: Final = '''"""Characters that nobody sees, and characters that look like others.

Made by tools/list_characters.py from Unicode {version} (Unicode licence v3) and from OpenCC (Apache-2.0, © BYVoid).
"""

from typing import Final

UNICODE: Final = "{version}"
'''


def hidden() -> tuple[str, list[int]]:
    """Unicode's version, and what a text must not have: controls, format characters, surrogates, private use, separators
    of lines, what is not assigned, Default_Ignorable_Code_Point, letters that are blank, and signs of what was lost."""
    version, *found = subprocess.run(["node", "-e", _NODE], check=True, capture_output=True, text=True).stdout.split()  # nosec
    points = {int(point) for point in found} | {*_BLANK, *_LOST}
    return version, sorted(p for p in points if p not in _LINES and not any(p in plane for plane in _HAN_PLANES))


def look_alikes() -> dict[str, str]:
    """Characters that are recorded as another one: other widths, spaces, radicals for the characters they stand for."""
    same = {chr(p): _alike(chr(p)) for p in range(0xA0, sys.maxunicode + 1)}
    return {char: other for char, other in (same | _radicals()).items() if other and other != char}


def _alike(char: str) -> str:
    if unicodedata.category(char) == "Zs":
        return " "
    tag, _, point = unicodedata.decomposition(char).partition(" ")
    if tag not in _RECORDED_AS or char == _FILLER:
        return ""
    other = chr(int(point, 16))
    return "" if tag == "<wide>" and not other.isalnum() else other


def _radicals() -> dict[str, str]:
    """Equivalent_Unified_Ideograph of the radicals; strokes are not in names."""
    told = subprocess.run(["perl", "-e", _PERL], check=True, capture_output=True, text=True).stdout  # nosec
    same = {}
    for line in told.splitlines():
        first, last, other = line.split("\t")
        for point in range(int(first, 16), int(last or first, 16) + 1):
            if 0x2E80 <= point <= 0x2FDF:
                same[chr(point)] = chr(int(other, 16))
    return same


def simplified(lines: Iterator[str]) -> dict[str, str]:
    """Traditional characters and the simplified ones by which both are found; of several the commonest."""
    pairs = {line.split("\t")[0]: line.split("\t")[1].split()[0] for line in lines if "\t" in line}
    return {char: _end_of(char, pairs) for char in pairs if _end_of(char, pairs) != char}


def _end_of(char: str, pairs: Mapping[str, str]) -> str:
    seen = {char}
    while (char := pairs.get(char, char)) not in seen:
        seen.add(char)
    return char


def ranges(points: list[int]) -> Iterator[tuple[int, int]]:
    """The points as ranges, both ends in."""
    first = last = points[0]
    for point in points[1:]:
        if point != last + 1:
            yield first, last
            first = point
        last = point
    yield first, last


def module(characters: Path) -> str:
    """The whole module."""
    version, points = hidden()
    spans = " ".join(f"{a:X}" if a == b else f"{a:X}-{b:X}" for a, b in ranges(points))
    parts = [_HEAD.format(version=version), _text("HIDDEN", textwrap.wrap(spans, 112), " ")]
    with characters.open(encoding="utf-8-sig") as lines:
        for name, other, same in (
            ("LOOKS_LIKE", "RECORDED_AS", look_alikes()),
            ("TRADITIONAL", "SIMPLIFIED", simplified(lines)),
        ):
            parts += [_characters(name, sorted(same)), _characters(other, [same[char] for char in sorted(same)])]
    return "".join(parts)


def _characters(name: str, characters: list[str]) -> str:
    # Escaped where an editor shows nothing, or something else: outside of Chinese characters.
    shown = [
        c if ord(c) >= 0x3400 and unicodedata.name(c, "").startswith("CJK UNIFIED") else _escape(c) for c in characters
    ]
    return _text(name, list(_lines(shown)), "")


def _escape(char: str) -> str:
    if "!" <= char <= "~" and char not in '"\\':
        return char
    return f"\\u{ord(char):04x}" if ord(char) < 0x10000 else f"\\U{ord(char):08x}"


def _lines(parts: list[str]) -> Iterator[str]:
    line, width = "", 0
    for part in parts:
        wide = sum(1 + (c > "\u2000") for c in part)
        if width + wide > 112:
            yield line
            line, width = "", 0
        line, width = line + part, width + wide
    yield line


def _text(name: str, lines: list[str], joint: str) -> str:
    whole = "".join(f'    "{line}{joint if n < len(lines) - 1 else ""}"\n' for n, line in enumerate(lines))
    return f"{name}: Final = (\n{whole})\n"


if __name__ == "__main__":
    TARGET.write_text(module(Path(sys.argv[1])), encoding="utf-8")
