"""A running server, as the tests of ingestion have it."""

from tests.tinysphere.ingestion.conftest import drift_service as drift_service
from tests.tinysphere.ingestion.conftest import serve as serve
