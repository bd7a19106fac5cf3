"""Parameters and members by which requests name things (`chengxin/values/named_things.py`), for models of requests."""

from typing import Annotated, Any

from pydantic import AfterValidator, WithJsonSchema
from pydantic_core import PydanticCustomError

from chengxin.values.named_things import ACT, ACTOR, EVENT, ORGANISATION, REGION, REQUEST, SUBJECT, NamedThing


def _named(thing: NamedThing) -> Any:
    def must_be(name: str) -> str:
        if fault := thing.fault("", name):
            raise PydanticCustomError(thing.rule, "{told}", {"told": fault.message})
        return name

    return Annotated[str, AfterValidator(must_be), WithJsonSchema({"type": "string", "pattern": thing.pattern})]


OrganisationName = _named(ORGANISATION)
SubjectName = _named(SUBJECT)
EventName = _named(EVENT)
RequestName = _named(REQUEST)
ActorName = _named(ACTOR)
ActName = _named(ACT)
RegionName = _named(REGION)
