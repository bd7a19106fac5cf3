"""The SQL statement of a public search, and the terms under which the index keeps texts."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

_MOST_WORDS: Final = 8
_SHORT_TEXT: Final = 6
# Replacements of ASCII signs that are neither letters nor digits. Without them, any pair of signs that has one of these
# would find a name.
_REPLACED_SIGNS: Final = {n: 0xE000 + n for n in range(128) if not chr(n).isalnum()}

# A hit: the reference that it counts for, and its place: rank, code and reference.
_BY_CODE: Final = """SELECT * FROM (SELECT ifnull(leader, ref) AS whose, '1' || uscc || ' ' || ref AS place FROM subjects
  WHERE uscc != '' AND uscc >= :code AND uscc < :code_end AND until >= :today ORDER BY uscc, ref LIMIT :limit)"""
_BY_LOOKUP: Final = """SELECT ifnull(leader, ref), '0' || ref FROM lookups
  WHERE key IN (SELECT value FROM json_each(:lookups)) AND until >= :today"""
_BY_NAME: Final = """SELECT ifnull(leader, ref), '2' || uscc || ' ' || ref FROM names
  WHERE searched = :text AND until >= :today"""
_BY_BEGINNING: Final = """SELECT ifnull(leader, ref), '3' || uscc || ' ' || ref FROM names
  WHERE searched > :text AND searched < :text_end AND until >= :today"""
_BY_PART: Final = """SELECT ifnull(leader, ref), '4' || uscc || ' ' || ref FROM pairs CROSS JOIN names ON names.id = pairs.rowid
  WHERE pairs MATCH :pairs AND until >= :today AND instr(searched, :text) > 1"""
_BY_WORDS: Final = """SELECT ifnull(leader, ref), '5' || uscc || ' ' || ref FROM pairs CROSS JOIN names ON names.id = pairs.rowid
  WHERE pairs MATCH :word_pairs AND until >= :today"""
_BY_INITIALS: Final = """SELECT ifnull(leader, ref),
  CASE WHEN instr(initials, char(10) || :initials) THEN '6' ELSE '7' END || uscc || ' ' || ref
  FROM threes CROSS JOIN names ON names.id = threes.rowid
  WHERE threes MATCH :threes AND until >= :today AND instr(initials, :initials)"""
# One row has the whole answer, because each step of a statement releases Python's lock and then waits for it.
_SEARCH: Final = """
WITH hits AS MATERIALIZED (SELECT whose, place FROM ({ways}) LIMIT :limit),
  found AS MATERIALIZED (SELECT whose, min(place) AS place FROM hits GROUP BY whose),
  page AS MATERIALIZED (SELECT whose, place FROM found ORDER BY place LIMIT :size OFFSET :start)
SELECT (SELECT count(*) FROM hits), (SELECT count(*) FROM found),
  (SELECT json_group_array(whose) FROM (SELECT whose FROM page ORDER BY place)),
  (SELECT json_group_array(json_array(ref, leader, json(told))) FROM (
    SELECT ref, leader, told FROM subjects WHERE ref IN (SELECT whose FROM page)
    UNION SELECT ref, leader, told FROM subjects WHERE leader IN (SELECT whose FROM page)))
"""


@dataclass(frozen=True)
class SearchTerms:
    """The terms of a search. Texts are normalised."""

    text: str
    words: Sequence[str]
    code: str
    initials: str
    today: str
    # What a person is looked up by.
    lookups: Sequence[str] = ()


def search_statement(terms: SearchTerms) -> tuple[str, dict[str, Any]]:
    """Returns the statement of a search and its parameters, but for `limit`, `start` and `size`."""
    parameters: dict[str, Any] = {"today": terms.today, "text": terms.text}
    selects = []
    if terms.code:
        selects.append(_BY_CODE)
        parameters |= {"code": terms.code, "code_end": _end_of_range(terms.code)}
    else:
        # The first SELECT names the columns.
        selects.append("SELECT '' AS whose, '' AS place WHERE false")
    if terms.lookups:
        selects.append(_BY_LOOKUP)
        parameters["lookups"] = json.dumps(list(terms.lookups))
    selects += [_BY_NAME, _BY_BEGINNING, _BY_PART]
    parameters |= {"text_end": _end_of_range(terms.text), "pairs": _join_distinct(_pair_terms(terms.text))}
    if len(terms.words) > 1:
        words = terms.words[:_MOST_WORDS]
        selects.append(_BY_WORDS + "".join(f" AND instr(searched, :word{n})" for n in range(len(words))))
        parameters |= {f"word{n}": word for n, word in enumerate(words)}
        parameters["word_pairs"] = " ".join(_join_distinct(_pair_terms(word)) for word in words)
    if terms.initials:
        selects.append(_BY_INITIALS)
        parameters |= {"initials": terms.initials, "threes": _join_distinct(_three_terms(terms.initials))}
    return _SEARCH.format(ways=" UNION ALL ".join(selects)), parameters


def pairs_of(text: str) -> str:
    """Returns a text's pairs of signs, and the last sign alone, so that each sign begins a term."""
    signs = text.translate(_REPLACED_SIGNS)
    return " ".join({signs[n : n + 2] for n in range(len(signs))})


def threes_of(initials: str) -> str:
    """Returns the threes of initials in each line, and the last two letters of it."""
    threes = {line[n : n + 3] for line in initials.split("\n") for n in range(len(line) - 1)}
    return " ".join(threes)


def _pair_terms(text: str) -> list[str]:
    signs = text.translate(_REPLACED_SIGNS)
    if len(signs) < 2:
        # All terms that begin with this sign.
        return [f'"{signs}"*']
    # In a long text every second pair covers all signs, at half the cost.
    step = 1 if len(signs) <= _SHORT_TEXT else 2
    return [f'"{signs[n : n + 2]}"' for n in (*range(0, len(signs) - 2, step), len(signs) - 2)]


def _three_terms(initials: str) -> list[str]:
    if len(initials) < 3:
        return [f'"{initials}"*']
    return [f'"{initials[n : n + 3]}"' for n in range(len(initials) - 2)]


def _join_distinct(terms: Sequence[str]) -> str:
    return " ".join(dict.fromkeys(terms))


def _end_of_range(text: str) -> str:
    """Returns a text that sorts after all texts that begin with `text`."""
    while text:
        if (point := ord(text[-1])) < 0x10FFFF:
            # The code points between these two are surrogates, which are no text.
            return text[:-1] + chr(point + 1 if point != 0xD7FF else 0xE000)
        text = text[:-1]
    return "\U0010ffff" * 64
