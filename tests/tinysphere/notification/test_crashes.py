"""A killed process loses no word it answered for; what was under way is sent again."""

from datetime import timedelta
from pathlib import Path

import grpc

from tests.support.receivers import Trickle, Webhook
from tests.support.server_process import ServerProcess
from tests.support.waiting import eventually
from tests.tinysphere.drift.builders import event_message
from tests.tinysphere.notification.builders import hours, leave, notice, put
from tests.tinysphere.notification.conftest import QUICK, MovedClock
from tinymlops.v1 import drift_service_pb2, drift_service_pb2_grpc, notification_service_pb2_grpc
from tinysphere.domain.notifications import DeliveryState
from tinysphere.notification.apprise_channels import AppriseChannels
from tinysphere.notification.convert import read_rule
from tinysphere.notification.courier import Courier
from tinysphere.notification.rules import Rules
from tinysphere.storage.sql.database import Database
from tinysphere.storage.sql.notifications import SqlNotificationStore


def test_a_killed_server_tells_of_what_it_answered_for(tmp_path: Path, webhook: Webhook) -> None:
    server = ServerProcess(tmp_path, "drift", settings={"ingestion_target": "127.0.0.1:1"})
    with grpc.insecure_channel(server.addresses["drift"]) as channel:
        rules = notification_service_pb2_grpc.NotificationServiceStub(channel)
        rules.PutNotificationRule(put(webhook.url, repeat_interval=hours(1)))
        events = drift_service_pb2.ReportDriftEventsRequest(drift_events=[event_message()])
        drift_service_pb2_grpc.DriftServiceStub(channel).ReportDriftEvents(events)
    server.kill()
    again = ServerProcess(tmp_path, "drift", settings={"ingestion_target": "127.0.0.1:1"})
    # Longer than the lease, in case it died between the channel's answer and the note of it.
    eventually(lambda: webhook.bodies, timeout_s=120)
    again.stop()
    assert {body["title"] for body in webhook.bodies} == {"high drift (knn distance) on camera-1"}


def test_an_attempt_that_nobody_ended_is_made_again_when_its_lease_is_over(
    database: Database,
    store: SqlNotificationStore,
    channels: AppriseChannels,
    clock: MovedClock,
    trickle: Trickle,
    webhook: Webhook,
) -> None:
    rule, urls = read_rule(put(trickle.url, webhook.url), update_time=clock.now())
    Rules(store, channels, clock, new_id=_Ids()).put(rule, urls)
    leave(database, notice())
    first = Courier(store, channels, clock, patience=QUICK, draw=lambda: 1.0)
    first.start()
    eventually(lambda: trickle.connection_count == 1 and webhook.bodies)
    first.stop()  # the attempt at the side that trickles is left as it is, as by a crash
    trickle_first = store.page("", after=None, limit=9)[::-1][0]
    assert (trickle_first.state, trickle_first.attempt_count) == (DeliveryState.PENDING, 1)
    second = Courier(store, channels, clock, patience=QUICK, draw=lambda: 1.0)
    second.start()
    clock.move(seconds=QUICK.lease / timedelta(seconds=1) + 1)
    second.wake()
    eventually(lambda: trickle.connection_count == 2)
    second.stop()
    assert len(webhook.bodies) == 1


def test_planning_is_all_or_nothing(database: Database, store: SqlNotificationStore) -> None:
    leave(database, notice(1), notice(2))
    try:
        with store.planning() as transaction:
            assert len(transaction.take_notices(9)) == 2
            raise KeyError
    except KeyError:
        pass
    with store.planning() as transaction:
        assert [one.title for one in transaction.take_notices(1)] == ["drift 1 on camera-1"]
        assert [one.title for one in transaction.take_notices(9)] == ["drift 2 on camera-1"]
    assert not store.has_notices()


class _Ids:
    """Channel ids, one after the other."""

    def __init__(self) -> None:
        self._count = 0

    def __call__(self) -> str:
        self._count += 1
        return f"channel-{self._count}"
