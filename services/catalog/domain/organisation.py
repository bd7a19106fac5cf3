"""The directory of the organisations that provide, manage and operate, in the city and its counties (Art. 6)."""

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, Final

import msgspec

from chengxin.errors import not_found
from chengxin.values.identifiers import is_uscc
from services.catalog.domain.entry import LocalText
from services.catalog.domain.entry_validation import Finding, text_findings, unprintable_findings

ORGANISATION_UNKNOWN = not_found(
    "ORGANISATION_UNKNOWN", "机构名录中没有 {uscc}", "The directory has no organisation {uscc}"
)

_TELEPHONE: Final = re.compile(r"[0-9+ ()-]{0,40}\Z")
_MOST_OFFICERS: Final = 20


class OrganisationKind(StrEnum):
    """The kind of an organisation in the sense of Art. 3 and 6."""

    ADMINISTRATIVE_ORGAN = "administrative_organ"
    JUDICIAL_ORGAN = "judicial_organ"
    AUTHORISED_INSTITUTION = "authorised_institution"
    PUBLIC_SERVICE = "public_service"


class Function(StrEnum):
    """What an organisation does for public credit information (Art. 6)."""

    AUTHORITY = "authority"
    COUNTY_AUTHORITY = "county_authority"
    CENTRE = "centre"
    EXCHANGE_OPERATOR = "exchange_operator"
    PROVIDER = "provider"


@dataclass(frozen=True, slots=True)
class DesignatedOfficer:
    """A person whom an organisation designated for credit information (Art. 6): name, post, and office telephone."""

    name: str
    duty: str
    telephone: str = ""


@dataclass(frozen=True, slots=True)
class DirectoryEntry:
    """An organisation with its region, and its unit and officers that are responsible for credit information."""

    uscc: str
    name: str
    kind: OrganisationKind
    region: str
    functions: tuple[Function, ...]
    responsible_unit: str = ""
    contact_function: str = ""
    telephone: str = ""
    officers: tuple[DesignatedOfficer, ...] = ()
    # False after it was dissolved or gave its functions to another; the records that it delivered keep its name.
    active: bool = True

    def for_the_public(self) -> "DirectoryEntry":
        """Returns the organisation without its officers."""
        return replace(self, officers=())

    def to_dict(self) -> dict[str, Any]:
        """Returns the plain values for JSON."""
        return dict(msgspec.to_builtins(self))

    def findings(self, regions: Collection[str]) -> Iterator[Finding]:
        """Yields every fault; `regions` are the codes of the region list in force."""
        if not is_uscc(self.uscc):
            yield Finding("uscc", "uscc", {"value": self.uscc})
        yield from unprintable_findings(self.to_dict())
        yield from text_findings("name", LocalText(self.name), 200)
        if self.region not in regions:
            yield Finding("region", "region.unknown", {"value": self.region})
        if not self.functions:
            yield Finding("functions", "empty")
        # Art. 6: a provider designates a unit.
        if Function.PROVIDER in self.functions and not self.responsible_unit.strip():
            yield Finding("responsible_unit", "text.missing")
        for field in ("responsible_unit", "contact_function"):
            if len(getattr(self, field)) > 200:
                yield Finding(field, "text.long", {"limit": 200})
        if not _TELEPHONE.match(self.telephone):
            yield Finding("telephone", "telephone")
        if len(self.officers) > _MOST_OFFICERS:
            yield Finding("officers", "too_many", {"limit": _MOST_OFFICERS})
        for n, officer in enumerate(self.officers):
            for field in ("name", "duty"):
                yield from text_findings(f"officers.{n}.{field}", LocalText(getattr(officer, field)), 50)
            if not _TELEPHONE.match(officer.telephone):
                yield Finding(f"officers.{n}.telephone", "telephone")


def read_organisation(plain: Mapping[str, Any]) -> DirectoryEntry:
    """Reads an organisation from its JSON."""
    return msgspec.convert(plain, DirectoryEntry)
