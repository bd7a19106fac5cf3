"""What a request may hold: nothing that its address does not know, so that a misspelt name is no silent default."""

from collections.abc import Callable
from datetime import date
from typing import Annotated, Any, Self, TypeVar

from flask import request
from pydantic import BaseModel, BeforeValidator, ConfigDict
from pydantic_core import PydanticCustomError, to_json
from werkzeug.datastructures import MultiDict

from chengxin.errors import INPUT_INVALID, FieldError
from chengxin.values.clock import read_day

F = TypeVar("F", bound=Callable[..., Any])


def _read_day(value: Any) -> Any:
    # Whether it may be left out, or empty, its field says.
    if value is None or value == "":
        return value
    try:
        return read_day(value)
    except (TypeError, ValueError):
        raise PydanticCustomError("date", "must be a day of the calendar such as 2026-11-24") from None


# A day in a request. pydantic's own reader takes an instant at midnight and seconds since 1970 for one.
IN_ONE_FORM = BeforeValidator(_read_day)
Day = Annotated[date, IN_ONE_FORM]
OptionalDay = Annotated[date | None, IN_ONE_FORM]


class Body(BaseModel):
    """The body of a request; it has no members but these."""

    model_config = ConfigDict(extra="forbid")

    @classmethod
    def model_validate(cls, obj: Any, **_: Any) -> Self:
        """Reads what flask-openapi3 has parsed as JSON is read: `"5"` is no number, 1 no truth, as the schema says."""
        return cls.model_validate_json(to_json(obj), strict=True)


class FormBody(Body):
    """The fields of a form (multipart/form-data), each given once."""

    @classmethod
    def model_validate(cls, obj: Any, **_: Any) -> Self:
        """Reads the fields as they were sent: flask-openapi3 has read each as JSON, a number made of digits is no text
        then, and `1e3` is 1000."""
        _must_be_single(request.form)
        return super(Body, cls).model_validate(request.form.to_dict() | request.files.to_dict())


def ignores_unknown_parameters(reason: str) -> Callable[[F], F]:
    """Marks a view whose address may have parameters that it does not know, and says why."""

    def mark(view: F) -> F:
        view.ignores_unknown_parameters = reason  # type: ignore[attr-defined]
        return view

    return mark


# Links to pages carry parameters of whoever made them (utm_source …), and a reader cannot mend a link.
for_readers = ignores_unknown_parameters("people follow links to it, to which others have added parameters")


def must_know_parameters(view: Any) -> None:
    """Raises INPUT_INVALID for a parameter in the address of the request that its view does not know, or given twice.

    `view` is the function that answers the request, None where there is none.
    """
    if not request.query_string or view is None or hasattr(view, "ignores_unknown_parameters"):
        return
    model: type[BaseModel] | None = getattr(view, "__annotations__", {}).get("query")
    known = [field.alias or name for name, field in model.model_fields.items()] if model else []
    if unknown := [name for name in request.args if name not in known]:
        told = f"没有这一参数，可用：{'、'.join(known) or '无'} / no such parameter; there are: {', '.join(known) or 'none'}"
        raise INPUT_INVALID(fields=[FieldError(name, "extra_forbidden", told) for name in unknown])
    _must_be_single(request.args)


def _must_be_single(given: MultiDict[str, str]) -> None:
    if repeated := [name for name, values in given.lists() if len(values) > 1]:
        told = "只能给一次 / give it once"
        raise INPUT_INVALID(fields=[FieldError(name, "repeated", told) for name in repeated])
