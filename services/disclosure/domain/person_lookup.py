"""What the public finds a person by (Art. 4, 15): the full name together with a number that only those have who deal with
her: the number of the document of a public record, or the last six characters of the number that identifies her.

Neither name nor number is stored for it: both together make a keyed digest.
"""

from collections.abc import Iterable, Mapping
from typing import Final

from chengxin.values.ids import SubjectKey
from chengxin.values.text_forms import search_key
from services.disclosure.domain.catalog_entry import DisclosureEntry

# Characters of an identity number or another number of a person that are asked for, and the fewest of a document's
# number: shorter ones can be guessed.
NUMBER_LENGTH: Final = 6
# Words of a query that are looked at: each place between two of them may be the one between name and number.
_MOST_WORDS: Final = 8


def lookups_of(key: SubjectKey, items: Mapping[str, str], entry: DisclosureEntry) -> list[str]:
    """Returns what the public finds the person of a record by. `items` has the plain values of all items."""
    if not (name := _bare(items.get(entry.subject_name_item, ""))):
        return []
    identifying = [_bare(items[code]) for code, _ in entry.identifying if code in items]
    numbers = [number[-NUMBER_LENGTH:] for number in identifying]
    numbers.append(_bare(items.get(entry.legal_document.number, "")))
    return [key.person_lookup(name, number) for number in dict.fromkeys(numbers) if len(number) >= NUMBER_LENGTH]


def lookups_in(key: SubjectKey, query: str) -> list[str]:
    """Returns what a query may look a person up by: a name, white space, a number, each of one word or several."""
    words = query.split()[:_MOST_WORDS]
    splits = ((_join(words[:n]), _join(words[n:])) for n in range(1, len(words)))
    return [key.person_lookup(name, number) for name, number in splits if name and len(number) >= NUMBER_LENGTH]


def _join(words: Iterable[str]) -> str:
    return _bare("".join(words))


def _bare(text: str) -> str:
    """Returns a name or number without signs: brackets and dots are typed in many ways."""
    return "".join(character for character in search_key(text) if character.isalnum())
