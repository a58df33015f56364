"""Wires the drift service."""

from tinysphere.bootstrap import Built, notification
from tinysphere.domain.clock import Clock
from tinysphere.domain.ids import new_id
from tinysphere.drift.announcer import Announcer
from tinysphere.drift.catalogue import Catalogue
from tinysphere.drift.client import DeviceRegistryClient
from tinysphere.drift.evidence import Evidence
from tinysphere.drift.exchange import FeedbackExchange
from tinysphere.drift.grouping.grouper import Grouper
from tinysphere.drift.grouping.review import GroupReview
from tinysphere.drift.lineage import Lineage
from tinysphere.drift.queue import ReviewQueue
from tinysphere.drift.review import Review
from tinysphere.drift.review_settings import SettingsDesk
from tinysphere.drift.scoping.decider import ScopeDecider
from tinysphere.drift.scoping.fleet import RememberedFleet
from tinysphere.drift.servicer.adaptations import AdaptationServicer
from tinysphere.drift.servicer.events import DriftServicer
from tinysphere.drift.servicer.feedback import FeedbackServicer
from tinysphere.drift.servicer.review import ReviewServicer
from tinysphere.drift.servicer.sample_groups import SampleGroupServicer
from tinysphere.rpc.server import Registration
from tinysphere.settings import Settings
from tinysphere.storage.ports.blobs import Blobs
from tinysphere.storage.sql.adaptations import SqlAdaptationStore
from tinysphere.storage.sql.backlogs import SqlBacklogStore
from tinysphere.storage.sql.database import Database
from tinysphere.storage.sql.drift import SqlDriftStore
from tinysphere.storage.sql.queue import SqlQueueStore
from tinysphere.storage.sql.review import SqlReviewStore
from tinysphere.storage.sql.sample_groups import SqlSampleGroupStore
from tinysphere.storage.sql.scopes import SqlScopeStore
from tinysphere.storage.sql.statistics import SqlStatisticsStore


def build(settings: Settings, database: Database, blobs: Blobs, *, clock: Clock) -> Built:
    """See `tinysphere.bootstrap.Build`."""
    store = SqlDriftStore(database)
    registry = DeviceRegistryClient(settings.ingestion_target)
    announcer = Announcer(store, registry, clock)
    review = Review(store, clock, new_id=new_id, feedback_made=announcer.wake)
    groups = SqlSampleGroupStore(database)
    decider = ScopeDecider(SqlScopeStore(database), RememberedFleet(registry, clock), clock)
    grouper = Grouper(groups, clock, grouped=decider.wake)

    def arrived() -> None:
        grouper.wake()
        decider.wake()

    evidence = Evidence(store, blobs, clock, arrived=arrived)
    drift = DriftServicer(evidence, review, store, groups, SqlStatisticsStore(database), clock)
    group_review = GroupReview(groups, review, feedback_made=announcer.wake)
    backlogs = SqlBacklogStore(database)
    feedback = FeedbackServicer(FeedbackExchange(store, backlogs, clock), store, backlogs, clock)
    adaptations = SqlAdaptationStore(database)
    lineage = AdaptationServicer(Lineage(adaptations), adaptations, clock)
    settings_store = SqlReviewStore(database)
    catalogue = Catalogue(store, clock, new_id=new_id, feedback_made=announcer.wake)
    queue = ReviewQueue(SqlQueueStore(database), settings_store, clock)
    reviewing = ReviewServicer(queue, SettingsDesk(store, clock), catalogue, settings_store)
    notifications = notification.build(settings, database, clock=clock)
    return Built(
        registrations=[
            Registration("tinymlops.v1.DriftService", drift),
            Registration("tinymlops.v1.FeedbackService", feedback),
            Registration("tinymlops.v1.AdaptationService", lineage),
            Registration("tinymlops.v1.ReviewService", reviewing),
            Registration("tinymlops.v1.SampleGroupService", SampleGroupServicer(group_review, groups, clock)),
            *notifications.registrations,
        ],
        background=[announcer, decider, grouper, *notifications.background],
    )
