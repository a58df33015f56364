"""Running servers, as the tests of ingestion and of distribution have them."""

from tests.tinysphere.distribution.conftest import called as called
from tests.tinysphere.distribution.conftest import data_dir as data_dir
from tests.tinysphere.distribution.conftest import mlflow_template as mlflow_template
from tests.tinysphere.ingestion.conftest import drift_service as drift_service
from tests.tinysphere.ingestion.conftest import serve as serve
