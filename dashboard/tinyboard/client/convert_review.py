"""Messages of reviewing, groups and statistics to view records, and back where people change them."""

from google.protobuf.duration_pb2 import Duration

from tinyboard.client.convert import moment, name_of, sample_view
from tinyboard.views.drift_records import BacklogView, BudgetView, CountView
from tinyboard.views.reviewing_records import (
    AgreementView,
    AuditView,
    GivenView,
    GroupView,
    HandView,
    LabelView,
    LeaseView,
    PairView,
    ReviewSettingsView,
)
from tinymlops.v1 import (
    drift_pb2,
    drift_service_pb2,
    feedback_pb2,
    review_pb2,
    review_service_pb2,
    sample_group_pb2,
)


def hand_view(answer: review_service_pb2.LeaseSamplesResponse) -> HandView:
    return HandView(
        leases=tuple(
            LeaseView(sample=sample_view(lease.sample), expire_time=moment(lease, "expire_time"))
            for lease in answer.leases
        ),
        open_sample_count=answer.open_sample_count,
    )


def settings_view(settings: review_pb2.ReviewSettings) -> ReviewSettingsView:
    return ReviewSettingsView(
        revision=settings.revision,
        policy=name_of(review_pb2.VerdictPolicy, "VERDICT_POLICY_", settings.policy),
        required_count=settings.required_count,
        reviewer_count=settings.reviewer_count,
        adjudicators=tuple(settings.adjudicators),
        blind=settings.blind,
        lease_s=settings.lease_duration.seconds,
        order=name_of(review_pb2.QueueOrder, "QUEUE_ORDER_", settings.order),
        reviewer=settings.reviewer,
        update_time=moment(settings, "update_time"),
    )


def settings_message(view: ReviewSettingsView) -> review_pb2.ReviewSettings:
    return review_pb2.ReviewSettings(
        revision=view.revision,
        policy=review_pb2.VerdictPolicy.Value(f"VERDICT_POLICY_{view.policy}"),
        required_count=view.required_count,
        reviewer_count=view.reviewer_count,
        adjudicators=view.adjudicators,
        blind=view.blind,
        lease_duration=Duration(seconds=view.lease_s),
        order=review_pb2.QueueOrder.Value(f"QUEUE_ORDER_{view.order or 'UNSPECIFIED'}"),
        reviewer=view.reviewer,
    )


def label_view(label: review_pb2.Label) -> LabelView:
    return LabelView(
        name=label.name,
        aliases=tuple(label.aliases),
        sample_count=label.sample_count,
        creator=label.creator,
        create_time=moment(label, "create_time"),
    )


def agreement_view(agreement: review_pb2.Agreement) -> AgreementView:
    return AgreementView(
        sample_count=agreement.sample_count,
        unanimous_count=agreement.unanimous_count,
        fleiss_kappa=agreement.fleiss_kappa if agreement.HasField("fleiss_kappa") else None,
        pairs=tuple(
            PairView(
                first_reviewer=pair.first_reviewer,
                second_reviewer=pair.second_reviewer,
                sample_count=pair.sample_count,
                agreed_count=pair.agreed_count,
                cohen_kappa=pair.cohen_kappa if pair.HasField("cohen_kappa") else None,
            )
            for pair in agreement.pairs
        ),
    )


def audit_view(record: review_pb2.AuditRecord) -> AuditView:
    return AuditView(
        ordinal=record.ordinal,
        audit_time=moment(record, "audit_time"),
        actor=record.actor,
        action=record.action,
        subject=record.subject,
        from_value=record.from_value,
        to_value=record.to_value,
        reason=record.reason,
    )


def given_view(verdict: drift_pb2.Verdict) -> GivenView:
    return GivenView(
        sample_id=verdict.sample_id,
        reviewer=verdict.reviewer,
        decision=name_of(drift_pb2.Decision, "DECISION_", verdict.decision),
        label=verdict.label,
        submit_time=moment(verdict, "submit_time"),
    )


def group_view(group: sample_group_pb2.SampleGroup) -> GroupView:
    return GroupView(
        group_id=group.group_id,
        feature_space=group.feature_space,
        revision=group.revision,
        sample_count=group.sample_count,
        open_sample_count=group.open_sample_count,
        device_count=group.device_count,
        device_ids=tuple(group.device_ids),
        spread=group.spread,
        nearest_labels=tuple((one.label, one.similarity) for one in group.nearest_labels),
        predicted_labels=tuple((one.label, one.sample_count) for one in group.predicted_labels),
        judged_labels=tuple((one.label, one.sample_count) for one in group.judged_labels),
        representative_sample_ids=tuple(group.representative_sample_ids),
        update_time=moment(group, "update_time"),
    )


def count_view(count: drift_service_pb2.DriftCount) -> CountView:
    return CountView(
        event_count=count.event_count,
        state=name_of(drift_pb2.DriftEventState, "DRIFT_EVENT_STATE_", count.state),
        type=name_of(drift_pb2.DriftType, "DRIFT_TYPE_", count.type),
        severity=name_of(drift_pb2.Severity, "SEVERITY_", count.severity),
        cause=name_of(drift_pb2.DriftCause, "DRIFT_CAUSE_", count.cause),
        scope=name_of(drift_pb2.DriftScope, "DRIFT_SCOPE_", count.scope),
        device_id=count.device_id,
        time=moment(count, "hour_time") or moment(count, "day_time"),
    )


def budget_view(budget: drift_service_pb2.LabelBudget) -> BudgetView:
    return BudgetView(
        open_sample_count=budget.open_sample_count,
        open_group_count=budget.open_group_count,
        main_group_count=budget.main_group_count,
    )


def backlog_view(backlog: feedback_pb2.FeedbackBacklog) -> BacklogView:
    return BacklogView(
        device_id=backlog.device_id,
        state=name_of(feedback_pb2.BacklogState, "BACKLOG_STATE_", backlog.state),
        waiting_count=backlog.waiting_count,
        deferred_count=backlog.deferred_count,
        applied_count=backlog.applied_count,
        rejected_count=backlog.rejected_count,
        oldest_waiting_time=moment(backlog, "oldest_waiting_time"),
        acknowledge_time=moment(backlog, "acknowledge_time"),
        last_reason=backlog.last_reason,
    )
