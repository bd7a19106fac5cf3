"""Checks of a request before its view reads it: nothing that its address does not know, and nothing that cannot be read.

So a misspelt name is no silent default, and what a client sent in another form is told as that and not as missing.
"""

import re
from collections.abc import Callable, Collection, Mapping
from types import NoneType
from typing import Any, Final, TypeVar, get_args
from urllib.parse import parse_qsl

from flask import Request, request
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from werkzeug.datastructures import MultiDict
from werkzeug.formparser import FormDataParser

from chengxin.errors import CONTENT_TYPE_UNSUPPORTED, INPUT_INVALID, FieldError
from chengxin.http.description import IF_MATCH, IF_NONE_MATCH
from chengxin.values.marks import Mark
from chengxin.values.outside_json import GreatNumbers, RepeatedMembers, read_json

F = TypeVar("F", bound=Callable[..., Any])

# Stands in the place of bytes that are no UTF-8.
_UNREADABLE: Final = "\ufffd"
# In one spelling, as JSON has it.
_WHOLE_NUMBER: Final = re.compile(r"-?(0|[1-9][0-9]*)\Z")
_READING: Final = ("GET", "HEAD")
# RFC 9110, 13.1; the conditions by time concern only what tells a time.
_CONDITIONS: Final = (IF_MATCH, IF_NONE_MATCH)
# Bytes of a body that may say nothing.
_LITTLE: Final = 64
# Of the places where a body has the same fault.
_MOST_TOLD: Final = 100
_ONCE: Final = "只能给一次 / give it once"


# Why an address may have parameters that its view does not know.
_IGNORES_UNKNOWN: Final = Mark[str]("ignores_unknown_parameters")


def ignores_unknown_parameters(reason: str) -> Callable[[F], F]:
    """Marks a view whose address may have parameters that it does not know, and says why."""

    def mark(view: F) -> F:
        _IGNORES_UNKNOWN.put(view, reason)
        return view

    return mark


# Links to pages carry parameters of whoever made them (utm_source …), and a reader cannot mend a link.
for_readers = ignores_unknown_parameters("people follow links to it, to which others have added parameters")


class _WholeForm(FormDataParser):
    """Reads forms, and refuses one that breaks off, or has no boundary: werkzeug finds no fields in it."""

    def parse(self, *args: Any, **options: Any) -> Any:
        """Reads a form. Raises INPUT_INVALID."""
        self.silent = False
        try:
            return super().parse(*args, **options)
        except ValueError:
            told = "表单不完整或格式有误（如缺少 boundary、文件名不是 UTF-8） / the form is cut off or malformed (no boundary, a file name that is no UTF-8, say)"
            raise INPUT_INVALID(fields=[FieldError("", "form", told)]) from None


class CheckedRequest(Request):
    """A request whose form is read whole or not at all."""

    form_data_parser_class = _WholeForm


def must_be_taken(view: Any, media_types: Collection[str] | None) -> None:
    """Raises INPUT_INVALID or CONTENT_TYPE_UNSUPPORTED for a request that its view does not take.

    `media_types` are those of the body that the view is given, empty when it is given none; None when it reads it itself.
    """
    must_be_readable(request.view_args or {})
    _must_know_parameters(view)
    _must_heed_conditions(view)
    if media_types:
        must_be_of(media_types)
    elif media_types is not None:
        _must_be_empty()
    _must_be_json()


def _must_know_parameters(view: Any) -> None:
    if not request.query_string:
        return
    model: type[BaseModel] | None = getattr(view, "__annotations__", {}).get("query")
    known = {field.alias or name: field for name, field in model.model_fields.items()} if model else {}
    given = parameters()
    unknown = [name for name in given if name not in known]
    if unknown and _IGNORES_UNKNOWN.of(view) is None:
        told = f"没有这一参数，可用：{'、'.join(known) or '无'} / no such parameter; there are: {', '.join(known) or 'none'}"
        raise INPUT_INVALID(fields=[FieldError(name, "extra_forbidden", told) for name in unknown])
    taken = MultiDict([(name, text) for name, text in given.items(multi=True) if name in known])
    must_be_readable(taken)
    must_be_single(taken)
    _must_be_whole({name: text for name, text in taken.items() if _is_whole_number(known[name])})


def _must_heed_conditions(view: Any) -> None:
    """Raises INPUT_INVALID for a condition of a change that its address does not look at: it would be changed anyway."""
    if request.method in _READING:
        return
    model: type[BaseModel] | None = getattr(view, "__annotations__", {}).get("header")
    heeded = {field.alias for field in model.model_fields.values()} if model else set()
    if ignored := [name for name in _CONDITIONS if name in request.headers and name not in heeded]:
        told = "此地址没有版本条件，请去掉 / this address takes no such condition; leave it out"
        raise INPUT_INVALID(fields=[FieldError(name, "condition", told) for name in ignored])


def _is_whole_number(field: FieldInfo) -> bool:
    return field.annotation is int or set(get_args(field.annotation)) == {int, NoneType}


def _must_be_whole(given: Mapping[str, str]) -> None:
    # pydantic takes 1_0 and 10.0 for ten, and spaces around it.
    if wrong := [name for name, text in given.items() if not _WHOLE_NUMBER.match(text)]:
        raise INPUT_INVALID(
            fields=[FieldError(name, "int_parsing", "须为整数 / must be a whole number") for name in wrong]
        )


def parameters() -> MultiDict[str, str]:
    """The parameters of the address. werkzeug leaves what is no UTF-8 as it was escaped, a text of percent signs."""
    return MultiDict(parse_qsl(request.query_string.decode("utf-8", "replace"), keep_blank_values=True))


def must_be_readable(given: Mapping[str, Any]) -> None:
    """Raises INPUT_INVALID, by name, for texts that are not in UTF-8: `q=%D1%DD` is 演 in GB18030, and no name of anybody."""
    if unreadable := [name for name, text in given.items() if _UNREADABLE in str(text)]:
        told = "须为 UTF-8 编码 / must be encoded in UTF-8"
        raise INPUT_INVALID(fields=[FieldError(name, "utf-8", told) for name in unreadable])


def must_be_single(given: MultiDict[str, Any]) -> None:
    """Raises INPUT_INVALID, by name, for what is given more than once."""
    if repeated := [name for name, values in given.lists() if len(values) > 1]:
        raise INPUT_INVALID(fields=[FieldError(name, "repeated", _ONCE) for name in repeated])


def _has_body() -> bool:
    return bool(request.content_length) or "HTTP_TRANSFER_ENCODING" in request.environ


def _must_be_empty() -> None:
    """Raises INPUT_INVALID for a body where none is taken: it would not be heeded. `{}` says nothing."""
    if _has_body() and ((request.content_length or 0) > _LITTLE or request.get_data().strip() not in (b"", b"{}")):
        told = "此地址不接受请求内容，请去掉 / this address takes no body; leave it out"
        raise INPUT_INVALID(fields=[FieldError("", "body", told)])


def must_be_of(media_types: Collection[str]) -> None:
    """Raises CONTENT_TYPE_UNSUPPORTED for a body that is said to be of none of these media types (RFC 9110, 15.5.16)."""
    if _has_body() and request.mimetype not in media_types:
        raise CONTENT_TYPE_UNSUPPORTED(expected=", ".join(media_types), given=request.content_type or "-")


def _must_be_json() -> None:
    """Raises INPUT_INVALID for a body that is not the JSON that it claims to be (a later reader takes it for empty), and
    for JSON that is no object."""
    # Most requests have no body, and that is seen without parsing anything.
    if not (request.content_type and request.is_json and (body := request.get_data())):
        return
    try:
        value = read_json(body)
    except GreatNumbers as e:
        told = "整数过大，须在 ±(2^53-1) 之间 / this whole number is too great: between ±(2^53-1)"
        raise INPUT_INVALID(fields=[FieldError(place, "integer", told) for place in e.places[:_MOST_TOLD]]) from None
    except RepeatedMembers as e:
        raise INPUT_INVALID(fields=[FieldError(place, "repeated", _ONCE) for place in e.places[:_MOST_TOLD]]) from None
    except ValueError as e:
        told = f"不是有效的 JSON（UTF-8），请核对 / not valid JSON in UTF-8: {e}"
        raise INPUT_INVALID(fields=[FieldError("", "json", told[:300])]) from None
    # flask-openapi3 would read a text again, as JSON of its own.
    if not isinstance(value, dict):
        raise INPUT_INVALID(fields=[FieldError("", "dict_type", "须为 JSON 对象 / must be a JSON object")])
