"""NotificationService."""

import grpc

from tinymlops.v1 import notification_service_pb2 as pb2
from tinymlops.v1 import notification_service_pb2_grpc
from tinysphere.domain.clock import Clock
from tinysphere.notification import convert
from tinysphere.notification.courier import Courier
from tinysphere.notification.rules import Rules
from tinysphere.rpc.checks import require_text
from tinysphere.rpc.pages import cut
from tinysphere.rpc.paging import read_page
from tinysphere.storage.ports.notifications import NotificationStore


class NotificationServicer(notification_service_pb2_grpc.NotificationServiceServicer):
    """See `protos/tinymlops/v1/notification_service.proto`."""

    def __init__(self, rules: Rules, courier: Courier, store: NotificationStore, clock: Clock) -> None:
        self._rules = rules
        self._courier = courier
        self._store = store
        self._clock = clock

    def PutNotificationRule(
        self, request: pb2.PutNotificationRuleRequest, context: grpc.ServicerContext
    ) -> pb2.PutNotificationRuleResponse:
        rule, urls = convert.read_rule(request, update_time=self._clock.now())
        return pb2.PutNotificationRuleResponse(rule=convert.rule_message(self._rules.put(rule, urls)))

    def ListNotificationRules(
        self, request: pb2.ListNotificationRulesRequest, context: grpc.ServicerContext
    ) -> pb2.ListNotificationRulesResponse:
        return pb2.ListNotificationRulesResponse(rules=map(convert.rule_message, self._store.rules()))

    def DeleteNotificationRule(
        self, request: pb2.DeleteNotificationRuleRequest, context: grpc.ServicerContext
    ) -> pb2.DeleteNotificationRuleResponse:
        rule_id, reviewer = convert.read_deletion(request)
        self._rules.delete(rule_id, reviewer=reviewer)
        return pb2.DeleteNotificationRuleResponse()

    def TestNotificationRule(
        self, request: pb2.TestNotificationRuleRequest, context: grpc.ServicerContext
    ) -> pb2.TestNotificationRuleResponse:
        rule_id = require_text("rule_id", request.rule_id, 1, convert.MAX_LOOKUP_CHARACTERS)
        deliveries = self._courier.test(rule_id, is_wanted=context.is_active)
        return pb2.TestNotificationRuleResponse(deliveries=map(convert.delivery_message, deliveries))

    def ListNotificationDeliveries(
        self, request: pb2.ListNotificationDeliveriesRequest, context: grpc.ServicerContext
    ) -> pb2.ListNotificationDeliveriesResponse:
        rule_id = require_text("rule_id", request.rule_id, 0, convert.MAX_LOOKUP_CHARACTERS)
        page = read_page(request.page_size, request.page_token, filters=rule_id, key=(int,))
        after = None if page.after is None else int(page.after[0])
        messages, token = cut(
            self._store.page(rule_id, after=after, limit=page.size + 1),
            page.size,
            convert=convert.delivery_message,
            key=lambda delivery: (delivery.ordinal,),
            filters=rule_id,
        )
        return pb2.ListNotificationDeliveriesResponse(deliveries=messages, next_page_token=token)
