"""No value in any field of any request makes the server fail, or refuse without saying which rule was broken."""

from __future__ import annotations

import re
from typing import Any

import grpc
import pytest
from google.protobuf import message_factory
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message import Message

from demo.server import Server
from tests.e2e.good_requests import GOOD
from tests.e2e.inventory import inventory
from tests.e2e.world import World, channel_of
from tests.support.contract import call_with_bytes, methods
from tests.support.hostile import changes
from tests.support.refusals import read_refusal


def answer_to(server: Server, method: MethodDescriptor, request: Message) -> str:
    """What is wrong with the answer; empty when it is in order."""
    try:
        answer = call_with_bytes(channel_of(server, method), method, request.SerializeToString())
        _ = list(answer) if hasattr(answer, "__next__") else answer
    except grpc.RpcError as error:
        refusal = read_refusal(error)
        if refusal.code in {"INTERNAL", "UNKNOWN", "UNIMPLEMENTED", "DEADLINE_EXCEEDED"}:
            return str(refusal)
        if refusal.reason == "INVALID_FIELD":
            named = re.match(r"\w*", refusal.field)
            known = {*method.input_type.fields_by_name, *method.input_type.oneofs_by_name}
            return "" if named and named[0] in known else f"names no field of the request: {refusal}"
    return ""


@pytest.mark.parametrize("method", methods(), ids=lambda method: method.full_name)
def test_no_field_breaks_the_server(world: World, method: MethodDescriptor) -> None:
    make: Any = GOOD.get(method.name, lambda _: message_factory.GetMessageClass(method.input_type)())
    wrong = {}
    for told, change in changes(make(world)):
        request = make(world)
        change(request)
        if problem := answer_to(world.server, method, request):
            wrong[told] = problem
    assert wrong == {}
    assert inventory(world.server)["devices"], "what was taken can be read"
