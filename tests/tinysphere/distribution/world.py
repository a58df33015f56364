"""Everything that moves rollouts, over one database, with a fleet in memory."""

from tests.tinysphere.distribution.builders import HandClock, digest, model_version, uuid
from tests.tinysphere.distribution.fleet import Fleet
from tinysphere.distribution.devices import DeviceDirectory
from tinysphere.distribution.follow_up import Promoter, Surveyor
from tinysphere.distribution.operations import Operations, Plan
from tinysphere.distribution.rules import Verb
from tinysphere.distribution.updates import Updates
from tinysphere.domain.rollouts import (
    Deployment,
    DeploymentReport,
    DeploymentState,
    Rollout,
    RolloutState,
    UpdateAnswer,
)
from tinysphere.errors import UnavailableError
from tinysphere.storage.sql.database import Database
from tinysphere.storage.sql.models import SqlModelStore
from tinysphere.storage.sql.rollouts import SqlRolloutStore

VERSION_COUNT = 4


class Aliases:
    """A registry that only remembers promotions; the real one has its own tests."""

    def __init__(self) -> None:
        self.promoted: list[int] = []
        self.away = False

    def promote(self, model_name: str, version: int) -> None:
        if self.away:
            raise UnavailableError("REGISTRY_UNAVAILABLE", "away", retry_after_s=1)
        self.promoted.append(version)


class World:
    """Some versions of a model, a fleet, and everything that moves rollouts."""

    def __init__(self, database: Database) -> None:
        self.clock, self.fleet, self.aliases = HandClock(), Fleet(), Aliases()
        self.models, self.store = SqlModelStore(database), SqlRolloutStore(database)
        for version in range(1, VERSION_COUNT + 1):
            self.models.reserve(model_version(version))
            self.models.activate("fashion", self.digest(version), version)
        self.woken = 0
        self.directory = DeviceDirectory(self.fleet, clock=self.clock)
        self.updates = Updates(self.store, self.directory, clock=self.clock, on_commit=self._wake)
        self.operations = Operations(self.store, self.models, clock=self.clock, on_change=self._wake)
        self.surveyor = Surveyor(self.store, self.directory, clock=self.clock, on_success=self._wake)
        self.promoter = Promoter(self.store, self.aliases)  # type: ignore[arg-type]  # only promotes

    def _wake(self) -> None:
        self.woken += 1

    @staticmethod
    def digest(version: int) -> str:
        return digest(f"fashion {version}")

    def start(self, number: int, version: int | None = None, **labels: str) -> str:
        plan = self.plan(number, version or number, **labels)
        self.operations.create(plan)
        self.operations.change(plan.rollout_id, Verb.START)
        return plan.rollout_id

    @staticmethod
    def plan(number: int, version: int, **labels: str) -> Plan:
        return Plan(
            rollout_id=uuid(number),
            model_name="fashion",
            version=version,
            target_labels=labels,
            operator="ada",
        )

    def check(self, device_id: str, running: int | None = None) -> UpdateAnswer:
        return self.updates.check(device_id, self.digest(running) if running else "")

    def offered(self, device_id: str, running: int | None = None) -> int | None:
        offer = self.check(device_id, running).offer
        return None if offer is None else offer.model.version

    def report(
        self, device_id: str, number: int, state: DeploymentState, running: int | None = None
    ) -> Deployment:
        return self.updates.report(
            DeploymentReport(
                rollout_id=uuid(number),
                device_id=device_id,
                state=state,
                running_bundle_sha256=self.digest(running) if running else "",
            )
        )

    def commit(self, device_id: str, number: int, version: int | None = None) -> None:
        self.check(device_id)
        self.report(device_id, number, DeploymentState.COMMITTED, running=version or number)

    def state(self, number: int) -> RolloutState:
        return self.rollout(number).state

    def rollout(self, number: int) -> Rollout:
        return self.operations.rollout(uuid(number))

    def deployments(self, number: int) -> dict[str, DeploymentState]:
        listed = self.operations.deployments(uuid(number), after=None, limit=99)
        return {one.device_id: one.state for one in listed}
