"""What a request may hold: its body, its form, and a day in them."""

from datetime import date
from typing import Annotated, Any, ClassVar, Self

from flask import request
from pydantic import BaseModel, BeforeValidator, ConfigDict
from pydantic_core import PydanticCustomError, to_json

from chengxin.errors import INPUT_INVALID
from chengxin.http.request_checks import must_be_readable, must_be_single
from chengxin.values.clock import read_day
from chengxin.values.outside_json import GREATEST_INTEGER
from chengxin.values.written_texts import hidden_faults


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


def _integral(value: Any) -> Any:
    """The same value, in which 5.0 is 5: JSON has one kind of number, and some writers give each of them a fraction."""
    if isinstance(value, dict):
        return {name: _integral(part) for name, part in value.items()}
    if isinstance(value, list):
        return [_integral(part) for part in value]
    # No store keeps a greater one.
    kept = isinstance(value, float) and value.is_integer() and abs(value) <= GREATEST_INTEGER
    return int(value) if kept else value


class Body(BaseModel):
    """The body of a request: it has no members but these, and no text in it has a character that nobody sees."""

    model_config = ConfigDict(extra="forbid")

    beyond_schema: ClassVar[str] = (
        "No text holds what nobody sees: controls (but tab and line break), format characters, unassigned code points"
    )
    # Members that hold what records hold: a rule of their own judges these texts.
    of_records: ClassVar[frozenset[str]] = frozenset()

    @classmethod
    def model_validate(cls, obj: Any, **_: Any) -> Self:
        """Reads what flask-openapi3 has parsed as JSON is read: `"5"` is no number, 1 no truth, as the schema says."""
        cls._must_be_seen(obj)
        return cls.model_validate_json(to_json(_integral(obj)), strict=True)

    @classmethod
    def _must_be_seen(cls, members: Any) -> None:
        """Raises INPUT_INVALID for a text that would be shown otherwise than it is."""
        if isinstance(members, dict):
            texts = {name: value for name, value in members.items() if name not in cls.of_records}
            if faults := hidden_faults(texts):
                raise INPUT_INVALID(fields=faults)


class FormBody(Body):
    """The fields of a form (multipart/form-data), each given once."""

    @classmethod
    def model_validate(cls, obj: Any, **_: Any) -> Self:
        """Reads the fields as they were sent: flask-openapi3 has read each as JSON, a number made of digits is no text
        then, and `1e3` is 1000."""
        must_be_readable(request.form)
        must_be_single(request.form)
        must_be_single(request.files)
        fields, files = request.form.to_dict(), request.files.to_dict()
        cls._must_be_seen(fields | {name: file.filename for name, file in files.items()})
        return super(Body, cls).model_validate(fields | files)
