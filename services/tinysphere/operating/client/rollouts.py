"""An operator's client of RolloutService."""

from collections.abc import Callable, Iterator

from tinymlops.v1 import rollout_pb2, rollout_service_pb2, rollout_service_pb2_grpc
from tinysphere.domain.rollouts import Rollout, RolloutDecision
from tinysphere.operating.client.calls import TIMEOUT_S, rows, translated
from tinysphere.operating.convert.rollouts import NewRollout, read_decision, read_rollout, rollout_message
from tinysphere.rpc.channels import open_channel


class RolloutsClient:
    """Rollouts of the server at ``target`` ("host:port"). Connects with the first call; close it at the end.

    Every method raises UnavailableError when the server is away or busy, and InvalidRequestError when it refuses.
    """

    def __init__(self, target: str, operator: str) -> None:
        self._target = target
        self._operator = operator
        self._channel = open_channel(target)
        self._stub = rollout_service_pb2_grpc.RolloutServiceStub(self._channel)

    def newest(self, limit: int) -> Iterator[Rollout]:
        """At most ``limit`` rollouts, newest first."""
        request = rollout_service_pb2.ListRolloutsRequest()
        found = rows(self._stub.ListRollouts, request, "rollouts", self._target, limit=limit)
        yield from map(read_rollout, found)

    def get(self, rollout_id: str) -> Rollout:
        """One rollout."""
        request = rollout_service_pb2.GetRolloutRequest(rollout_id=rollout_id)
        with translated(self._target):
            return read_rollout(self._stub.GetRollout(request, timeout=TIMEOUT_S).rollout)

    def decisions(self, rollout_id: str) -> Iterator[RolloutDecision]:
        """What was decided about it, oldest first."""
        request = rollout_service_pb2.ListRolloutDecisionsRequest(rollout_id=rollout_id)
        found = rows(self._stub.ListRolloutDecisions, request, "decisions", self._target)
        yield from map(read_decision, found)

    def create(self, wanted: NewRollout) -> Rollout:
        """Makes a draft."""
        message = rollout_message(wanted, self._operator)
        request = rollout_service_pb2.CreateRolloutRequest(rollout=message)
        with translated(self._target):
            return read_rollout(self._stub.CreateRollout(request, timeout=TIMEOUT_S).rollout)

    def approve(self, rollout_id: str, wave_index: int) -> Rollout:
        """Approves its start, wave 0, or the wave that opens next."""
        request = rollout_service_pb2.ApproveRolloutRequest(
            rollout_id=rollout_id, operator=self._operator, wave_index=wave_index
        )
        with translated(self._target):
            return read_rollout(self._stub.ApproveRollout(request, timeout=TIMEOUT_S).rollout)

    def start(self, rollout_id: str) -> Rollout:
        """Offers it to the devices of its first wave."""
        request = rollout_service_pb2.StartRolloutRequest(rollout_id=rollout_id, operator=self._operator)
        return self._changed(lambda: self._stub.StartRollout(request, timeout=TIMEOUT_S).rollout)

    def pause(self, rollout_id: str) -> Rollout:
        """Offers it to nobody new."""
        request = rollout_service_pb2.PauseRolloutRequest(rollout_id=rollout_id, operator=self._operator)
        return self._changed(lambda: self._stub.PauseRollout(request, timeout=TIMEOUT_S).rollout)

    def resume(self, rollout_id: str) -> Rollout:
        """Goes on with it, in spite of the failures there were."""
        request = rollout_service_pb2.ResumeRolloutRequest(rollout_id=rollout_id, operator=self._operator)
        return self._changed(lambda: self._stub.ResumeRollout(request, timeout=TIMEOUT_S).rollout)

    def abort(self, rollout_id: str) -> Rollout:
        """Ends it for good."""
        request = rollout_service_pb2.AbortRolloutRequest(rollout_id=rollout_id, operator=self._operator)
        return self._changed(lambda: self._stub.AbortRollout(request, timeout=TIMEOUT_S).rollout)

    def retry(self, rollout_id: str) -> Rollout:
        """Offers it again where it failed."""
        request = rollout_service_pb2.RetryRolloutRequest(rollout_id=rollout_id, operator=self._operator)
        return self._changed(lambda: self._stub.RetryRollout(request, timeout=TIMEOUT_S).rollout)

    def close(self) -> None:
        """End the connection."""
        self._channel.close()

    def _changed(self, call: Callable[[], rollout_pb2.Rollout]) -> Rollout:
        with translated(self._target):
            return read_rollout(call())
