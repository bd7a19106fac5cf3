"""The text by which the filled example of a template is known for one: the catalog writes it, collection refuses it. Pure."""

from typing import Final

_WORD: Final = "示例"


def example_text(name: str, length: int) -> str:
    """What the example has in a text item of a Chinese name and a greatest length in characters."""
    return f"{_WORD}{name}"[:length]
