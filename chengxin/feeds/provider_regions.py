"""The regions of organisations, as a service has them from the catalog's directory (Art. 6), and who acts in them.

The catalog's feed brings them (`OrganisationRegion`). What concerns a provider is its region's: an officer of another
county does not decide it.
"""

from mongoengine import Document, StringField

from chengxin.auth.principal import Principal
from chengxin.auth.regions import of_the_city, outside
from chengxin.errors import Problem
from chengxin.store.database import Store, UnitOfWork, session_of
from chengxin.store.retention import bounded
from chengxin_api.catalog.v1 import catalog_pb2


class OrganisationRegionRow(Document):
    """The region of an organisation, as the catalog's feed brought it."""

    uscc = StringField(primary_key=True)
    region = StringField(required=True)
    meta = {
        "collection": "organisation_regions",
        "retention": bounded("one for each organisation of the catalog's directory"),
    }


class ProviderRegions:
    """Reads and writes the regions in one store."""

    def __init__(self, store: Store) -> None:
        self._rows = store.documents(OrganisationRegionRow)

    def take(self, told: catalog_pb2.OrganisationRegion, unit: UnitOfWork) -> None:
        """Keeps the region of an organisation."""
        self._rows.replace(OrganisationRegionRow(uscc=told.uscc, region=told.region), unit.session)

    def of(self, provider: str, unit: UnitOfWork | None = None) -> str:
        """Returns the region of a provider; empty for one that the directory does not list."""
        row = self._rows.get(provider, session_of(unit))
        return str(row.region) if row else ""

    def has(self, region: str) -> bool:
        """Whether some organisation of the directory is of this region."""
        return self._rows.first({"region": region}) is not None

    def refusal(self, caller: Principal, provider: str) -> Problem | None:
        """OUTSIDE_REGION for an officer who does not act for a provider. One that the directory does not list is the whole
        city's, because it is not known which county's officers are its own."""
        county = of_the_city(None, caller)
        if county is None:
            return None
        region = self.of(provider)
        return outside(caller, region) if region else county
