"""What people ask and are told of reviewing: agreement, and what was done."""

from tinymlops.v1 import drift_pb2, review_pb2, review_service_pb2
from tinysphere.domain.audit import AuditRecord
from tinysphere.domain.drift import Sample
from tinysphere.drift.agreement import Agreement, PairAgreement
from tinysphere.drift.convert import replies
from tinysphere.drift.convert.limits import MAX_SUBJECT_CHARACTERS
from tinysphere.rpc.checks import optional_timestamp, require_text
from tinysphere.rpc.nouns import to_timestamp
from tinysphere.storage.ports.review import AuditFilter


def read_audit_filter(request: review_service_pb2.ListAuditRecordsRequest) -> AuditFilter:
    """Which records are wanted; raises InvalidFieldError."""
    return AuditFilter(
        subject=require_text("subject", request.subject, 0, MAX_SUBJECT_CHARACTERS),
        after_time=optional_timestamp("after_time", request.after_time),
        before_time=optional_timestamp("before_time", request.before_time),
    )


def audit_record(ordinal: int, record: AuditRecord) -> review_pb2.AuditRecord:
    """The contract's message."""
    return review_pb2.AuditRecord(
        ordinal=ordinal,
        audit_time=to_timestamp(record.audit_time),
        actor=record.actor,
        action=record.action,
        subject=record.subject,
        from_value=record.from_value or "",
        to_value=record.to_value or "",
        reason=record.reason,
    )


def agreement_message(agreement: Agreement) -> review_pb2.Agreement:
    """The contract's message."""
    return review_pb2.Agreement(
        sample_count=agreement.sample_count,
        unanimous_count=agreement.unanimous_count,
        fleiss_kappa=agreement.fleiss_kappa,
        pairs=map(_pair_message, agreement.pairs),
    )


def disagreement(sample: Sample) -> drift_pb2.Sample:
    """The contract's message, without picture and vector."""
    message = replies.sample(sample)
    message.ClearField("embedding")
    return message


def _pair_message(pair: PairAgreement) -> review_pb2.PairAgreement:
    return review_pb2.PairAgreement(
        first_reviewer=pair.first_reviewer,
        second_reviewer=pair.second_reviewer,
        sample_count=pair.sample_count,
        agreed_count=pair.agreed_count,
        cohen_kappa=pair.cohen_kappa,
    )
