"""The text that marks the filled example of a template: the catalog writes it, collection refuses it. Pure."""

from typing import Final

_MARKER: Final = "示例"


def example_text(name: str, length: int) -> str:
    """The example's value of a text item with this Chinese name; at most `length` characters."""
    return f"{_MARKER}{name}"[:length]
