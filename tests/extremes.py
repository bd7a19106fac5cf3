"""Messages of a contract with each field, however deep, at its extremes; by their descriptors, so new fields come along."""

import copy
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

_TEXTS: Final = (
    "",
    " ",
    "\0",
    "长" * 10_000,
    "enc:1:AAAA",
    "a.b",
    "$ne",
    "9999-12-31",
    "0000-00-00",
    "٣",
    "\ufdfa",
    "-1",
)
_WIDE: Final = {FieldDescriptor.CPPTYPE_INT64: 63, FieldDescriptor.CPPTYPE_INT32: 31}
_UNSIGNED: Final = {FieldDescriptor.CPPTYPE_UINT64: 64, FieldDescriptor.CPPTYPE_UINT32: 32}

Setter = Callable[[Any], None]


def extremes(message: Message, few: bool = False) -> Iterator[tuple[str, Any]]:
    """Copies of a message in each of which one field has another extreme, and which; of texts all of them, or a few."""
    for path, change in _changes(message, _TEXTS[:4] if few else _TEXTS):
        changed = copy.deepcopy(message)
        change(changed)
        yield path, changed


def _changes(message: Message, texts: Sequence[str], path: str = "", depth: int = 0) -> Iterator[tuple[str, Setter]]:
    for field in message.DESCRIPTOR.fields:
        name = f"{path}.{field.name}".strip(".")
        yield f"{name} absent", lambda m, f=field.name: m.ClearField(f)
        if field.message_type is not None and field.message_type.GetOptions().map_entry:
            of = field.message_type.fields_by_name["value"]
            one = "x" if of.cpp_type == FieldDescriptor.CPPTYPE_STRING else 1
            for text in texts[:7]:
                yield f"{name} key {text[:9]!r}", lambda m, f=field.name, t=text, o=one: getattr(m, f).update({t: o})
            for value in _values(of, texts):
                yield f"{name} value {str(value)[:9]!r}", lambda m, f=field.name, v=value: _each_value(getattr(m, f), v)
        elif field.message_type is not None:
            yield from _within(message, field, texts, name, depth)
        else:
            for value in _values(field, texts):
                yield f"{name} = {str(value)[:12]!r}", lambda m, f=field, v=value: _put(m, f, v)


def _within(message: Message, field: Any, texts: Sequence[str], name: str, depth: int) -> Iterator[tuple[str, Setter]]:
    inner = getattr(message, field.name)
    if field.is_repeated:
        if not inner or depth > 3:
            return
        for path, change in _changes(inner[0], texts, name, depth + 1):
            yield path, lambda m, f=field.name, c=change: c(getattr(m, f)[0])
    elif message.HasField(field.name):
        for path, change in _changes(inner, texts, name, depth + 1):
            yield path, lambda m, f=field.name, c=change: c(getattr(m, f))


def _each_value(found: Any, value: Any) -> None:
    for key in list(found):
        found[key] = value


def _put(message: Any, field: Any, value: Any) -> None:
    if field.is_repeated:
        del getattr(message, field.name)[:]
        getattr(message, field.name).extend([value, value])
    else:
        setattr(message, field.name, value)


def _values(field: Any, texts: Sequence[str]) -> list[Any]:
    kind = field.cpp_type
    if kind == FieldDescriptor.CPPTYPE_STRING:
        return [b"", b"\xff"] if field.type == FieldDescriptor.TYPE_BYTES else list(texts)
    if kind in _WIDE:
        return [0, -1, -(2 ** _WIDE[kind]), 2 ** _WIDE[kind] - 1]
    if kind in _UNSIGNED:
        return [0, 2 ** _UNSIGNED[kind] - 1]
    if kind == FieldDescriptor.CPPTYPE_BOOL:
        return [True, False]
    return [0]
