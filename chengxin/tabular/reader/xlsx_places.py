"""Names of places in a workbook, as spreadsheets and its XML write them."""


def local_name(name: str) -> str:
    """The name of an element or attribute without its prefix."""
    return name.rpartition(":")[2]


def column_of(letters: str) -> int:
    """The number of a column, counted from 1, by its letters."""
    number = 0
    for letter in letters.upper():
        number = number * 26 + ord(letter) - ord("A") + 1
    return number


def column_name(column: int) -> str:
    """The letters of a column, counted from 1."""
    name = ""
    while column:
        column, rest = divmod(column - 1, 26)
        name = chr(ord("A") + rest) + name
    return name


def is_true(value: str | None) -> bool:
    """Whether an attribute says yes."""
    return value in ("1", "true")


def small_number(text: str) -> int:
    """A number of at most seven digits; 0 for any other text."""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 8 else 0
