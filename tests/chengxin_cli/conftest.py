"""Services that the command line is tested against, as the tests of those services start them."""

from tests.audit.conftest import audit, log_key, run
from tests.ingest.conftest import ingest

__all__ = ["audit", "ingest", "log_key", "run"]
