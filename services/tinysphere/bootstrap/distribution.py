"""Wires the distribution service."""

from tinysphere.bootstrap import Built
from tinysphere.distribution import keys
from tinysphere.distribution.artifacts import Artifacts
from tinysphere.distribution.catalogue import Catalogue
from tinysphere.distribution.client import DeviceClient
from tinysphere.distribution.devices import DeviceDirectory
from tinysphere.distribution.follow_up import Conductor, Promoter
from tinysphere.distribution.operations import Operations
from tinysphere.distribution.publishing import Publisher
from tinysphere.distribution.servicer.models import ModelServicer
from tinysphere.distribution.servicer.rollouts import RolloutServicer
from tinysphere.distribution.updates import Updates
from tinysphere.domain.clock import Clock
from tinysphere.jobs.periodic import Periodic
from tinysphere.rpc.server import Registration
from tinysphere.settings import Settings
from tinysphere.storage.ports.blobs import Blobs
from tinysphere.storage.registry_mlflow import MlflowRegistry
from tinysphere.storage.sql.database import Database
from tinysphere.storage.sql.models import SqlModelStore
from tinysphere.storage.sql.rollouts import SqlRolloutStore

POLL_INTERVAL_S = 5.0  # for what another process made due; our own calls wake the threads
SURVEY_POLL_INTERVAL_S = 1.0  # a bad version must not wait for the next minute
STOP_TIMEOUT_S = 3.0  # MLflow may take longer; whatever it is at may be cut short


class _Closing:
    """Closes the client of the registry of devices when the service ends."""

    def __init__(self, client: DeviceClient) -> None:
        self._client = client

    def start(self) -> None:
        """It connects with the first call."""

    def stop(self) -> None:
        """Close the channel."""
        self._client.close()


def build(settings: Settings, database: Database, blobs: Blobs, *, clock: Clock) -> Built:
    """Wire the service. Nothing runs yet.

    Raises:
        KeyFileError: A configured key is not usable.
    """
    trusted_keys = keys.TrustedKeys(settings.trusted_keys, settings.data_dir / keys.FOLDER_NAME)
    trusted_keys.by_id()  # a wrong setting should show now, not with the first bundle
    models, rollouts = SqlModelStore(database), SqlRolloutStore(database)
    registry = MlflowRegistry(settings.mlflow_tracking_uri, settings.data_dir / "mlflow-artifacts")
    client = DeviceClient(settings.ingestion_target)
    devices = DeviceDirectory(client, clock=clock)

    promotions = Promoter(rollouts, registry)

    def promote() -> None:
        registry.warm_up()  # here, so that nobody who asks for a model waits for MLflow's import
        promotions.run()

    promoter = Periodic(
        "rollout-promoter", promote, interval_s=POLL_INTERVAL_S, stop_timeout_s=STOP_TIMEOUT_S
    )
    conductor = Conductor(rollouts, models, devices, clock=clock, on_success=promoter.wake)
    surveys = Periodic("rollout-conductor", conductor.run, interval_s=SURVEY_POLL_INTERVAL_S)

    def look_soon(rollout_id: str) -> None:
        conductor.touch(rollout_id)
        surveys.wake()

    publisher = Publisher(
        models, blobs, registry, trusted_keys, folder=settings.data_dir / "publishing", clock=clock
    )
    operations = Operations(rollouts, models, clock=clock, on_change=surveys.wake)
    updates = Updates(rollouts, devices, clock=clock, on_decision=look_soon)
    return Built(
        registrations=[
            Registration("tinymlops.v1.ModelService", ModelServicer(publisher, Catalogue(models, registry))),
            Registration(
                "tinymlops.v1.RolloutService",
                RolloutServicer(operations, updates, Artifacts(rollouts, blobs)),
            ),
        ],
        background=[_Closing(client), promoter, surveys],
    )
