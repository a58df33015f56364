"""Wires the distribution service."""

from tinysphere.bootstrap import Built
from tinysphere.distribution import keys, servicer
from tinysphere.distribution.artifacts import Artifacts
from tinysphere.distribution.catalogue import Catalogue
from tinysphere.distribution.client import DeviceClient
from tinysphere.distribution.devices import DeviceDirectory
from tinysphere.distribution.follow_up import Promoter, Surveyor
from tinysphere.distribution.operations import Operations
from tinysphere.distribution.publishing import Publisher
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
    surveyor = Surveyor(rollouts, devices, clock=clock, on_success=promoter.wake)
    announcer = Periodic("rollout-announcer", surveyor.run, interval_s=POLL_INTERVAL_S)

    publisher = Publisher(
        models, blobs, registry, trusted_keys, folder=settings.data_dir / "publishing", clock=clock
    )
    operations = Operations(rollouts, models, clock=clock, on_change=announcer.wake)
    updates = Updates(rollouts, devices, clock=clock, on_commit=announcer.wake)
    return Built(
        registrations=[
            Registration(
                servicer.MODEL_SERVICE, servicer.ModelServicer(publisher, Catalogue(models, registry))
            ),
            Registration(
                servicer.ROLLOUT_SERVICE,
                servicer.RolloutServicer(operations, updates, Artifacts(rollouts, blobs)),
            ),
        ],
        background=[_Closing(client), promoter, announcer],
    )
