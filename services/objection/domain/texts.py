"""The rules for texts that people write: none is empty where one is needed, none is too long, all of it is seen."""

from chengxin.errors import INPUT_INVALID, FieldError, Problem
from chengxin.values.text_forms import comparison_key
from chengxin.values.written_texts import hidden_fault


def require_text(field: str, text: str, most: int) -> str:
    """Returns a required text without outer white space. Raises INPUT_INVALID, also when nothing of it is seen."""
    if not comparison_key(text):
        raise required(field)
    return optional_text(field, text, most)


def optional_text(field: str, text: str, most: int) -> str:
    """Returns an optional text without outer white space. Raises INPUT_INVALID."""
    if fault := hidden_fault(field, text):
        raise INPUT_INVALID(fields=[fault])
    stripped = text.strip()
    if len(stripped) > most:
        raise INPUT_INVALID(fields=[FieldError(field, "length", f"≤ {most}")])
    return stripped


def required(field: str) -> Problem:
    """Returns the INPUT_INVALID problem for a missing field."""
    return INPUT_INVALID(fields=[FieldError(field, "required", "必填 / required")])
