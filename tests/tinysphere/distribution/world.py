"""Everything that moves rollouts, over one database, with a fleet in memory."""

from dataclasses import replace

from tests.tinysphere.distribution.builders import HandClock, digest, model_version, uuid
from tests.tinysphere.distribution.fleet import Fleet
from tinysphere.distribution.devices import DeviceDirectory
from tinysphere.distribution.follow_up import LEAST_INTERVAL, Conductor, Promoter
from tinysphere.distribution.operations import Operations, Plan
from tinysphere.distribution.rules import Verb
from tinysphere.distribution.updates import Updates
from tinysphere.domain.devices import ModelReference
from tinysphere.domain.rollout_plans import ANY_DEVICE, AT_ONCE, Strategy, Target
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

    def __init__(
        self, database: Database, *, clock: HandClock | None = None, fleet: Fleet | None = None
    ) -> None:
        self.clock, self.fleet, self.aliases = clock or HandClock(), fleet or Fleet(), Aliases()
        self.models, self.store = SqlModelStore(database), SqlRolloutStore(database)
        for version in range(1, VERSION_COUNT + 1):
            self.models.reserve(model_version(version))
            self.models.activate("fashion", self.digest(version), version)
        self.woken = 0
        self.directory = DeviceDirectory(self.fleet, clock=self.clock)
        self.operations = Operations(self.store, self.models, clock=self.clock, on_change=self._wake)
        self.conductor = Conductor(
            self.store, self.models, self.directory, clock=self.clock, on_success=self._wake
        )
        self.updates = Updates(self.store, self.directory, clock=self.clock, on_decision=self._touch)
        self.promoter = Promoter(self.store, self.aliases)  # type: ignore[arg-type]  # only promotes

    @classmethod
    def over(cls, database: Database, other: "World") -> "World":
        """The same world after a restart of the server."""
        return cls(database, clock=other.clock, fleet=other.fleet)

    def _wake(self) -> None:
        self.woken += 1

    def _touch(self, rollout_id: str) -> None:
        self.conductor.touch(rollout_id)
        self._wake()

    @staticmethod
    def digest(version: int) -> str:
        return digest(f"fashion {version}")

    def start(
        self,
        number: int,
        version: int | None = None,
        *,
        target: Target = ANY_DEVICE,
        strategy: Strategy = AT_ONCE,
        **labels: str,
    ) -> str:
        plan = replace(self.plan(number, version or number, **labels), target=target, strategy=strategy)
        self.operations.create(plan)
        self.change(number, Verb.START)
        return plan.rollout_id

    def change(self, number: int, verb: Verb, operator: str = "ada") -> Rollout:
        return self.operations.change(uuid(number), verb, operator=operator)

    def survey(self) -> None:
        """Enough time goes by for every rollout that was touched, and all that is due is done."""
        self.clock.forward(LEAST_INTERVAL)
        self.conductor.run()

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
        return self.updates.check(device_id, self.model(running) if running else ModelReference())

    def model(self, version: int) -> ModelReference:
        return model_version(version).model

    def offered(self, device_id: str, running: int | None = None) -> int | None:
        offer = self.check(device_id, running).offer
        return None if offer is None else offer.model.version

    def report(
        self,
        device_id: str,
        number: int,
        state: DeploymentState,
        running: int | None = None,
        attempt: int = 0,
    ) -> Deployment:
        return self.updates.report(
            DeploymentReport(
                rollout_id=uuid(number),
                device_id=device_id,
                state=state,
                running_bundle_sha256=self.digest(running) if running else "",
                attempt=attempt,
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
