"""What a request may hold: its body, its form, and a day in them."""

from collections.abc import Mapping
from datetime import date
from typing import Annotated, Any, ClassVar, Final, Self

from flask import request
from pydantic import BaseModel, BeforeValidator, ConfigDict
from pydantic_core import PydanticCustomError, to_json

from chengxin.errors import INPUT_INVALID
from chengxin.http.request_checks import must_be_readable, must_be_single
from chengxin.values.clock import read_day
from chengxin.values.outside_json import GREATEST_INTEGER
from chengxin.values.written_texts import hidden_faults, number_faults


def _read_day(value: Any) -> Any:
    # Whether it may be left out, or empty, its field says.
    if value is None or value == "":
        return value
    try:
        return read_day(value)
    except (TypeError, ValueError):
        raise PydanticCustomError("date", "must be a day of the calendar such as 2026-11-24") from None


# A day as text, as schemas say it; that the calendar has it, they say in words.
DAY_OR_EMPTY: Final = "^([0-9]{4}-[0-9]{2}-[0-9]{2})?$"

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


# Why a member may hold the number of a person, said again and again.
NAMES_A_PERSON: Final = "it is the number, by which somebody is looked up or identified; kept as a pseudonym"
SEALED: Final = "what is written of a case is sealed at rest and shown only to those who handle it"
MADE_HERE: Final = "not written by people: the system made it, or it is a signature or key in base64"


class Body(BaseModel):
    """The body of a request: it has no members but these, no text in it has a character that nobody sees, and none holds
    the number of a person but those of which the body says why they may."""

    model_config = ConfigDict(extra="forbid")

    beyond_schema: ClassVar[str] = (
        "No text holds what nobody sees: controls (but tab and line break), format characters, unassigned code points. "
        "Only members that say so hold the number of a person (identity document, bank card, telephone)"
    )
    # Members that may hold the number of a person, and why: a member of a member as `officers.telephone`.
    may_hold_numbers: ClassVar[Mapping[str, str]] = {}
    # Members that hold what records hold: a rule of their own judges these texts.
    of_records: ClassVar[frozenset[str]] = frozenset()

    @classmethod
    def model_validate(cls, obj: Any, **_: Any) -> Self:
        """Reads what flask-openapi3 has parsed as JSON is read: `"5"` is no number, 1 no truth, as the schema says."""
        cls._must_be_seen(obj)
        return cls.model_validate_json(to_json(_integral(obj)), strict=True)

    @classmethod
    def _must_be_seen(cls, members: Any) -> None:
        """Raises INPUT_INVALID for a text that would be shown otherwise than it is, or that names a person by a number."""
        if isinstance(members, dict):
            texts = {name: value for name, value in members.items() if name not in cls.of_records}
            if faults := hidden_faults(texts) + number_faults(texts, cls.may_hold_numbers):
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
        cls._must_be_seen(fields)
        # A number in the name of a file is crossed out where the name is kept.
        if faults := hidden_faults({name: file.filename for name, file in files.items()}):
            raise INPUT_INVALID(fields=faults)
        return super(Body, cls).model_validate(fields | files)
